//! Structs and exceptions.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote_spanned};

use super::{schema, site};
use crate::model::{Field, Item, Struct};
use crate::names;

/// Writes `impl Thrift`, and what makes an exception a Rust error.
///
/// ```text
/// impl Thrift for Request {
///     const TYPE: TType = TType::Struct;
///     const SCHEMA: schema::Type = { .. };
///     fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
///         w.begin_struct()?;
///         if let Some(value) = &self.message { <String as Thrift>::encode_field(value, w, 1)?; }
///         <bool as Thrift>::encode_field(&self.flag, w, 2)?;
///         w.end_struct();
///         Ok(())
///     }
///     fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
///         let mut field_message: Option<String> = None;
///         let mut field_flag: bool = absent::<bool>();
///         r.begin_struct()?;
///         while let Some(field) = r.next_field()? {
///             match field.id {
///                 1 => <String as Thrift>::fill_some(r, field, &mut field_message)?,
///                 2 => <bool as Thrift>::fill(r, field, &mut field_flag)?,
///                 _ => r.skip(field.ttype)?,
///             }
///         }
///         Ok(Self { message: field_message, flag: field_flag })
///     }
/// }
/// ```
pub(super) fn structure(item: &Item, body: &Struct) -> TokenStream {
    let p = item.root.private();
    let ident = &item.ident;
    let encode = body.fields.iter().map(|field| encode(field, &p));
    let slots = body.fields.iter().map(|field| slot(field, &p));
    let fill = body.fields.iter().map(|field| fill(field, &p));
    let build = body.fields.iter().map(|field| build(item, field, &p));
    let schema = schema::structure(item, body);
    let exception = body.exception.as_ref().map(|_| exception(item));
    let defaults = body.fields.iter().map(initial);
    let default = item.default.as_ref().map(|_| default(item, &quote_spanned!(site()=> Self { #(#defaults)* })));
    let argument = body.arguments.then(|| argument(body));
    quote_spanned! {site()=>
        #[automatically_derived]
        #[allow(deprecated, non_snake_case)]
        impl #p::Thrift for #ident {
            const TYPE: #p::TType = #p::TType::Struct;
            #schema

            fn encode<__W: #p::Writer>(&self, w: &mut __W) -> ::core::result::Result<(), #p::EncodeError> {
                w.begin_struct()?;
                #(#encode)*
                w.end_struct();
                ::core::result::Result::Ok(())
            }

            fn decode<__R: #p::Reader>(r: &mut __R) -> ::core::result::Result<Self, #p::DecodeError> {
                #(#slots)*
                r.begin_struct()?;
                while let ::core::option::Option::Some(field) = r.next_field()? {
                    match field.id {
                        #(#fill)*
                        _ => r.skip(field.ttype)?,
                    }
                }
                ::core::result::Result::Ok(Self { #(#build)* })
            }

            #argument
        }
        #exception
        #default
    }
}

/// Writes `impl Default`.
pub(super) fn default(item: &Item, value: &TokenStream) -> TokenStream {
    let ident = &item.ident;
    quote_spanned! {site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl ::core::default::Default for #ident {
            fn default() -> Self {
                #value
            }
        }
    }
}

/// Lets layers find a method's argument by its name.
fn argument(body: &Struct) -> TokenStream {
    let arms = body.fields.iter().map(
        |Field { ident, name, .. }| quote_spanned!(site()=> #name => ::core::option::Option::Some(&mut self.#ident),),
    );
    quote_spanned! {site()=>
        fn argument(&mut self, name: &str) -> ::core::option::Option<&mut dyn ::core::any::Any> {
            match name {
                #(#arms)*
                _ => ::core::option::Option::None,
            }
        }
    }
}

/// Writes what makes an exception a Rust error. Its text is its `Debug` form.
pub(super) fn exception(item: &Item) -> TokenStream {
    let p = item.root.private();
    let ident = &item.ident;
    quote_spanned! {site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(self as &dyn ::std::error::Error, f)
            }
        }
        #[automatically_derived]
        #[allow(deprecated)]
        impl ::std::error::Error for #ident {}
        #[automatically_derived]
        #[allow(deprecated)]
        impl #p::Exception for #ident {
            fn as_error(&self) -> &(dyn ::std::error::Error + 'static) {
                self
            }
        }
    }
}

fn encode(field: &Field, p: &TokenStream) -> TokenStream {
    let Field { ident, id, ty, .. } = field;
    if field.optional {
        quote_spanned! {site()=>
            if let ::core::option::Option::Some(value) = &self.#ident {
                <#ty as #p::Thrift>::encode_field(value, w, #id)?;
            }
        }
    } else {
        quote_spanned!(site()=> <#ty as #p::Thrift>::encode_field(&self.#ident, w, #id)?;)
    }
}

/// A field of the default value.
fn initial(field: &Field) -> TokenStream {
    let Field { ident, ty, .. } = field;
    match (&field.default, field.optional) {
        (None, true) => quote_spanned!(site()=> #ident: ::core::option::Option::None,),
        (Some(default), true) => quote_spanned!(site()=> #ident: ::core::option::Option::Some(#default),),
        (None, false) => quote_spanned!(site()=> #ident: <#ty as ::core::default::Default>::default(),),
        (Some(default), false) => quote_spanned!(site()=> #ident: #default,),
    }
}

/// The variable that holds a field until all are read, with the value of an absent field.
fn slot(field: &Field, p: &TokenStream) -> TokenStream {
    let slot = slot_name(field);
    let ty = &field.ty;
    // A required field is never left out: its default is for new values alone.
    let default = field.default.as_ref().filter(|_| field.required.is_none());
    match (default, field.may_stay_empty()) {
        (None, true) => {
            quote_spanned!(site()=> let mut #slot: ::core::option::Option<#ty> = ::core::option::Option::None;)
        }
        (Some(default), true) => {
            quote_spanned! {site()=>
                let mut #slot: ::core::option::Option<#ty> = ::core::option::Option::Some(#default);
            }
        }
        (None, false) => quote_spanned!(site()=> let mut #slot: #ty = #p::absent::<#ty>();),
        (Some(default), false) => quote_spanned!(site()=> let mut #slot: #ty = #default;),
    }
}

fn fill(field: &Field, p: &TokenStream) -> TokenStream {
    let slot = slot_name(field);
    let Field { id, ty, .. } = field;
    let fill = if field.may_stay_empty() { quote_spanned!(site()=> fill_some) } else { quote_spanned!(site()=> fill) };
    quote_spanned!(site()=> #id => <#ty as #p::Thrift>::#fill(r, field, &mut #slot)?,)
}

fn build(item: &Item, field: &Field, p: &TokenStream) -> TokenStream {
    let slot = slot_name(field);
    let Field { ident, name, .. } = field;
    if field.required.is_some() {
        let of = &item.name;
        quote_spanned!(site()=> #ident: #p::required(#slot, #of, #name)?,)
    } else {
        quote_spanned!(site()=> #ident: #slot,)
    }
}

fn slot_name(field: &Field) -> Ident {
    format_ident!("field_{}", names::unraw(&field.ident), span = site())
}
