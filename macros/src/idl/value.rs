//! The Rust of values: constants and defaults.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use thrill_idl::FileId;
use thrill_idl::model::{EnumId, StructId, Value};

use super::Generator;
use super::ty::{FieldTy, Ty};

impl Generator<'_> {
    /// An expression for a value of a type, in the module of a file.
    pub(super) fn value(&self, value: &Value, ty: &Ty, from: FileId) -> TokenStream {
        let root = self.root();
        let all = |values: &[Value], ty: &Ty| -> Vec<TokenStream> {
            values.iter().map(|value| self.value(value, ty, from)).collect()
        };
        match (value, ty) {
            (value, Ty::Alias(_, ty)) => self.value(value, ty, from),
            (value, Ty::Newtype(_, inner)) => {
                let (name, value) = (self.tokens(ty, from), self.value(value, inner, from));
                quote!(#name(#value))
            }
            (value, Ty::Box(ty)) => {
                let value = self.value(value, ty, from);
                quote!(::std::boxed::Box::new(#value))
            }
            (value, Ty::Arc(ty)) => {
                let value = self.value(value, ty, from);
                quote!(::std::sync::Arc::new(#value))
            }
            (Value::Bool(v), _) => quote!(#v),
            (Value::I8(v), _) => integer((*v).into()),
            (Value::I16(v), _) => integer((*v).into()),
            (Value::I32(v), _) => integer((*v).into()),
            (Value::I64(v), _) => integer(*v),
            (Value::Double(v), Ty::OrderedF64) => {
                let v = double(*v);
                quote!(#root::OrderedF64(#v))
            }
            (Value::Double(v), _) => double(*v),
            (Value::String(v), Ty::ByteString) => quote!(#root::ByteString::from_static(#v)),
            (Value::String(v), _) => quote!(::std::string::String::from(#v)),
            (Value::Binary(v), ty) => {
                let v = Literal::byte_string(v);
                if *ty == Ty::ByteVec { quote!(#v.to_vec()) } else { quote!(#root::Bytes::from_static(#v)) }
            }
            (Value::Uuid(v), _) => quote!(#root::Uuid::from_bytes([#(#v),*])),
            (Value::Enum(id, number), _) => self.enum_value(*id, *number, from),
            (Value::List(values), Ty::Vec(ty)) => {
                let values = all(values, ty);
                quote!(::std::vec![#(#values),*])
            }
            (Value::Set(values), Ty::HashSet(ty)) => {
                let values = all(values, ty);
                quote!(::std::collections::HashSet::from([#(#values),*]))
            }
            (Value::Set(values), Ty::BTreeSet(ty)) => {
                let values = all(values, ty);
                quote!(::std::collections::BTreeSet::from([#(#values),*]))
            }
            (Value::Map(entries), Ty::HashMap(k, v) | Ty::BTreeMap(k, v)) => {
                let entries = entries.iter().map(|(key, value)| {
                    let (key, value) = (self.value(key, k, from), self.value(value, v, from));
                    quote!((#key, #value))
                });
                let map = if matches!(ty, Ty::HashMap(..)) { quote!(HashMap) } else { quote!(BTreeMap) };
                quote!(::std::collections::#map::from([#(#entries),*]))
            }
            (Value::Struct(id, fields), _) => self.struct_value(*id, fields, from),
            // The resolver gives values of their type only.
            (Value::List(_) | Value::Set(_) | Value::Map(_), _) => quote!(::core::default::Default::default()),
        }
    }

    /// A value for a `const`: a string is a `&'static str`.
    pub(super) fn const_value(&self, value: &Value, ty: &Ty, from: FileId) -> (TokenStream, TokenStream) {
        match value {
            value if matches!(ty.underlying(), Ty::Newtype(..)) => (self.tokens(ty, from), self.value(value, ty, from)),
            Value::String(v) => (quote!(&'static ::core::primitive::str), quote!(#v)),
            Value::Binary(v) => {
                let v = Literal::byte_string(v);
                (quote!(&'static [::core::primitive::u8]), quote!(#v))
            }
            value => (self.tokens(ty, from), self.value(value, ty, from)),
        }
    }

    fn enum_value(&self, id: EnumId, number: i32, from: FileId) -> TokenStream {
        let path = self.enum_path(id, from);
        let names = &self.names.enums[id.index()];
        let position = self.program[id].values.iter().position(|value| value.value == number);
        match position {
            Some(at) => {
                let variant = self.ident(&names.values[at], self.places.start());
                quote!(#path::#variant)
            }
            None => {
                let unknown = self.ident(&names.unknown, self.places.start());
                quote!(#path::#unknown(#number))
            }
        }
    }

    fn struct_value(&self, id: StructId, given: &[(usize, Value)], from: FileId) -> TokenStream {
        let (item, names) = (&self.program[id], &self.names.structs[id.index()]);
        let path = self.struct_path(id, from);
        let ident = |at: usize| self.ident(&names.fields[at], self.places.start());
        if item.is_union() {
            let Some((at, value)) = given.first() else {
                return quote!(<#path as ::core::default::Default>::default());
            };
            let (variant, value) = (ident(*at), self.field_value(id, *at, value, from));
            return quote!(#path::#variant(#value));
        }
        let has_default = self.traits.structs[id.index()].default;
        let fields = item.fields.iter().enumerate().filter_map(|(at, field)| {
            let name = ident(at);
            let FieldTy { optional, .. } = self.field_ty(id, field);
            let given = given.iter().find(|(given, _)| *given == at).map(|(_, value)| value);
            let value = match given.or(field.default.as_ref().filter(|_| !has_default)) {
                Some(value) => self.field_value(id, at, value, from),
                None if has_default => return None,
                None if optional => quote!(::core::option::Option::None),
                None if self.is_default(field) => quote!(::core::default::Default::default()),
                None => {
                    let message =
                        format!("`{}.{}` has no default: the IDL must give it a value here", item.name, field.name);
                    quote!(::core::compile_error!(#message))
                }
            };
            Some(quote!(#name: #value,))
        });
        let rest = (has_default && given.len() < item.fields.len())
            .then(|| quote!(..<#path as ::core::default::Default>::default()));
        quote!(#path { #(#fields)* #rest })
    }

    /// A field's value, in its `Option` if it has one.
    fn field_value(&self, id: StructId, at: usize, value: &Value, from: FileId) -> TokenStream {
        let FieldTy { ty, optional } = self.field_ty(id, &self.program[id].fields[at]);
        let value = self.value(value, &ty, from);
        if optional { quote!(::core::option::Option::Some(#value)) } else { value }
    }
}

fn integer(v: i64) -> TokenStream {
    let v = Literal::i64_unsuffixed(v);
    quote!(#v)
}

fn double(v: f64) -> TokenStream {
    let v = Literal::f64_unsuffixed(v);
    quote!(#v)
}
