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
        let line = if line.starts_with('#') { line.trim_start_matches('#') } else { line.trim_start_matches('/') };
        line.to_owned()
    };
    join(comments.iter().map(content).collect())
}

/// The text of `/* … */` or `/** … */`, without the stars before its lines.
fn block(comment: &str) -> String {
    let inner = comment.strip_prefix("/*").and_then(|text| text.strip_suffix("*/")).unwrap_or_default();
    let inner = inner.trim_start_matches('*').trim_end_matches('*');
    let mut all: Vec<String> = inner.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect();
    let rest = &mut all[1..];
    let has_star = |line: &String| line.trim_start().starts_with('*') || line.trim().is_empty();
    if rest.iter().all(has_star) {
        for line in rest {
            let trimmed = line.trim_start();
            *line = trimmed.strip_prefix('*').unwrap_or(trimmed).to_owned();
        }
    }
    // The first line stands behind the mark: its indent says nothing about the others.
    all[0] = all[0].trim().to_owned();
    if all[0].is_empty() {
        return join(all);
    }
    let first = all.remove(0);
    let rest = join(all);
    if rest.is_empty() { first } else { format!("{first}\n{rest}") }
}

/// Lines without the space that all of them begin with, and without empty lines around them.
fn join(mut lines: Vec<String>) -> String {
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    let indent = |line: &String| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines.iter().filter(|line| !line.is_empty()).map(indent).min().unwrap_or(0);
    let stripped: Vec<&str> = lines.iter().map(|line| line.get(common..).unwrap_or_default()).collect();
    stripped.join("\n").trim_matches('\n').to_owned()
}
