//! Unions.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::structure::default;
use super::{schema, site};
use crate::model::{Item, Union};

/// Writes `impl Thrift`. The last field wins; one that is not known, or of another type, is kept as it is.
///
/// ```text
/// fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
///     let mut value = None;
///     r.begin_struct()?;
///     while let Some(field) = r.next_field()? {
///         value = Some(match field.id {
///             1 if field.ttype == <String as Thrift>::TYPE => {
///                 variant::<String, _, _>(r, field, Self::Name, Self::Unknown)?
///             }
///             _ => Self::Unknown(UnknownField::decode(r, field)?),
///         });
///     }
///     value.ok_or_else(|| DecodeError::empty_union("Shape"))
/// }
/// ```
pub(super) fn union(item: &Item, body: &Union) -> TokenStream {
    let p = item.root.private();
    let (ident, name) = (&item.ident, &item.name);
    let unknown = &body.unknown;
    let encode = body.variants.iter().map(|variant| {
        let (ident, ty, id) = (&variant.ident, &variant.ty, &variant.id);
        quote_spanned!(site()=> Self::#ident(value) => <#ty as #p::Thrift>::encode_field(value, w, #id)?,)
    });
    let decode = body.variants.iter().map(|variant| {
        let (ident, ty, id) = (&variant.ident, &variant.ty, &variant.id);
        quote_spanned! {site()=>
            #id if field.ttype == <#ty as #p::Thrift>::TYPE => {
                #p::variant::<#ty, _, _>(r, field, Self::#ident, #(Self::#unknown)*)?
            }
        }
    });
    let schema = schema::union(item, body);
    let value = body.variants.iter().find_map(|variant| {
        let (ident, default) = (&variant.ident, variant.default.as_ref()?);
        Some(quote_spanned!(site()=> Self::#ident(#default)))
    });
    let default = value.as_ref().filter(|_| item.default.is_some()).map(|value| default(item, value));
    let decoded = match &value {
        Some(default) => quote_spanned!(site()=> ::core::result::Result::Ok(value.unwrap_or_else(|| #default))),
        None => quote_spanned!(site()=> value.ok_or_else(|| #p::DecodeError::empty_union(#name))),
    };
    quote_spanned! {site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #p::Thrift for #ident {
            const TYPE: #p::TType = #p::TType::Struct;
            #schema

            fn encode<__W: #p::Writer>(&self, w: &mut __W) -> ::core::result::Result<(), #p::EncodeError> {
                w.begin_struct()?;
                match self {
                    #(#encode)*
                    #(Self::#unknown(value) => #p::UnknownField::encode(value, w)?,)*
                }
                w.end_struct();
                ::core::result::Result::Ok(())
            }

            fn decode<__R: #p::Reader>(r: &mut __R) -> ::core::result::Result<Self, #p::DecodeError> {
                let mut value = ::core::option::Option::None;
                r.begin_struct()?;
                while let ::core::option::Option::Some(field) = r.next_field()? {
                    value = ::core::option::Option::Some(match field.id {
                        #(#decode)*
                        _ => #(Self::#unknown)*(#p::UnknownField::decode(r, field)?),
                    });
                }
                #decoded
            }
        }
        #default
    }
}
