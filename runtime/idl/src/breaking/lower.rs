//! A file's program as a contract.

use super::contract::{Contract, Enum, EnumValue, Field, Function, Service, Slice, Struct, Type};
use crate::model::{self, Program, TypeKind};
use crate::span::{FileId, Span};

/// The tables behind a [`Contract`].
#[derive(Clone, Debug, Default)]
pub struct Tables<'p> {
    package: String,
    span: Span,
    services: Vec<Service<'p>>,
    functions: Vec<Function<'p>>,
    structs: Vec<Struct<'p>>,
    enums: Vec<Enum<'p>>,
    fields: Vec<Field<'p>>,
    values: Vec<EnumValue<'p>>,
    types: Vec<Type>,
}

impl<'p> Tables<'p> {
    /// The services of the file that a program is about, and all types.
    #[must_use]
    pub fn of(program: &'p Program) -> Self {
        let mut tables = Self::default();
        for it in &program.structs {
            let fields = tables.fields(program, &it.fields);
            tables.structs.push(Struct { name: &it.name, kind: it.kind, fields, span: it.name_span });
        }
        for it in &program.enums {
            let start = tables.values.len();
            let value = |it: &'p model::EnumValue| EnumValue { name: &it.name, value: it.value, span: it.span };
            tables.values.extend(it.values.iter().map(value));
            let values = Slice { start, end: tables.values.len() };
            tables.enums.push(Enum { name: &it.name, values, span: it.name_span });
        }
        let root = program.root();
        // Without a namespace it is the file's name, and that is no part of what was agreed on.
        if let Some(namespace) = root.namespace("go").or_else(|| root.namespace("*")) {
            (tables.package, tables.span) = (root.package(), namespace.span);
        }
        tables.services(program, root.id);
        tables
    }

    /// The contract.
    #[must_use]
    pub fn contract(&self) -> Contract<'_> {
        Contract {
            package: &self.package,
            span: self.span,
            services: &self.services,
            functions: &self.functions,
            structs: &self.structs,
            enums: &self.enums,
            fields: &self.fields,
            values: &self.values,
            types: &self.types,
        }
    }

    fn services(&mut self, program: &'p Program, file: FileId) {
        for item in &program[file].items {
            let model::ItemId::Service(id) = *item else { continue };
            let start = self.functions.len();
            for (_, function) in program.functions(id) {
                let function = self.function(program, function);
                self.functions.push(function);
            }
            let functions = Slice { start, end: self.functions.len() };
            self.services.push(Service { name: &program[id].name, functions, span: program[id].name_span });
        }
    }

    fn function(&mut self, program: &'p Program, function: &'p model::Function) -> Function<'p> {
        Function {
            name: &function.name,
            mode: function.mode,
            oneway: function.oneway,
            arguments: self.fields(program, &function.arguments),
            result: function.result.as_ref().map(|ty| self.ty(program, ty)),
            throws: self.fields(program, &function.throws),
            span: function.name_span,
        }
    }

    fn fields(&mut self, program: &'p Program, fields: &'p [model::Field]) -> Slice {
        let fields: Vec<_> = fields
            .iter()
            .map(|it| {
                let ty = self.ty(program, &it.ty);
                Field { id: it.id, name: &it.name, requiredness: it.requiredness, ty, span: it.span }
            })
            .collect();
        let start = self.fields.len();
        self.fields.extend(fields);
        Slice { start, end: self.fields.len() }
    }

    fn ty(&mut self, program: &Program, ty: &model::Type) -> Type {
        match &program.underlying(ty).kind {
            TypeKind::Bool => Type::Bool,
            TypeKind::I8 => Type::I8,
            TypeKind::I16 => Type::I16,
            TypeKind::I32 => Type::I32,
            TypeKind::I64 => Type::I64,
            TypeKind::Double => Type::Double,
            TypeKind::String => Type::String,
            TypeKind::Binary => Type::Binary,
            TypeKind::Uuid => Type::Uuid,
            TypeKind::List(element) => Type::List(self.element(program, element)),
            TypeKind::Set(element) => Type::Set(self.element(program, element)),
            TypeKind::Map(key, value) => Type::Map(self.element(program, key), self.element(program, value)),
            TypeKind::Struct(id) => Type::Struct(id.index()),
            TypeKind::Enum(id) => Type::Enum(id.index()),
            // A typedef always has a type behind it, since a circle of them is a mistake.
            TypeKind::Typedef(_) => Type::Erroneous,
        }
    }

    fn element(&mut self, program: &Program, ty: &model::Type) -> usize {
        let ty = self.ty(program, ty);
        self.types.push(ty);
        self.types.len() - 1
    }
}
