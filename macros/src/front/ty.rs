//! Types that mean something to the macros, by the last part of their path: `Option`, `Result`, the ends of streams.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parse;
use syn::{AngleBracketedGenericArguments, GenericArgument, PathArguments, ReturnType, Type};

use crate::model::{Output, ParamKind};

/// The `T` of an `Option<T>`.
pub(crate) fn option(ty: &Type) -> Option<&Type> {
    match generic(ty)? {
        (name, args) if name == "Option" && args.len() == 1 => Some(args[0]),
        _ => None,
    }
}

/// A type or expression with its owner's name for `Self`, which the static schema of the owner could not say.
pub(super) fn named<T: Parse + ToTokens + Clone>(tokens: &T, owner: &Ident) -> T {
    syn::parse2(rename_self(tokens.to_token_stream(), owner)).unwrap_or_else(|_| tokens.clone())
}

fn rename_self(tokens: TokenStream, owner: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == "Self" => Ident::new(&owner.to_string(), ident.span()).into(),
            TokenTree::Group(group) => {
                let mut renamed = Group::new(group.delimiter(), rename_self(group.stream(), owner));
                renamed.set_span(group.span());
                renamed.into()
            }
            other => other,
        })
        .collect()
}

/// Whether `&Context`.
pub(crate) fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = ungrouped(ty) else { return false };
    let Type::Path(path) = ungrouped(&reference.elem) else { return false };
    reference.mutability.is_none() && path.path.segments.last().is_some_and(|segment| segment.ident == "Context")
}

/// What an argument's type says about it.
pub(super) fn param(ty: &Type) -> ParamKind {
    if let Some(tokens) = unowned(ty) {
        return ParamKind::Unowned(tokens);
    }
    let Some((name, args)) = generic(ty) else { return ParamKind::Value };
    match (name.as_str(), args.as_slice()) {
        ("BidiStream", [receives, sends]) => ParamKind::Bidi(Box::new(((*receives).clone(), (*sends).clone()))),
        ("Receiver", [message]) => ParamKind::Receiver((*message).clone()),
        ("Sender", [message]) => ParamKind::Sender((*message).clone()),
        _ => ParamKind::Value,
    }
}

/// What a return type says, if it is a `Result`.
pub(super) fn output(output: &ReturnType) -> Option<Output> {
    let ReturnType::Type(_, ty) = output else { return None };
    let ok = |ty: &Type| match ty {
        Type::Tuple(tuple) if tuple.elems.is_empty() => None,
        other => Some(other.clone()),
    };
    let (name, args) = generic(ty)?;
    match args.as_slice() {
        [success] if name == "Result" => Some(Output { ok: ok(success), error: None }),
        [success, error] if name == "Result" => Some(Output { ok: ok(success), error: Some((*error).clone()) }),
        _ => None,
    }
}

/// The last name and type arguments of a path such as `a::Name<T>`.
fn generic(ty: &Type) -> Option<(String, Vec<&Type>)> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(AngleBracketedGenericArguments { args, .. }) = &last.arguments else {
        return None;
    };
    let types = args.iter().filter_map(|arg| match arg {
        GenericArgument::Type(ty) => Some(ungrouped(ty)),
        _ => None,
    });
    Some((last.ident.to_string(), types.collect()))
}

/// The reference or `impl Trait` inside a type.
fn unowned(ty: &Type) -> Option<TokenStream> {
    match ungrouped(ty) {
        ty @ (Type::Reference(_) | Type::ImplTrait(_)) => Some(ty.to_token_stream()),
        ty => generic(ty)?.1.into_iter().find_map(unowned),
    }
}

/// A type without the invisible group that `macro_rules!` puts around `$x:ty`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        other => other,
    }
}
