//! Services to IDL.

use std::collections::HashMap;

use thrill_idl::ast::{self, BaseType, File, Item, TypeKind};

use super::{default, load};
use crate::error::{Error, Result};
use crate::schema::{Enum, Field, Method, Requiredness, Service, Struct, StructKind, Type};

/// Services as one file of IDL, with every type that they reach, and the services that they extend.
///
/// A definition stands before its use, as Apache Thrift asks for it, and otherwise where it is first needed, so that the
/// text is the same each time. The namespace is that of `go`, which Kitex reads the package from.
///
/// An optional argument has no requiredness, since IDL does not know it. What thriftgo and so Kitex does not know, `uuid` and a
/// second name for a number of an enum, has a comment at the top.
///
/// # Errors
/// Services of different namespaces; two types of one name; a default that IDL cannot say: a
/// double that is not finite, a binary that is not UTF-8, a union's unknown variant.
pub fn export(services: &[&Service]) -> Result<String> {
    let mut export = Export::default();
    let namespace = services.first().map_or("", |it| it.namespace);
    if let Some(other) = services.iter().find(|it| it.namespace != namespace) {
        return Err(Error::misuse(format!(
            "one file has one namespace: `{}` has `{namespace}` and `{}` has `{}`; export them into two",
            services[0].name, other.name, other.namespace
        )));
    }
    if !namespace.is_empty() {
        let (scope, name) = ("go".into(), namespace.into());
        export.items.push(Item::Namespace(ast::Namespace { scope, name, ..Default::default() }));
    }
    for service in services {
        export.service(service)?;
    }
    let mut text = String::new();
    if export.uuid {
        text.push_str("// `uuid` is a type that thriftgo, and so Kitex, does not know.\n");
    }
    if export.alias {
        text.push_str("// thriftgo, and so Kitex, refuses a second name for a number of an enum.\n");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&thrill_idl::print(&File { items: export.items, ..File::default() }));
    // What else IDL refuses is told in its own words.
    load("exported.thrift", &text)?;
    Ok(text)
}

#[derive(Default)]
struct Export {
    items: Vec<Item>,
    /// The paths of all definitions by their names: types, and services, whose path is empty.
    names: HashMap<&'static str, &'static str>,
    uuid: bool,
    alias: bool,
}

impl Export {
    /// Whether a definition is met for the first time.
    fn is_new(&mut self, name: &'static str, path: &'static str) -> Result<bool> {
        match self.names.insert(name, path) {
            None => Ok(true),
            Some(other) if other == path => Ok(false),
            Some(other) => Err(Error::misuse(format!(
                "both `{other}` and `{path}` are `{name}` in the IDL: give one another name by \
                `#[thrift(rename = \"..\")]`"
            ))),
        }
    }

    fn service(&mut self, service: &Service) -> Result<()> {
        if !self.is_new(service.name, "")? {
            return Ok(());
        }
        if let Some(base) = service.extends {
            self.service(base)?;
        }
        let functions = service.own_methods().iter().map(|it| self.function(it)).collect::<Result<_>>()?;
        self.items.push(Item::Service(ast::Service {
            docs: service.docs.to_owned(),
            name: service.name.into(),
            extends: service.extends.map(|it| it.name.into()),
            functions,
            ..Default::default()
        }));
        Ok(())
    }

    fn function(&mut self, method: &Method) -> Result<ast::Function> {
        let mut arguments = self.fields(method.arguments)?;
        let mut throws = self.fields(method.throws)?;
        let optional = |field: &&mut ast::Field| field.requiredness == Requiredness::Optional;
        for field in arguments.iter_mut().chain(&mut throws).filter(optional) {
            field.requiredness = Requiredness::Default;
        }
        let result = match &method.result {
            Some(ty) => self.ty(ty)?,
            None => TypeKind::Void.into(),
        };
        let mode = method.mode.name().map(|mode| ast::Annotation {
            key: "streaming.mode".into(),
            value: Some(mode.into()),
            ..Default::default()
        });
        Ok(ast::Function {
            docs: method.docs.to_owned(),
            oneway: method.oneway,
            result,
            name: method.name.into(),
            arguments,
            throws,
            annotations: mode.into_iter().collect(),
            ..Default::default()
        })
    }

    fn fields(&mut self, fields: &[Field]) -> Result<Vec<ast::Field>> {
        fields.iter().map(|it| self.field(it)).collect()
    }

    fn field(&mut self, field: &Field) -> Result<ast::Field> {
        let ty = self.ty(&field.ty)?;
        let default = match &field.default {
            Some(default) => Some(default::literal(&default.value()?, &field.ty).map_err(|err| {
                Error::misuse(format!(
                    "the default of `{}`, `{}`, cannot be said in IDL: {err}",
                    field.name, default.text
                ))
            })?),
            None => None,
        };
        Ok(ast::Field {
            docs: field.docs.to_owned(),
            id: Some(i64::from(field.id).into()),
            requiredness: field.requiredness,
            ty,
            name: field.name.into(),
            default,
            ..Default::default()
        })
    }

    fn ty(&mut self, ty: &Type) -> Result<ast::Type> {
        let kind = match ty {
            Type::Bool => TypeKind::Base(BaseType::Bool),
            Type::I8 => TypeKind::Base(BaseType::I8),
            Type::I16 => TypeKind::Base(BaseType::I16),
            Type::I32 => TypeKind::Base(BaseType::I32),
            Type::I64 => TypeKind::Base(BaseType::I64),
            Type::Double => TypeKind::Base(BaseType::Double),
            Type::String => TypeKind::Base(BaseType::String),
            Type::Binary => TypeKind::Base(BaseType::Binary),
            Type::Uuid => {
                self.uuid = true;
                TypeKind::Base(BaseType::Uuid)
            }
            Type::List(element) => TypeKind::List(Box::new(self.ty(element)?)),
            Type::Set(element) => TypeKind::Set(Box::new(self.ty(element)?)),
            Type::Map(key, value) => TypeKind::Map(Box::new(self.ty(key)?), Box::new(self.ty(value)?)),
            Type::Struct(it) => {
                self.structure(it.get())?;
                TypeKind::Named(it.name.to_owned())
            }
            Type::Enum(it) => {
                self.enumeration(it.get())?;
                TypeKind::Named(it.name.to_owned())
            }
            Type::Erroneous => return Err(Error::misuse("a type has a mistake that its derive reports")),
        };
        Ok(kind.into())
    }

    /// Writes a struct after all that it refers to, apart from what refers back to it.
    fn structure(&mut self, it: &Struct) -> Result<()> {
        if !self.is_new(it.name, it.path)? {
            return Ok(());
        }
        let mut fields = self.fields(it.fields)?;
        if it.kind == StructKind::Union {
            // All fields of a union are optional, and nobody writes it.
            fields.iter_mut().for_each(|field| field.requiredness = Requiredness::Default);
        }
        let (docs, name) = (it.docs.to_owned(), it.name.into());
        self.items.push(Item::Struct(ast::Struct { docs, kind: it.kind, name, fields, ..Default::default() }));
        Ok(())
    }

    fn enumeration(&mut self, it: &Enum) -> Result<()> {
        if !self.is_new(it.name, it.path)? {
            return Ok(());
        }
        let values = it.values.iter().map(|value| ast::EnumValue {
            docs: value.docs.to_owned(),
            name: value.name.into(),
            value: Some(i64::from(value.value).into()),
            ..Default::default()
        });
        self.alias |= it.values.windows(2).any(|pair| pair[0].value == pair[1].value);
        let (docs, name, values) = (it.docs.to_owned(), it.name.into(), values.collect());
        self.items.push(Item::Enum(ast::Enum { docs, name, values, ..Default::default() }));
        Ok(())
    }
}
