//! Attributes: `key`, `key = value` lists, read by asking for each key that is known.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprGroup, ExprLit, ExprUnary, Lit, LitStr, Meta, Path, Token, UnOp, parse::Parser};

use crate::diag::Diag;
use crate::model::{Id, Name, Number};
use crate::names;

/// The keys of one item's attributes. What nobody has asked for by [`Keys::finish`] is unknown.
pub(crate) struct Keys<'d> {
    attr: &'static str,
    given: Vec<Meta>,
    /// Whether there was something that is no list of keys.
    broken: bool,
    known: Vec<&'static str>,
    diag: &'d mut Diag,
}

/// The keys inside `attr(..)`: a comma-separated list.
type List = Punctuated<Meta, Token![,]>;

impl<'d> Keys<'d> {
    /// Reads every `#[attr(..)]` among an item's attributes.
    pub(crate) fn of(attrs: &[Attribute], attr: &'static str, diag: &'d mut Diag) -> Self {
        let mut keys = Self { attr, given: Vec::new(), broken: false, known: Vec::new(), diag };
        for found in attrs.iter().filter(|found| found.path().is_ident(attr)) {
            keys.read(match &found.meta {
                Meta::List(_) => found.parse_args_with(List::parse_terminated),
                other => Err(syn::Error::new_spanned(other, format!("`{attr}` needs parentheses: `#[{attr}(..)]`"))),
            });
        }
        keys
    }

    /// Reads the arguments of an attribute macro.
    pub(crate) fn parse(args: proc_macro2::TokenStream, attr: &'static str, diag: &'d mut Diag) -> Self {
        let mut keys = Self { attr, given: Vec::new(), broken: false, known: Vec::new(), diag };
        keys.read(List::parse_terminated.parse2(args));
        keys
    }

    fn read(&mut self, list: syn::Result<List>) {
        match self.diag.ok(list) {
            Some(list) => self.given.extend(list),
            None => self.broken = true,
        }
    }

    /// Whether a key is there, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.given.iter().any(|meta| meta.path().is_ident(key))
    }

    /// A key without value.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<Path> {
        match self.take(key)? {
            Meta::Path(path) => Some(path),
            other => {
                self.diag.error(&other, format!("`{key}` takes no value"));
                None
            }
        }
    }

    /// `key = expr`
    pub(crate) fn expr(&mut self, key: &'static str, example: &str) -> Option<Expr> {
        match self.take(key)? {
            Meta::NameValue(meta) => Some(meta.value),
            other => {
                self.diag.error(&other, format!("`{key}` needs a value: `{key} = {example}`"));
                None
            }
        }
    }

    /// `key(tokens)`
    pub(crate) fn list(&mut self, key: &'static str, example: &str) -> Option<proc_macro2::TokenStream> {
        match self.take(key)? {
            Meta::List(meta) => Some(meta.tokens),
            other => {
                self.diag.error(&other, format!("`{key}` needs parentheses: `{key}({example})`"));
                None
            }
        }
    }

    /// `key = "text"`
    pub(crate) fn string(&mut self, key: &'static str, example: &str) -> Option<LitStr> {
        let given = self.take(key)?;
        self.text(key, example, given)
    }

    fn text(&mut self, key: &str, example: &str, given: Meta) -> Option<LitStr> {
        match given {
            Meta::NameValue(meta) => match ungrouped(&meta.value) {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
                other => {
                    self.diag.error(other, format!("`{key}` is a string: `{key} = \"{example}\"`"));
                    None
                }
            },
            other => {
                self.diag.error(&other, format!("`{key}` needs a value: `{key} = \"{example}\"`"));
                None
            }
        }
    }

    /// `key = "name"`, where the IDL must be able to spell the name.
    pub(crate) fn name(&mut self, key: &'static str, valid: fn(&str) -> bool) -> Option<Name> {
        let given = self.take(key)?;
        self.spelled(key, valid, given)
    }

    /// `key = "name"`, as often as it is there.
    pub(crate) fn names(&mut self, key: &'static str, valid: fn(&str) -> bool) -> Vec<Name> {
        let given = self.take_all(key);
        given.into_iter().filter_map(|given| self.spelled(key, valid, given)).collect()
    }

    fn spelled(&mut self, key: &str, valid: fn(&str) -> bool, given: Meta) -> Option<Name> {
        let text = self.text(key, "name", given)?;
        let name = Name { text: text.value(), span: text.span() };
        if !valid(&name.text) {
            let text = &name.text;
            self.diag.error(
                &name,
                format!("`{text}` is not a name in Thrift: write letters, digits and `_`, without a digit first"),
            );
        }
        Some(name)
    }

    /// `key = 1`
    pub(crate) fn number(&mut self, key: &'static str) -> Option<Number> {
        let value = self.expr(key, "1")?;
        match number(&value) {
            Some(number) => Some(number),
            None => {
                self.diag.error(&value, format!("`{key}` is an integer literal: `{key} = 1`"));
                None
            }
        }
    }

    /// `id = 1`, or `id = -1, nonpositive_id`
    pub(crate) fn id(&mut self) -> Id {
        let given = self.has("id");
        let number = self.number("id");
        let nonpositive = self.nonpositive_id();
        match number {
            Some(number) if nonpositive => Id::Nonpositive(number),
            Some(number) => Id::Given(number),
            None if given || self.broken => Id::Unreadable,
            None => Id::Missing,
        }
    }

    /// Whether an id below 1 is meant.
    pub(super) fn nonpositive_id(&mut self) -> bool {
        self.flag("nonpositive_id").is_some()
    }

    /// `key = some::path`
    pub(crate) fn path(&mut self, key: &'static str, example: &str) -> Option<Path> {
        match self.expr(key, example)? {
            Expr::Path(path) if path.qself.is_none() => Some(path.path),
            other => {
                self.diag.error(&other, format!("`{key}` is a path: `{key} = {example}`"));
                None
            }
        }
    }

    /// Notes a mistake.
    pub(crate) fn error(&mut self, at: &dyn ToTokens, message: impl std::fmt::Display) {
        self.diag.error(at, message);
    }

    /// Reports every key that nobody has asked for.
    pub(crate) fn finish(self) {
        for meta in self.given {
            let name = meta.path().to_token_stream().to_string();
            let all = self.known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let hint = match names::nearest(&name, &self.known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if all.is_empty() => "nothing is possible here".to_owned(),
                None => format!("possible here: {all}"),
            };
            self.diag.error(meta.path(), format!("unknown key `{name}` of `{}`: {hint}", self.attr));
        }
    }

    fn take_all(&mut self, key: &'static str) -> Vec<Meta> {
        self.known.push(key);
        let (found, rest) = std::mem::take(&mut self.given).into_iter().partition(|meta| meta.path().is_ident(key));
        self.given = rest;
        found
    }

    fn take(&mut self, key: &'static str) -> Option<Meta> {
        let found = self.take_all(key);
        for again in found.iter().skip(1) {
            self.diag.error(again, format!("`{key}` is given twice: remove one"));
        }
        found.into_iter().next()
    }
}

/// An integer literal, maybe negative.
pub(super) fn number(value: &Expr) -> Option<Number> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => {
            Some(Number { value: literal.base10_parse().ok()?, span: literal.span() })
        }
        Expr::Unary(ExprUnary { op: UnOp::Neg(minus), expr, .. }) => {
            let number = number(expr)?;
            Some(Number { value: -number.value, span: minus.span.join(number.span).unwrap_or(number.span) })
        }
        _ => None,
    }
}

/// An expression without the invisible group that `macro_rules!` puts around `$x:expr`.
fn ungrouped(value: &Expr) -> &Expr {
    match value {
        Expr::Group(ExprGroup { expr, .. }) => ungrouped(expr),
        other => other,
    }
}

/// The name on the wire: `rename`, or the identifier.
pub(super) fn renamed(keys: &mut Keys<'_>, ident: &Ident) -> Name {
    keys.name("rename", names::is_identifier).unwrap_or_else(|| Name { text: names::unraw(ident), span: ident.span() })
}
