//! What a user sees for each mistake. `TRYBUILD=overwrite cargo test ui` writes the expected output anew.

use std::fs;
use std::path::Path;

/// The messages of the macros are theirs alone, and the same with every compiler; a few cases show rustc's own words
/// around them, so the expected output is that of the stable compiler CI has.
#[test]
fn mistakes_are_shown_as_expected() {
    bring_idl();
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}

/// Trybuild compiles the cases in a package that it makes, and macros read files below the package.
fn bring_idl() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is inside the target folder");
    let package = target.join("tests/trybuild/thrill-tests/ui");
    fs::create_dir_all(&package).expect("the target folder can be written");
    for file in fs::read_dir("ui").expect("the cases are here").flatten() {
        if file.path().extension().is_some_and(|end| end == "thrift") {
            fs::copy(file.path(), package.join(file.file_name())).expect("the target folder can be written");
        }
    }
}
