//! Expansions for people.

use std::io::Write;
use std::process::{Command, Stdio};

/// The text as rustfmt has it, if there is one.
pub(crate) fn formatted(text: &str) -> Option<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = rustfmt.stdin.take()?;
    let text = text.to_owned();
    // It may begin to answer before it has read everything.
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = rustfmt.wait_with_output().ok()?;
    let written = writer.join().is_ok_and(|result| result.is_ok());
    (written && output.status.success()).then(|| String::from_utf8(output.stdout).ok())?
}
