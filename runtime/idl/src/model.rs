//! What files mean: every name resolved, every value evaluated and typed.
//!
//! A [`Program`] holds the definitions of all files in one list per kind, and everything that refers to a definition does so
//! by its id, so that recursive types and references between files are plain data. Ids are indexes of these lists:
//!
//! ```
//! use thrill_idl::model::TypeKind;
//!
//! let loaded = thrill_idl::load_str("tree.thrift", "struct Tree { 1: list<Tree> children }", &Default::default());
//! let program = loaded.program;
//! let tree = program.find_struct(program.root().id, "Tree").unwrap();
//! let TypeKind::List(element) = &program[tree].fields[0].ty.kind else { unreachable!() };
//! assert_eq!(element.kind, TypeKind::Struct(tree));
//! ```
//!
//! What had a mistake is left out, as small a part as possible: a field, a function, a value of an enum, a definition that
//! cannot do without what is wrong in it.

use std::collections::HashMap;
use std::ops::Index;
use std::path::PathBuf;

pub use crate::ast::{Requiredness, StructKind};
use crate::span::{FileId, Span};

mod annotations;
mod lookup;
mod to_ast;
mod value;

pub use annotations::{Annotation, Annotations};
pub use value::Value;

/// All files with all that is defined in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The file asked for and all that it includes, itself or through others.
    pub files: Vec<File>,
    /// The typedefs of all files.
    pub typedefs: Vec<Typedef>,
    /// The enums of all files.
    pub enums: Vec<Enum>,
    /// The structs, unions and exceptions of all files.
    pub structs: Vec<Struct>,
    /// The constants of all files.
    pub consts: Vec<Const>,
    /// The services of all files.
    pub services: Vec<Service>,
}

macro_rules! ids {
    ($($id:ident => $list:ident: $item:ident, $what:literal;)*) => {$(
        #[doc = concat!("A ", $what, ": an index of [`Program::", stringify!($list), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(pub u32);

        impl $id {
            /// The id as an index.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl Index<$id> for Program {
            type Output = $item;

            /// # Panics
            /// If the id is of another program.
            fn index(&self, id: $id) -> &$item {
                &self.$list[id.index()]
            }
        }
    )*};
}

ids! {
    TypedefId => typedefs: Typedef, "typedef";
    EnumId => enums: Enum, "enum";
    StructId => structs: Struct, "struct, union or exception";
    ConstId => consts: Const, "constant";
    ServiceId => services: Service, "service";
}

impl Index<FileId> for Program {
    type Output = File;

    /// # Panics
    /// If the id is of another program.
    fn index(&self, id: FileId) -> &File {
        &self.files[id.index()]
    }
}

/// A definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemId {
    /// A typedef.
    Typedef(TypedefId),
    /// An enum.
    Enum(EnumId),
    /// A struct, union or exception.
    Struct(StructId),
    /// A constant.
    Const(ConstId),
    /// A service.
    Service(ServiceId),
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// What the file is known by, here and in [`Sources`](crate::Sources).
    pub id: FileId,
    /// The path, as in [`Sources`](crate::Sources).
    pub path: PathBuf,
    /// The documentation of the file itself; see [`Struct::docs`].
    pub docs: String,
    /// The files that it includes, each once, in the order written.
    pub includes: Vec<Include>,
    /// The namespaces, the first of each scope, in the order written.
    pub namespaces: Vec<Namespace>,
    /// The definitions in the order written.
    pub items: Vec<ItemId>,
    /// The definitions by name.
    pub names: HashMap<String, ItemId>,
}

/// A file that is included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The path as written.
    pub path: String,
    /// What names of that file begin with here: the file's name up to its last dot.
    pub prefix: String,
    /// The file.
    pub file: FileId,
    /// The header.
    pub span: Span,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// The language, or `*`.
    pub scope: String,
    /// The namespace, with dots.
    pub name: String,
    /// The annotations.
    pub annotations: Annotations,
    /// The header.
    pub span: Span,
}

/// The use of a type.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// Which type.
    pub kind: TypeKind,
    /// The annotations at this use.
    pub annotations: Annotations,
    /// Where it stands.
    pub span: Span,
}

/// Which type. Types and typedefs together nest at most 64 levels deep.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `bool`
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
    /// `list<T>`
    List(Box<Type>),
    /// `set<T>`
    Set(Box<Type>),
    /// `map<K, V>`
    Map(Box<Type>, Box<Type>),
    /// A typedef. [`Program::underlying`] gives the type behind it.
    Typedef(TypedefId),
    /// An enum.
    Enum(EnumId),
    /// A struct, union or exception.
    Struct(StructId),
}

/// `typedef i64 UserId`
#[derive(Clone, Debug, PartialEq)]
pub struct Typedef {
    /// The file.
    pub file: FileId,
    /// The name.
    pub name: String,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// What the name stands for.
    pub ty: Type,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole definition.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// An enum. On the wire it is an i32, and a peer may send numbers that have no name here.
#[derive(Clone, Debug, PartialEq)]
pub struct Enum {
    /// The file.
    pub file: FileId,
    /// The name.
    pub name: String,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// The values in the order written. Two of them may have the same number: the first is then its name.
    pub values: Vec<EnumValue>,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole definition.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// A value of an [`Enum`].
#[derive(Clone, Debug, PartialEq)]
pub struct EnumValue {
    /// The name.
    pub name: String,
    /// The number on the wire.
    pub value: i32,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole value.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// A struct, union or exception.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    /// The file.
    pub file: FileId,
    /// Which of the three.
    pub kind: StructKind,
    /// The name.
    pub name: String,
    /// The documentation without comment marks, lines joined by `\n`, empty where there is none: the doc comment, or else
    /// the line comments right above, or else, for what is written in one line, the comment at its end.
    pub docs: String,
    /// The fields in the order written. All fields of a union are optional.
    pub fields: Vec<Field>,
    /// Whether no value of it can exist, because it requires a value of itself. That is warned of.
    pub infinite: bool,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole definition.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// A field of a [`Struct`], an argument or a declared exception of a [`Function`].
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The id on the wire: as written, or as [`MissingIds`](crate::MissingIds) says.
    pub id: i16,
    /// The name.
    pub name: String,
    /// Whether it is written and expected. As an argument always [`Requiredness::Default`] or `Required`; as a declared
    /// exception always `Optional`.
    pub requiredness: Requiredness,
    /// The type.
    pub ty: Type,
    /// The default, of the field's type.
    pub default: Option<Value>,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// Whether the field is written with `&`, a reference.
    pub reference: bool,
    /// Whether the field's struct is part of itself through this field, so that the field must be boxed. Containers need no
    /// box, and are not counted.
    pub recursive: bool,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole field.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// `const i32 LIMIT = 10`
#[derive(Clone, Debug, PartialEq)]
pub struct Const {
    /// The file.
    pub file: FileId,
    /// The name.
    pub name: String,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// The type.
    pub ty: Type,
    /// The value, of that type.
    pub value: Value,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole definition.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The file.
    pub file: FileId,
    /// The name, also on the wire.
    pub name: String,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// The service whose functions it has too; see [`Program::functions`].
    pub extends: Option<ServiceId>,
    /// Its own functions in the order written.
    pub functions: Vec<Function>,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole definition.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// A function of a [`Service`].
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// The name, also on the wire.
    pub name: String,
    /// The documentation; see [`Struct::docs`].
    pub docs: String,
    /// Whether nothing is sent back.
    pub oneway: bool,
    /// The `streaming.mode`.
    pub mode: Mode,
    /// The type of the result; `None` is `void`.
    pub result: Option<Type>,
    /// The arguments in the order written.
    pub arguments: Vec<Field>,
    /// The declared exceptions in the order written. No id is 0, which is the result's.
    pub throws: Vec<Field>,
    /// The annotations.
    pub annotations: Annotations,
    /// The whole function.
    pub span: Span,
    /// The name's place.
    pub name_span: Span,
}

/// The `streaming.mode` of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// No `streaming.mode`: a ping-pong function.
    #[default]
    PingPong,
    /// `unary`: ping-pong over a stream.
    Unary,
    /// `client`: many requests, one response.
    Client,
    /// `server`: one request, many responses.
    Server,
    /// `bidirectional`: many requests, many responses.
    Bidirectional,
}

impl Mode {
    /// The values of the annotation, and what they mean.
    pub const ALL: [(&'static str, Self); 4] = [
        ("bidirectional", Self::Bidirectional),
        ("client", Self::Client),
        ("server", Self::Server),
        ("unary", Self::Unary),
    ];

    /// The annotation's value; `None` for a ping-pong function.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map(|(name, _)| *name)
    }

    /// Whether messages travel bare, one by one; those of other functions travel in a wrapper struct.
    #[must_use]
    pub const fn is_streaming(self) -> bool {
        matches!(self, Self::Client | Self::Server | Self::Bidirectional)
    }
}
