//! `EchoServer`: any implementation of the trait, as a service.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

use super::service::{error, index, message, success};
use super::site;
use crate::model::{Base, Method, Service, Shape};
use crate::names;

/// Writes the type.
pub(super) fn declaration(service: &Service) -> TokenStream {
    let p = service.root.private();
    let (vis, allow) = (&service.item.vis, service.allow());
    let server = service.companion("Server");
    let doc =
        format!("Serves a [`{}`]. Cloning is cheap: clones share the handler.", names::unraw(&service.item.ident));
    quote_spanned! {site()=>
        #(#allow)*
        #[doc = #doc]
        #[allow(dead_code)]
        #vis struct #server<T>(#p::Arc<T>);
    }
}

/// Writes its constructors, `Clone`, `Debug` and the dispatcher. The type parameter is `__T`, since a message may be
/// called `T`.
///
/// ```text
/// fn call(&self, call: ServerCall) -> Outcome {
///     let handler = Clone::clone(&self.0);
///     match call.method() {
///         0 => call.bidirectional::<Request, Response, _>(move |_, stream| async move {
///             <T as Echo>::echo(&handler, stream).await
///         }),
///         1 => call.unary::<__add_args, i64, AddError, _>(move |cx, args| async move {
///             <T as Echo>::add(&handler, &cx, args.a, args.b).await
///         }),
///         _ => call.unknown(),
///     }
/// }
/// ```
///
/// With a base, the last arm hands the call to the base's server.
pub(super) fn implementations(service: &Service) -> TokenStream {
    let p = service.root.private();
    let vis = &service.item.vis;
    let ident = &service.item.ident;
    let server = service.companion("Server");
    let name = server.to_string();
    let arms = service.methods.iter().enumerate().map(|(position, method)| arm(service, position, method));
    let rest = match service.base() {
        None => quote_spanned!(site()=> call.unknown()),
        Some(Base { server, .. }) => quote_spanned! {site()=>
            <#server<__T> as #p::Service>::call(&<#server<__T>>::from_arc(handler), call.inherited(&__SERVICE))
        },
    };
    let client = |exists: bool, suffix: &str, channel: TokenStream| {
        if exists { service.companion(suffix).into_token_stream() } else { quote!(#p::extends::NoMethods<#channel>) }
    };
    let calls = client(service.calls, "Client", quote!(#p::Channel));
    let streams = client(service.streams, "StreamClient", quote!(#p::StreamChannel));
    quote_spanned! {site()=>
        impl<__T: #ident> #server<__T> {
            /// Serves a handler.
            #[must_use]
            #vis fn new(handler: __T) -> Self {
                Self(#p::Arc::new(handler))
            }

            /// Serves a handler that others share.
            #[must_use]
            #vis fn from_arc(handler: #p::Arc<__T>) -> Self {
                Self(handler)
            }
        }

        // Named without a handler's type, as `HashMap::new` is without a hasher's.
        impl #server<()> {
            /// What the trait says, as data. `SCHEMA.idl()` is the same as IDL.
            #vis const SCHEMA: &'static #p::schema::Service = &__SERVICE;
        }

        impl<__T> ::core::clone::Clone for #server<__T> {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }

        impl<__T> ::core::fmt::Debug for #server<__T> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#name).finish_non_exhaustive()
            }
        }

        impl<__T: #ident> #p::Service for #server<__T> {
            fn schema(&self) -> &'static #p::schema::Service {
                &__SERVICE
            }

            fn call(&self, call: #p::ServerCall) -> #p::Outcome {
                let handler = ::core::clone::Clone::clone(&self.0);
                match call.method() {
                    #(#arms)*
                    _ => #rest,
                }
            }
        }

        impl<__T> #p::extends::Extensible for #server<__T> {
            const SCHEMA: &'static #p::schema::Service = &__SERVICE;
            type Client = #calls;
            type StreamClient = #streams;
        }
    }
}

fn arm(service: &Service, position: usize, method: &Method) -> TokenStream {
    let Some(shape) = &method.shape else { return TokenStream::new() };
    let p = service.root.private();
    let (_, index) = index(service, position);
    let (cfg, ident, of) = (&method.cfg, &method.ident, &service.item.ident);
    let context = if method.context { quote_spanned!(site()=> cx) } else { quote_spanned!(site()=> _) };
    let cx = method.context.then(|| quote_spanned!(site()=> &cx,));
    let call = quote_spanned!(site()=> <__T as #of>::#ident);
    let types = |request, response| {
        let (request, response) = (message(request, &p), message(response, &p));
        quote!(#request, #response, _)
    };
    let serve = match shape {
        Shape::Bidirectional { request, response } => {
            let types = types(&request.ty, response);
            quote_spanned! {site()=>
                call.bidirectional::<#types>(move |#context, stream| async move { #call(&handler, #cx stream).await })
            }
        }
        Shape::Client { request, response } => {
            let types = types(&request.ty, response);
            quote_spanned! {site()=>
                call.client::<#types>(move |#context, requests| async move { #call(&handler, #cx requests).await })
            }
        }
        Shape::Server { request, response } => {
            let types = types(&request.ty, response);
            quote_spanned! {site()=>
                call.server::<#types>(move |#context, req, responses| async move {
                    #call(&handler, #cx req, responses).await
                })
            }
        }
        Shape::Call { args, success: ok, error: err } => {
            let (ty, ok, err) = (&args.ident, success(ok.as_ref(), &p), error(err.as_ref(), &p));
            let kind = match method.oneway {
                Some(_) => quote_spanned!(site()=> oneway::<#ty, _>),
                None => quote_spanned!(site()=> unary::<#ty, #ok, #err, _>),
            };
            let fields = args.fields().iter().map(|field| &field.ident);
            // Without arguments there is nothing to read from the struct.
            let args =
                if args.fields().is_empty() { quote_spanned!(site()=> _) } else { quote_spanned!(site()=> args) };
            quote_spanned! {site()=>
                call.#kind(move |#context, #args| async move { #call(&handler, #cx #(args.#fields),*).await })
            }
        }
    };
    quote_spanned!(site()=> #(#cfg)* #index => #serve,)
}
