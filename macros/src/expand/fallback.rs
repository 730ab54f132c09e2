//! What stands in for an item with mistakes, so that one mistake gives one error and not one at every use.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{declaration, site, structure};
use crate::check;
use crate::model::{Base, Body, Item, Service};

/// The errors, and a `Thrift` that only type-checks.
pub(crate) fn item(item: &Item, errors: &syn::Error) -> TokenStream {
    let p = item.root.private();
    let errors = errors.to_compile_error();
    let ident = &item.ident;
    let (generics, args, clause) = item.generics.split_for_impl();
    let ttype = if matches!(item.body, Body::Enum(_)) { quote!(I32) } else { quote!(Struct) };
    let exception = match &item.body {
        Body::Struct(body) if body.exception.is_some() && item.generics.params.is_empty() => {
            Some(structure::exception(item))
        }
        _ => None,
    };
    quote_spanned! {site()=>
        #errors
        #[automatically_derived]
        impl #generics #p::Thrift for #ident #args #clause {
            const TYPE: #p::TType = #p::TType::#ttype;
            const SCHEMA: #p::schema::Type = #p::schema::Type::Erroneous;

            fn encode<__W: #p::Writer>(&self, _: &mut __W) -> ::core::result::Result<(), #p::EncodeError> {
                ::core::unreachable!()
            }

            fn decode<__R: #p::Reader>(_: &mut __R) -> ::core::result::Result<Self, #p::DecodeError> {
                ::core::unreachable!()
            }
        }
        #exception
    }
}

/// The errors, the trait as it is, and around it what its sound methods give.
pub(crate) fn service(mut service: Service, errors: &syn::Error) -> TokenStream {
    let errors = errors.to_compile_error();
    if !service.item.generics.params.is_empty() {
        let declaration = declaration::declaration(&service.item);
        return quote!(#errors #declaration);
    }
    service.bases.retain(Base::is_sound);
    // What is left of a broken service would only look as if something were gone.
    service.locked = None;
    // The trait names the error enums of broken methods, too.
    let enums = std::mem::take(&mut service.error_enums);
    let methods = std::mem::take(&mut service.methods);
    for mut it in enums {
        let of = methods.iter().find(|method| it.methods.contains(&method.ident));
        let (named, listed) = of.map_or((true, true), |method| check::is_sound_enum(&service, method));
        if !listed {
            it.exceptions.clear();
        }
        if named {
            service.error_enums.push(it);
        }
    }
    service.methods = methods.into_iter().filter(|method| check::is_sound(&service, method)).collect();
    let rest = super::service(&service);
    quote!(#errors #rest)
}
