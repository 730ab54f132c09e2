//! A service: the trait, its server, its clients, its error enums.

use std::collections::HashSet;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::{client, declaration, item, locked, schema, server, site, throws};
use crate::model::{Field, Method, Service, Shape};

/// Writes the trait and everything around it.
///
/// Types that users name stand beside the trait; all else is inside a `const _`, where its names meet no others:
/// ```text
/// pub trait Echo: Send + Sync + 'static { .. }
/// pub enum AddError { .. }
/// pub struct EchoServer<T>(Arc<T>);
/// pub struct EchoStreamClient(StreamChannel);
/// pub struct EchoClient(Channel);
/// const _: () = {
///     static __SERVICE: schema::Service = ..;
///     struct __add_args { .. }
///     impl Thrift for __add_args { .. }
///     impl<T: Echo> Service for EchoServer<T> { .. }
///     impl EchoStreamClient { .. }
///     ..
/// };
/// ```
pub(crate) fn service(service: &Service) -> TokenStream {
    let p = service.root.private();
    let declaration = declaration::declaration(&service.item);
    let enums = throws::declarations(service);
    let server_type = server::declaration(service);
    let client_types = client::declarations(service);

    let value = schema::service(service);
    let messages = messages(service);
    let args = service.methods.iter().map(args);
    let enum_impls = throws::implementations(service);
    let server_impls = server::implementations(service);
    let client_impls = client::implementations(service);
    let locked = locked::comparison(service);
    let allow = service.allow();
    quote_spanned! {site()=>
        #declaration
        #enums
        #server_type
        #client_types
        #(#allow)*
        #[allow(dead_code, deprecated, non_camel_case_types, non_snake_case)]
        const _: () = {
            static __SERVICE: #p::schema::Service = #value;
            #messages
            #(#args)*
            #enum_impls
            #server_impls
            #client_impls
            #locked
        };
    }
}

/// The index of a method in `__SERVICE.methods`, and the pattern that matches it.
///
/// A `#[cfg]` may take an earlier method out of that list: then the compiler counts those that stay.
pub(super) fn index(service: &Service, position: usize) -> (TokenStream, TokenStream) {
    let before = &service.methods[..position];
    if before.iter().all(|method| method.cfg.is_empty()) {
        let literal = Literal::usize_unsuffixed(position).into_token_stream();
        return (literal.clone(), literal);
    }
    let units = before.iter().map(|method| {
        let cfg = &method.cfg;
        quote!(#(#cfg)* ())
    });
    let count = quote!(<[()]>::len(&[#(#units),*]));
    (count.clone(), quote_spanned!(site()=> index if index == #count))
}

/// A message's type, spelled so that one that is no message is refused once, at its token: then this is no type at all,
/// and rustc says nothing more about code that has it.
pub(super) fn message(ty: &Type, p: &TokenStream) -> TokenStream {
    quote_spanned!(at(ty)=> <#ty as #p::Message>::Itself)
}

/// A result's type, spelled as [`message`] is.
pub(super) fn success(ty: Option<&Type>, p: &TokenStream) -> TokenStream {
    match ty {
        Some(ty) => quote_spanned!(at(ty)=> <#ty as #p::Success>::Itself),
        None => quote!(()),
    }
}

/// Where errors show a type, while the names around it stay the macro's.
fn at(ty: &Type) -> Span {
    ty.span().resolved_at(site())
}

/// The error type of a call.
pub(super) fn error(ty: Option<&Type>, p: &TokenStream) -> TokenStream {
    ty.map_or_else(|| quote!(#p::Error), |ty| quote!(#ty))
}

/// The struct that carries a method's arguments.
fn args(method: &Method) -> TokenStream {
    let Some(Shape::Call { args, .. }) = &method.shape else { return TokenStream::new() };
    let cfg = &method.cfg;
    let ident = &args.ident;
    let (names, types): (Vec<_>, Vec<_>) = args.fields().iter().map(|field| (&field.ident, field.written())).unzip();
    // One `impl`, so that one `#[cfg]` is enough.
    let codec = item(args);
    let name = &args.name;
    let fields = args.fields().iter().map(|Field { ident, name, ty, .. }| {
        let printed = quote_spanned!(at(ty)=> &self.#ident as &dyn ::core::fmt::Debug);
        quote_spanned!(site()=> .field(#name, #printed))
    });
    quote_spanned! {site()=>
        #(#cfg)*
        struct #ident { #(#names: #types,)* }
        #(#cfg)*
        #codec
        #(#cfg)*
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#name) #(#fields)* .finish()
            }
        }
    }
}

/// Refuses, at compile time, messages of streams that are neither structs nor unions.
fn messages(service: &Service) -> TokenStream {
    let p = service.root.private();
    let mut seen = HashSet::new();
    let mut checks = TokenStream::new();
    for method in &service.methods {
        let cfg = &method.cfg;
        for ty in method.messages() {
            if seen.insert(quote!(#(#cfg)* #ty).to_string()) {
                checks.extend(carried(ty, &p, &quote!(#(#cfg)*)));
            }
        }
    }
    checks
}

fn carried(ty: &Type, p: &TokenStream, cfg: &TokenStream) -> TokenStream {
    let spelled = crate::names::spelled(ty);
    let checked = message(ty, p);
    let text = format!("a stream carries structs and unions, and `{spelled}` is neither: wrap it in a struct");
    quote_spanned! {at(ty)=>
        #cfg
        const _: () = ::core::assert!(::core::matches!(<#checked as #p::Thrift>::TYPE, #p::TType::Struct), #text);
    }
}
