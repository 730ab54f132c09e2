//! Tuple structs of one field.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Type;

use super::site;
use super::structure::default;
use crate::model::Item;

/// Writes `impl Thrift`, which is that of the field.
pub(super) fn newtype(item: &Item, ty: &Type) -> TokenStream {
    let p = item.root.private();
    let ident = &item.ident;
    let value = quote_spanned!(site()=> Self(<#ty as ::core::default::Default>::default()));
    let default = item.default.as_ref().map(|_| default(item, &value));
    quote_spanned! {site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #p::Thrift for #ident {
            const TYPE: #p::TType = <#ty as #p::Thrift>::TYPE;

            const SCHEMA: #p::schema::Type = <#ty as #p::Thrift>::SCHEMA;

            fn encode<__W: #p::Writer>(&self, w: &mut __W) -> ::core::result::Result<(), #p::EncodeError> {
                <#ty as #p::Thrift>::encode(&self.0, w)
            }

            fn decode<__R: #p::Reader>(r: &mut __R) -> ::core::result::Result<Self, #p::DecodeError> {
                <#ty as #p::Thrift>::decode(r).map(Self)
            }

            fn encode_field<__W: #p::Writer>(
                &self,
                w: &mut __W,
                id: ::core::primitive::i16,
            ) -> ::core::result::Result<(), #p::EncodeError> {
                <#ty as #p::Thrift>::encode_field(&self.0, w, id)
            }
        }
        #default
    }
}
