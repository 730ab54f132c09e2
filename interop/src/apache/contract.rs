//! The echo contract's messages, arguments and results, as Apache's generated code reads and writes them.

use thrift::protocol::{TInputProtocol, TOutputProtocol, TStructIdentifier, TType};
use thrill_tests::contract::{Everything, Inner, Mood, NotFound, Request, Response, Shape};

use super::value::{Value, write_field};

/// How a field is held: `plain` is always written, `optional` where it is there.
macro_rules! field {
    (write plain $o:ident $id:literal $value:expr) => {
        write_field($o, $id, $value)?
    };
    (write optional $o:ident $id:literal $value:expr) => {
        if let Some(value) = $value {
            write_field($o, $id, value)?;
        }
    };
    (read plain $i:ident) => {
        Value::read($i)?
    };
    (read optional $i:ident) => {
        Some(Value::read($i)?)
    };
}

macro_rules! structs {
    ($($name:ident { $($kind:ident $id:literal $field:ident),* })*) => {$(
        impl Value for $name {
            const TYPE: TType = TType::Struct;

            fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
                $(let mut $field = Default::default();)*
                i.read_struct_begin()?;
                loop {
                    let head = i.read_field_begin()?;
                    match (head.field_type, head.id) {
                        (TType::Stop, _) => break,
                        $((_, Some($id)) => $field = field!(read $kind i),)*
                        (other, _) => i.skip(other)?,
                    }
                    i.read_field_end()?;
                }
                i.read_struct_end()?;
                Ok(Self { $($field),* })
            }

            fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
                o.write_struct_begin(&TStructIdentifier::new(stringify!($name)))?;
                $(field!(write $kind o $id &self.$field);)*
                o.write_field_stop()?;
                o.write_struct_end()
            }
        }
    )*};
}

structs! {
    Request { optional 1 message }
    Response { optional 1 message }
    NotFound { plain 1 what, optional 2 code }
    Inner { plain 1 id, optional 2 label }
    Everything {
        plain 1 flag, plain 2 tiny, plain 3 small, plain 4 medium, plain 5 big, plain 6 ratio, plain 7 text, plain 8 blob,
        plain 9 numbers, plain 10 tags, plain 11 counts, plain 12 groups, plain 13 inner, optional 14 shape,
        optional 15 mood, plain 16 must, optional 17 fallback, plain 18 nested, optional 19 children
    }
    EchoArgs { plain 1 req }
    EchoResult { optional 0 success }
    EverythingArgs { plain 1 value }
    EverythingResult { optional 0 success, optional 1 missing }
    AddArgs { plain 1 a, plain 2 b }
    AddResult { optional 0 success, optional 1 missing }
    NotifyArgs { plain 1 what }
    Nothing {}
}

impl Value for Mood {
    const TYPE: TType = TType::I32;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        Ok(match i.read_i32()? {
            1 => Self::Calm,
            2 => Self::Brisk,
            5 => Self::Wild,
            other => Self::Unknown(other),
        })
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        o.write_i32(match self {
            Self::Calm => 1,
            Self::Brisk => 2,
            Self::Wild => 5,
            Self::Unknown(other) => *other,
        })
    }
}

impl Value for Shape {
    const TYPE: TType = TType::Struct;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let Union { name, area } = Union::read(i)?;
        let area = area.map(Self::Area);
        name.map(Self::Name).or(area).ok_or_else(|| thrift::Error::from("an empty union"))
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        let (name, area) = match self {
            Self::Name(name) => (Some(name.clone()), None),
            Self::Area(area) => (None, Some(*area)),
            Self::Unknown(_) => return Err(thrift::Error::from("an unknown variant")),
        };
        Union { name, area }.write(o)
    }
}

/// A union is a struct with one field.
struct Union {
    name: Option<String>,
    area: Option<i64>,
}

structs! {
    Union { optional 1 name, optional 2 area }
}

/// The arguments of `EchoPingPong`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct EchoArgs {
    pub req: Request,
}

/// The result of `EchoPingPong`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct EchoResult {
    pub success: Option<Response>,
}

/// The arguments of `EverythingPingPong`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct EverythingArgs {
    pub value: Everything,
}

/// The result of `EverythingPingPong`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct EverythingResult {
    pub success: Option<Everything>,
    pub missing: Option<NotFound>,
}

/// The arguments of `Add`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct AddArgs {
    pub a: i64,
    pub b: i64,
}

/// The result of `Add`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct AddResult {
    pub success: Option<i64>,
    pub missing: Option<NotFound>,
}

/// The arguments of `Notify`.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct NotifyArgs {
    pub what: String,
}

/// The arguments and the result of `Nothing`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nothing {}
