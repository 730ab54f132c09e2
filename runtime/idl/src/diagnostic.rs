//! What is wrong with a file, and how it is told.

use std::fmt::{self, Write as _};

use crate::source::{Location, Sources};
use crate::span::{FileId, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It works, and may not mean what it seems to.
    Warning,
    /// What is said here is not in the [`Program`](crate::model::Program).
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A mistake, the place where it is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Other places that matter: where a bracket was opened, a name first used.
    pub notes: Vec<Note>,
    /// What to do.
    pub help: Option<String>,
}

/// Another place that matters to a [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is there.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl Diagnostic {
    /// An error.
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), span, notes: Vec::new(), help: None }
    }

    /// A warning.
    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Adds another place.
    #[must_use]
    pub fn note(mut self, span: Span, message: impl Into<String>) -> Self {
        self.notes.push(Note { message: message.into(), span });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The file, line and column.
    #[must_use]
    pub fn location(&self, sources: &Sources) -> Option<Location> {
        sources.locate(self.span)
    }

    /// `file:line:column: message`, the line with a caret, the notes with theirs, and the help. It does not say whether it
    /// is an error or a warning, and has no line break at its end.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = String::new();
        if let Some(Location { path, line, column }) = self.location(sources) {
            let _ = write!(text, "{}:{line}:{column}: ", path.display());
        }
        text.push_str(&self.message);
        snippet(&mut text, sources, self.span, "");
        for note in &self.notes {
            snippet(&mut text, sources, note.span, &note.message);
        }
        if let Some(help) = &self.help {
            let _ = write!(text, "\n   = help: {help}");
        }
        text
    }
}

/// Appends the line of a span, and below it a caret under each character of the span.
pub(crate) fn snippet(text: &mut String, sources: &Sources, span: Span, label: &str) {
    let Some(file) = sources.get(span.file) else { return };
    let (number, column, start) = file.line_at(span.start as usize);
    let (line, skipped) = file.line_around(start, span.start as usize, MOST_COLUMNS);
    let shown = line.trim_end();
    let _ = write!(text, "\n  --> {}:{number}:{column}", file.path.display());
    let length = file.text.get(span.range()).map_or(1, |text| text.chars().take(MOST_COLUMNS).count());
    let before = column - 1 - skipped;
    let carets = "^".repeat(length.min(shown.chars().count().saturating_sub(before)).max(1));
    let number = number.to_string();
    let width = number.len().max(3);
    let _ = write!(text, "\n{:width$} |\n{number:>width$} | {shown}\n{:width$} | {:before$}{carets}", "", "", "");
    if !label.is_empty() {
        let _ = write!(text, " {label}");
    }
    while text.ends_with(' ') {
        text.pop();
    }
}

/// How much of a line is shown.
const MOST_COLUMNS: usize = 160;

/// All that is wrong: at most [`MOST_PER_FILE`](Self::MOST_PER_FILE) errors and as many warnings of each file.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// By file: errors and warnings, also those that are not kept.
    counts: Vec<[usize; 2]>,
}

impl Diagnostics {
    /// How many errors, and how many warnings, of one file are kept. The others are counted.
    pub const MOST_PER_FILE: usize = 20;

    /// Adds one, if its file has not too many of them already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let file = diagnostic.span.file.index();
        if self.counts.len() <= file {
            self.counts.resize(file + 1, [0; 2]);
        }
        let count = &mut self.counts[file][diagnostic.severity as usize];
        *count += 1;
        if *count <= Self::MOST_PER_FILE {
            self.list.push(diagnostic);
        }
    }

    /// Whether anything is wrong enough to stop.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.counts.iter().any(|count| count[Severity::Error as usize] > 0)
    }

    /// Those that are kept, by file and place.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// The errors that are kept.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter().filter(|one| one.severity == Severity::Error)
    }

    /// The warnings that are kept.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.iter().filter(|one| one.severity == Severity::Warning)
    }

    /// How many of one file and severity were dropped because there are too many.
    #[must_use]
    pub fn dropped(&self, file: FileId, severity: Severity) -> usize {
        let counts = self.counts.get(file.index()).copied().unwrap_or_default();
        counts[severity as usize].saturating_sub(Self::MOST_PER_FILE)
    }

    /// All of them as a text for people, each as `error: ` or `warning: ` and [`Diagnostic::render`], with an empty line
    /// after each.
    #[must_use]
    pub fn render(&self, sources: &Sources) -> String {
        let mut text = String::new();
        for one in &self.list {
            let _ = write!(text, "{}: {}\n\n", one.severity, one.render(sources));
        }
        for (id, file) in sources.iter() {
            for severity in [Severity::Error, Severity::Warning] {
                let dropped = self.dropped(id, severity);
                if dropped > 0 {
                    let _ = write!(text, "{severity}: {}: {dropped} more like these\n\n", file.path.display());
                }
            }
        }
        text
    }

    /// Puts them into the order of their files and places.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by_key(|one| (one.span.file, one.span.start));
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
