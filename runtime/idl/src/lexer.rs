//! Text to tokens and comments. A mistake is reported here and leaves a [`Kind::Bad`] token.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::{FileId, Span};

/// What a token is. Keywords are names: which names are keywords depends on the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Int,
    Double,
    String,
    /// One of `{}()[]<>,;:=&*@`.
    Mark(u8),
    /// What is no token; reported.
    Bad,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentKind {
    /// `// text` or `# text`
    Line,
    /// `/* text */`
    Block,
    /// `/** text */`
    Doc,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Comment {
    pub(crate) kind: CommentKind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The index of the token that follows.
    pub(crate) before: u32,
    /// Whether no token stands before it on its line.
    pub(crate) own_line: bool,
}

pub(crate) struct Lexed {
    /// The last one is [`Kind::End`].
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
}

pub(crate) fn lex(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Lexed {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 },
        file,
        diagnostics,
        // A guess that is seldom too small.
        tokens: Vec::with_capacity(text.len() / 5 + 2),
        comments: Vec::new(),
        endless: Vec::new(),
    };
    lexer.run();
    Lexed { tokens: lexer.tokens, comments: lexer.comments }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    file: FileId,
    diagnostics: &'a mut Diagnostics,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
    /// Quotes that have no other after them.
    endless: Vec<u8>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        // Whether a line has ended since the last token.
        let mut own_line = true;
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            let kind = match byte {
                b'\n' | b'\r' => {
                    own_line = true;
                    self.at += 1;
                    continue;
                }
                b' ' | b'\t' | 0x0b | 0x0c => {
                    self.at += 1;
                    continue;
                }
                b'#' => {
                    self.line_comment(own_line);
                    continue;
                }
                b'/' if self.peek(1) == Some(b'/') => {
                    self.line_comment(own_line);
                    continue;
                }
                b'/' if self.peek(1) == Some(b'*') => {
                    self.block_comment(own_line);
                    continue;
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.name(),
                b'0'..=b'9' => self.number(),
                b'+' | b'-' if matches!(self.peek(1), Some(b'0'..=b'9')) => self.number(),
                b'+' | b'-' if self.peek(1) == Some(b'.') && self.is_digit(2) => self.number(),
                b'.' if self.is_digit(1) => self.number(),
                b'"' | b'\'' => self.string(byte),
                b'{' | b'}' | b'(' | b')' | b'[' | b']' | b'<' | b'>' | b',' | b';' | b':' | b'=' | b'&' | b'*'
                | b'@' => {
                    self.at += 1;
                    Kind::Mark(byte)
                }
                _ => self.unexpected(),
            };
            self.push(kind, start);
            own_line = false;
        }
        self.push(Kind::End, self.at);
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn is_digit(&self, ahead: usize) -> bool {
        self.peek(ahead).is_some_and(|byte| byte.is_ascii_digit())
    }

    fn push(&mut self, kind: Kind, start: usize) {
        let span = self.span(start);
        self.tokens.push(Token { kind, start: span.start, end: span.end });
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start, self.at)
    }

    fn bad(&mut self, start: usize, message: String, help: &str) -> Kind {
        let diagnostic = Diagnostic::error(self.span(start), message);
        self.diagnostics.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
        Kind::Bad
    }

    fn skip_while(&mut self, is: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&is) {
            self.at += 1;
        }
    }

    /// A name, with dots where a name may have dots. What follows a dot may be a digit, as in Apache Thrift.
    fn name(&mut self) -> Kind {
        loop {
            self.skip_while(is_name);
            if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(is_name) {
                self.at += 1;
            } else {
                return Kind::Name;
            }
        }
    }

    fn number(&mut self) -> Kind {
        let start = self.at;
        if matches!(self.peek(0), Some(b'+' | b'-')) {
            self.at += 1;
        }
        let kind = match (self.peek(0), self.peek(1)) {
            (Some(b'0'), Some(b'x')) if self.peek(2).is_some_and(|byte| byte.is_ascii_hexdigit()) => {
                self.at += 2;
                self.skip_while(|byte| byte.is_ascii_hexdigit());
                Kind::Int
            }
            (Some(b'0'), Some(b'o')) if self.is_digit(2) => {
                self.at += 2;
                self.skip_while(|byte| matches!(byte, b'0'..=b'7'));
                Kind::Int
            }
            _ => self.decimal(),
        };
        if self.peek(0) == Some(b'.') && !self.is_digit(1) {
            self.at += 1;
            self.skip_while(is_name);
            let help = "write a digit after the point: `5.0`";
            return self.bad(start, format!("`{}` is not a number", &self.text[start..self.at]), help);
        }
        if self.peek(0).is_some_and(is_name) {
            self.skip_while(is_name);
            let text = &self.text[start..self.at];
            let (message, help) = if text.trim_start_matches(['+', '-']).starts_with("0X") {
                (format!("`{text}` is not a number"), "write the `x` of a hexadecimal number small: `0x1f`")
            } else {
                (format!("`{text}` is neither a number nor a name"), "a name begins with a letter or `_`")
            };
            return self.bad(start, message, help);
        }
        kind
    }

    /// `1`, `1.5`, `.5`, `1e3`, `1.5e-3`
    fn decimal(&mut self) -> Kind {
        let mut kind = Kind::Int;
        self.skip_while(|byte| byte.is_ascii_digit());
        if self.peek(0) == Some(b'.') && self.is_digit(1) {
            kind = Kind::Double;
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
        if matches!(self.peek(0), Some(b'e' | b'E')) && self.is_digit(1 + sign) {
            kind = Kind::Double;
            self.at += 1 + sign;
            self.skip_while(|byte| byte.is_ascii_digit());
        }
        kind
    }

    /// A string with its quotes. Escapes are looked at when its value is asked for.
    fn string(&mut self, quote: u8) -> Kind {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0).filter(|_| !self.endless.contains(&quote)) {
            self.at += 1;
            if byte == quote {
                return Kind::String;
            }
            if byte == b'\\' && self.peek(0).is_some() {
                self.at += 1;
            }
        }
        // The rest of the file is not all string: go on after this line.
        self.at = start;
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
        let help = format!("end it with `{}`", char::from(quote));
        let mut diagnostic = Diagnostic::error(self.span(start), "this string has no end").help(help);
        // A string may go over lines: where an earlier one has no end, it is this one's beginning that ends it.
        let is_first = self.endless.is_empty();
        let earlier = || self.tokens.iter().rev().find_map(|token| self.string_over_lines(*token));
        if let Some(span) = is_first.then(earlier).flatten() {
            diagnostic = diagnostic.note(span, STRING_OVER_LINES);
        }
        // What ends no string here ends none of those that follow: nobody needs to look again.
        if !self.endless.contains(&quote) {
            self.endless.push(quote);
        }
        self.diagnostics.push(diagnostic);
        Kind::Bad
    }

    /// The place of a string that goes over lines.
    fn string_over_lines(&self, token: Token) -> Option<Span> {
        let span = Span { file: self.file, start: token.start, end: token.end };
        (token.kind == Kind::String && self.text[span.range()].contains(['\n', '\r'])).then_some(span)
    }

    fn line_comment(&mut self, own_line: bool) {
        let start = self.at;
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
        self.comment(CommentKind::Line, start, own_line);
    }

    fn block_comment(&mut self, own_line: bool) {
        let start = self.at;
        let Some(length) = self.text[start + 2..].find("*/") else {
            self.at = start + 2;
            self.bad(start, "this comment has no end".to_owned(), "end it with `*/`");
            self.at = self.bytes.len();
            return;
        };
        self.at = start + 2 + length + 2;
        // `/**/` and lines of stars say nothing.
        let inner = &self.bytes[start + 2..start + 2 + length];
        let is_doc = inner.first() == Some(&b'*') && inner.iter().any(|byte| *byte != b'*');
        self.comment(if is_doc { CommentKind::Doc } else { CommentKind::Block }, start, own_line);
    }

    fn comment(&mut self, kind: CommentKind, start: usize, own_line: bool) {
        let Span { start, end, .. } = self.span(start);
        let before = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        self.comments.push(Comment { kind, start, end, before, own_line });
    }

    fn unexpected(&mut self) -> Kind {
        let start = self.at;
        let first = self.text[start..].chars().next().unwrap_or_default();
        if !first.is_ascii() {
            // The whole word, not each of its letters.
            self.skip_while(|byte| byte >= 0x80 || is_name(byte));
            let help = "a name has only the letters A to Z, digits and `_`; other text stands in strings and comments";
            return self.bad(start, format!("unexpected character `{}`", first.escape_debug()), help);
        }
        self.at += 1;
        let help = match first {
            '-' => "a name has no `-`; a file whose name has one can be included, but nothing in it can be referred to",
            '.' => "a name with dots has no space in it",
            '$' => "a name has only letters, digits and `_`",
            '/' => "a comment begins with `//`, `/*` or `#`",
            _ => "",
        };
        self.bad(start, format!("unexpected character `{}`", first.escape_debug()), help)
    }
}

/// What is said of a string whose end may be missing.
pub(crate) const STRING_OVER_LINES: &str = "this string goes over lines: is its end missing?";

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
