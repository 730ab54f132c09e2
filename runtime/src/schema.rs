//! What a trait and its messages say about themselves, as static data: names, ids, types, requiredness, docs.
//!
//! `#[derive(Thrift)]` and `#[thrill::service]` write it; printing IDL and generic calls read it. All of it is there in
//! constant evaluation, too: a named type is a `static`, so that recursive types refer to themselves.
//!
//! ```
//! use thrill::schema::{Struct, Type};
//!
//! #[derive(thrill::Thrift)]
//! struct Tree {
//!     #[thrift(id = 1)]
//!     name: String,
//!     #[thrift(id = 2)]
//!     children: Vec<Tree>,
//! }
//!
//! const TREE: &Struct = match <Tree as thrill::Thrift>::SCHEMA {
//!     Type::Struct(tree) => tree.get(),
//!     _ => unreachable!(),
//! };
//! assert_eq!(TREE.fields[1].name, "children");
//! assert_eq!(TREE.fields[1].ty.to_string(), "list<Tree>");
//! ```

mod reference;

use std::fmt;

pub use reference::Ref;
pub use thrill_idl::ast::{Requiredness, StructKind};
pub use thrill_idl::model::Mode;

use crate::codec::{Buffer, Thrift, Value, binary};
use crate::error::Result;

/// A Thrift type. Its text is as in the IDL: `map<string, Note>`.
#[derive(Clone, Copy)]
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
    List(&'static Self),
    /// `set<…>`
    Set(&'static Self),
    /// `map<…, …>`
    Map(&'static Self, &'static Self),
    /// A struct, union or exception.
    Struct(Ref<Struct>),
    /// An enum.
    Enum(Ref<Enum>),
    /// Stands in for a type whose derive has reported a mistake, so that nothing is said about it twice.
    #[doc(hidden)]
    Erroneous,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::I8 => f.write_str("i8"),
            Self::I16 => f.write_str("i16"),
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Binary => f.write_str("binary"),
            Self::Uuid => f.write_str("uuid"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Set(element) => write!(f, "set<{element}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Struct(it) => f.write_str(it.name),
            Self::Enum(it) => f.write_str(it.name),
            Self::Erroneous => f.write_str("?"),
        }
    }
}

/// The text, since a recursive type has no end.
impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A struct, union or exception.
#[derive(Clone, Copy, Debug)]
pub struct Struct {
    /// The name in the IDL.
    pub name: &'static str,
    /// The path of the Rust type, `my_crate::api::Note`: tells types of one name apart.
    pub path: &'static str,
    /// Which of the three it is.
    pub kind: StructKind,
    /// The doc comment, lines joined by `\n`; empty where there is none.
    pub docs: &'static str,
    /// The fields in the order written.
    pub fields: &'static [Field],
}

/// A field of a [`Struct`], or an argument.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The field's id.
    pub id: i16,
    /// The name in the IDL.
    pub name: &'static str,
    /// The type.
    pub ty: Type,
    /// Whether the field may, must or should be there.
    pub requiredness: Requiredness,
    /// The doc comment, lines joined by `\n`.
    pub docs: &'static str,
    /// What the field is where a peer leaves it out, if the Rust says so.
    pub default: Option<DefaultValue>,
}

/// The default of a [`Field`]. It is any Rust expression, so its value is there only at run time.
#[derive(Clone, Copy)]
pub struct DefaultValue {
    /// The expression as written in Rust.
    pub text: &'static str,
    value: fn() -> Result<Value>,
}

impl DefaultValue {
    /// A default by its text and a function that describes its value.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(text: &'static str, value: fn() -> Result<Value>) -> Self {
        Self { text, value }
    }

    /// Describes a value by its wire form.
    ///
    /// # Errors
    /// As [`Thrift::encode`].
    #[doc(hidden)]
    pub fn describe<T: Thrift>(value: &T) -> Result<Value> {
        let mut buffer = Buffer::new();
        value.encode(&mut binary::Writer::new(&mut buffer))?;
        let bytes = buffer.take().into_bytes();
        Ok(Value::decode(&mut binary::Reader::new(&bytes), T::TYPE)?)
    }

    /// Evaluates the expression.
    ///
    /// # Errors
    /// A value without a wire form; see [`Thrift::encode`].
    pub fn value(&self) -> Result<Value> {
        (self.value)()
    }
}

impl fmt::Debug for DefaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// An enum.
#[derive(Clone, Copy, Debug)]
pub struct Enum {
    /// The name in the IDL.
    pub name: &'static str,
    /// The path of the Rust type, `my_crate::api::Mood`: tells types of one name apart.
    pub path: &'static str,
    /// The doc comment.
    pub docs: &'static str,
    /// The values in the order written. A number's other names stand behind its first.
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
    /// The service that it extends.
    pub extends: Option<&'static Self>,
    /// All methods: its own in the order written, and behind them, under its name, those of the service that it extends.
    /// An index into this list names a method in generated code.
    pub methods: &'static [Method],
}

impl Service {
    /// The methods that are its own, in the order written.
    #[must_use]
    pub const fn own_methods(&self) -> &'static [Method] {
        let inherited = match self.extends {
            Some(base) => base.methods.len(),
            None => 0,
        };
        self.methods.split_at(self.methods.len() - inherited).0
    }
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
    pub result: Option<Type>,
    /// The declared exceptions.
    pub throws: &'static [Field],
}
