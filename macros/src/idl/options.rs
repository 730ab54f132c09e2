//! The arguments of the macros.

use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprArray, ExprLit, Lit, LitStr, Path, Token, parse_quote};
use thrill_idl::MissingIds;

use super::located;
use crate::diag::Diag;
use crate::front::Keys;

/// What the caller asks for.
#[derive(Default)]
pub(super) struct Options {
    include_dirs: Vec<PathBuf>,
    missing_ids: MissingIds,
    /// Whether a `string` is a `ByteString` where no annotation says otherwise.
    pub(super) bytestring: bool,
    /// Derives beyond those that types have anyway.
    pub(super) derives: Vec<Path>,
    root: Option<Path>,
}

impl Options {
    /// The path of thrill.
    pub(super) fn root(&self) -> Path {
        self.root.clone().unwrap_or_else(|| parse_quote!(::thrill))
    }

    /// The path of thrill, if it is not the usual one.
    pub(super) fn other_root(&self) -> Option<&Path> {
        self.root.as_ref()
    }

    pub(super) fn loading(&self) -> thrill_idl::Options {
        thrill_idl::Options {
            include_dirs: self.include_dirs.clone(),
            missing_ids: self.missing_ids,
            ..thrill_idl::Options::default()
        }
    }
}

/// Reads `"path", key = value, ..`.
pub(super) fn of_include(input: TokenStream, diag: &mut Diag) -> Option<(LitStr, Options)> {
    let parse = |input: syn::parse::ParseStream<'_>| {
        let path: LitStr = input.parse().map_err(|err| syn::Error::new(err.span(), EXAMPLE))?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((path, input.parse::<TokenStream>()?))
    };
    let (path, rest) = diag.ok(parse.parse2(input))?;
    Some((path, options(Keys::parse(rest, "include_thrift", diag))))
}

const EXAMPLE: &str =
    "write the path of a file, relative to this crate's Cargo.toml: `include_thrift!(\"idl/echo.thrift\")`";

/// Reads `#![thrift(key = value, ..)]`, if that comes first, and leaves the rest.
pub(super) fn of_inline(input: TokenStream, diag: &mut Diag) -> (Options, TokenStream) {
    let tokens: Vec<TokenTree> = input.into_iter().collect();
    if let [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(group), rest @ ..] = &tokens[..] {
        let inside: Vec<TokenTree> = group.stream().into_iter().collect();
        if let ('#', '!', [TokenTree::Ident(name), TokenTree::Group(args)]) =
            (hash.as_char(), bang.as_char(), &inside[..])
        {
            if name == "thrift" {
                let options = options(Keys::parse(args.stream(), "thrift", diag));
                return (options, rest.iter().cloned().collect());
            }
        }
    }
    (Options::default(), tokens.into_iter().collect())
}

fn options(mut keys: Keys<'_>) -> Options {
    let options = Options {
        include_dirs: include_dirs(&mut keys),
        missing_ids: choice(
            &mut keys,
            "missing_ids",
            &[("apache", MissingIds::Apache), ("thriftgo", MissingIds::Thriftgo)],
        ),
        bytestring: choice(&mut keys, "string", &[("String", false), ("ByteString", true)]),
        derives: derives(&mut keys),
        root: keys.path("crate", "my_thrill"),
    };
    keys.finish();
    options
}

/// `include_dirs = ["idl", "../common"]`
fn include_dirs(keys: &mut Keys<'_>) -> Vec<PathBuf> {
    const EXAMPLE: &str =
        "`include_dirs` is a list of paths, relative to this crate's Cargo.toml: `include_dirs = [\"idl\"]`";
    let Some(value) = keys.expr("include_dirs", "[\"idl\"]") else { return Vec::new() };
    let Expr::Array(ExprArray { elems, .. }) = &value else {
        keys.error(&value, EXAMPLE);
        return Vec::new();
    };
    let mut dirs = Vec::new();
    for element in elems {
        match element {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => dirs.push(located(&path.value())),
            other => keys.error(other, EXAMPLE),
        }
    }
    dirs
}

/// `key = "one of these"`; without it, the default.
fn choice<T: Copy + Default>(keys: &mut Keys<'_>, key: &'static str, values: &[(&'static str, T)]) -> T {
    let Some(text) = keys.string(key, values[0].0) else { return T::default() };
    if let Some((_, value)) = values.iter().find(|(name, _)| *name == text.value()) {
        return *value;
    }
    let all: Vec<_> = values.iter().map(|(name, _)| format!("`{name}`")).collect();
    keys.error(&text, format!("`{key}` is {}, not `{}`", all.join(" or "), text.value()));
    T::default()
}

/// `derive(serde::Serialize, Eq)`
fn derives(keys: &mut Keys<'_>) -> Vec<Path> {
    let Some(tokens) = keys.list("derive", "serde::Serialize") else { return Vec::new() };
    let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(tokens.clone());
    match paths {
        Ok(paths) => paths.into_iter().collect(),
        Err(_) => {
            keys.error(&quote!(#tokens), "`derive` has paths of derives: `derive(serde::Serialize)`");
            Vec::new()
        }
    }
}
