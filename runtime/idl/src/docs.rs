//! Comments to documentation.

use crate::lexer::{Comment, CommentKind};

/// The documentation that stands before a token: the last doc comment, or else the line comments right above.
pub(crate) fn before(text: &str, comments: &[Comment], token_start: u32) -> String {
    if let Some(doc) = comments.iter().rev().find(|one| one.kind == CommentKind::Doc && !is_trailing(text, one)) {
        return block(&text[doc.start as usize..doc.end as usize]);
    }
    let mut first = comments.len();
    let mut next = token_start;
    while let Some(comment) = first.checked_sub(1).map(|at| &comments[at]) {
        let touches = line_ends(text, comment.end, next) == 1;
        if comment.kind != CommentKind::Line || !comment.own_line || !touches {
            break;
        }
        next = comment.start;
        first -= 1;
    }
    lines(text, &comments[first..])
}

/// The documentation that follows on the line on which something ends.
pub(crate) fn after(text: &str, comments: &[Comment]) -> String {
    match comments.first() {
        Some(comment) if is_trailing(text, comment) => match comment.kind {
            CommentKind::Line => lines(text, &comments[..1]),
            CommentKind::Block | CommentKind::Doc => block(&text[comment.start as usize..comment.end as usize]),
        },
        _ => String::new(),
    }
}

/// Whether a comment follows a token on its line and ends that line.
fn is_trailing(text: &str, comment: &Comment) -> bool {
    let rest = &text[comment.end as usize..];
    !comment.own_line
        && (comment.kind == CommentKind::Line || {
            let rest = rest.trim_start_matches([' ', '\t']);
            rest.is_empty() || rest.starts_with(['\n', '\r'])
        })
}

fn line_ends(text: &str, from: u32, to: u32) -> usize {
    let between = text.get(from as usize..to as usize).unwrap_or_default();
    let bytes = between.as_bytes();
    let ends = |(at, byte): (usize, &u8)| *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(|one| ends(*one)).count()
}

fn lines(text: &str, comments: &[Comment]) -> String {
    let content = |comment: &Comment| {
        let line = &text[comment.start as usize..comment.end as usize];
        if line.starts_with('#') { line.trim_start_matches('#') } else { line.trim_start_matches('/') }
    };
    let mut joined = String::new();
    join(&mut joined, comments.iter().map(content).collect());
    joined
}

/// The text of `/* … */` or `/** … */`, without the stars before its lines.
fn block(comment: &str) -> String {
    let inner = comment.strip_prefix("/*").and_then(|text| text.strip_suffix("*/")).unwrap_or_default();
    let inner = inner.trim_start_matches('*').trim_end_matches('*');
    // Of CR LF the CR is space at the end of a line.
    let is_lone_cr = |(at, _): &(usize, &str)| !inner[at + 1..].starts_with('\n');
    let has_lone_cr = inner.match_indices('\r').any(|found| is_lone_cr(&found));
    let mut all: Vec<&str> =
        if has_lone_cr { inner.split(['\n', '\r']).collect() } else { inner.split('\n').collect() };
    let rest = &mut all[1..];
    let has_star = |line: &&str| line.trim_start().starts_with('*') || line.trim().is_empty();
    if rest.iter().all(has_star) {
        for line in rest {
            let trimmed = line.trim_start();
            *line = trimmed.strip_prefix('*').unwrap_or(trimmed);
        }
    }
    // The first line stands behind the mark: its indent says nothing about the others.
    let mut joined = all.remove(0).trim().to_owned();
    join(&mut joined, all);
    joined
}

/// Appends lines without the space that all of them begin with, and without empty lines around them.
fn join(joined: &mut String, mut lines: Vec<&str>) {
    for line in &mut lines {
        *line = line.trim_end();
    }
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    let Some(last) = lines.iter().rposition(|line| !line.is_empty()) else { return };
    // Empty lines stay between what is said, not before it.
    let first = if joined.is_empty() { lines.iter().position(|line| !line.is_empty()).unwrap_or(0) } else { 0 };
    for line in &lines[first..=last] {
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(line.get(common..).unwrap_or_default());
    }
}
