//! All spans of a file, one after another.

use super::{Annotation, Field, File, Item, Name, Type, TypeKind, Value, ValueKind};
use crate::span::Span;

impl File {
    /// Calls `change` with every span of the file: to shift them, to map them, or to forget them so that two files can be
    /// compared by what they say.
    pub fn for_each_span(&mut self, change: &mut dyn FnMut(&mut Span)) {
        for item in &mut self.items {
            visit_item(item, change);
        }
        self.broken.iter_mut().for_each(|name| change(&mut name.span));
    }

    /// The file with the default span everywhere.
    #[must_use]
    pub fn without_spans(mut self) -> Self {
        self.for_each_span(&mut |span| *span = Span::default());
        self
    }
}

fn visit_item(item: &mut Item, change: &mut dyn FnMut(&mut Span)) {
    match item {
        Item::Include(include) => {
            change(&mut include.span);
            change(&mut include.path.span);
        }
        Item::CppInclude(path) => change(&mut path.span),
        Item::Namespace(namespace) => {
            change(&mut namespace.span);
            visit_name(&mut namespace.scope, change);
            visit_name(&mut namespace.name, change);
            visit_annotations(&mut namespace.annotations, change);
        }
        Item::Const(item) => {
            change(&mut item.span);
            visit_type(&mut item.ty, change);
            visit_name(&mut item.name, change);
            visit_value(&mut item.value, change);
            visit_annotations(&mut item.annotations, change);
        }
        Item::Typedef(item) => {
            change(&mut item.span);
            visit_type(&mut item.ty, change);
            visit_name(&mut item.name, change);
            visit_annotations(&mut item.annotations, change);
        }
        Item::Enum(item) => {
            change(&mut item.span);
            visit_name(&mut item.name, change);
            visit_annotations(&mut item.annotations, change);
            for value in &mut item.values {
                change(&mut value.span);
                visit_name(&mut value.name, change);
                if let Some(number) = &mut value.value {
                    change(&mut number.span);
                }
                visit_annotations(&mut value.annotations, change);
            }
        }
        Item::Struct(item) => {
            change(&mut item.span);
            visit_name(&mut item.name, change);
            visit_fields(&mut item.fields, change);
            visit_annotations(&mut item.annotations, change);
        }
        Item::Service(item) => {
            change(&mut item.span);
            visit_name(&mut item.name, change);
            if let Some(base) = &mut item.extends {
                visit_name(base, change);
            }
            visit_annotations(&mut item.annotations, change);
            for function in &mut item.functions {
                change(&mut function.span);
                visit_type(&mut function.result, change);
                visit_name(&mut function.name, change);
                visit_fields(&mut function.arguments, change);
                visit_fields(&mut function.throws, change);
                visit_annotations(&mut function.annotations, change);
            }
        }
    }
}

fn visit_fields(fields: &mut [Field], change: &mut dyn FnMut(&mut Span)) {
    for field in fields {
        change(&mut field.span);
        if let Some(id) = &mut field.id {
            change(&mut id.span);
        }
        visit_type(&mut field.ty, change);
        visit_name(&mut field.name, change);
        if let Some(value) = &mut field.default {
            visit_value(value, change);
        }
        visit_annotations(&mut field.annotations, change);
    }
}

fn visit_name(name: &mut Name, change: &mut dyn FnMut(&mut Span)) {
    change(&mut name.span);
}

fn visit_type(ty: &mut Type, change: &mut dyn FnMut(&mut Span)) {
    change(&mut ty.span);
    visit_annotations(&mut ty.annotations, change);
    match &mut ty.kind {
        TypeKind::Void | TypeKind::Base(_) | TypeKind::Named(_) => {}
        TypeKind::List(element) | TypeKind::Set(element) => visit_type(element, change),
        TypeKind::Map(key, value) => {
            visit_type(key, change);
            visit_type(value, change);
        }
    }
}

fn visit_value(value: &mut Value, change: &mut dyn FnMut(&mut Span)) {
    change(&mut value.span);
    match &mut value.kind {
        ValueKind::Int(integer) => change(&mut integer.span),
        ValueKind::List(values) => values.iter_mut().for_each(|value| visit_value(value, change)),
        ValueKind::Map(entries) => {
            for (key, value) in entries {
                visit_value(key, change);
                visit_value(value, change);
            }
        }
        ValueKind::Bool(_) | ValueKind::Double(_) | ValueKind::String(_) | ValueKind::Name(_) => {}
    }
}

fn visit_annotations(annotations: &mut [Annotation], change: &mut dyn FnMut(&mut Span)) {
    for annotation in annotations {
        change(&mut annotation.span);
        visit_name(&mut annotation.key, change);
        if let Some(value) = &mut annotation.value {
            change(&mut value.span);
        }
    }
}
