//! A file as written: every node with its span, nothing resolved.
//!
//! All fields are public, so that IDL can be made by hand and [printed](crate::print()). Nodes made by hand have the default
//! span, and documentation without comment marks, lines joined by `\n`, empty where there is none.

use crate::span::Span;

mod visit;

/// A file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The documentation of the file itself: the first doc comment, if it stands before a header.
    pub docs: String,
    /// Headers and definitions in the order written.
    pub items: Vec<Item>,
    /// Names whose definition has a mistake that leaves nothing of it. Empty in a file without errors.
    pub broken: Vec<Name>,
}

/// A header or a definition.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `include "user.thrift"`
    Include(Include),
    /// `cpp_include "<vector>"`, without meaning here.
    CppInclude(Text),
    /// `namespace go demo.user`
    Namespace(Namespace),
    /// `const i32 LIMIT = 10`
    Const(Const),
    /// `typedef i64 UserId`
    Typedef(Typedef),
    /// `enum Color { RED }`
    Enum(Enum),
    /// `struct`, `union` or `exception`
    Struct(Struct),
    /// `service Users { … }`
    Service(Service),
}

/// A name; where it refers to something, with dots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), span: Span::default() }
    }
}

/// A string literal, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What it says, without quotes and escapes.
    pub value: String,
    /// Where it stands, with its quotes.
    pub span: Span,
}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Self { value: value.to_owned(), span: Span::default() }
    }
}

/// An integer literal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integer {
    /// The number.
    pub value: i64,
    /// How it is written.
    pub radix: Radix,
    /// Where it stands, with its sign.
    pub span: Span,
}

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self { value, ..Self::default() }
    }
}

/// How an [`Integer`] is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Radix {
    /// `17`
    #[default]
    Decimal,
    /// `0x11`
    Hexadecimal,
    /// `0o21`
    Octal,
}

/// `include "user.thrift"`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Include {
    /// The path as written.
    pub path: Text,
    /// The whole header.
    pub span: Span,
}

/// `namespace go demo.user`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    /// The language, or `*`.
    pub scope: Name,
    /// The namespace.
    pub name: Name,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole header.
    pub span: Span,
}

/// `key = "value"` between parentheses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    /// The key, with dots.
    pub key: Name,
    /// The value. An annotation without one means `"1"`.
    pub value: Option<Text>,
    /// Key and value.
    pub span: Span,
}

/// `const i32 LIMIT = 10`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Const {
    /// The documentation.
    pub docs: String,
    /// The declared type.
    pub ty: Type,
    /// The name.
    pub name: Name,
    /// The value as written.
    pub value: Value,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// A value as written: what it means depends on the type that is expected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// Where it stands.
    pub span: Span,
}

/// What a [`Value`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// `true`, `false`
    Bool(bool),
    /// `1`, `-0x10`
    Int(Integer),
    /// `1.5`
    Double(f64),
    /// `"text"`
    String(String),
    /// The name of a constant or of a value of an enum: `LIMIT`, `Color.RED`, `user.Color.RED`.
    Name(String),
    /// `[1, 2]`
    List(Vec<Value>),
    /// `{"a": 1}`, also the literal of a struct.
    Map(Vec<(Value, Value)>),
}

impl Default for ValueKind {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl From<ValueKind> for Value {
    fn from(kind: ValueKind) -> Self {
        Self { kind, span: Span::default() }
    }
}

/// `typedef i64 UserId`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Typedef {
    /// The documentation.
    pub docs: String,
    /// What the name stands for.
    pub ty: Type,
    /// The name.
    pub name: Name,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// The use of a type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Type {
    /// Which type.
    pub kind: TypeKind,
    /// The annotations behind it.
    pub annotations: Vec<Annotation>,
    /// Where it stands, without the annotations.
    pub span: Span,
}

/// A type that Thrift knows by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BaseType {
    /// `bool`
    #[default]
    Bool,
    /// `i8`, also written `byte`
    I8,
    /// `i16`
    I16,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `double`
    Double,
    /// `string`
    String,
    /// `binary`
    Binary,
    /// `uuid`
    Uuid,
}

/// Which type.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `void`: only as the result of a function.
    Void,
    /// A type that Thrift knows by itself.
    Base(BaseType),
    /// A typedef, an enum, a struct, a union or an exception, by its name.
    Named(String),
    /// `list<T>`
    List(Box<Type>),
    /// `set<T>`
    Set(Box<Type>),
    /// `map<K, V>`
    Map(Box<Type>, Box<Type>),
}

impl Default for TypeKind {
    fn default() -> Self {
        Self::Base(BaseType::Bool)
    }
}

impl From<TypeKind> for Type {
    fn from(kind: TypeKind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// `enum Color { RED = 1, GREEN }`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Enum {
    /// The documentation.
    pub docs: String,
    /// The name.
    pub name: Name,
    /// The values in the order written.
    pub values: Vec<EnumValue>,
    /// Whether values are missing here because they have mistakes.
    pub incomplete: bool,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// A value of an [`Enum`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnumValue {
    /// The documentation.
    pub docs: String,
    /// The name.
    pub name: Name,
    /// The number, if one is written.
    pub value: Option<Integer>,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole value.
    pub span: Span,
}

/// Which of the three a [`Struct`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StructKind {
    /// `struct`
    #[default]
    Struct,
    /// `union`
    Union,
    /// `exception`
    Exception,
}

impl StructKind {
    /// The keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Struct => "struct",
            Self::Union => "union",
            Self::Exception => "exception",
        }
    }
}

/// `struct`, `union` or `exception`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct {
    /// The documentation.
    pub docs: String,
    /// Which of the three.
    pub kind: StructKind,
    /// The name.
    pub name: Name,
    /// The fields in the order written.
    pub fields: Vec<Field>,
    /// Whether fields are missing here because they have mistakes.
    pub incomplete: bool,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// Whether a field is written and expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Requiredness {
    /// Neither is written: always sent, absence is tolerated.
    #[default]
    Default,
    /// `required`: always sent, absence is an error.
    Required,
    /// `optional`: sent when set.
    Optional,
}

/// A field of a struct, an argument, or a declared exception.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    /// The documentation.
    pub docs: String,
    /// The id, if one is written.
    pub id: Option<Integer>,
    /// Whether it is `required` or `optional`.
    pub requiredness: Requiredness,
    /// The type.
    pub ty: Type,
    /// Whether `&` stands before the name: a reference, the same on the wire.
    pub reference: bool,
    /// The name.
    pub name: Name,
    /// The default value as written.
    pub default: Option<Value>,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole field.
    pub span: Span,
}

/// `service Users extends base.Base { … }`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// The documentation.
    pub docs: String,
    /// The name.
    pub name: Name,
    /// The service whose functions it has too.
    pub extends: Option<Name>,
    /// The functions in the order written.
    pub functions: Vec<Function>,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// A function of a [`Service`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function {
    /// The documentation.
    pub docs: String,
    /// Whether it is `oneway`, which may also be written `async`.
    pub oneway: bool,
    /// The type of the result.
    pub result: Type,
    /// The name.
    pub name: Name,
    /// The arguments.
    pub arguments: Vec<Field>,
    /// The declared exceptions.
    pub throws: Vec<Field>,
    /// The annotations.
    pub annotations: Vec<Annotation>,
    /// The whole function.
    pub span: Span,
}
