//! `#[derive(Thrift)]`: structs, exceptions, unions and enums.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Data, DataEnum, DeriveInput, Expr, Fields, Path, Type, Variant, parse_quote};

use super::keys::{Keys, number, renamed};
use super::{docs, ty};
use crate::diag::Diag;
use crate::model::{Body, Enum, EnumVariant, Field, Item, Number, Root, Struct, Union, UnionVariant};
use crate::names;

/// Reads the input of the derive.
pub(crate) fn item(input: &DeriveInput, diag: &mut Diag) -> Item {
    let mut keys = Keys::of(&input.attrs, "thrift", diag);
    let name = renamed(&mut keys, &input.ident);
    let root = root(&mut keys);
    let exception = match &input.data {
        Data::Struct(_) => keys.flag("exception"),
        _ => {
            if let Some(exception) = keys.flag("exception") {
                keys.error(&exception, "only a struct can be an exception: remove `exception`");
            }
            None
        }
    };
    let default = keys.flag("default");
    keys.finish();
    Item {
        ident: input.ident.clone(),
        name,
        docs: docs(&input.attrs),
        root,
        generics: input.generics.clone(),
        default,
        body: body(input, exception, diag),
    }
}

/// `crate = path`, or `::thrill`.
pub(super) fn root(keys: &mut Keys<'_>) -> Root {
    Root(keys.path("crate", "my_thrill").unwrap_or_else(|| parse_quote!(::thrill)))
}

/// Reads a field of a struct, or an argument.
pub(super) fn field(ident: &Ident, written: &Type, attrs: &[Attribute], diag: &mut Diag) -> Field {
    let mut keys = Keys::of(attrs, "thrift", diag);
    let inner = ty::option(written);
    let field = Field {
        ident: ident.clone(),
        name: renamed(&mut keys, ident),
        id: keys.id(),
        ty: inner.unwrap_or(written).clone(),
        optional: inner.is_some(),
        required: keys.flag("required"),
        default_requiredness: keys.flag("default_requiredness"),
        default: keys.expr("default", "0"),
        docs: docs(attrs),
    };
    keys.finish();
    field
}

fn body(input: &DeriveInput, exception: Option<Path>, diag: &mut Diag) -> Body {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                if let Some(exception) = &exception {
                    diag.error(exception, "an exception has named fields: write `{ #[thrift(id = 1)] name: T }`");
                }
                Keys::of(&fields.unnamed[0].attrs, "thrift", diag).finish();
                Body::Newtype(ty::named(&fields.unnamed[0].ty, &input.ident))
            }
            Fields::Unnamed(fields) => {
                diag.error(fields, "a Thrift struct has named fields: write `{ #[thrift(id = 1)] name: T }`");
                Body::None
            }
            fields => {
                let named = fields.iter().filter_map(|field| Some((field.ident.as_ref()?, field)));
                let mut fields: Vec<_> =
                    named.map(|(ident, it)| field(ident, &ty::named(&it.ty, &input.ident), &it.attrs, diag)).collect();
                for default in fields.iter_mut().filter_map(|field| field.default.as_mut()) {
                    *default = ty::named(default, &input.ident);
                }
                Body::Struct(Struct { fields, exception, arguments: false })
            }
        },
        Data::Enum(data) if is_union(data) => Body::Union(union(&input.ident, data, diag)),
        Data::Enum(data) => Body::Enum(enumeration(data, diag)),
        Data::Union(data) => {
            diag.error(&data.union_token, "a Thrift union is a Rust enum whose variants carry one value each");
            Body::None
        }
    }
}

/// A union's variants carry values; an enum's do not, except for the number that is unknown.
fn is_union(data: &DataEnum) -> bool {
    let (unknown, known): (Vec<_>, Vec<_>) = data.variants.iter().partition(|variant| is_unknown(variant));
    match known.as_slice() {
        [] => unknown.iter().any(|variant| !carries(&variant.fields, "i32")),
        known => known.iter().any(|variant| !variant.fields.is_empty()),
    }
}

/// Looks for `unknown` without judging the attribute.
fn is_unknown(variant: &Variant) -> bool {
    Keys::of(&variant.attrs, "thrift", &mut Diag::default()).has("unknown")
}

/// Whether a variant carries one value, of the type with this name.
fn carries(fields: &Fields, name: &str) -> bool {
    let Fields::Unnamed(fields) = fields else { return false };
    let [field] = fields.unnamed.iter().collect::<Vec<_>>()[..] else { return false };
    let Type::Path(path) = ty::ungrouped(&field.ty) else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == name)
}

fn union(owner: &Ident, data: &DataEnum, diag: &mut Diag) -> Union {
    let mut union = Union { variants: Vec::new(), unknown: Vec::new() };
    for variant in &data.variants {
        let ident = &variant.ident;
        let mut keys = Keys::of(&variant.attrs, "thrift", diag);
        if keys.flag("unknown").is_some() {
            keeps(&mut keys, variant, "UnknownField", "(thrill::UnknownField)`: what a newer peer sends");
            union.unknown.push(ident.clone());
        } else {
            union.variants.push(UnionVariant {
                ident: ident.clone(),
                name: renamed(&mut keys, ident),
                id: keys.id(),
                ty: payload(&mut keys, variant, owner),
                default: keys.expr("default", "0"),
                docs: docs(&variant.attrs),
            });
        }
        keys.finish();
    }
    union
}

/// The type that a union's variant carries.
fn payload(keys: &mut Keys<'_>, variant: &Variant, owner: &Ident) -> Type {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => ty::named(&fields.unnamed[0].ty, owner),
        _ => {
            keys.error(&at(variant), format!("a union's variant carries one value: `{}(T)`", variant.ident));
            parse_quote!(())
        }
    }
}

/// An unknown variant carries what the runtime makes of the unknown.
fn keeps(keys: &mut Keys<'_>, variant: &Variant, what: &str, how: &str) {
    if !carries(&variant.fields, what) {
        keys.error(&at(variant), format!("write `{}{how} is kept there", variant.ident));
    }
}

/// What a variant carries, or its name where that is nothing.
fn at(variant: &Variant) -> TokenStream {
    match &variant.fields {
        Fields::Unit => variant.ident.to_token_stream(),
        fields => fields.to_token_stream(),
    }
}

fn enumeration(data: &DataEnum, diag: &mut Diag) -> Enum {
    let mut read = Enum { variants: Vec::new(), unknown: Vec::new() };
    let mut next = 0;
    for variant in &data.variants {
        let ident = &variant.ident;
        let mut keys = Keys::of(&variant.attrs, "thrift", diag);
        if keys.flag("unknown").is_some() {
            keeps(&mut keys, variant, "i32", "(i32)`: the number that a newer peer sends");
            read.unknown.push(ident.clone());
        } else {
            let name = renamed(&mut keys, ident);
            let aliases = keys.names("alias", names::is_identifier);
            let value = value(&mut keys, variant).unwrap_or(Number { value: next, span: ident.span() });
            next = value.value.saturating_add(1);
            read.variants.push(EnumVariant { ident: ident.clone(), name, aliases, value, docs: docs(&variant.attrs) });
        }
        keys.finish();
    }
    read
}

/// `#[thrift(value = 1)]` or a discriminant.
fn value(keys: &mut Keys<'_>, variant: &Variant) -> Option<Number> {
    let given = keys.number("value");
    let discriminant = variant.discriminant.as_ref().and_then(|(_, expr)| discriminant(keys, expr));
    if let (Some(given), Some(discriminant)) = (given, discriminant) {
        if given.value != discriminant.value {
            keys.error(&given, format!("the discriminant says {}: remove one of the two", discriminant.value));
        }
    }
    given.or(discriminant)
}

fn discriminant(keys: &mut Keys<'_>, expr: &Expr) -> Option<Number> {
    let read = number(expr);
    if read.is_none() {
        keys.error(expr, "the macro cannot compute this: write an integer literal, or `#[thrift(value = 1)]`");
    }
    read
}
