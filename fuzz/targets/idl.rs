//! Any bytes are a file or have mistakes, and a file that is printed is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thrill_idl::{Diagnostics, FileId, Memory, Options, load_from, parse_str, print};

fuzz_target!(|data: &[u8]| {
    let files = Memory::new().with("a.thrift", data).with("b.thrift", "struct B {} enum E { P }");
    let loaded = load_from(&files, "a.thrift", &Options::default());
    let _ = loaded.diagnostics.render(&loaded.sources);
    for file in &loaded.program.files {
        let _ = print(&loaded.program.to_ast(file.id));
    }

    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut diagnostics = Diagnostics::default();
    let file = parse_str(text, FileId(0), &mut diagnostics);
    if diagnostics.has_errors() {
        return;
    }
    let printed = print(&file);
    let again = parse_str(&printed, FileId(0), &mut diagnostics);
    assert!(!diagnostics.has_errors(), "what was printed is read: {printed}");
    assert_eq!(print(&again), printed);
});
