//! What a trait and its messages say about themselves, as static data: names, ids, types, requiredness, docs.
//!
//! `#[derive(Thrift)]` and `#[thrill::service]` write it; printing IDL and generic calls read it. References between
//! types are function pointers, so that recursive types are plain statics.

/// A Thrift type.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
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
    /// `list<…>`
    List(fn() -> Self),
    /// `set<…>`
    Set(fn() -> Self),
    /// `map<…, …>`
    Map(fn() -> Self, fn() -> Self),
    /// A struct, union or exception.
    Struct(&'static Struct),
    /// An enum.
    Enum(&'static Enum),
}

/// A struct, union or exception.
#[derive(Clone, Copy, Debug)]
pub struct Struct {
    /// The name in the IDL.
    pub name: &'static str,
    /// Which of the three it is.
    pub kind: StructKind,
    /// The doc comment, lines joined by `\n`; empty where there is none.
    pub docs: &'static str,
    /// The fields in the order written.
    pub fields: &'static [Field],
}

/// Which kind of struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructKind {
    /// `struct`
    Struct,
    /// `union`
    Union,
    /// `exception`
    Exception,
}

/// A field of a [`Struct`], or an argument.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The field's id.
    pub id: i16,
    /// The name in the IDL.
    pub name: &'static str,
    /// The type.
    pub ty: fn() -> Type,
    /// Whether the field may, must or should be there.
    pub requiredness: Requiredness,
    /// The doc comment, lines joined by `\n`.
    pub docs: &'static str,
    /// The default as written in Rust, where one was given.
    pub default: Option<&'static str>,
}

/// Whether a field is written and expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requiredness {
    /// Always written; absence is tolerated.
    Default,
    /// Written when present.
    Optional,
    /// Always written; absence is an error.
    Required,
}

/// An enum.
#[derive(Clone, Copy, Debug)]
pub struct Enum {
    /// The name in the IDL.
    pub name: &'static str,
    /// The doc comment.
    pub docs: &'static str,
    /// The values in the order written.
    pub values: &'static [EnumValue],
}

/// A value of an [`Enum`].
#[derive(Clone, Copy, Debug)]
pub struct EnumValue {
    /// The name in the IDL.
    pub name: &'static str,
    /// The number on the wire.
    pub value: i32,
    /// The doc comment.
    pub docs: &'static str,
}

/// A service: what `#[thrill::service]` makes of a trait.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The name in the IDL, without package.
    pub name: &'static str,
    /// The namespace as written; empty where none was given.
    pub namespace: &'static str,
    /// The doc comment.
    pub docs: &'static str,
    /// The methods in the order written. An index into this list names a method in generated code.
    pub methods: &'static [Method],
}

/// A method of a [`Service`].
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The service's name, without package.
    pub service: &'static str,
    /// The name on the wire.
    pub name: &'static str,
    /// The HTTP/2 path, `/echo.TestService/Echo`.
    pub path: &'static str,
    /// The `streaming.mode`.
    pub mode: Mode,
    /// Whether the caller expects no answer.
    pub oneway: bool,
    /// The doc comment.
    pub docs: &'static str,
    /// The arguments; exactly one where the method streams.
    pub arguments: &'static [Field],
    /// The result; `None` is `void`.
    pub result: Option<fn() -> Type>,
    /// The declared exceptions.
    pub throws: &'static [Field],
}

/// The `streaming.mode` of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// No `streaming.mode`: a ping-pong method.
    PingPong,
    /// `unary`: ping-pong over a stream.
    Unary,
    /// `client`: many requests, one response.
    Client,
    /// `server`: one request, many responses.
    Server,
    /// `bidirectional`: many requests, many responses, independent of each other.
    Bidirectional,
}

impl Mode {
    /// Whether messages travel bare, one by one; unary and ping-pong messages travel in a wrapper struct.
    #[must_use]
    pub fn is_streaming(self) -> bool {
        matches!(self, Self::Client | Self::Server | Self::Bidirectional)
    }
}
