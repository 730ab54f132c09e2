//! Syntax trees to text.

use std::fmt::Write as _;

use crate::ast::{
    Annotation, BaseType, Const, Enum, Field, File, Function, Integer, Item, Namespace, Radix, Requiredness, Service,
    Struct, Type, TypeKind, Typedef, Value, ValueKind,
};

/// A file as formatted IDL: what [`parse_str`](crate::parse_str) makes of it says the same as `file`.
///
/// Comments that are no documentation are not in a syntax tree, and are lost.
///
/// ```
/// use thrill_idl::ast::{BaseType, Field, File, Item, Struct, TypeKind};
///
/// let name = Field {
///     docs: "How to address them.".to_owned(),
///     id: Some(1.into()),
///     name: "name".into(),
///     ty: TypeKind::Base(BaseType::String).into(),
///     ..Field::default()
/// };
/// let user = Struct { name: "User".into(), fields: vec![name], ..Struct::default() };
/// let file = File { items: vec![Item::Struct(user)], ..File::default() };
/// assert_eq!(thrill_idl::print(&file), "\
/// struct User {
///     /** How to address them. */
///     1: string name,
/// }
/// ");
/// ```
#[must_use]
pub fn print(file: &File) -> String {
    let mut printer = Printer::default();
    printer.file(file);
    printer.text
}

/// A value as IDL.
pub(crate) fn print_value(value: &Value) -> String {
    let mut printer = Printer::default();
    printer.value(value);
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    fn file(&mut self, file: &File) {
        let mut previous: Option<&Item> = None;
        if !file.docs.is_empty() {
            self.docs(&file.docs, "");
            self.text.push('\n');
        }
        for item in &file.items {
            if previous.is_some_and(|previous| !are_together(previous, item)) {
                self.text.push('\n');
            }
            self.item(item);
            previous = Some(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Include(include) => {
                self.text.push_str("include ");
                self.quoted(&include.path.value);
            }
            Item::CppInclude(path) => {
                self.text.push_str("cpp_include ");
                self.quoted(&path.value);
            }
            Item::Namespace(namespace) => self.namespace(namespace),
            Item::Const(item) => self.constant(item),
            Item::Typedef(item) => self.typedef(item),
            Item::Enum(item) => self.enumeration(item),
            Item::Struct(item) => self.structure(item),
            Item::Service(item) => self.service(item),
        }
        self.text.push('\n');
    }

    fn namespace(&mut self, namespace: &Namespace) {
        let _ = write!(self.text, "namespace {} {}", namespace.scope.text, namespace.name.text);
        self.annotations(&namespace.annotations);
    }

    fn constant(&mut self, item: &Const) {
        self.docs(&item.docs, "");
        self.text.push_str("const ");
        self.ty(&item.ty);
        let _ = write!(self.text, " {} = ", item.name.text);
        self.value(&item.value);
        self.annotations(&item.annotations);
    }

    fn typedef(&mut self, item: &Typedef) {
        self.docs(&item.docs, "");
        self.text.push_str("typedef ");
        self.ty(&item.ty);
        let _ = write!(self.text, " {}", item.name.text);
        self.annotations(&item.annotations);
    }

    fn enumeration(&mut self, item: &Enum) {
        self.docs(&item.docs, "");
        let _ = write!(self.text, "enum {}", item.name.text);
        self.block(&item.values, |printer, value| {
            printer.docs(&value.docs, INDENT);
            let _ = write!(printer.text, "{INDENT}{}", value.name.text);
            if let Some(number) = value.value {
                printer.text.push_str(" = ");
                printer.integer(number);
            }
            printer.annotations(&value.annotations);
            printer.text.push(',');
        });
        self.annotations(&item.annotations);
    }

    fn structure(&mut self, item: &Struct) {
        self.docs(&item.docs, "");
        let _ = write!(self.text, "{} {}", item.kind.keyword(), item.name.text);
        self.block(&item.fields, |printer, field| {
            printer.docs(&field.docs, INDENT);
            printer.text.push_str(INDENT);
            printer.field(field);
            printer.text.push(',');
        });
        self.annotations(&item.annotations);
    }

    fn service(&mut self, item: &Service) {
        self.docs(&item.docs, "");
        let _ = write!(self.text, "service {}", item.name.text);
        if let Some(base) = &item.extends {
            let _ = write!(self.text, " extends {}", base.text);
        }
        self.block(&item.functions, |printer, function| {
            printer.docs(&function.docs, INDENT);
            printer.text.push_str(INDENT);
            printer.function(function);
            printer.text.push(',');
        });
        self.annotations(&item.annotations);
    }

    /// ` { … }` with an element per line.
    fn block<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) {
        self.text.push_str(" {");
        for one in elements {
            self.text.push('\n');
            element(self, one);
        }
        self.text.push_str(if elements.is_empty() { "}" } else { "\n}" });
    }

    fn function(&mut self, function: &Function) {
        if function.oneway {
            self.text.push_str("oneway ");
        }
        self.ty(&function.result);
        let _ = write!(self.text, " {}", function.name.text);
        self.fields(&function.arguments);
        if !function.throws.is_empty() {
            self.text.push_str(" throws ");
            self.fields(&function.throws);
        }
        self.annotations(&function.annotations);
    }

    /// `(1: i32 a, 2: i32 b)`, on one line if no field has documentation.
    fn fields(&mut self, fields: &[Field]) {
        let has_docs = fields.iter().any(|field| !field.docs.is_empty());
        self.text.push('(');
        for (at, field) in fields.iter().enumerate() {
            if has_docs {
                self.text.push('\n');
                self.docs(&field.docs, &INDENT.repeat(2));
                self.text.push_str(&INDENT.repeat(2));
            } else if at > 0 {
                self.text.push(' ');
            }
            self.field(field);
            if has_docs || at + 1 < fields.len() {
                self.text.push(',');
            }
        }
        if has_docs {
            let _ = write!(self.text, "\n{INDENT}");
        }
        self.text.push(')');
    }

    fn field(&mut self, field: &Field) {
        if let Some(id) = field.id {
            self.integer(id);
            self.text.push_str(": ");
        }
        self.text.push_str(match field.requiredness {
            Requiredness::Default => "",
            Requiredness::Required => "required ",
            Requiredness::Optional => "optional ",
        });
        self.ty(&field.ty);
        let _ = write!(self.text, " {}{}", if field.reference { "& " } else { "" }, field.name.text);
        if let Some(default) = &field.default {
            self.text.push_str(" = ");
            self.value(default);
        }
        self.annotations(&field.annotations);
    }

    fn ty(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Void => self.text.push_str("void"),
            TypeKind::Base(base) => self.text.push_str(base.keyword()),
            TypeKind::Named(name) => self.text.push_str(name),
            TypeKind::List(element) => self.container("list", &[element]),
            TypeKind::Set(element) => self.container("set", &[element]),
            TypeKind::Map(key, value) => self.container("map", &[key, value]),
        }
        self.annotations(&ty.annotations);
    }

    fn container(&mut self, keyword: &str, types: &[&Type]) {
        self.text.push_str(keyword);
        self.text.push('<');
        self.list(types, |printer, ty| printer.ty(ty));
        self.text.push('>');
    }

    fn value(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Bool(value) => self.text.push_str(if *value { "true" } else { "false" }),
            ValueKind::Int(number) => self.integer(*number),
            // Always with a point or an exponent, so that it stays a double, and exact.
            ValueKind::Double(number) => {
                let _ = write!(self.text, "{number:?}");
            }
            ValueKind::String(text) => self.quoted(text),
            ValueKind::Name(name) => self.text.push_str(name),
            ValueKind::List(values) => {
                self.text.push('[');
                self.list(values, Self::value);
                self.text.push(']');
            }
            ValueKind::Map(entries) => {
                self.text.push('{');
                self.list(entries, |printer, (key, value)| {
                    printer.value(key);
                    printer.text.push_str(": ");
                    printer.value(value);
                });
                self.text.push('}');
            }
        }
    }

    fn integer(&mut self, number: Integer) {
        let sign = if number.value < 0 { "-" } else { "" };
        let digits = number.value.unsigned_abs();
        let _ = match number.radix {
            Radix::Decimal => write!(self.text, "{sign}{digits}"),
            Radix::Hexadecimal => write!(self.text, "{sign}0x{digits:x}"),
            Radix::Octal => write!(self.text, "{sign}0o{digits:o}"),
        };
    }

    fn annotations(&mut self, annotations: &[Annotation]) {
        if annotations.is_empty() {
            return;
        }
        self.text.push_str(" (");
        self.list(annotations, |printer, annotation| {
            printer.text.push_str(&annotation.key.text);
            if let Some(value) = &annotation.value {
                printer.text.push_str(" = ");
                printer.quoted(&value.value);
            }
        });
        self.text.push(')');
    }

    fn list<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) {
        for (at, one) in elements.iter().enumerate() {
            if at > 0 {
                self.text.push_str(", ");
            }
            element(self, one);
        }
    }

    /// Text in the quotes that need fewer escapes, with those escapes that all compilers know, where one is enough.
    fn quoted(&mut self, text: &str) {
        let quote = if text.contains('"') && !text.contains('\'') { '\'' } else { '"' };
        self.text.push(quote);
        for c in text.chars() {
            match c {
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\0' => self.text.push_str("\\0"),
                '\\' => self.text.push_str("\\\\"),
                c if c == quote => {
                    self.text.push('\\');
                    self.text.push(quote);
                }
                c if c.is_ascii_control() => {
                    let _ = write!(self.text, "\\x{:02x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push(quote);
    }

    /// A doc comment, with its line end.
    fn docs(&mut self, docs: &str, indent: &str) {
        if docs.is_empty() {
            return;
        }
        if docs.contains("*/") {
            // Such text cannot stand in a block comment.
            for line in docs.lines() {
                let _ = writeln!(self.text, "{}", format!("{indent}// {line}").trim_end());
            }
        } else if docs.contains('\n') {
            let _ = writeln!(self.text, "{indent}/**");
            for line in docs.lines() {
                let _ = writeln!(self.text, "{}", format!("{indent} * {line}").trim_end());
            }
            let _ = writeln!(self.text, "{indent} */");
        } else {
            let _ = writeln!(self.text, "{indent}/** {docs} */");
        }
    }
}

const INDENT: &str = "    ";

impl BaseType {
    /// The name of the type.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Double => "double",
            Self::String => "string",
            Self::Binary => "binary",
            Self::Uuid => "uuid",
        }
    }
}

/// Whether no empty line stands between two items: headers of one kind, and one-line definitions without documentation.
fn are_together(first: &Item, second: &Item) -> bool {
    match (first, second) {
        (Item::Include(_) | Item::CppInclude(_), Item::Include(_) | Item::CppInclude(_))
        | (Item::Namespace(_), Item::Namespace(_)) => true,
        (Item::Const(first), Item::Const(second)) => first.docs.is_empty() && second.docs.is_empty(),
        (Item::Typedef(first), Item::Typedef(second)) => first.docs.is_empty() && second.docs.is_empty(),
        _ => false,
    }
}
