//! Against another parser, pilota's: where it reads a file, both read the same.

use std::fs;

use pilota_thrift_parser as pilota;
use thrill_idl::ast::{self, Item, Requiredness, TypeKind, ValueKind};
use thrill_idl::{Diagnostics, FileId, parse_str};

use crate::{corpus, folder, thrift_files};

/// What both trees say, a line for each thing.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, what: &str, parts: &[&str]) {
        self.0.push(format!("{what} {}", parts.join(" | ")));
    }
}

fn ours(text: &str) -> (Vec<String>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let file = parse_str(text, FileId(0), &mut diagnostics);
    let mut lines = Lines::default();
    for item in &file.items {
        match item {
            Item::Include(include) => lines.add("include", &[&include.path.value]),
            Item::CppInclude(path) => lines.add("cpp_include", &[&path.value]),
            Item::Namespace(item) => {
                lines.add("namespace", &[&item.scope.text, &item.name.text, &annotations(&item.annotations)]);
            }
            Item::Const(item) => {
                let value = value(&item.value);
                lines.add("const", &[&ty(&item.ty), &item.name.text, &value, &annotations(&item.annotations)]);
            }
            Item::Typedef(item) => {
                lines.add("typedef", &[&ty(&item.ty), &item.name.text, &annotations(&item.annotations)]);
            }
            Item::Enum(item) => {
                lines.add("enum", &[&item.name.text, &annotations(&item.annotations)]);
                for one in &item.values {
                    let number = one.value.map_or_else(String::new, |number| number.value.to_string());
                    lines.add("  value", &[&one.name.text, &number, &annotations(&one.annotations)]);
                }
            }
            Item::Struct(item) => {
                lines.add(item.kind.keyword(), &[&item.name.text, &annotations(&item.annotations)]);
                item.fields.iter().for_each(|one| field(&mut lines, "  field", one));
            }
            Item::Service(item) => {
                let base = item.extends.as_ref().map_or("", |base| &base.text);
                lines.add("service", &[&item.name.text, base, &annotations(&item.annotations)]);
                for one in &item.functions {
                    let oneway = if one.oneway { "oneway" } else { "" };
                    let parts = [oneway, &ty(&one.result), &one.name.text, &annotations(&one.annotations)];
                    lines.add("  function", &parts);
                    one.arguments.iter().for_each(|one| field(&mut lines, "    argument", one));
                    one.throws.iter().for_each(|one| field(&mut lines, "    throws", one));
                }
            }
        }
    }
    (lines.0, diagnostics)
}

fn field(lines: &mut Lines, what: &str, field: &ast::Field) {
    let requiredness = match field.requiredness {
        Requiredness::Optional => "optional",
        // For pilota an argument is always one or the other.
        Requiredness::Default if what.ends_with("argument") => "required",
        Requiredness::Default => "",
        Requiredness::Required => "required",
    };
    let id = field.id.map_or_else(String::new, |id| id.value.to_string());
    let default = field.default.as_ref().map(value).unwrap_or_default();
    let annotations = annotations(&field.annotations);
    lines.add(what, &[&id, requiredness, &ty(&field.ty), &field.name.text, &default, &annotations]);
}

fn ty(ty: &ast::Type) -> String {
    let kind = match &ty.kind {
        TypeKind::Void => "void".to_owned(),
        TypeKind::Base(base) => base.keyword().to_owned(),
        TypeKind::Named(name) => name.clone(),
        TypeKind::List(element) => format!("list<{}>", self::ty(element)),
        TypeKind::Set(element) => format!("set<{}>", self::ty(element)),
        TypeKind::Map(key, value) => format!("map<{}, {}>", self::ty(key), self::ty(value)),
    };
    kind + &annotations(&ty.annotations)
}

fn value(value: &ast::Value) -> String {
    let all = |values: Vec<String>| values.join(", ");
    match &value.kind {
        ValueKind::Bool(truth) => truth.to_string(),
        ValueKind::Int(number) => number.value.to_string(),
        ValueKind::Double(number) => format!("{number:?}"),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Name(name) => name.clone(),
        ValueKind::List(values) => format!("[{}]", all(values.iter().map(self::value).collect())),
        ValueKind::Map(entries) => {
            let entry = |(key, value): &(_, _)| format!("{}: {}", self::value(key), self::value(value));
            format!("{{{}}}", all(entries.iter().map(entry).collect()))
        }
    }
}

fn annotations(annotations: &[ast::Annotation]) -> String {
    let one = |one: &ast::Annotation| {
        let value = one.value.as_ref().map_or("1", |value| &value.value);
        format!("({} = {value:?})", one.key.text)
    };
    annotations.iter().map(one).collect()
}

/// The same lines of pilota's tree; `None` where it does not read the file.
fn theirs(text: &str) -> Option<Vec<String>> {
    let file = pilota::FileParser::new(pilota::FileSource::new(text)).parse().ok()?;
    let mut lines = Lines::default();
    for item in &file.items {
        match item {
            pilota::Item::Include(include) => lines.add("include", &[&include.path]),
            pilota::Item::CppInclude(include) => lines.add("cpp_include", &[&include.path]),
            pilota::Item::Namespace(item) => {
                let annotations = item.annotations.as_ref().map(their_annotations).unwrap_or_default();
                lines.add("namespace", &[&item.scope.0, &path(&item.name), &annotations]);
            }
            pilota::Item::Constant(item) => {
                let parts = [their_type(&item.r#type), item.name.0.to_string(), their_value(&item.value)];
                lines.add("const", &[&parts[0], &parts[1], &parts[2], &their_annotations(&item.annotations)]);
            }
            pilota::Item::Typedef(item) => {
                let annotations = their_annotations(&item.annotations);
                lines.add("typedef", &[&their_type(&item.r#type), &item.alias.0, &annotations]);
            }
            pilota::Item::Enum(item) => {
                lines.add("enum", &[&item.name.0, &their_annotations(&item.annotations)]);
                for one in &item.values {
                    let number = one.value.map_or_else(String::new, |number| number.0.to_string());
                    lines.add("  value", &[&one.name.0, &number, &their_annotations(&one.annotations)]);
                }
            }
            pilota::Item::Struct(item) => their_struct(&mut lines, "struct", item),
            pilota::Item::Union(item) => their_struct(&mut lines, "union", item),
            pilota::Item::Exception(item) => their_struct(&mut lines, "exception", item),
            pilota::Item::Service(item) => {
                let base = item.extends.as_ref().map(path).unwrap_or_default();
                lines.add("service", &[&item.name.0, &base, &their_annotations(&item.annotations)]);
                for one in &item.functions {
                    let oneway = if one.oneway { "oneway" } else { "" };
                    let (result, annotations) = (their_type(&one.result_type), their_annotations(&one.annotations));
                    lines.add("  function", &[oneway, &result, &one.name.0, &annotations]);
                    one.arguments.iter().for_each(|one| their_field(&mut lines, "    argument", one));
                    one.throws.iter().for_each(|one| their_field(&mut lines, "    throws", one));
                }
            }
        }
    }
    Some(lines.0)
}

fn their_struct(lines: &mut Lines, keyword: &str, item: &pilota::StructLike) {
    lines.add(keyword, &[&item.name.0, &their_annotations(&item.annotations)]);
    item.fields.iter().for_each(|one| their_field(lines, "  field", one));
}

fn their_field(lines: &mut Lines, what: &str, field: &pilota::Field) {
    let requiredness = match field.attribute {
        pilota::Attribute::Optional => "optional",
        pilota::Attribute::Required => "required",
        pilota::Attribute::Default => "",
    };
    let default = field.default.as_ref().map(their_value).unwrap_or_default();
    let (id, ty, annotations) = (field.id.to_string(), their_type(&field.ty), their_annotations(&field.annotations));
    lines.add(what, &[&id, requiredness, &ty, &field.name.0, &default, &annotations]);
}

fn path(path: &pilota::Path) -> String {
    path.segments.iter().map(|segment| &*segment.0).collect::<Vec<_>>().join(".")
}

fn their_type(ty: &pilota::Type) -> String {
    let kind = match &ty.0 {
        pilota::Ty::String => "string".to_owned(),
        pilota::Ty::Void => "void".to_owned(),
        pilota::Ty::Byte | pilota::Ty::I8 => "i8".to_owned(),
        pilota::Ty::Bool => "bool".to_owned(),
        pilota::Ty::Binary => "binary".to_owned(),
        pilota::Ty::I16 => "i16".to_owned(),
        pilota::Ty::I32 => "i32".to_owned(),
        pilota::Ty::I64 => "i64".to_owned(),
        pilota::Ty::Double => "double".to_owned(),
        pilota::Ty::Uuid => "uuid".to_owned(),
        pilota::Ty::List { value, .. } => format!("list<{}>", their_type(value)),
        pilota::Ty::Set { value, .. } => format!("set<{}>", their_type(value)),
        pilota::Ty::Map { key, value, .. } => format!("map<{}, {}>", their_type(key), their_type(value)),
        pilota::Ty::Path(name) => path(name),
    };
    kind + &their_annotations(&ty.1)
}

fn their_value(value: &pilota::ConstValue) -> String {
    let all = |values: Vec<String>| values.join(", ");
    match value {
        pilota::ConstValue::Bool(truth) => truth.to_string(),
        pilota::ConstValue::Path(name) => path(name),
        pilota::ConstValue::String(text) => format!("{:?}", text.0),
        pilota::ConstValue::Int(number) => number.0.to_string(),
        pilota::ConstValue::Double(text) => format!("{:?}", text.0.parse::<f64>().unwrap()),
        pilota::ConstValue::List(values) => format!("[{}]", all(values.iter().map(their_value).collect())),
        pilota::ConstValue::Map(entries) => {
            let entry = |(key, value): &(_, _)| format!("{}: {}", their_value(key), their_value(value));
            format!("{{{}}}", all(entries.iter().map(entry).collect()))
        }
    }
}

fn their_annotations(annotations: &pilota::Annotations) -> String {
    annotations.iter().map(|one| format!("({} = {:?})", one.key, one.value.0)).collect()
}

/// `void` where a value is needed: for pilota that is no matter of the grammar.
const OTHERWISE_REFUSED: &[&str] = &["const_void.thrift", "list_void.thrift", "void_field.thrift"];

fn compare(name: &str, text: &str, wrong: &mut Vec<String>) -> bool {
    let Some(theirs) = theirs(text) else { return false };
    let (ours, diagnostics) = ours(text);
    if OTHERWISE_REFUSED.contains(&name) {
        assert!(diagnostics.has_errors(), "{name}");
    } else if diagnostics.has_errors() {
        let message = &diagnostics.errors().next().unwrap().message;
        wrong.push(format!("{name}: pilota reads it, and here: {message}"));
    } else if ours != theirs {
        let differing = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        wrong.push(format!("{name}: {} and {} lines, first {differing:?}", ours.len(), theirs.len()));
    }
    true
}

#[test]
fn both_parsers_read_the_same() {
    let mut wrong = Vec::new();
    let mut read = 0;
    let edge = folder("edge");
    for name in thrift_files(&edge) {
        read += usize::from(compare(&name, &fs::read_to_string(edge.join(&name)).unwrap(), &mut wrong));
    }
    for (name, text) in corpus::texts() {
        read += usize::from(compare(&name, &text, &mut wrong));
    }
    assert!(wrong.is_empty(), "{} of {read} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(read > 100, "pilota reads only {read} files");
}
