//! The Rust of types.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use thrill_idl::FileId;
use thrill_idl::model::{EnumId, Field, Requiredness, StructId, Type, TypeKind, TypedefId};

use super::Generator;
use super::chosen::{self, Chosen};

/// A type in Rust.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    /// `bool`, `i8` .. `i64`, `f64`
    Primitive(&'static str),
    OrderedF64,
    String,
    ByteString,
    Bytes,
    ByteVec,
    Uuid,
    Vec(Box<Self>),
    HashSet(Box<Self>),
    BTreeSet(Box<Self>),
    HashMap(Box<Self>, Box<Self>),
    BTreeMap(Box<Self>, Box<Self>),
    Box(Box<Self>),
    Arc(Box<Self>),
    /// A typedef, and what it stands for.
    Alias(TypedefId, Box<Self>),
    /// A typedef that is a struct around its type.
    Newtype(TypedefId, Box<Self>),
    Enum(EnumId),
    Struct(StructId),
}

/// Where a type is used, as far as it matters to what it becomes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    pub(super) chosen: Chosen,
    /// Whether it is (in) a key of a map or an element of a set, so that it needs `Eq`, `Hash` and `Ord`.
    pub(super) key: bool,
}

/// A field in Rust.
pub(super) struct FieldTy {
    /// Without the `Option`.
    pub(super) ty: Ty,
    pub(super) optional: bool,
}

impl Ty {
    /// The type behind aliases.
    pub(super) fn underlying(&self) -> &Self {
        match self {
            Self::Alias(_, ty) => ty.underlying(),
            other => other,
        }
    }

    /// Whether a constant of this type can be a `const`.
    pub(super) fn is_const(&self) -> bool {
        if let Self::Newtype(_, inner) = self.underlying() {
            return !matches!(inner.underlying(), Self::String | Self::ByteVec) && inner.is_const();
        }
        matches!(
            self.underlying(),
            Self::Primitive(_)
                | Self::OrderedF64
                | Self::String
                | Self::ByteString
                | Self::Bytes
                | Self::ByteVec
                | Self::Uuid
                | Self::Enum(_)
        )
    }
}

impl Generator<'_> {
    /// A type as it is used somewhere.
    pub(super) fn ty(&self, ty: &Type, of: Use) -> Ty {
        let of = Use { chosen: of.chosen.and(&ty.annotations), ..of };
        let Chosen { bytestring, vec, btree, ordered, arc } = of.chosen;
        let shared = |ty| if arc { Ty::Arc(Box::new(ty)) } else { ty };
        let inner = |ty| Box::new(self.ty(ty, of));
        let key = |ty| Box::new(self.ty(ty, Use { key: true, ..of }));
        match &ty.kind {
            TypeKind::Bool => Ty::Primitive("bool"),
            TypeKind::I8 => Ty::Primitive("i8"),
            TypeKind::I16 => Ty::Primitive("i16"),
            TypeKind::I32 => Ty::Primitive("i32"),
            TypeKind::I64 => Ty::Primitive("i64"),
            TypeKind::Double if of.key || ordered => Ty::OrderedF64,
            TypeKind::Double => Ty::Primitive("f64"),
            TypeKind::String if bytestring.unwrap_or(self.options.bytestring) => shared(Ty::ByteString),
            TypeKind::String => shared(Ty::String),
            TypeKind::Binary if vec => shared(Ty::ByteVec),
            TypeKind::Binary => shared(Ty::Bytes),
            TypeKind::Uuid => Ty::Uuid,
            TypeKind::List(element) => Ty::Vec(inner(element)),
            // What is hashed is not a key itself.
            TypeKind::Set(element) if of.key || btree => Ty::BTreeSet(key(element)),
            TypeKind::Set(element) => Ty::HashSet(key(element)),
            TypeKind::Map(k, v) if of.key || btree => Ty::BTreeMap(key(k), inner(v)),
            TypeKind::Map(k, v) => Ty::HashMap(key(k), inner(v)),
            TypeKind::Typedef(id) => {
                let typedef = &self.program[*id];
                if chosen::newtype(&typedef.annotations) {
                    return Ty::Newtype(*id, Box::new(self.newtype_ty(*id)));
                }
                let alone =
                    self.ty(&typedef.ty, Use { chosen: Chosen::default().and(&typedef.annotations), key: false });
                let here = self.ty(&typedef.ty, Use { chosen: of.chosen.and(&typedef.annotations), ..of });
                if here == alone { Ty::Alias(*id, Box::new(here)) } else { here }
            }
            TypeKind::Enum(id) => Ty::Enum(*id),
            TypeKind::Struct(id) => shared(Ty::Struct(*id)),
        }
    }

    /// What a typedef that is a struct of its own holds.
    pub(super) fn newtype_ty(&self, id: TypedefId) -> Ty {
        let typedef = &self.program[id];
        let chosen = Chosen::default().and(&typedef.annotations);
        self.ty(&typedef.ty, Use { chosen, key: self.traits.typedefs[id.index()] })
    }

    /// A field of a struct, or what a variant of a union carries.
    pub(super) fn field_ty(&self, id: StructId, field: &Field) -> FieldTy {
        let chosen = Chosen::default().and(&field.annotations);
        let ty = self.ty(&field.ty, Use { chosen, key: self.traits.structs[id.index()].key });
        let pointer = (field.recursive || field.reference) && !matches!(ty.underlying(), Ty::Arc(_));
        let ty = if pointer { Ty::Box(Box::new(ty)) } else { ty };
        let optional = !self.program[id].is_union() && self.is_option(field);
        FieldTy { ty, optional }
    }

    /// Whether a field is an `Option`: what is optional, and structs that need not be there, as Kitex's pointers.
    pub(super) fn is_option(&self, field: &Field) -> bool {
        match field.requiredness {
            Requiredness::Optional => true,
            Requiredness::Required => false,
            Requiredness::Default => self.program.as_struct(&field.ty).is_some(),
        }
    }

    /// The Rust of a type, as seen from the module of a file.
    pub(super) fn tokens(&self, ty: &Ty, from: FileId) -> TokenStream {
        let root = self.root();
        let of = |ty: &Ty| self.tokens(ty, from);
        match ty {
            Ty::Primitive(name) => {
                let name = format_ident!("{name}");
                quote!(#name)
            }
            Ty::OrderedF64 => quote!(#root::OrderedF64),
            Ty::String => quote!(::std::string::String),
            Ty::ByteString => quote!(#root::ByteString),
            Ty::Bytes => quote!(#root::Bytes),
            Ty::ByteVec => quote!(::std::vec::Vec<u8>),
            Ty::Uuid => quote!(#root::Uuid),
            Ty::Vec(element) => {
                let element = of(element);
                quote!(::std::vec::Vec<#element>)
            }
            Ty::HashSet(element) => {
                let element = of(element);
                quote!(::std::collections::HashSet<#element>)
            }
            Ty::BTreeSet(element) => {
                let element = of(element);
                quote!(::std::collections::BTreeSet<#element>)
            }
            Ty::HashMap(key, value) => {
                let (key, value) = (of(key), of(value));
                quote!(::std::collections::HashMap<#key, #value>)
            }
            Ty::BTreeMap(key, value) => {
                let (key, value) = (of(key), of(value));
                quote!(::std::collections::BTreeMap<#key, #value>)
            }
            Ty::Box(inner) => {
                let inner = of(inner);
                quote!(::std::boxed::Box<#inner>)
            }
            Ty::Arc(inner) => {
                let inner = of(inner);
                quote!(::std::sync::Arc<#inner>)
            }
            Ty::Alias(id, _) | Ty::Newtype(id, _) => {
                let path = self.path(from, self.program[*id].file);
                let name = self.ident(&self.names.typedefs[id.index()], self.places.start());
                quote!(#path #name)
            }
            Ty::Enum(id) => self.enum_path(*id, from),
            Ty::Struct(id) => self.struct_path(*id, from),
        }
    }

    pub(super) fn enum_path(&self, id: EnumId, from: FileId) -> TokenStream {
        let path = self.path(from, self.program[id].file);
        let name = self.ident(&self.names.enums[id.index()].name, self.places.start());
        quote!(#path #name)
    }

    pub(super) fn struct_path(&self, id: StructId, from: FileId) -> TokenStream {
        let path = self.path(from, self.program[id].file);
        let name = self.ident(&self.names.structs[id.index()].name, self.places.start());
        quote!(#path #name)
    }
}
