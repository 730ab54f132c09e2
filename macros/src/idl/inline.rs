//! The text of `thrift! { … }`, made of its tokens, and the way back from the text to them.

use std::ops::Range;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Lit, LitStr};

use crate::diag::Diag;

/// The IDL, and its tokens by their bytes in it.
pub(super) fn text(tokens: TokenStream, diag: &mut Diag) -> (String, Vec<(Range<usize>, TokenTree)>) {
    let mut text = Text { text: String::new(), tokens: Vec::new(), diag };
    text.stream(tokens);
    (text.text, text.tokens)
}

struct Text<'d> {
    text: String,
    tokens: Vec<(Range<usize>, TokenTree)>,
    diag: &'d mut Diag,
}

impl Text<'_> {
    fn stream(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut docs: Vec<String> = Vec::new();
        while let Some(token) = tokens.next() {
            if let TokenTree::Punct(punct) = &token {
                if punct.as_char() == '#' {
                    // `//!` and `/*! */`, too.
                    let _ = tokens.next_if(|next| matches!(next, TokenTree::Punct(bang) if bang.as_char() == '!'));
                    match tokens.next_if(|next| matches!(next, TokenTree::Group(_))) {
                        Some(TokenTree::Group(group)) => docs.extend(self.doc(&group)),
                        _ => {
                            self.diag.error(&token, "in `thrift!` a comment begins with `//`: Rust reads `#` otherwise")
                        }
                    }
                    continue;
                }
            }
            self.docs(&mut docs);
            self.token(token);
        }
        self.docs(&mut docs);
    }

    /// The text of a doc comment, which arrives as `#[doc = ".."]`.
    fn doc(&mut self, group: &Group) -> Option<String> {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        if let [TokenTree::Ident(doc), TokenTree::Punct(_), TokenTree::Literal(text)] = &tokens[..] {
            if doc == "doc" {
                return syn::parse2::<LitStr>(TokenTree::from(text.clone()).into()).ok().map(|text| text.value());
            }
        }
        self.diag.error(group, "an IDL has annotations behind things: `1: string name (key = \"value\")`");
        None
    }

    /// Writes the doc comment that stands before something.
    fn docs(&mut self, lines: &mut Vec<String>) {
        if !lines.is_empty() {
            let comment = std::mem::take(lines).join("\n").replace("*/", "* /");
            self.text.push_str(&format!("\n/**\n{comment}\n*/\n"));
        }
    }

    fn token(&mut self, token: TokenTree) {
        match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                let at = |span| TokenTree::Punct(spanned_punct(span));
                self.push(open, at(group.span_open()));
                self.stream(group.stream());
                self.push(close, at(group.span_close()));
            }
            // A name with dots, and a number with its sign, are one word for the IDL.
            TokenTree::Punct(punct) if matches!(punct.as_char(), '.' | '-' | '+') => {
                let after_name = matches!(self.tokens.last(), Some((_, TokenTree::Ident(_))));
                if punct.as_char() == '.' && after_name {
                    self.text.pop();
                }
                self.glued(&punct.as_char().to_string(), token.clone());
            }
            TokenTree::Literal(literal) => {
                let text = string(&token).unwrap_or_else(|| literal.to_string());
                self.push(&text, token);
            }
            TokenTree::Ident(ident) => {
                let text = crate::names::unraw(ident);
                self.push(&text, token);
            }
            TokenTree::Punct(punct) => {
                let text = punct.as_char().to_string();
                self.push(&text, token);
            }
        }
    }

    fn push(&mut self, text: &str, token: TokenTree) {
        self.glued(text, token);
        self.text.push(' ');
    }

    fn glued(&mut self, text: &str, token: TokenTree) {
        let start = self.text.len();
        self.text.push_str(text);
        self.tokens.push((start..self.text.len(), token));
    }
}

/// Something to point at that stands where a delimiter stands.
fn spanned_punct(span: proc_macro2::Span) -> proc_macro2::Punct {
    let mut punct = proc_macro2::Punct::new(';', proc_macro2::Spacing::Alone);
    punct.set_span(span);
    punct
}

/// A string of Rust, also a raw one or one of bytes, or a character, as a string of the IDL.
fn string(token: &TokenTree) -> Option<String> {
    let value = match syn::parse2::<Lit>(token.clone().into()).ok()? {
        Lit::Str(text) => text.value(),
        Lit::Char(text) => text.value().to_string(),
        Lit::ByteStr(bytes) => {
            let escaped: String = bytes.value().iter().map(|byte| format!("\\x{byte:02x}")).collect();
            return Some(format!("\"{escaped}\""));
        }
        _ => return None,
    };
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0' => text.push_str("\\0"),
            c => text.push(c),
        }
    }
    text.push('"');
    Some(text)
}
