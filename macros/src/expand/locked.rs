//! `locked`: compares a service with a file while it compiles.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use thrill_idl::breaking::{Contract, Field, Function, Slice, Tables, Type};
use thrill_idl::model::Mode;
use thrill_idl::{ast::Requiredness, ast::StructKind};

use super::site;
use crate::model::{Locked, Service};

/// Writes the tables of the file, and has the compiler compare them with the service:
///
/// ```text
/// const _: () = {
///     const _: &[u8] = include_bytes!("/home/me/api/echo.lock.thrift"); // a change of it is a reason to compile
///     const __OLD: Contract = Contract { package: "echo", services: &[..], functions: &[..], .. };
///     const __COUNTS: Counts = Counts::of(&__SERVICE);
///     const __LIVE: &Live<{ __COUNTS.structs }, ..> = &Live::of(&__SERVICE, "echo");
///     const __NEW: Contract = __LIVE.contract();
///     const __REPORT: Report = Report::new(&__OLD, &__NEW, ..);
///     if !__REPORT.is_empty() && !is_accepted(option_env!("UPDATE_IDL"), true) {
///         panic!("this breaks peers that were built with `echo.lock.thrift`: ..");
///     }
/// };
/// ```
pub(super) fn comparison(service: &Service) -> TokenStream {
    let Some(locked) = &service.locked else { return TokenStream::new() };
    let path = &locked.path.text;
    let Some(program) = &locked.program else {
        let text = format!("there is no `{path}`: {}", written_by(path));
        return missing(service, locked, &text);
    };
    let tables = Tables::of(program);
    let mut old = tables.contract();
    let Some(released) = old.services.iter().find(|it| it.name == service.name.text) else {
        let name = &service.name.text;
        let text = format!(
            "`{path}` has no service `{name}`: give it its name of then by `name = \"..\"`, or, where it is new, {}",
            written_by(path)
        );
        let missing = missing(service, locked, &text);
        let tracked = tracked(locked);
        return quote!(#tracked #missing);
    };
    old.services = std::slice::from_ref(released);
    compared(service, locked, &old)
}

fn compared(service: &Service, locked: &Locked, old: &Contract<'_>) -> TokenStream {
    let p = service.root.private();
    let path = &locked.path.text;
    let before = format!("this breaks peers that were built with `{path}`:");
    let after = "if no such peer is left, `UPDATE_IDL=breaking cargo test` writes the file anew";
    let package = package(service);
    let old = contract(old, &p);
    let tracked = tracked(locked);
    let panic = quote_spanned!(locked.path.span.resolved_at(site())=> ::core::panic!("{}", __TEXT));
    quote_spanned! {site()=>
        #tracked
        #[allow(long_running_const_eval)]
        const _: () = {
            const __OLD: #p::locked::Contract<'static> = #old;
            const __COUNTS: #p::locked::Counts = #p::locked::Counts::of(&__SERVICE);
            const __LIVE: &#p::locked::Live<
                { __COUNTS.structs },
                { __COUNTS.enums },
                { __COUNTS.fields },
                { __COUNTS.values },
                { __COUNTS.types },
                { __COUNTS.methods },
            > = &#p::locked::Live::of(&__SERVICE, #package);
            const __NEW: #p::locked::Contract<'static> = __LIVE.contract();
            const __PAIRS: usize = #p::locked::Scratch::pairs(&__OLD, &__NEW);
            const __REPORT: #p::locked::Report<'static> = #p::locked::Report::new(
                &__OLD,
                &__NEW,
                &mut #p::locked::Scratch { queue: &mut [0; __PAIRS], queued: 0, seen: &mut [false; __PAIRS] },
            );
            const __LEN: usize = __REPORT.text(#before, #after, &mut []);
            const __BYTES: [u8; __LEN] = #p::locked::text(&__REPORT, #before, #after);
            const __TEXT: &str = #p::locked::as_str(&__BYTES);
            if !__REPORT.is_empty() && !#p::locked::is_accepted(::core::option_env!("UPDATE_IDL"), true) {
                #panic
            }
        };
    }
}

fn written_by(path: &str) -> String {
    format!("`UPDATE_IDL=1 cargo test` writes it, by a test that calls `thrill::testing::assert_idl(\"{path}\", ..)`")
}

/// An error, unless the file is about to be written.
fn missing(service: &Service, locked: &Locked, text: &str) -> TokenStream {
    let p = service.root.private();
    let panic = quote_spanned!(locked.path.span.resolved_at(site())=> ::core::panic!("{}", #text));
    quote_spanned! {site()=>
        const _: () = if !#p::locked::is_accepted(::core::option_env!("UPDATE_IDL"), false) {
            #panic
        };
    }
}

/// Makes a change of the file a reason to compile.
fn tracked(locked: &Locked) -> TokenStream {
    let file = locked.file.to_string_lossy();
    quote_spanned!(site()=> const _: &[u8] = ::core::include_bytes!(#file);)
}

/// The package of the paths of its streams.
fn package(service: &Service) -> String {
    service.package().unwrap_or_default()
}

fn contract(contract: &Contract<'_>, p: &TokenStream) -> TokenStream {
    let services = contract.services.iter().map(|it| {
        let (name, functions) = (it.name, slice(it.functions, p));
        quote!(#p::locked::Service { name: #name, functions: #functions, span: #p::locked::NOWHERE })
    });
    let functions = contract.functions.iter().map(|it| function(it, p));
    let structs = contract.structs.iter().map(|it| {
        let (name, fields) = (it.name, slice(it.fields, p));
        let kind = match it.kind {
            StructKind::Struct => quote!(Struct),
            StructKind::Union => quote!(Union),
            StructKind::Exception => quote!(Exception),
        };
        quote! {
            #p::locked::Struct {
                name: #name,
                kind: #p::locked::StructKind::#kind,
                fields: #fields,
                span: #p::locked::NOWHERE,
            }
        }
    });
    let enums = contract.enums.iter().map(|it| {
        let (name, values) = (it.name, slice(it.values, p));
        quote!(#p::locked::Enum { name: #name, values: #values, span: #p::locked::NOWHERE })
    });
    let fields = contract.fields.iter().map(|it| field(it, p));
    let values = contract.values.iter().map(|it| {
        let (name, value) = (it.name, it.value);
        quote!(#p::locked::EnumValue { name: #name, value: #value, span: #p::locked::NOWHERE })
    });
    let types = contract.types.iter().map(|it| ty(*it, p));
    let package = contract.package;
    quote! {
        #p::locked::Contract {
            package: #package,
            span: #p::locked::NOWHERE,
            services: &[#(#services),*],
            functions: &[#(#functions),*],
            structs: &[#(#structs),*],
            enums: &[#(#enums),*],
            fields: &[#(#fields),*],
            values: &[#(#values),*],
            types: &[#(#types),*],
        }
    }
}

fn function(it: &Function<'_>, p: &TokenStream) -> TokenStream {
    let Function { name, oneway, .. } = it;
    let mode = match it.mode {
        Mode::PingPong => quote!(PingPong),
        Mode::Unary => quote!(Unary),
        Mode::Client => quote!(Client),
        Mode::Server => quote!(Server),
        Mode::Bidirectional => quote!(Bidirectional),
    };
    let (arguments, throws) = (slice(it.arguments, p), slice(it.throws, p));
    let result = match it.result {
        Some(result) => {
            let result = ty(result, p);
            quote!(::core::option::Option::Some(#result))
        }
        None => quote!(::core::option::Option::None),
    };
    quote! {
        #p::locked::Function {
            name: #name,
            mode: #p::locked::Mode::#mode,
            oneway: #oneway,
            arguments: #arguments,
            result: #result,
            throws: #throws,
            span: #p::locked::NOWHERE,
        }
    }
}

fn field(it: &Field<'_>, p: &TokenStream) -> TokenStream {
    let (id, name, ty) = (it.id, it.name, ty(it.ty, p));
    let requiredness = match it.requiredness {
        Requiredness::Default => quote!(Default),
        Requiredness::Required => quote!(Required),
        Requiredness::Optional => quote!(Optional),
    };
    quote! {
        #p::locked::Field {
            id: #id,
            name: #name,
            requiredness: #p::locked::Requiredness::#requiredness,
            ty: #ty,
            span: #p::locked::NOWHERE,
        }
    }
}

fn ty(ty: Type, p: &TokenStream) -> TokenStream {
    let ty = match ty {
        Type::Bool => quote!(Bool),
        Type::I8 => quote!(I8),
        Type::I16 => quote!(I16),
        Type::I32 => quote!(I32),
        Type::I64 => quote!(I64),
        Type::Double => quote!(Double),
        Type::String => quote!(String),
        Type::Binary => quote!(Binary),
        Type::Uuid => quote!(Uuid),
        Type::List(element) => quote!(List(#element)),
        Type::Set(element) => quote!(Set(#element)),
        Type::Map(key, value) => quote!(Map(#key, #value)),
        Type::Struct(at) => quote!(Struct(#at)),
        Type::Enum(at) => quote!(Enum(#at)),
        Type::Erroneous => quote!(Erroneous),
    };
    quote!(#p::locked::Type::#ty)
}

fn slice(slice: Slice, p: &TokenStream) -> TokenStream {
    let Slice { start, end } = slice;
    quote!(#p::locked::Slice { start: #start, end: #end })
}
