//! The Rust of definitions, apart from services.

use std::collections::HashSet;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::Path;
use thrill_idl::model::{Annotations, ConstId, EnumId, Field, Requiredness, StructId, StructKind, TypedefId, Value};

use super::Generator;
use super::chosen::{self, Chosen};
use super::ty::{FieldTy, Ty, Use};

impl Generator<'_> {
    /// `pub type UserId = i64;`, or a struct around it.
    pub(super) fn typedef(&self, id: TypedefId) -> TokenStream {
        let item = &self.program[id];
        let name = self.ident(&self.names.typedefs[id.index()], self.places.at(item.name_span));
        if chosen::newtype(&item.annotations) {
            return self.newtype(id, &name);
        }
        let (docs, lints) = (docs(&item.docs), lints());
        let attributes = self.attributes(&item.annotations);
        let ty = self.ty(&item.ty, Use { chosen: Chosen::default().and(&item.annotations), key: false });
        let ty = self.tokens(&ty, item.file);
        quote!(#docs #lints #attributes pub type #name = #ty;)
    }

    fn newtype(&self, id: TypedefId, name: &Ident) -> TokenStream {
        let item = &self.program[id];
        let ty = self.newtype_ty(id);
        let mut std = vec!["fmt::Debug", "clone::Clone", "cmp::PartialEq"];
        std.extend(matches!(ty.underlying(), Ty::Primitive(_) | Ty::OrderedF64 | Ty::Uuid).then_some("marker::Copy"));
        std.extend(self.has_eq(&ty).then_some("cmp::Eq"));
        std.extend(self.has_hash(&ty).then_some("hash::Hash"));
        if self.traits.typedefs[id.index()] {
            std.extend(["cmp::PartialOrd", "cmp::Ord"]);
        }
        let head = self.head(&item.docs, &item.annotations, &std);
        let has_default = self.program.as_struct(&item.ty).is_none_or(|id| self.traits.structs[id.index()].default);
        let keys = self.type_keys(has_default.then(|| format_ident!("default")).as_slice(), &item.name, name);
        let ty = self.tokens(&ty, item.file);
        quote!(#head #keys pub struct #name(pub #ty);)
    }

    /// A `const`, or a `static` that is made when it is first used.
    pub(super) fn constant(&self, id: ConstId) -> TokenStream {
        let item = &self.program[id];
        let name = self.ident(&self.names.consts[id.index()], self.places.at(item.name_span));
        let (docs, lints) = (docs(&item.docs), lints());
        let ty = self.ty(&item.ty, Use { chosen: Chosen::default().and(&item.annotations), key: false });
        if ty.is_const() {
            let (ty, value) = self.const_value(&item.value, &ty, item.file);
            return quote!(#docs #lints pub const #name: #ty = #value;);
        }
        let value = self.value(&item.value, &ty, item.file);
        let ty = self.tokens(&ty, item.file);
        quote! {
            #docs
            #lints
            pub static #name: ::std::sync::LazyLock<#ty> = ::std::sync::LazyLock::new(|| #value);
        }
    }

    /// An enum; a second name of a number is a constant.
    pub(super) fn enumeration(&self, id: EnumId) -> TokenStream {
        let item = &self.program[id];
        let names = &self.names.enums[id.index()];
        let name = self.ident(&names.name, self.places.at(item.name_span));
        let mut std = vec!["fmt::Debug", "clone::Clone", "marker::Copy", "cmp::PartialEq", "cmp::Eq", "hash::Hash"];
        if self.traits.enums[id.index()] {
            std.extend(["cmp::PartialOrd", "cmp::Ord"]);
        }
        let head = self.head(&item.docs, &item.annotations, &std);
        let keys = self.type_keys(&[format_ident!("default")], &item.name, &name);
        let mut variants = TokenStream::new();
        let mut aliases = TokenStream::new();
        let mut seen = HashSet::new();
        for (value, name) in item.values.iter().zip(&names.values) {
            let ident = self.ident(name, self.places.at(value.name_span));
            let docs = docs(&value.docs);
            if seen.insert(value.value) {
                let number = proc_macro2::Literal::i32_unsuffixed(value.value);
                let rename = rename(&ident, &value.name);
                let others = item.values.iter().filter(|other| other.value == value.value).skip(1);
                let others = others.map(|other| &other.name);
                let attributes = self.part_attributes(&value.annotations, &ident, &value.name);
                variants
                    .extend(quote!(#docs #attributes #[thrift(value = #number #rename #(, alias = #others)*)] #ident,));
            } else if let Some(at) = item.values.iter().position(|first| first.value == value.value) {
                let first = self.ident(&names.values[at], self.places.at(value.name_span));
                let docs = if value.docs.is_empty() { self::docs("Another name of the same number.") } else { docs };
                aliases.extend(quote!(#docs pub const #ident: Self = Self::#first;));
            }
        }
        let unknown = self.ident(&names.unknown, self.places.start());
        let lints = lints();
        let aliases = (!aliases.is_empty()).then(|| quote!(#lints impl #name { #aliases }));
        quote! {
            #head
            #keys
            pub enum #name {
                #variants
                /// A number that has no name here: a newer peer sent it.
                #[thrift(unknown)]
                #unknown(::core::primitive::i32),
            }
            #aliases
        }
    }

    /// A struct, an exception, or a union as an enum.
    pub(super) fn structure(&self, id: StructId) -> TokenStream {
        let item = &self.program[id];
        let names = &self.names.structs[id.index()];
        let derived = self.traits.structs[id.index()];
        let name = self.ident(&names.name, self.places.at(item.name_span));
        let mut std = vec!["fmt::Debug", "clone::Clone", "cmp::PartialEq"];
        std.extend(derived.eq.then_some("cmp::Eq"));
        std.extend(derived.hash.then_some("hash::Hash"));
        if derived.key {
            std.extend(["cmp::PartialOrd", "cmp::Ord"]);
        }
        let head = self.head(&item.docs, &item.annotations, &std);
        let flags = [
            (item.kind == StructKind::Exception || derived.thrown).then(|| format_ident!("exception")),
            derived.default.then(|| format_ident!("default")),
        ];
        let keys = self.type_keys(&flags.into_iter().flatten().collect::<Vec<_>>(), &item.name, &name);
        let fields = item.fields.iter().zip(&names.fields).map(|(field, name)| {
            let ident = self.ident(name, self.places.at(field.name_span));
            if item.is_union() { self.variant(id, field, &ident) } else { self.field(id, field, &ident) }
        });
        if !item.is_union() {
            return quote!(#head #keys pub struct #name { #(#fields)* });
        }
        let (unknown, root) = (self.ident(&names.unknown, self.places.start()), self.root());
        quote! {
            #head
            #keys
            pub enum #name {
                #(#fields)*
                /// A field that is not known here: a newer peer sent it.
                #[thrift(unknown)]
                #unknown(#root::UnknownField),
            }
        }
    }

    fn field(&self, id: StructId, field: &Field, ident: &Ident) -> TokenStream {
        let FieldTy { ty, optional } = self.field_ty(id, field);
        let file = self.program[id].file;
        let docs = docs(&field.docs);
        let attributes = self.part_attributes(&field.annotations, ident, &field.name);
        let required = (field.requiredness == Requiredness::Required).then(|| quote!(, required));
        let default_requiredness =
            (optional && field.requiredness == Requiredness::Default).then(|| quote!(, default_requiredness));
        // Only a struct that has a `Default` has a use for the default of what is never left out.
        let is_used = required.is_none() || self.traits.structs[id.index()].default;
        let default = field.default.as_ref().filter(|_| is_used).map(|value| self.default(value, &ty, file));
        let (number, rename) = (id_key(field.id), rename(ident, &field.name));
        let ty = self.tokens(&ty, file);
        let ty = if optional { quote!(::core::option::Option<#ty>) } else { ty };
        quote! {
            #docs
            #attributes
            #[thrift(#number #required #default_requiredness #rename #default)]
            pub #ident: #ty,
        }
    }

    fn variant(&self, id: StructId, field: &Field, ident: &Ident) -> TokenStream {
        let FieldTy { ty, .. } = self.field_ty(id, field);
        let file = self.program[id].file;
        let docs = docs(&field.docs);
        let attributes = self.part_attributes(&field.annotations, ident, &field.name);
        // thriftgo lets a union have several; the first is the one that a value begins with.
        let is_first =
            self.program[id].fields.iter().find(|other| other.default.is_some()).is_some_and(|it| it.id == field.id);
        let default = field.default.as_ref().filter(|_| is_first).map(|value| self.default(value, &ty, file));
        let (number, rename) = (id_key(field.id), rename(ident, &field.name));
        let ty = self.tokens(&ty, file);
        quote!(#docs #attributes #[thrift(#number #rename #default)] #ident(#ty),)
    }

    /// `, default = ..`
    pub(super) fn default(&self, value: &Value, ty: &Ty, file: thrill_idl::FileId) -> TokenStream {
        let value = self.value(value, ty, file);
        quote!(, default = #value)
    }

    /// Docs, lints, derives and attributes.
    fn head(&self, text: &str, annotations: &Annotations, std: &[&str]) -> TokenStream {
        let (docs, lints, root) = (docs(text), lints(), self.root());
        let own = chosen::derives(annotations).filter_map(|path| syn::parse_str::<Path>(path).ok());
        let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
        let mut names: HashSet<String> = std.iter().map(|path| last(path)).chain(["Thrift".to_owned()]).collect();
        let is_new = |path: &Path| path.segments.last().is_some_and(|segment| names.insert(segment.ident.to_string()));
        let extra: Vec<Path> = self.options.derives.iter().cloned().chain(own).filter(is_new).collect();
        let std = std.iter().filter_map(|path| syn::parse_str::<Path>(&format!("::core::{path}")).ok());
        let attributes = self.attributes(annotations);
        quote!(#docs #lints #[derive(#(#std,)* #root::Thrift #(, #extra)*)] #attributes)
    }

    /// `#[thrift(..)]` of a type.
    fn type_keys(&self, flags: &[Ident], idl: &str, rust: &Ident) -> Option<TokenStream> {
        let rename = (crate::names::unraw(rust) != idl).then(|| quote!(rename = #idl));
        let root = self.options.other_root().map(|root| quote!(crate = #root));
        let keys: Vec<TokenStream> = flags.iter().map(ToTokens::to_token_stream).chain(rename).chain(root).collect();
        (!keys.is_empty()).then(|| quote!(#[thrift(#(#keys),*)]))
    }

    /// Attributes that annotations give, as they are.
    fn attributes(&self, annotations: &Annotations) -> TokenStream {
        let all = chosen::attributes(annotations, self.is_serde());
        all.into_iter().filter_map(|text| text.parse::<TokenStream>().ok()).collect()
    }

    /// The attributes of a field or variant. Whoever derives serde wants the names of the IDL.
    fn part_attributes(&self, annotations: &Annotations, rust: &Ident, idl: &str) -> TokenStream {
        let given = self.attributes(annotations);
        let says = chosen::attributes(annotations, true).iter().any(|text| text.contains("rename"));
        let serde =
            (self.is_serde() && !says && crate::names::unraw(rust) != idl).then(|| quote!(#[serde(rename = #idl)]));
        quote!(#serde #given)
    }

    fn is_serde(&self) -> bool {
        let is_serde = |path: &Path| {
            let last = path.segments.last().map(|segment| segment.ident.to_string());
            matches!(last.as_deref(), Some("Serialize" | "Deserialize"))
        };
        self.options.derives.iter().any(is_serde)
    }
}

/// `id = 1`, or `id = -1, nonpositive_id`
pub(super) fn id_key(id: i16) -> TokenStream {
    let number = proc_macro2::Literal::i16_unsuffixed(id);
    if id > 0 { quote!(id = #number) } else { quote!(id = #number, nonpositive_id) }
}

/// `, rename = ".."`, where Rust has another name.
pub(super) fn rename(rust: &Ident, idl: &str) -> Option<TokenStream> {
    (crate::names::unraw(rust) != idl).then(|| quote!(, rename = #idl))
}

/// A doc comment. What looks like code is not Rust, and must not be run as an example.
pub(super) fn docs(text: &str) -> TokenStream {
    let mut fenced = false;
    let lines = text.lines().map(|line| {
        let bare = line.trim_start();
        let line = if bare.starts_with("```") || bare.starts_with("~~~") {
            fenced = !fenced;
            if fenced { format!("{}text", &bare[..3]) } else { bare[..3].to_owned() }
        } else if !fenced && line.len() - bare.len() > 3 {
            format!("   {bare}")
        } else {
            line.to_owned()
        };
        let line = if line.is_empty() { line } else { format!(" {line}") };
        quote!(#[doc = #line])
    });
    lines.collect()
}

/// An IDL has names that are no habit in Rust, says little about its fields, and defines more than one crate uses.
pub(super) fn lints() -> TokenStream {
    quote! {
        #[allow(
            clippy::all, dead_code, missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals,
            rustdoc::all, unreachable_pub
        )]
    }
}
