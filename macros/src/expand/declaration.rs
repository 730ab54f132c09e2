//! The trait itself: what is written is what is implemented.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::{ItemTrait, ReturnType, TraitItem, TraitItemFn, TypeParamBound, parse_quote};

use super::site;
use crate::model::is_implied;

/// Writes the trait. `async fn f(..) -> R` becomes `fn f(..) -> impl Future<Output = R> + Send`, which an `async fn`
/// implements and whose future may move between threads.
pub(super) fn declaration(item: &ItemTrait) -> TokenStream {
    let mut item = item.clone();
    let others = std::mem::take(&mut item.supertraits).into_iter().filter(|bound| !is_implied(bound));
    let implied: [TypeParamBound; 3] =
        [parse_quote!(::core::marker::Send), parse_quote!(::core::marker::Sync), parse_quote!('static)];
    item.supertraits = others.chain(implied).collect::<Punctuated<_, _>>();
    item.colon_token.get_or_insert_default();
    for method in &mut item.items {
        if let TraitItem::Fn(method) = method {
            desugar(method);
        }
    }
    item.into_token_stream()
}

fn desugar(method: &mut TraitItemFn) {
    if method.sig.asyncness.take().is_none() {
        return;
    }
    let output = match &method.sig.output {
        ReturnType::Type(_, ty) => quote!(#ty),
        ReturnType::Default => quote!(()),
    };
    let future = quote_spanned!(site()=> -> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
    method.sig.output = parse_quote!(#future);
    if let Some(body) = &method.default {
        method.default = Some(parse_quote!({ async move #body }));
    }
}
