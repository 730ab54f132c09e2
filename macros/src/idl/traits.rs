//! Which traits a type can have, and which it needs.
//!
//! What is in a key needs `Eq`, `Hash` and `Ord`, and its fields are then made of types that have them. `Default`, `Eq` and
//! `Hash` are for every type that can have them; a type that is part of itself has what all its other parts have.

use thrill_idl::Program;
use thrill_idl::model::{Const, Field, Requiredness, StructId, Type, TypeKind, Value};

use super::Generator;
use super::ty::Ty;

pub(super) struct Traits {
    pub(super) structs: Vec<Derived>,
    /// Whether an enum is in a key.
    pub(super) enums: Vec<bool>,
    /// Whether a typedef is.
    pub(super) typedefs: Vec<bool>,
}

/// What a struct, union or exception has.
#[derive(Clone, Copy)]
pub(super) struct Derived {
    /// Whether it is in a key of a map, or an element of a set.
    pub(super) key: bool,
    /// Whether it is thrown, as thriftgo lets any struct be.
    pub(super) thrown: bool,
    pub(super) default: bool,
    pub(super) eq: bool,
    pub(super) hash: bool,
}

impl Traits {
    /// Finds what is in keys; the rest is supposed to be possible until [`Generator::derive_traits`].
    pub(super) fn of_keys(program: &Program) -> Self {
        let derived = Derived { key: false, thrown: false, default: true, eq: true, hash: true };
        let mut traits = Self {
            structs: vec![derived; program.structs.len()],
            enums: vec![false; program.enums.len()],
            typedefs: vec![false; program.typedefs.len()],
        };
        let fields = program.structs.iter().flat_map(|item| &item.fields).map(|field| &field.ty);
        let functions = || program.services.iter().flat_map(|service| &service.functions);
        let arguments = functions().flat_map(|function| &function.arguments).map(|field| &field.ty);
        let results = functions().filter_map(|function| function.result.as_ref());
        let consts = program.consts.iter().map(|Const { ty, .. }| ty);
        let typedefs = program.typedefs.iter().map(|typedef| &typedef.ty);
        for field in functions().flat_map(|function| &function.throws) {
            if let Some(id) = program.as_struct(&field.ty) {
                traits.structs[id.index()].thrown = true;
            }
        }
        for ty in fields.chain(arguments).chain(results).chain(consts).chain(typedefs) {
            traits.find_keys(program, ty, false);
        }
        traits
    }

    fn find_keys(&mut self, program: &Program, ty: &Type, key: bool) {
        match &ty.kind {
            TypeKind::List(element) => self.find_keys(program, element, key),
            TypeKind::Set(element) => self.find_keys(program, element, true),
            TypeKind::Map(k, v) => {
                self.find_keys(program, k, true);
                self.find_keys(program, v, key);
            }
            TypeKind::Typedef(id) if key => {
                self.typedefs[id.index()] = true;
                self.find_keys(program, &program[*id].ty, key);
            }
            TypeKind::Enum(id) if key => self.enums[id.index()] = true,
            TypeKind::Struct(id) if key && !self.structs[id.index()].key => {
                self.structs[id.index()].key = true;
                program[*id].fields.iter().for_each(|field| self.find_keys(program, &field.ty, true));
            }
            _ => {}
        }
    }
}

impl Generator<'_> {
    /// Finds what is possible: takes away what a part does not have, until nothing changes.
    pub(super) fn derive_traits(&mut self) {
        let ids = || (0..).map(StructId).take(self.program.structs.len());
        let types: Vec<Vec<Ty>> =
            ids().map(|id| self.program[id].fields.iter().map(|field| self.field_ty(id, field).ty).collect()).collect();
        loop {
            let structs: Vec<Derived> = ids()
                .map(|id| {
                    let types = &types[id.index()];
                    Derived {
                        default: self.has_default(id),
                        eq: types.iter().all(|ty| self.has_eq(ty)),
                        hash: types.iter().all(|ty| self.has_hash(ty)),
                        ..self.traits.structs[id.index()]
                    }
                })
                .collect();
            let changed = structs
                .iter()
                .zip(&self.traits.structs)
                .any(|(new, old)| (new.default, new.eq, new.hash) != (old.default, old.eq, old.hash));
            self.traits.structs = structs;
            if !changed {
                return;
            }
        }
    }

    fn has_default(&self, id: StructId) -> bool {
        let item = &self.program[id];
        if item.is_union() {
            return item.fields.iter().any(|field| field.default.as_ref().is_some_and(|value| self.is_whole(value)));
        }
        item.fields.iter().all(|field| match &field.default {
            Some(value) => self.is_whole(value),
            None => field.requiredness != Requiredness::Required || self.is_default(field),
        })
    }

    /// Whether a type has a default value.
    pub(super) fn is_default(&self, field: &Field) -> bool {
        self.program.as_struct(&field.ty).is_none_or(|id| self.traits.structs[id.index()].default)
    }

    /// Whether a value says all that its type has no default for.
    pub(super) fn is_whole(&self, value: &Value) -> bool {
        match value {
            Value::List(elements) | Value::Set(elements) => elements.iter().all(|value| self.is_whole(value)),
            Value::Map(entries) => entries.iter().all(|(key, value)| self.is_whole(key) && self.is_whole(value)),
            Value::Struct(id, given) => {
                let item = &self.program[*id];
                let is_given = |at: usize| given.iter().any(|(given, _)| *given == at);
                let is_missing = |(at, field): (usize, &Field)| {
                    !is_given(at)
                        && match &field.default {
                            Some(default) => !self.is_whole(default),
                            None => field.requiredness == Requiredness::Required && !self.is_default(field),
                        }
                };
                let is_whole = match (item.is_union(), given.is_empty()) {
                    (true, true) => self.traits.structs[id.index()].default,
                    (true, false) => true,
                    (false, _) => !item.fields.iter().enumerate().any(is_missing),
                };
                is_whole && given.iter().all(|(_, value)| self.is_whole(value))
            }
            _ => true,
        }
    }

    pub(super) fn has_eq(&self, ty: &Ty) -> bool {
        match ty {
            Ty::Primitive(name) => *name != "f64",
            Ty::Vec(inner) | Ty::Box(inner) | Ty::Arc(inner) | Ty::Alias(_, inner) | Ty::Newtype(_, inner) => {
                self.has_eq(inner)
            }
            Ty::HashMap(_, value) | Ty::BTreeMap(_, value) => self.has_eq(value),
            Ty::Struct(id) => self.traits.structs[id.index()].eq,
            _ => true,
        }
    }

    pub(super) fn has_hash(&self, ty: &Ty) -> bool {
        match ty {
            Ty::Primitive(name) => *name != "f64",
            Ty::HashSet(_) | Ty::HashMap(..) => false,
            Ty::Vec(inner) | Ty::Box(inner) | Ty::Arc(inner) | Ty::Alias(_, inner) | Ty::Newtype(_, inner) => {
                self.has_hash(inner)
            }
            Ty::BTreeMap(_, value) => self.has_hash(value),
            Ty::Struct(id) => self.traits.structs[id.index()].hash,
            _ => true,
        }
    }
}
