//! What a user sees for each mistake. `TRYBUILD=overwrite cargo test ui` writes the expected output anew.

/// The messages of the macros are theirs alone, and the same with every compiler; a few cases show rustc's own words
/// around them, so the expected output is that of the stable compiler CI has.
#[test]
fn mistakes_are_shown_as_expected() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
