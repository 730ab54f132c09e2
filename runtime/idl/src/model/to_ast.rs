//! Back from what a file means to how it is written.

use super::{Annotations, Field, File, Function, ItemId, Program, Requiredness, StructKind, Type, TypeKind, Value};
use crate::ast::{self, Item, Text};
use crate::print::print_value;
use crate::span::FileId;

impl Program {
    /// A file as resolved: all ids and numbers of enums written out, all constants by their values.
    ///
    /// ```
    /// use thrill_idl::{MissingIds, Options, load_str, print};
    ///
    /// let options = Options { missing_ids: MissingIds::Thriftgo, ..Options::default() };
    /// let program = load_str("a.thrift", "const i32 MOST = 10 struct Page { byte size = MOST }", &options).program;
    /// assert_eq!(print(&program.to_ast(program.root().id)), "\
    /// const i32 MOST = 10
    ///
    /// struct Page {
    ///     1: i8 size = 10,
    /// }
    /// ");
    /// ```
    ///
    /// # Panics
    /// If the id is of another program.
    #[must_use]
    pub fn to_ast(&self, file: FileId) -> ast::File {
        let file = &self[file];
        let writer = Writer { program: self, file };
        let includes = file.includes.iter().map(|include| {
            let path = Text::from(include.path.as_str());
            Item::Include(ast::Include { path, span: include.span })
        });
        let namespaces = file.namespaces.iter().map(|namespace| {
            Item::Namespace(ast::Namespace {
                scope: namespace.scope.as_str().into(),
                name: namespace.name.as_str().into(),
                annotations: annotations(&namespace.annotations),
                span: namespace.span,
            })
        });
        let items = file.items.iter().map(|item| writer.item(*item));
        ast::File { docs: file.docs.clone(), items: includes.chain(namespaces).chain(items).collect(), broken: vec![] }
    }

    /// A type as it is written in a file: `map<string, user.User>`.
    ///
    /// # Panics
    /// If the type or the file is of another program.
    #[must_use]
    pub fn type_name(&self, file: FileId, ty: &Type) -> String {
        let inner = |ty: &Type| self.type_name(file, ty);
        match &ty.kind {
            TypeKind::List(element) => format!("list<{}>", inner(element)),
            TypeKind::Set(element) => format!("set<{}>", inner(element)),
            TypeKind::Map(key, value) => format!("map<{}, {}>", inner(key), inner(value)),
            TypeKind::Typedef(id) => self.qualified(file, self[*id].file, &self[*id].name),
            TypeKind::Enum(id) => self.qualified(file, self[*id].file, &self[*id].name),
            TypeKind::Struct(id) => self.qualified(file, self[*id].file, &self[*id].name),
            kind => kind.base().map_or("", ast::BaseType::keyword).to_owned(),
        }
    }

    /// A value as it is written in the file that was asked for.
    ///
    /// # Panics
    /// If the value is of another program.
    #[must_use]
    pub fn value_text(&self, value: &Value) -> String {
        print_value(&Writer { program: self, file: self.root() }.value(value))
    }

    /// A name of a file as another file refers to it.
    fn qualified(&self, from: FileId, file: FileId, name: &str) -> String {
        let include = self[from].includes.iter().find(|include| include.file == file);
        match include {
            _ if from == file => name.to_owned(),
            Some(include) => format!("{}.{name}", include.prefix),
            // It was reached through a file between.
            None => format!("{}.{name}", self[file].stem()),
        }
    }
}

impl TypeKind {
    /// The type that Thrift knows by itself, if it is one.
    #[must_use]
    pub fn base(&self) -> Option<ast::BaseType> {
        Some(match self {
            Self::Bool => ast::BaseType::Bool,
            Self::I8 => ast::BaseType::I8,
            Self::I16 => ast::BaseType::I16,
            Self::I32 => ast::BaseType::I32,
            Self::I64 => ast::BaseType::I64,
            Self::Double => ast::BaseType::Double,
            Self::String => ast::BaseType::String,
            Self::Binary => ast::BaseType::Binary,
            Self::Uuid => ast::BaseType::Uuid,
            _ => return None,
        })
    }
}

struct Writer<'a> {
    program: &'a Program,
    file: &'a File,
}

impl Writer<'_> {
    fn item(&self, item: ItemId) -> Item {
        match item {
            ItemId::Typedef(id) => {
                let item = &self.program[id];
                Item::Typedef(ast::Typedef {
                    docs: item.docs.clone(),
                    ty: self.ty(&item.ty),
                    name: item.name.as_str().into(),
                    annotations: annotations(&item.annotations),
                    span: item.span,
                })
            }
            ItemId::Enum(id) => {
                let item = &self.program[id];
                let value = |value: &super::EnumValue| ast::EnumValue {
                    docs: value.docs.clone(),
                    name: value.name.as_str().into(),
                    value: Some(i64::from(value.value).into()),
                    annotations: annotations(&value.annotations),
                    span: value.span,
                };
                Item::Enum(ast::Enum {
                    docs: item.docs.clone(),
                    name: item.name.as_str().into(),
                    values: item.values.iter().map(value).collect(),
                    incomplete: false,
                    annotations: annotations(&item.annotations),
                    span: item.span,
                })
            }
            ItemId::Struct(id) => {
                let item = &self.program[id];
                let is_union = item.kind == StructKind::Union;
                Item::Struct(ast::Struct {
                    docs: item.docs.clone(),
                    kind: item.kind,
                    name: item.name.as_str().into(),
                    fields: item.fields.iter().map(|field| self.field(field, is_union)).collect(),
                    incomplete: false,
                    annotations: annotations(&item.annotations),
                    span: item.span,
                })
            }
            ItemId::Const(id) => {
                let item = &self.program[id];
                Item::Const(ast::Const {
                    docs: item.docs.clone(),
                    ty: self.ty(&item.ty),
                    name: item.name.as_str().into(),
                    value: self.value(&item.value),
                    annotations: annotations(&item.annotations),
                    span: item.span,
                })
            }
            ItemId::Service(id) => {
                let item = &self.program[id];
                let base = |id: super::ServiceId| {
                    self.program.qualified(self.file.id, self.program[id].file, &self.program[id].name)
                };
                Item::Service(ast::Service {
                    docs: item.docs.clone(),
                    name: item.name.as_str().into(),
                    extends: item.extends.map(|id| base(id).as_str().into()),
                    functions: item.functions.iter().map(|function| self.function(function)).collect(),
                    annotations: annotations(&item.annotations),
                    span: item.span,
                })
            }
        }
    }

    fn function(&self, function: &Function) -> ast::Function {
        ast::Function {
            docs: function.docs.clone(),
            oneway: function.oneway,
            result: function.result.as_ref().map_or_else(|| ast::TypeKind::Void.into(), |ty| self.ty(ty)),
            name: function.name.as_str().into(),
            arguments: function.arguments.iter().map(|field| self.field(field, false)).collect(),
            throws: function.throws.iter().map(|field| self.field(field, true)).collect(),
            annotations: annotations(&function.annotations),
            span: function.span,
        }
    }

    /// A field; where all of them are optional, that is not written.
    fn field(&self, field: &Field, all_optional: bool) -> ast::Field {
        ast::Field {
            docs: field.docs.clone(),
            id: Some(i64::from(field.id).into()),
            requiredness: if all_optional { Requiredness::Default } else { field.requiredness },
            ty: self.ty(&field.ty),
            reference: field.reference,
            name: field.name.as_str().into(),
            default: field.default.as_ref().map(|value| self.value(value)),
            annotations: annotations(&field.annotations),
            span: field.span,
        }
    }

    fn ty(&self, ty: &Type) -> ast::Type {
        let inner = |ty: &Type| Box::new(self.ty(ty));
        let kind = match &ty.kind {
            TypeKind::List(element) => ast::TypeKind::List(inner(element)),
            TypeKind::Set(element) => ast::TypeKind::Set(inner(element)),
            TypeKind::Map(key, value) => ast::TypeKind::Map(inner(key), inner(value)),
            kind => match kind.base() {
                Some(base) => ast::TypeKind::Base(base),
                None => ast::TypeKind::Named(self.program.type_name(self.file.id, ty)),
            },
        };
        ast::Type { kind, annotations: annotations(&ty.annotations), span: ty.span }
    }

    fn value(&self, value: &Value) -> ast::Value {
        use ast::ValueKind::{Bool, Double, Int, List, Map, Name, String};
        match value {
            Value::Bool(truth) => Bool(*truth),
            Value::I8(number) => Int(i64::from(*number).into()),
            Value::I16(number) => Int(i64::from(*number).into()),
            Value::I32(number) => Int(i64::from(*number).into()),
            Value::I64(number) => Int((*number).into()),
            Value::Double(number) => Double(*number),
            Value::String(text) => String(text.clone()),
            Value::Binary(bytes) => String(std::string::String::from_utf8_lossy(bytes).into_owned()),
            Value::Uuid(bytes) => String(hyphenated(bytes)),
            Value::Enum(id, number) => {
                let item = &self.program[*id];
                match item.value(*number) {
                    Some(value) => {
                        Name(format!("{}.{}", self.program.qualified(self.file.id, item.file, &item.name), value.name))
                    }
                    None => Int(i64::from(*number).into()),
                }
            }
            Value::List(values) | Value::Set(values) => List(values.iter().map(|value| self.value(value)).collect()),
            Value::Map(entries) => {
                Map(entries.iter().map(|(key, value)| (self.value(key), self.value(value))).collect())
            }
            Value::Struct(id, fields) => {
                let name = |index: usize| String(self.program[*id].fields[index].name.clone()).into();
                Map(fields.iter().map(|(index, value)| (name(*index), self.value(value))).collect())
            }
        }
        .into()
    }
}

fn annotations(annotations: &Annotations) -> Vec<ast::Annotation> {
    let written = |one: &super::Annotation| ast::Annotation {
        key: one.key.as_str().into(),
        value: Some(one.value.as_str().into()),
        span: one.span,
    };
    annotations.iter().map(written).collect()
}

/// `00112233-4455-6677-8899-aabbccddeeff`
fn hyphenated(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
