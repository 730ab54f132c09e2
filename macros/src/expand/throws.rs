//! The error enums that `#[throws]` names.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::site;
use crate::model::{Exception, Service};
use crate::names;

/// Writes the enums.
pub(super) fn declarations(service: &Service) -> TokenStream {
    let p = service.root.private();
    let (vis, allow) = (&service.item.vis, service.allow());
    let enums = service.error_enums.iter().map(|it| {
        let (cfg, ty) = (&it.cfg, &it.ident);
        let of = names::unraw(&service.item.ident);
        let methods: Vec<_> = it.methods.iter().map(|method| format!("[`{of}::{}`]", names::unraw(method))).collect();
        let doc = format!("The errors of {}.", methods.join(", "));
        let variants = it.exceptions.iter().map(|exception| {
            let Exception { variant, ty, name, docs, .. } = exception;
            let doc = if docs.is_empty() { format!("The declared exception `{}`.", name.text) } else { docs.clone() };
            quote!(#[doc = #doc] #variant(#ty),)
        });
        quote_spanned! {site()=>
            #(#cfg)*
            #(#allow)*
            #[doc = #doc]
            #[derive(::core::fmt::Debug)]
            #vis enum #ty {
                #(#variants)*
                /// Any other failure.
                Error(#p::Error),
            }
        }
    });
    quote!(#(#enums)*)
}

/// Writes what makes each enum a Rust error, and the error type of a method.
pub(super) fn implementations(service: &Service) -> TokenStream {
    let p = service.root.private();
    let enums = service.error_enums.iter().map(|it| {
        let (cfg, ty) = (&it.cfg, &it.ident);
        let variants: Vec<_> = it.exceptions.iter().map(|exception| &exception.variant).collect();
        let types: Vec<_> = it.exceptions.iter().map(|exception| &exception.ty).collect();
        let ids: Vec<_> = it.exceptions.iter().map(|exception| &exception.id).collect();
        let from =
            it.exceptions.iter().filter(|exception| is_thrown_once(exception, &it.exceptions)).map(|exception| {
                let Exception { variant, ty: thrown, .. } = exception;
                quote_spanned! {site()=>
                    impl ::core::convert::From<#thrown> for #ty {
                        fn from(error: #thrown) -> Self {
                            Self::#variant(error)
                        }
                    }
                }
            });
        quote_spanned! {site()=>
            #(#cfg)*
            const _: () = {
                impl #ty {
                    fn as_error(&self) -> &(dyn ::std::error::Error + 'static) {
                        match self {
                            #(Self::#variants(error) => <#types as #p::Exception>::as_error(error),)*
                            Self::Error(error) => error,
                        }
                    }
                }
                impl ::core::fmt::Display for #ty {
                    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        ::core::fmt::Display::fmt(self.as_error(), f)
                    }
                }
                impl ::std::error::Error for #ty {
                    fn source(&self) -> ::core::option::Option<&(dyn ::std::error::Error + 'static)> {
                        self.as_error().source()
                    }
                }
                #(#from)*
                impl ::core::convert::From<#p::Error> for #ty {
                    fn from(error: #p::Error) -> Self {
                        Self::Error(error)
                    }
                }
                impl #p::Throws for #ty {
                    fn declared(self) -> ::core::result::Result<Self, #p::Error> {
                        match self {
                            Self::Error(error) => ::core::result::Result::Err(error),
                            declared => ::core::result::Result::Ok(declared),
                        }
                    }

                    fn encode_declared<__W: #p::Writer>(
                        &self,
                        w: &mut __W,
                    ) -> ::core::result::Result<(), #p::EncodeError> {
                        match self {
                            #(Self::#variants(error) => <#types as #p::Thrift>::encode_field(error, w, #ids),)*
                            Self::Error(_) => ::core::result::Result::Ok(()),
                        }
                    }

                    fn decode_declared<__R: #p::Reader>(
                        r: &mut __R,
                        field: #p::Field,
                    ) -> ::core::result::Result<::core::option::Option<Self>, #p::DecodeError> {
                        match field.id {
                            #(#ids => ::core::result::Result::Ok(r.value::<#types>(field)?.map(Self::#variants)),)*
                            _ => r.skip(field.ttype).map(|()| ::core::option::Option::None),
                        }
                    }
                }
            };
        }
    });
    quote!(#(#enums)*)
}

/// Whether the type alone tells the variant.
fn is_thrown_once(exception: &Exception, all: &[Exception]) -> bool {
    all.iter().filter(|other| names::spelled(&other.ty) == names::spelled(&exception.ty)).count() == 1
}
