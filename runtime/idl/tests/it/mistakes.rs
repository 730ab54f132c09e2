//! Files with mistakes, and all that is told about them: each `mistakes/x.thrift` has a `mistakes/x.txt`.

use thrill_idl::{Options, load_from};

use crate::{Folder, assert_golden, folder, thrift_files};

#[test]
fn mistakes_are_told_with_their_place_and_what_to_do() {
    let folder = folder("mistakes");
    let mut mistakes = Vec::new();
    for name in thrift_files(&folder) {
        let loaded = load_from(&Folder(folder.clone()), &name, &Options::default());
        let text = loaded.diagnostics.render(&loaded.sources);
        assert_ne!(text, "", "{name} has no mistake");
        assert_golden(&folder.join(name.replace(".thrift", ".txt")), &text, &mut mistakes);
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}
