//! `EchoStreamClient` and `EchoClient`: two types, because their options differ.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::service::{error, index, message, success};
use super::site;
use crate::model::{Field, Method, Mode, Service, Shape};
use crate::names;

/// One of the two clients.
struct Client<'a> {
    service: &'a Service,
    ident: Ident,
    channel: TokenStream,
    builder: TokenStream,
    /// The same client of the service that is extended.
    base: Option<TokenStream>,
    doc: &'static str,
    /// The methods it calls, with their place among all.
    methods: Vec<(usize, &'a Method)>,
}

/// Writes the types: a channel and the schemas of the methods that go through it, and the base's client.
pub(super) fn declarations(service: &Service) -> TokenStream {
    let p = service.root.private();
    let (vis, allow) = (&service.item.vis, service.allow());
    let clients = clients(service).into_iter().map(|client| {
        let Client { ident, channel, base, doc, .. } = &client;
        let of = names::unraw(&service.item.ident);
        let mut doc = format!("{doc} of [`{of}`]. Cloning is cheap: clones share connections.");
        if let Some(base) = service.base() {
            doc.push_str(&format!(" Those of [`{}`] are there by `Deref`.", names::spelled(&base.path)));
        }
        quote_spanned! {site()=>
            #(#allow)*
            #[doc = #doc]
            #[derive(::core::clone::Clone)]
            #[allow(dead_code)]
            #vis struct #ident(#channel, &'static [#p::schema::Method], #base);
        }
    });
    quote!(#(#clients)*)
}

/// Writes the builder, a function for each method, and the way to those of the base.
///
/// ```text
/// impl FromChannel for SubClient {
///     fn from_channel(channel: Channel, methods: &'static [Method]) -> Self {
///         let (own, inherited) = methods.split_at(__SERVICE.own_methods().len());
///         Self(Clone::clone(&channel), own, FromChannel::from_channel(channel, inherited))
///     }
/// }
/// ```
pub(super) fn implementations(service: &Service) -> TokenStream {
    let p = service.root.private();
    let vis = &service.item.vis;
    let clients = clients(service).into_iter().map(|client| {
        let Client { ident, channel, builder, base, .. } = &client;
        let name = ident.to_string();
        let from_channel = match base {
            None => quote_spanned!(site()=> Self(channel, methods)),
            Some(_) => quote_spanned! {site()=>
                let (own, inherited) = methods.split_at(__SERVICE.own_methods().len());
                Self(::core::clone::Clone::clone(&channel), own, #p::FromChannel::from_channel(channel, inherited))
            },
        };
        let deref = base.as_ref().map(|base| {
            quote_spanned! {site()=>
                impl ::core::ops::Deref for #ident {
                    type Target = #base;

                    fn deref(&self) -> &#base {
                        &self.2
                    }
                }
            }
        });
        let methods = client.methods.iter().map(|&(position, method)| client.call(position, method));
        quote_spanned! {site()=>
            impl #ident {
                /// Sets up a client of the service with this name.
                #vis fn builder(service_name: impl ::core::convert::Into<::std::string::String>) -> #builder<Self> {
                    #builder::new(service_name)
                }

                #(#methods)*
            }

            impl #p::FromChannel for #ident {
                type Channel = #channel;

                fn schema() -> &'static #p::schema::Service {
                    &__SERVICE
                }

                fn from_channel(channel: #channel, methods: &'static [#p::schema::Method]) -> Self {
                    #from_channel
                }
            }

            #deref

            impl ::core::fmt::Debug for #ident {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_tuple(#name).field(&self.0).finish()
                }
            }
        }
    });
    quote!(#(#clients)*)
}

fn clients(service: &Service) -> Vec<Client<'_>> {
    let p = service.root.private();
    let (pingpong, streaming): (Vec<_>, Vec<_>) =
        service.methods.iter().enumerate().partition(|(_, method)| !method.is_on_stream_client());
    let base = |which| service.base().map(|base| base.client(&Ident::new(which, site()), &p));
    let mut clients = Vec::new();
    if service.streams {
        clients.push(Client {
            service,
            ident: service.companion("StreamClient"),
            channel: quote!(#p::StreamChannel),
            builder: quote!(#p::StreamClientBuilder),
            base: base("StreamClient"),
            doc: "Calls the streaming and unary methods",
            methods: streaming,
        });
    }
    if service.calls {
        clients.push(Client {
            service,
            ident: service.companion("Client"),
            channel: quote!(#p::Channel),
            builder: quote!(#p::ClientBuilder),
            base: base("Client"),
            doc: "Calls the ping-pong methods",
            methods: pingpong,
        });
    }
    clients
}

impl Client<'_> {
    fn call(&self, position: usize, method: &Method) -> TokenStream {
        let Some(shape) = &method.shape else { return TokenStream::new() };
        let p = self.service.root.private();
        let vis = &self.service.item.vis;
        let (index, _) = index(self.service, position);
        let of = quote_spanned!(site()=> &self.1[#index]);
        let (cfg, shared, ident) = (&method.cfg, &method.shared, &method.ident);
        let doc = method.docs.is_empty().then(|| {
            let text = format!("Calls `{}`.", method.name.text);
            quote!(#[doc = #text])
        });
        let types = |first, second| {
            let (first, second) = (message(first, &p), message(second, &p));
            quote!(#first, #second)
        };
        let (params, output, call) = match shape {
            Shape::Bidirectional { request: Field { ty: request, .. }, response } => {
                let types = types(response, request);
                let output = quote!(#p::StreamCall<#p::BidiStream<#response, #request>>);
                (TokenStream::new(), output, quote_spanned!(site()=> self.0.bidirectional::<#types>(#of)))
            }
            Shape::Client { request: Field { ty: request, .. }, response } => {
                let types = types(request, response);
                let output = quote!(#p::StreamCall<#p::ClientStream<#request, #response>>);
                (TokenStream::new(), output, quote_spanned!(site()=> self.0.client::<#types>(#of)))
            }
            Shape::Server { request: Field { ident: name, ty: request, .. }, response } => {
                let types = types(request, response);
                let output = quote!(#p::StreamCall<#p::Receiver<#response>>);
                (quote!(#name: #request), output, quote_spanned!(site()=> self.0.server::<#types>(#of, #name)))
            }
            Shape::Call { args, success: ok, error: err } => {
                let params = args.fields().iter().map(|field| {
                    let (name, ty) = (&field.ident, field.written());
                    quote!(#name: #ty)
                });
                let names = args.fields().iter().map(|field| &field.ident);
                let (ty, ok_checked, err) = (&args.ident, success(ok.as_ref(), &p), error(err.as_ref(), &p));
                let ok = ok.as_ref().map_or_else(|| quote!(()), |ty| quote!(#ty));
                let kind = match (method.mode, &method.oneway) {
                    (_, Some(_)) => quote_spanned!(site()=> oneway::<#err>),
                    (Some(Mode::Unary), _) => quote_spanned!(site()=> unary::<#ok_checked, #err>),
                    _ => quote_spanned!(site()=> call::<#ok_checked, #err>),
                };
                let call = quote_spanned!(site()=> self.0.#kind(#of, #ty { #(#names),* }));
                (quote!(#(#params),*), quote!(#p::Call<#ok, #err>), call)
            }
        };
        quote_spanned! {site()=>
            #(#cfg)*
            #(#shared)*
            #doc
            #vis fn #ident(&self, #params) -> #output {
                #call
            }
        }
    }
}
