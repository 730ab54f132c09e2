//! The static schemas: names, ids, types, requiredness, docs.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

use super::service::{message, success};
use super::site;
use crate::model::{Base, Enum, Exception, Field, Item, Method, Mode, Service, Shape, Struct, Union};
use crate::names;

/// `const SCHEMA` of a struct or exception.
pub(super) fn structure(item: &Item, body: &Struct) -> TokenStream {
    let p = item.root.private();
    let kind = match body.exception {
        Some(_) => quote!(#p::schema::StructKind::Exception),
        None => quote!(#p::schema::StructKind::Struct),
    };
    let fields = body.fields.iter().map(|it| field(it, &p));
    of_struct(item, &kind, &quote!(#(#fields),*))
}

/// `const SCHEMA` of a union.
pub(super) fn union(item: &Item, body: &Union) -> TokenStream {
    let p = item.root.private();
    let fields = body.variants.iter().map(|variant| {
        let (id, name, docs) = (&variant.id, &variant.name, &variant.docs);
        let ty = described_by(&variant.ty, &p);
        quote! {
            #p::schema::Field {
                id: #id,
                name: #name,
                ty: #ty,
                requiredness: #p::schema::Requiredness::Optional,
                docs: #docs,
                default: ::core::option::Option::None,
            }
        }
    });
    of_struct(item, &quote!(#p::schema::StructKind::Union), &quote!(#(#fields),*))
}

/// `const SCHEMA` of an enum.
pub(super) fn enumeration(item: &Item, body: &Enum) -> TokenStream {
    let p = item.root.private();
    let (name, docs) = (&item.name, &item.docs);
    let values = body.variants.iter().map(|variant| {
        let (name, aliases, value, docs) = (&variant.name, &variant.aliases, &variant.value, &variant.docs);
        quote! {
            #p::schema::EnumValue { name: #name, value: #value, docs: #docs },
            #(#p::schema::EnumValue { name: #aliases, value: #value, docs: "" },)*
        }
    });
    let path = path(item);
    quote_spanned! {site()=>
        const SCHEMA: #p::schema::Type = {
            static __SCHEMA: #p::schema::Enum = #p::schema::Enum {
                name: #name,
                path: #path,
                docs: #docs,
                values: &[#(#values)*],
            };
            #p::schema::Type::Enum(#p::schema::Ref::new(&__SCHEMA))
        };
    }
}

/// The value of a service's schema.
///
/// With a base, its methods are among those of the service, under the service's name; the compiler puts them there:
/// ```text
/// {
///     const __BASE: &Service = <BaseServer<()> as Extensible>::SCHEMA;
///     const __OWN: &[Method] = &[..];
///     static __PATHS: [u8; paths_len("/echo.Sub/", __BASE)] = paths("/echo.Sub/", __BASE);
///     static __METHODS: [Method; __OWN.len() + __BASE.methods.len()] = inherit(__OWN, __BASE, "Sub", &__PATHS);
///     Service { .., extends: Some(__BASE), methods: &__METHODS }
/// }
/// ```
pub(super) fn service(service: &Service) -> TokenStream {
    let p = service.root.private();
    let (name, docs) = (&service.name, &service.docs);
    let namespace = service.namespace.as_ref().map(|it| it.text.as_str());
    let package = service.package();
    let methods = service.methods.iter().map(|it| {
        let cfg = &it.cfg;
        let method = method(service, it, &p);
        quote!(#(#cfg)* #method)
    });
    let value = |extends: TokenStream, methods: TokenStream| {
        let namespace = namespace.unwrap_or_default();
        quote! {
            #p::schema::Service { name: #name, namespace: #namespace, docs: #docs, extends: #extends, methods: #methods }
        }
    };
    let Some(base) = service.base() else {
        return value(quote!(::core::option::Option::None), quote!(&[#(#methods),*]));
    };
    let schema = base.schema(&p);
    let prefix = names::path(package.as_deref(), &name.text, "");
    let twice = service.methods.iter().map(|method| twice(method, base, &p));
    let value = value(quote!(::core::option::Option::Some(__BASE)), quote!(&__METHODS));
    quote_spanned! {site()=>
        {
            const __BASE: &#p::schema::Service = #schema;
            const __OWN: &[#p::schema::Method] = &[#(#methods),*];
            static __PATHS: [u8; #p::extends::paths_len(#prefix, __BASE)] = #p::extends::paths(#prefix, __BASE);
            static __METHODS: [#p::schema::Method; __OWN.len() + __BASE.methods.len()] =
                #p::extends::inherit(__OWN, __BASE, #name, #prefix, &__PATHS);
            #(#twice)*
            #value
        }
    }
}

/// Refuses, at compile time, a method that the base has, too.
fn twice(method: &Method, base: &Base, p: &TokenStream) -> TokenStream {
    let (cfg, name) = (&method.cfg, &method.name);
    let text = format!(
        "`{}` is already a method of `{}`, which is extended: give one another name by `#[method(name = \"..\")]`",
        name.text,
        names::spelled(&base.path)
    );
    quote_spanned! {method.ident.span().resolved_at(site())=>
        #(#cfg)*
        const _: () = ::core::assert!(!#p::extends::has_method(__BASE, #name), #text);
    }
}

fn of_struct(item: &Item, kind: &TokenStream, fields: &TokenStream) -> TokenStream {
    let p = item.root.private();
    let (name, docs) = (&item.name, &item.docs);
    let path = path(item);
    quote_spanned! {site()=>
        const SCHEMA: #p::schema::Type = {
            static __SCHEMA: #p::schema::Struct = #p::schema::Struct {
                name: #name,
                path: #path,
                kind: #kind,
                docs: #docs,
                fields: &[#fields],
            };
            #p::schema::Type::Struct(#p::schema::Ref::new(&__SCHEMA))
        };
    }
}

/// The path of the Rust type, whatever its name in the IDL.
fn path(item: &Item) -> TokenStream {
    let ident = item.ident.to_string();
    quote!(::core::concat!(::core::module_path!(), "::", #ident))
}

fn method(service: &Service, method: &Method, p: &TokenStream) -> TokenStream {
    let (of, name, docs) = (&service.name, &method.name, &method.docs);
    let path = names::path(service.package().as_deref(), &of.text, &name.text);
    let mode = match method.mode {
        Some(Mode::Bidirectional) => quote!(Bidirectional),
        Some(Mode::Client) => quote!(Client),
        Some(Mode::Server) => quote!(Server),
        Some(Mode::Unary) => quote!(Unary),
        Some(Mode::PingPong) | None => quote!(PingPong),
    };
    let oneway = method.oneway.is_some();
    let (arguments, result) = match &method.shape {
        Some(
            Shape::Bidirectional { request, response }
            | Shape::Client { request, response }
            | Shape::Server { request, response },
        ) => (vec![field_of(request, &message(&request.ty, p), p)], Some(message(response, p))),
        Some(Shape::Call { args, success: ok, .. }) => {
            let fields = args.fields().iter().map(|it| field(it, p)).collect();
            (fields, ok.as_ref().map(|ty| success(Some(ty), p)))
        }
        None => (Vec::new(), None),
    };
    let result = match result.map(|ty| described_by(&ty, p)) {
        Some(schema) => quote!(::core::option::Option::Some(#schema)),
        None => quote!(::core::option::Option::None),
    };
    let throws = method.throws.iter().flat_map(|throws| &throws.exceptions).map(|exception| {
        let Exception { id, name, ty, docs, .. } = exception;
        quote! {
            #p::schema::Field {
                id: #id,
                name: #name,
                ty: <#ty as #p::Thrift>::SCHEMA,
                requiredness: #p::schema::Requiredness::Optional,
                docs: #docs,
                default: ::core::option::Option::None,
            }
        }
    });
    quote! {
        #p::schema::Method {
            service: #of,
            name: #name,
            path: #path,
            mode: #p::schema::Mode::#mode,
            oneway: #oneway,
            docs: #docs,
            arguments: &[#(#arguments),*],
            result: #result,
            throws: &[#(#throws),*],
        }
    }
}

fn field(field: &Field, p: &TokenStream) -> TokenStream {
    field_of(field, &field.ty, p)
}

fn field_of(field: &Field, ty: &impl ToTokens, p: &TokenStream) -> TokenStream {
    let Field { id, name, docs, .. } = field;
    let ty = described_by(ty, p);
    let requiredness = match (&field.default_requiredness, &field.required, field.optional) {
        (None, Some(_), _) => quote!(Required),
        (None, None, true) => quote!(Optional),
        (Some(_), ..) | (None, None, false) => quote!(Default),
    };
    let default = match &field.default {
        Some(default) => {
            let text = names::spelled(default);
            let ty = &field.ty;
            quote_spanned! {site()=>
                ::core::option::Option::Some(#p::schema::DefaultValue::new(#text, || {
                    let value: #ty = #default;
                    #p::schema::DefaultValue::describe(&value)
                }))
            }
        }
        None => quote!(::core::option::Option::None),
    };
    quote! {
        #p::schema::Field {
            id: #id,
            name: #name,
            ty: #ty,
            requiredness: #p::schema::Requiredness::#requiredness,
            docs: #docs,
            default: #default,
        }
    }
}

/// The description of a type.
fn described_by(ty: &impl ToTokens, p: &TokenStream) -> TokenStream {
    quote!(<#ty as #p::Thrift>::SCHEMA)
}
