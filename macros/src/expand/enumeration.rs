//! Enums.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::structure::default;
use super::{schema, site};
use crate::model::{Enum, Item};

/// Writes `From` to and from `i32`, and `impl Thrift` by them.
pub(super) fn enumeration(item: &Item, body: &Enum) -> TokenStream {
    let p = item.root.private();
    let ident = &item.ident;
    let unknown = &body.unknown;
    let variants: Vec<_> = body.variants.iter().map(|variant| &variant.ident).collect();
    let values: Vec<_> = body.variants.iter().map(|variant| &variant.value).collect();
    let schema = schema::enumeration(item, body);
    let zero = quote_spanned!(site()=> <Self as ::core::convert::From<::core::primitive::i32>>::from(0));
    let default = item.default.as_ref().map(|_| default(item, &zero));
    quote_spanned! {site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl ::core::convert::From<&#ident> for ::core::primitive::i32 {
            fn from(value: &#ident) -> Self {
                match *value {
                    #(#ident::#variants => #values,)*
                    #(#ident::#unknown(value) => value,)*
                }
            }
        }
        #[automatically_derived]
        #[allow(deprecated)]
        impl ::core::convert::From<#ident> for ::core::primitive::i32 {
            fn from(value: #ident) -> Self {
                Self::from(&value)
            }
        }
        #[automatically_derived]
        #[allow(deprecated)]
        impl ::core::convert::From<::core::primitive::i32> for #ident {
            fn from(value: ::core::primitive::i32) -> Self {
                match value {
                    #(#values => Self::#variants,)*
                    value => #(Self::#unknown)*(value),
                }
            }
        }
        #[automatically_derived]
        #[allow(deprecated)]
        impl #p::Thrift for #ident {
            const TYPE: #p::TType = #p::TType::I32;
            #schema

            fn encode<__W: #p::Writer>(&self, w: &mut __W) -> ::core::result::Result<(), #p::EncodeError> {
                w.i32(::core::convert::From::from(self));
                ::core::result::Result::Ok(())
            }

            fn decode<__R: #p::Reader>(r: &mut __R) -> ::core::result::Result<Self, #p::DecodeError> {
                r.i32().map(::core::convert::From::from)
            }
        }
        #default
    }
}
