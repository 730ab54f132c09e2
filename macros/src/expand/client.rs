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
    doc: &'static str,
    /// The methods it calls, with their place among all.
    methods: Vec<(usize, &'a Method)>,
}

/// Writes the types.
pub(super) fn declarations(service: &Service) -> TokenStream {
    let vis = &service.item.vis;
    let clients = clients(service).into_iter().map(|client| {
        let Client { ident, channel, doc, .. } = &client;
        let doc =
            format!("{doc} of [`{}`]. Cloning is cheap: clones share connections.", names::unraw(&service.item.ident));
        quote_spanned! {site()=>
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #[allow(dead_code)]
            #vis struct #ident(#channel);
        }
    });
    quote!(#(#clients)*)
}

/// Writes the builder and a function for each method.
pub(super) fn implementations(service: &Service) -> TokenStream {
    let p = service.root.private();
    let vis = &service.item.vis;
    let clients = clients(service).into_iter().map(|client| {
        let Client { ident, channel, builder, .. } = &client;
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

                fn from_channel(channel: #channel) -> Self {
                    Self(channel)
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
    let mut clients = Vec::new();
    if service.streams {
        clients.push(Client {
            service,
            ident: service.companion("StreamClient"),
            channel: quote!(#p::StreamChannel),
            builder: quote!(#p::StreamClientBuilder),
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
        let of = quote_spanned!(site()=> &__SERVICE.methods[#index]);
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
