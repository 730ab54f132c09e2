//! Tokens to model. Only what cannot be read is an error here; the rules are in `check`.

mod item;
mod keys;
mod locked;
mod method;
mod service;
mod ty;

pub(crate) use item::item;
pub(crate) use keys::Keys;
pub(crate) use service::service;
pub(crate) use ty::{is_context, option};

use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue};

/// The doc comment, lines joined by `\n`.
fn docs(attrs: &[Attribute]) -> String {
    let comments = attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::NameValue(MetaNameValue { path, value: Expr::Lit(ExprLit { lit: Lit::Str(text), .. }), .. })
            if path.is_ident("doc") =>
        {
            Some(text.value())
        }
        _ => None,
    });
    let text = comments.collect::<Vec<_>>().join("\n");
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}
