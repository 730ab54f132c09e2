//! Tests that cannot run here.

use std::io::Write as _;

/// Says loudly what is not tested, and what to do for it to be.
///
/// Not by `eprintln!`: what a test that passes prints by that is shown to nobody.
pub fn say_skipped(what: &str, remedy: &str) {
    let text = format!("\n!!! SKIPPED: {what}: {remedy}\n\n");
    // Where no one can be told, no one reads it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
