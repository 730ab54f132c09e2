//! Mistakes in the IDL as errors of the compiler.

use thrill_idl::{Diagnostic, Loaded, Severity};

use super::place::Places;
use crate::diag::Diag;

/// Tells every error where rustc can point: with place, line and caret in its text where that is not in the IDL itself.
pub(super) fn report(loaded: &Loaded, places: &Places, diag: &mut Diag) {
    for diagnostic in loaded.diagnostics.errors() {
        let text =
            if places.is_elsewhere(diagnostic.span) { diagnostic.render(&loaded.sources) } else { message(diagnostic) };
        diag.error(&places.marked(diagnostic.span), text);
    }
    for (file, source) in loaded.sources.iter() {
        let dropped = loaded.diagnostics.dropped(file, Severity::Error);
        if dropped > 0 {
            let at = places.marked(thrill_idl::Span::new(file, 0, 0));
            diag.error(&at, format!("{}: {dropped} more errors like these", source.path.display()));
        }
    }
    if crate::is_debug() {
        for warning in loaded.diagnostics.warnings() {
            eprintln!("warning: {}", warning.render(&loaded.sources));
        }
    }
}

/// The text of an error that rustc itself shows in its line.
fn message(diagnostic: &Diagnostic) -> String {
    let help = diagnostic.help.iter().map(|help| format!("; {help}"));
    std::iter::once(diagnostic.message.clone()).chain(help).collect()
}
