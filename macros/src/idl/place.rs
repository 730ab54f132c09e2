//! From places in the IDL to places that rustc knows.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

/// Where things of the IDL are shown.
pub(super) enum Places {
    /// Stable Rust cannot point into other files: all is at the literal that names the file.
    Literal(Span),
    /// The tokens of `thrift!`, by their bytes in the text that was made of them.
    Tokens(Vec<(std::ops::Range<usize>, TokenTree)>),
}

impl Places {
    /// Where the macro is called.
    pub(super) fn start(&self) -> Span {
        match self {
            Self::Literal(span) => *span,
            Self::Tokens(_) => Span::call_site(),
        }
    }

    /// The place of a definition, a field or the like.
    pub(super) fn at(&self, span: thrill_idl::Span) -> Span {
        match self {
            Self::Literal(literal) => *literal,
            Self::Tokens(_) => self.tokens(span).next().map_or_else(Span::call_site, TokenTree::span),
        }
    }

    /// What an error about a place is put on.
    pub(super) fn marked(&self, span: thrill_idl::Span) -> TokenStream {
        let literal = |at: Span| quote_spanned!(at=> _).into_token_stream();
        match self {
            Self::Literal(at) => literal(*at),
            Self::Tokens(_) => {
                let tokens: TokenStream = self.tokens(span).cloned().collect();
                if tokens.is_empty() { literal(self.at(span)) } else { tokens }
            }
        }
    }

    /// Whether an error needs the file's name and line in its text.
    pub(super) fn is_elsewhere(&self, span: thrill_idl::Span) -> bool {
        matches!(self, Self::Literal(_)) || span.file.index() > 0
    }

    /// The tokens of a place; the last one, if it is behind all of them.
    fn tokens(&self, span: thrill_idl::Span) -> impl Iterator<Item = &TokenTree> {
        let all: &[(std::ops::Range<usize>, TokenTree)] = match self {
            Self::Tokens(all) if span.file.index() == 0 => all,
            _ => &[],
        };
        let wanted = span.range();
        let first = all.partition_point(|(range, _)| range.end <= wanted.start).min(all.len().saturating_sub(1));
        let last = all.partition_point(|(range, _)| range.start < wanted.end).max(first + 1).min(all.len());
        all[first.min(last)..last].iter().map(|(_, token)| token)
    }
}
