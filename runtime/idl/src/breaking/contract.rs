//! What travels of an interface, as flat tables: constants can hold it, and files can be read into it.

use super::Slice as Of;
use crate::ast::{Requiredness, StructKind};
use crate::model::Mode;
use crate::span::{FileId, Span};

/// Services, and the types that they reach.
///
/// Nothing nests: what belongs to something is a [`Slice`] of a table, and a type refers to others by their index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contract<'a> {
    /// The package in the paths of streams; empty where no namespace says it.
    pub package: &'a str,
    /// Where the namespace is that says it.
    pub span: Span,
    /// The services.
    pub services: &'a [Service<'a>],
    /// The functions of all services.
    pub functions: &'a [Function<'a>],
    /// The structs, unions and exceptions.
    pub structs: &'a [Struct<'a>],
    /// The enums.
    pub enums: &'a [Enum<'a>],
    /// The fields of all structs, the arguments and the exceptions of all functions.
    pub fields: &'a [Field<'a>],
    /// The values of all enums.
    pub values: &'a [EnumValue<'a>],
    /// The types of elements.
    pub types: &'a [Type],
}

/// The place of what is in no file.
pub const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

/// A part of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The first index.
    pub start: usize,
    /// The index after the last.
    pub end: usize,
}

/// A service.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// All functions, also those that it inherits, in [`Contract::functions`].
    pub functions: Of,
    /// Where its name is.
    pub span: Span,
}

/// A function.
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    /// The name on the wire.
    pub name: &'a str,
    /// The `streaming.mode`.
    pub mode: Mode,
    /// Whether nothing is sent back.
    pub oneway: bool,
    /// The arguments, in [`Contract::fields`].
    pub arguments: Of,
    /// The result; `None` is `void`.
    pub result: Option<Type>,
    /// The declared exceptions, in [`Contract::fields`].
    pub throws: Of,
    /// Where its name is.
    pub span: Span,
}

/// A struct, union or exception.
#[derive(Clone, Copy, Debug)]
pub struct Struct<'a> {
    /// The name.
    pub name: &'a str,
    /// Which of the three.
    pub kind: StructKind,
    /// The fields, in [`Contract::fields`].
    pub fields: Of,
    /// Where its name is.
    pub span: Span,
}

/// A field, an argument or an exception.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The id.
    pub id: i16,
    /// The name.
    pub name: &'a str,
    /// Whether it is written and expected.
    pub requiredness: Requiredness,
    /// The type.
    pub ty: Type,
    /// Where it is.
    pub span: Span,
}

/// An enum.
#[derive(Clone, Copy, Debug)]
pub struct Enum<'a> {
    /// The name.
    pub name: &'a str,
    /// The values, in [`Contract::values`].
    pub values: Of,
    /// Where its name is.
    pub span: Span,
}

/// A value of an enum.
#[derive(Clone, Copy, Debug)]
pub struct EnumValue<'a> {
    /// The name.
    pub name: &'a str,
    /// The number.
    pub value: i32,
    /// Where it is.
    pub span: Span,
}

/// A type. Numbers are indexes of a table of its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `i8`
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
    /// `list<…>`; the element is in [`Contract::types`].
    List(usize),
    /// `set<…>`; the element is in [`Contract::types`].
    Set(usize),
    /// `map<…, …>`; key and value are in [`Contract::types`].
    Map(usize, usize),
    /// In [`Contract::structs`].
    Struct(usize),
    /// In [`Contract::enums`].
    Enum(usize),
    /// A type that has a mistake of its own. It equals every type.
    Erroneous,
}
