//! Tokens to a file's syntax tree: recursive descent, one function for each rule of the grammar.
//!
//! A mistake is reported where it is found and leaves as [`Failed`] the rules that cannot go on. Lists (of definitions,
//! fields, values of enums, functions) catch it, skip to the next element, and keep what is healthy.

mod definition;
mod expression;
mod member;

use crate::ast;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::docs;
use crate::lexer::{self, Comment, Kind, STRING_OVER_LINES, Token};
use crate::span::{FileId, Span};

/// Parses a file. All of it that has no mistakes is in the result.
pub(crate) fn parse(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> ast::File {
    let lexed = lexer::lex(text, file, diagnostics);
    let mut parser = Parser {
        text,
        file,
        tokens: lexed.tokens,
        comments: lexed.comments,
        at: 0,
        comment: 0,
        depth: 0,
        broken: Vec::new(),
        dialect: Vec::new(),
        diagnostics,
    };
    parser.file()
}

/// A mistake that has been reported already.
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// How deep types and values may nest: a bound on the stack here and in all that follows.
pub(crate) const MAX_DEPTH: usize = 64;

struct Parser<'a> {
    text: &'a str,
    file: FileId,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
    /// The next token.
    at: usize,
    /// The first comment that no earlier token has behind it.
    comment: usize,
    depth: usize,
    broken: Vec<ast::Name>,
    /// The words of another dialect that were reported already: one error each is enough.
    dialect: Vec<&'a str>,
    diagnostics: &'a mut Diagnostics,
}

// Tokens.
impl<'a> Parser<'a> {
    fn token(&self, ahead: usize) -> Token {
        // The last token is the end, and stays the next one for ever.
        let last = self.tokens.len() - 1;
        self.tokens[(self.at + ahead).min(last)]
    }

    fn kind(&self) -> Kind {
        self.token(0).kind
    }

    fn is(&self, mark: u8) -> bool {
        self.kind() == Kind::Mark(mark)
    }

    fn is_at(&self, ahead: usize, mark: u8) -> bool {
        self.token(ahead).kind == Kind::Mark(mark)
    }

    fn is_name_at(&self, ahead: usize) -> bool {
        self.token(ahead).kind == Kind::Name
    }

    /// The text of a token.
    fn text_at(&self, ahead: usize) -> &'a str {
        let token = self.token(ahead);
        &self.text[token.start as usize..token.end as usize]
    }

    /// The next token if it is a name, else nothing.
    fn word(&self) -> &'a str {
        if self.kind() == Kind::Name { self.text_at(0) } else { "" }
    }

    fn span(&self) -> Span {
        let token = self.token(0);
        Span { file: self.file, start: token.start, end: token.end }
    }

    /// The span of the token before the next one.
    fn last_span(&self) -> Span {
        let token = self.tokens[self.at.saturating_sub(1)];
        Span { file: self.file, start: token.start, end: token.end }
    }

    fn next(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn eat(&mut self, mark: u8) -> bool {
        let is = self.is(mark);
        if is {
            self.next();
        }
        is
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self.word() == word;
        if is {
            self.next();
        }
        is
    }

    /// Skips what may stand between elements of a list.
    fn separators(&mut self) {
        while self.eat(b',') || self.eat(b';') {}
    }

    /// Whether the next token is the first on its line.
    fn begins_line(&self) -> bool {
        let end = self.tokens.get(self.at.wrapping_sub(1)).map_or(0, |token| token.end as usize);
        self.at == 0
            || self.text.as_bytes()[end..self.token(0).start as usize].iter().any(|byte| matches!(byte, b'\n' | b'\r'))
    }
}

// Mistakes.
impl Parser<'_> {
    fn report(&mut self, diagnostic: Diagnostic) -> Failed {
        self.diagnostics.push(diagnostic);
        Failed
    }

    /// Says that something else should stand here.
    fn expected(&mut self, what: &str) -> Failed {
        self.expected_with(what, |diagnostic| diagnostic)
    }

    fn expected_with(&mut self, what: &str, add: impl FnOnce(Diagnostic) -> Diagnostic) -> Failed {
        // A bad token has been reported, and says more than that something else was expected.
        if self.kind() == Kind::Bad {
            return Failed;
        }
        let mut diagnostic = Diagnostic::error(self.span(), format!("expected {what}, found {}", self.found()));
        let last = self.last_span();
        if self.at > 0
            && self.tokens[self.at - 1].kind == Kind::String
            && self.text[last.range()].contains(['\n', '\r'])
        {
            diagnostic = diagnostic.note(last, STRING_OVER_LINES);
        }
        self.report(add(diagnostic))
    }

    /// The next token as messages name it.
    fn found(&self) -> String {
        match self.kind() {
            Kind::End => "the end of the file".to_owned(),
            Kind::String => "a string".to_owned(),
            _ => format!("`{}`", shortened(self.text_at(0))),
        }
    }

    /// A bracket that ends what was opened elsewhere. Where it is missing, it is taken for written.
    fn close(&mut self, mark: u8, what: &str, opened: Span) {
        if !self.eat(mark) {
            let what = format!("`{}` to end {what}", char::from(mark));
            self.expected_with(&what, |diagnostic| diagnostic.note(opened, "opened here"));
        }
    }

    fn name(&mut self, what: &str) -> Parsed<ast::Name> {
        if self.kind() != Kind::Name {
            return Err(self.expected(what));
        }
        let name = ast::Name { text: self.text_at(0).to_owned(), span: self.span() };
        self.next();
        Ok(name)
    }

    /// A name that is declared: it has no dots.
    fn declared_name(&mut self, what: &str) -> Parsed<ast::Name> {
        let name = self.name(what)?;
        if name.text.contains('.') {
            let message = format!("`{}` cannot be declared: a name with a dot refers to another file", name.text);
            let help = format!("write `{}`", name.text.replace('.', "_"));
            return Err(self.report(Diagnostic::error(name.span, message).help(help)));
        }
        Ok(name)
    }
}

// Lists that go on after a mistake.
impl Parser<'_> {
    /// The elements of a `{ … }` that has been opened, up to its end. Returns whether all of them are healthy.
    fn block(&mut self, what: &str, opened: Span, mut element: impl FnMut(&mut Self) -> Parsed<()>) -> bool {
        let mut healthy = true;
        loop {
            self.separators();
            if self.is(b'}') {
                self.next();
                return healthy;
            }
            if self.kind() == Kind::End || self.is_definition() {
                self.close(b'}', what, opened);
                return false;
            }
            let start = self.at;
            if element(self).is_err() {
                healthy = false;
                if self.at == start && !self.is(b'}') {
                    self.next();
                }
                self.skip_to_element(start);
            }
        }
    }

    /// The elements of a `( … )` that has been opened, up to its end.
    fn parenthesized(
        &mut self,
        what: &str,
        opened: Span,
        mut element: impl FnMut(&mut Self) -> Parsed<()>,
    ) -> Parsed<()> {
        let mut healthy = Ok(());
        loop {
            self.separators();
            if self.eat(b')') {
                return healthy;
            }
            let is_function = matches!(self.word(), "void" | "oneway") && self.begins_line();
            if matches!(self.kind(), Kind::End | Kind::Mark(b'{' | b'}')) || is_function || self.is_definition() {
                self.close(b')', what, opened);
                return Err(Failed);
            }
            let start = self.at;
            if element(self).is_err() {
                healthy = Err(Failed);
                if self.at == start {
                    self.next();
                }
                self.skip_in_parentheses();
            }
        }
    }

    /// After a mistake: to the next element of a block, or its end.
    fn skip_to_element(&mut self, start: usize) {
        // A `)` or `]` that was never opened ends nothing here.
        let (mut braces, mut brackets) = (0usize, 0usize);
        loop {
            match self.kind() {
                Kind::End => return,
                Kind::Mark(b'}') if braces == 0 => return,
                Kind::Mark(b'}') => braces -= 1,
                Kind::Mark(b'{') => braces += 1,
                Kind::Mark(b'(' | b'[') => brackets += 1,
                Kind::Mark(b')' | b']') => brackets = brackets.saturating_sub(1),
                Kind::Mark(b',' | b';') if braces == 0 && brackets == 0 => return,
                Kind::Name | Kind::Int if self.at > start && self.begins_line() && braces == 0 && brackets == 0 => {
                    return;
                }
                _ if self.at > start && self.is_definition() => return,
                _ => {}
            }
            self.next();
        }
    }

    /// After a mistake: to the next element between parentheses, or their end.
    fn skip_in_parentheses(&mut self) {
        let mut open = 0usize;
        loop {
            match self.kind() {
                Kind::End | Kind::Mark(b'{' | b'}') => return,
                Kind::Mark(b')') if open == 0 => return,
                Kind::Mark(b'(' | b'[') => open += 1,
                Kind::Mark(b')' | b']') => open = open.saturating_sub(1),
                Kind::Mark(b',' | b';') if open == 0 => return,
                _ if self.is_definition() => return,
                _ => {}
            }
            self.next();
        }
    }

    /// Skips from an opening bracket to behind the one that closes it.
    fn skip_balanced(&mut self) {
        let mut open = 0usize;
        loop {
            match self.kind() {
                Kind::End => return,
                Kind::Mark(b'{' | b'(' | b'[' | b'<') => open += 1,
                Kind::Mark(b'}' | b')' | b']' | b'>') => open = open.saturating_sub(1),
                _ => {}
            }
            self.next();
            if open == 0 {
                return;
            }
        }
    }
}

// Documentation.
impl Parser<'_> {
    /// The documentation before the next token.
    fn docs_before(&mut self) -> String {
        if self.comments.is_empty() {
            return String::new();
        }
        let comments = self.comments_here();
        let found = docs::before(self.text, &self.comments[comments.clone()], self.token(0).start);
        self.comment = comments.start;
        found
    }

    /// The documentation of what has just been parsed: what was found before it, or else what ends its line.
    fn docs_after(&mut self, found: String) -> String {
        if !found.is_empty() || self.comments.is_empty() {
            return found;
        }
        let comments = self.comments_here();
        docs::after(self.text, &self.comments[comments])
    }

    /// The comments between the last token and the next.
    fn comments_here(&mut self) -> std::ops::Range<usize> {
        let is_before = |one: &Comment| (one.before as usize) < self.at;
        while self.comments.get(self.comment).is_some_and(is_before) {
            self.comment += 1;
        }
        let here = self.comments[self.comment..].iter().take_while(|one| one.before as usize == self.at).count();
        self.comment..self.comment + here
    }
}

/// A token of any length as it fits into a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}
