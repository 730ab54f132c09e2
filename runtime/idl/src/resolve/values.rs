//! Constants and defaults: what is written, evaluated as the type that is expected.

mod convert;
mod index;
mod name;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::Options;
use crate::ast::{self, ValueKind};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::{self, ConstId, Program, Type, TypeKind, Value};
use crate::parser::MAX_DEPTH;
use crate::span::{FileId, Span};
use crate::suggest;

use super::annotations::{self, Place};
use super::graph;
use super::scope::{Declared, Found, Scopes};
use super::types::MOST_NOTES;

/// Evaluates the constants and the defaults of a program. Returns what became of each declared constant.
pub(super) fn evaluate(
    scopes: &Scopes<'_>,
    program: &mut Program,
    types: &[Option<Type>],
    options: &Options,
    diagnostics: &mut Diagnostics,
) -> Vec<Option<ConstId>> {
    let mut evaluator = Evaluator {
        scopes,
        program,
        types,
        values: vec![None; types.len()],
        left: options.max_values,
        options,
        diagnostics,
        index: index::Index::default(),
        in_default: false,
    };
    evaluator.consts();
    evaluator.in_default = true;
    let structs = evaluator.struct_defaults();
    let arguments = evaluator.argument_defaults();
    let values = evaluator.values;
    for ((item, field), value) in structs {
        program.structs[item].fields[field].default = Some(value);
    }
    for ((service, function, argument), value) in arguments {
        program.services[service].functions[function].arguments[argument].default = Some(value);
    }
    let mut ids = Vec::with_capacity(values.len());
    for ((value, ty), (file, item)) in values.into_iter().zip(types).zip(&scopes.consts) {
        let annotations = annotations::check(&item.annotations, Place::Const, diagnostics);
        let (Some(value), Some(ty)) = (value, ty) else {
            ids.push(None);
            continue;
        };
        ids.push(Some(ConstId(super::next_id(&program.consts))));
        program.consts.push(model::Const {
            file: *file,
            name: item.name.text.clone(),
            docs: item.docs.clone(),
            ty: ty.clone(),
            value,
            annotations,
            span: item.span,
            name_span: item.name.span,
        });
    }
    ids
}

struct Evaluator<'a> {
    scopes: &'a Scopes<'a>,
    program: &'a Program,
    /// By the index of the declaration: the type of each constant.
    types: &'a [Option<Type>],
    /// By the same index: the values that are known.
    values: Vec<Option<Value>>,
    /// How many values there may still be.
    left: usize,
    options: &'a Options,
    diagnostics: &'a mut Diagnostics,
    index: index::Index<'a>,
    /// Whether it is a default that is evaluated.
    in_default: bool,
}

/// A field of a struct that has a default, and an argument that has one.
type OfStruct = (usize, usize);
type OfFunction = (usize, usize, usize);

impl Evaluator<'_> {
    /// A constant is evaluated after all that it refers to.
    fn consts(&mut self) {
        let scopes = self.scopes;
        let mut edges = Vec::with_capacity(scopes.consts.len());
        for (file, item) in &scopes.consts {
            let mut uses = Vec::new();
            self.const_uses(*file, &item.value, &mut uses);
            edges.push(uses);
        }
        let mut circular = vec![false; edges.len()];
        for circle in graph::circles(&edges) {
            let way = graph::circle_through(&edges, circle[0], |at| circle.binary_search(&at).is_ok());
            let name = |at: usize| &scopes.consts[at].1.name;
            let first = name(way[0]);
            let message = format!("the value of `{}` is defined by itself", first.text);
            let mut diagnostic = Diagnostic::error(first.span, message);
            for at in way.iter().skip(1).take(MOST_NOTES) {
                diagnostic = diagnostic.note(name(*at).span, "through this one");
            }
            self.diagnostics.push(diagnostic);
            circle.iter().for_each(|at| circular[*at] = true);
        }
        let component = graph::components(&edges);
        let mut order: Vec<usize> = (0..edges.len()).filter(|at| !circular[*at]).collect();
        order.sort_by_key(|at| component[*at]);
        for at in order {
            let (file, item) = scopes.consts[at];
            let Some(ty) = &self.types[at] else { continue };
            self.values[at] = self.value(file, &item.value, ty, 0);
        }
    }

    /// Collects the constants that a value refers to.
    fn const_uses(&self, file: FileId, value: &ast::Value, uses: &mut Vec<usize>) {
        match &value.kind {
            ValueKind::Name(name) => {
                if let Found::One(Declared::Const(at), _) = self.scopes.find(file, name) {
                    uses.push(at);
                }
            }
            ValueKind::List(values) => values.iter().for_each(|value| self.const_uses(file, value, uses)),
            ValueKind::Map(entries) => {
                for (key, value) in entries {
                    self.const_uses(file, key, uses);
                    self.const_uses(file, value, uses);
                }
            }
            ValueKind::Bool(_) | ValueKind::Int(_) | ValueKind::Double(_) | ValueKind::String(_) => {}
        }
    }

    fn struct_defaults(&mut self) -> Vec<(OfStruct, Value)> {
        let mut found = Vec::new();
        for (at, (file, item)) in self.scopes.structs.iter().enumerate() {
            let mut has_default = false;
            for (index, value) in self.defaults(*file, &item.fields, &self.program.structs[at].fields) {
                // The second default of a union is a mistake.
                if item.kind == ast::StructKind::Union && has_default {
                    continue;
                }
                has_default = true;
                found.push(((at, index), value));
            }
        }
        found
    }

    fn argument_defaults(&mut self) -> Vec<(OfFunction, Value)> {
        let mut found = Vec::new();
        for (at, (file, item)) in self.scopes.services.iter().enumerate() {
            let mut written = item.functions.iter();
            for (function, resolved) in self.program.services[at].functions.iter().enumerate() {
                // Those with mistakes are left out, the others have their order.
                let Some(item) = written.find(|one| one.span == resolved.span) else { continue };
                for (index, value) in self.defaults(*file, &item.arguments, &resolved.arguments) {
                    found.push(((at, function, index), value));
                }
            }
        }
        found
    }

    /// The defaults of fields, by index.
    fn defaults(&mut self, file: FileId, written: &[ast::Field], fields: &[model::Field]) -> Vec<(usize, Value)> {
        let mut written = written.iter();
        let mut found = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            // Those with mistakes are left out, the others have their order.
            let Some(item) = written.find(|one| one.span == field.span) else { continue };
            let Some(default) = &item.default else { continue };
            if let Some(value) = self.value(file, default, &field.ty, 0) {
                found.push((index, value));
            }
        }
        found
    }

    /// A value as a type; `None` where it has a mistake, which is reported.
    fn value(&mut self, file: FileId, value: &ast::Value, ty: &Type, level: usize) -> Option<Value> {
        self.count(1, value.span)?;
        let ty = self.program.underlying(ty);
        match (&ty.kind, &value.kind) {
            (_, ValueKind::Name(name)) => self.name(file, name, value.span, ty, level),
            (TypeKind::Bool, ValueKind::Bool(value)) => Some(Value::Bool(*value)),
            (TypeKind::Bool, ValueKind::Int(number)) => Some(Value::Bool(number.value != 0)),
            (TypeKind::I8 | TypeKind::I16 | TypeKind::I32 | TypeKind::I64, ValueKind::Int(number)) => {
                self.integer(number.value, ty, value.span)
            }
            (TypeKind::I8 | TypeKind::I16 | TypeKind::I32 | TypeKind::I64, ValueKind::Bool(truth)) => {
                self.integer(i64::from(*truth), ty, value.span)
            }
            #[allow(clippy::cast_precision_loss, reason = "what a double cannot hold it rounds, as in all compilers")]
            (TypeKind::Double, ValueKind::Int(number)) => Some(Value::Double(number.value as f64)),
            (TypeKind::Double, ValueKind::Double(number)) => Some(Value::Double(*number)),
            (TypeKind::String, ValueKind::String(text)) => Some(Value::String(text.clone())),
            (TypeKind::Binary, ValueKind::String(text)) => Some(Value::Binary(text.clone().into_bytes())),
            (TypeKind::Uuid, ValueKind::String(text)) => self.uuid(text, value.span),
            (TypeKind::Enum(id), ValueKind::Int(number)) => self.number_of_enum(*id, number.value, value.span),
            (TypeKind::List(element), ValueKind::List(values)) => {
                Some(Value::List(self.elements(file, values, element, level, value.span)?))
            }
            (TypeKind::Set(element), ValueKind::List(values)) => {
                let values = self.elements(file, values, element, level, value.span)?;
                Some(Value::Set(without_duplicates(values, |value| value, Keep::First).0))
            }
            // All compilers take the empty one of the other kind.
            (TypeKind::List(_), ValueKind::Map(entries)) if entries.is_empty() => Some(Value::List(Vec::new())),
            (TypeKind::Set(_), ValueKind::Map(entries)) if entries.is_empty() => Some(Value::Set(Vec::new())),
            (TypeKind::Map(..), ValueKind::List(values)) if values.is_empty() => Some(Value::Map(Vec::new())),
            (TypeKind::Map(key, element), ValueKind::Map(entries)) => {
                self.map(file, entries, (key, element), level, value.span)
            }
            (TypeKind::Struct(id), ValueKind::Map(entries)) => self.structure(file, entries, *id, level, value.span),
            _ => {
                let message = format!("expected {}, found {}", self.what(ty), written(&value.kind));
                self.diagnostics.push(Diagnostic::error(value.span, message));
                None
            }
        }
    }

    /// Counts values; `None` where there are too many. Values refer to values, so that few letters can mean many of them.
    fn count(&mut self, number: usize, span: Span) -> Option<()> {
        if self.left == 0 {
            return None;
        }
        self.left = self.left.saturating_sub(number);
        if self.left == 0 {
            let most = self.options.max_values;
            let message = format!("constants and defaults have more than {most} values in them, the limit");
            self.diagnostics.push(Diagnostic::error(span, message));
            return None;
        }
        Some(())
    }

    fn deeper(&mut self, level: usize, span: Span) -> Option<usize> {
        if level < MAX_DEPTH {
            return Some(level + 1);
        }
        let message = format!("with the constants in it, this value is nested deeper than {MAX_DEPTH} levels");
        self.diagnostics.push(Diagnostic::error(span, message));
        None
    }

    fn elements(
        &mut self,
        file: FileId,
        values: &[ast::Value],
        ty: &Type,
        level: usize,
        span: Span,
    ) -> Option<Vec<Value>> {
        let level = self.deeper(level, span)?;
        // All are evaluated, so that all mistakes are told.
        let values: Vec<Option<Value>> = values.iter().map(|value| self.value(file, value, ty, level)).collect();
        values.into_iter().collect()
    }

    fn map(
        &mut self,
        file: FileId,
        entries: &[(ast::Value, ast::Value)],
        (key_type, value_type): (&Type, &Type),
        level: usize,
        span: Span,
    ) -> Option<Value> {
        let level = self.deeper(level, span)?;
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let place = key.span;
            let key = self.value(file, key, key_type, level);
            let value = self.value(file, value, value_type, level);
            all.push(key.zip(value).map(|(key, value)| (key, value, place)));
        }
        let all: Vec<(Value, Value, Span)> = all.into_iter().collect::<Option<_>>()?;
        let (kept, dropped) = without_duplicates(all, |(key, ..)| key, Keep::Last);
        for (.., place) in dropped {
            let diagnostic = Diagnostic::warning(place, "this key is in the map once more: the last one counts");
            self.diagnostics.push(diagnostic.help("remove one"));
        }
        Some(Value::Map(kept.into_iter().map(|(key, value, _)| (key, value)).collect()))
    }

    fn structure(
        &mut self,
        file: FileId,
        entries: &[(ast::Value, ast::Value)],
        id: model::StructId,
        level: usize,
        span: Span,
    ) -> Option<Value> {
        let level = self.deeper(level, span)?;
        let program = self.program;
        let item = &program[id];
        let is_complete = self.scopes.structs[id.index()].1.fields.len() == item.fields.len()
            && !self.scopes.structs[id.index()].1.incomplete;
        let mut fields: BTreeMap<usize, Value> = BTreeMap::new();
        let mut healthy = true;
        for (key, value) in entries {
            let ValueKind::String(name) = &key.kind else {
                let message = format!("expected the name of a field of `{}`, found {}", item.name, written(&key.kind));
                let help = match &key.kind {
                    ValueKind::Name(name) => format!("write it in quotes: `\"{name}\"`"),
                    _ => "a struct is written as `{\"name\": value}`".to_owned(),
                };
                self.diagnostics.push(Diagnostic::error(key.span, message).help(help));
                healthy = false;
                continue;
            };
            let Some(index) = self.index.field(program, id, name) else {
                // thriftgo looks at constants only.
                healthy &= self.in_default;
                if is_complete {
                    self.no_field(item, name, key.span);
                }
                continue;
            };
            let Some(value) = self.value(file, value, &item.fields[index].ty, level) else {
                healthy = false;
                continue;
            };
            if fields.insert(index, value).is_some() {
                let message = format!("the field `{name}` is given twice: the last one counts");
                self.diagnostics.push(Diagnostic::warning(key.span, message).help("remove one"));
            }
        }
        if item.is_union() && fields.len() > 1 {
            let message = format!("`{}` is a union, and this sets {} fields of it", item.name, fields.len());
            self.diagnostics.push(Diagnostic::error(span, message).help("set exactly one"));
            return None;
        }
        healthy.then_some(Value::Struct(id, fields.into_iter().collect()))
    }

    fn no_field(&mut self, item: &model::Struct, name: &str, span: Span) {
        let message = format!("`{}` has no field `{name}`", item.name);
        let severity = if self.in_default { Severity::Warning } else { Severity::Error };
        let mut diagnostic = Diagnostic { severity, ..Diagnostic::error(span, message) };
        diagnostic = diagnostic.note(item.name_span, "defined here");
        // Nobody reads a hint that is not shown, and finding one takes a while.
        if self.diagnostics.dropped(span.file, severity) == 0 {
            let near = suggest::closest(name, item.fields.iter().map(|field| field.name.as_str()));
            if let Some(near) = near {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
        }
        self.diagnostics.push(diagnostic);
    }

    /// What a type is, for messages.
    fn what(&self, ty: &Type) -> String {
        match &ty.kind {
            TypeKind::Bool => "true or false".to_owned(),
            TypeKind::I8 => "an i8".to_owned(),
            TypeKind::I16 => "an i16".to_owned(),
            TypeKind::I32 => "an i32".to_owned(),
            TypeKind::I64 => "an i64".to_owned(),
            TypeKind::Double => "a double".to_owned(),
            TypeKind::String => "a string".to_owned(),
            TypeKind::Binary => "a string, the bytes of a binary".to_owned(),
            TypeKind::Uuid => "a string, a uuid".to_owned(),
            TypeKind::List(_) => "a list in `[…]`".to_owned(),
            TypeKind::Set(_) => "a set in `[…]`".to_owned(),
            TypeKind::Map(..) => "a map in `{…}`".to_owned(),
            TypeKind::Enum(id) => format!("a value of the enum `{}`", self.program[*id].name),
            TypeKind::Struct(id) => {
                format!("the {} `{}` in `{{…}}`", self.program[*id].kind.keyword(), self.program[*id].name)
            }
            TypeKind::Typedef(id) => self.what(&self.program[*id].ty),
        }
    }
}

/// What is written, for messages.
fn written(value: &ValueKind) -> String {
    match value {
        ValueKind::Bool(value) => format!("`{value}`"),
        ValueKind::Int(number) => format!("the integer {}", number.value),
        ValueKind::Double(number) => format!("the number {number:?}"),
        ValueKind::String(_) => "a string".to_owned(),
        ValueKind::Name(name) => format!("`{name}`"),
        ValueKind::List(_) => "a list".to_owned(),
        ValueKind::Map(_) => "a map".to_owned(),
    }
}

/// Which one of equal ones stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    First,
    Last,
}

/// Items without those whose values are equal, in their order; and those that went.
fn without_duplicates<T>(items: Vec<T>, value: impl Fn(&T) -> &Value, keep: Keep) -> (Vec<T>, Vec<T>) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|a, b| compare(value(&items[*a]), value(&items[*b])));
    let mut goes = vec![false; items.len()];
    for pair in order.windows(2) {
        if compare(value(&items[pair[0]]), value(&items[pair[1]])).is_eq() {
            goes[if keep == Keep::First { pair[1] } else { pair[0] }] = true;
        }
    }
    let (mut kept, mut dropped) = (Vec::with_capacity(items.len()), Vec::new());
    for (item, goes) in items.into_iter().zip(goes) {
        if goes { dropped.push(item) } else { kept.push(item) }
    }
    (kept, dropped)
}

/// Some order of values of one type, in which only equal ones are equal.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::I8(a), Value::I8(b)) => a.cmp(b),
        (Value::I16(a), Value::I16(b)) => a.cmp(b),
        (Value::I32(a), Value::I32(b)) | (Value::Enum(_, a), Value::Enum(_, b)) => a.cmp(b),
        (Value::I64(a), Value::I64(b)) => a.cmp(b),
        (Value::Double(a), Value::Double(b)) => a.total_cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) | (Value::Set(a), Value::Set(b)) => all(a, b, compare),
        (Value::Map(a), Value::Map(b)) => all(a, b, |a, b| compare(&a.0, &b.0).then_with(|| compare(&a.1, &b.1))),
        (Value::Struct(_, a), Value::Struct(_, b)) => all(a, b, |a, b| a.0.cmp(&b.0).then_with(|| compare(&a.1, &b.1))),
        // Values of one type are of one kind.
        _ => Ordering::Equal,
    }
}

fn all<T>(a: &[T], b: &[T], compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    let differing = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
    differing.unwrap_or_else(|| a.len().cmp(&b.len()))
}
