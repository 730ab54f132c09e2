//! Any Thrift value, for those who do not know its type: generic calls, and unions newer than this build.

use bytes::Bytes;

use super::limits::capacity;
use super::{DecodeError, EncodeError, Field, Reader, TType, Writer};

/// Any Thrift value, by its wire type: a string is [`Value::Binary`], an enum [`Value::I32`], a union or exception
/// [`Value::Struct`].
///
/// Doubles are compared as by [`OrderedF64`](crate::OrderedF64), so that any value can be a key: a NaN equals itself, and
/// -0.0 is not 0.0.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `i8`
    I8(i8),
    /// `i16`
    I16(i16),
    /// `i32`, or an enum
    I32(i32),
    /// `i64`
    I64(i64),
    /// `double`
    Double(f64),
    /// `string` and `binary`: the wire does not tell them apart. Not checked to be UTF-8.
    Binary(Bytes),
    /// `uuid`
    Uuid([u8; 16]),
    /// A struct, union or exception: ids and values in the order of the wire.
    Struct(Vec<(i16, Self)>),
    /// `list<element>`
    List {
        /// The type of all elements.
        element: TType,
        /// The elements.
        elements: Vec<Self>,
    },
    /// `set<element>`, in the order of the wire and with what is there twice.
    Set {
        /// The type of all elements.
        element: TType,
        /// The elements.
        elements: Vec<Self>,
    },
    /// `map<key, value>`, in the order of the wire and with what is there twice.
    Map {
        /// The type of all keys.
        key: TType,
        /// The type of all values.
        value: TType,
        /// The entries.
        entries: Vec<(Self, Self)>,
    },
}

impl Value {
    /// The wire type.
    #[must_use]
    pub fn ttype(&self) -> TType {
        match self {
            Self::Bool(_) => TType::Bool,
            Self::I8(_) => TType::I8,
            Self::I16(_) => TType::I16,
            Self::I32(_) => TType::I32,
            Self::I64(_) => TType::I64,
            Self::Double(_) => TType::Double,
            Self::Binary(_) => TType::String,
            Self::Uuid(_) => TType::Uuid,
            Self::Struct(_) => TType::Struct,
            Self::List { .. } => TType::List,
            Self::Set { .. } => TType::Set,
            Self::Map { .. } => TType::Map,
        }
    }

    /// Writes the value without a field header.
    ///
    /// # Errors
    /// An element of another type than its container declares, or as [`Thrift::encode`](super::Thrift::encode).
    pub fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        match self {
            Self::Bool(v) => w.bool(*v),
            Self::I8(v) => w.i8(*v),
            Self::I16(v) => w.i16(*v),
            Self::I32(v) => w.i32(*v),
            Self::I64(v) => w.i64(*v),
            Self::Double(v) => w.double(*v),
            Self::Binary(v) => w.shared(v)?,
            Self::Uuid(v) => w.uuid(*v),
            Self::Struct(fields) => {
                w.begin_struct()?;
                for (id, value) in fields {
                    value.encode_field(w, *id)?;
                }
                w.end_struct();
            }
            Self::List { element, elements } => {
                w.begin_list(*element, elements.len())?;
                for value in elements {
                    value.encode_as(*element, w)?;
                }
                w.end_container();
            }
            Self::Set { element, elements } => {
                w.begin_set(*element, elements.len())?;
                for value in elements {
                    value.encode_as(*element, w)?;
                }
                w.end_container();
            }
            Self::Map { key, value, entries } => {
                w.begin_map(*key, *value, entries.len())?;
                for (k, v) in entries {
                    k.encode_as(*key, w)?;
                    v.encode_as(*value, w)?;
                }
                w.end_container();
            }
        }
        Ok(())
    }

    /// Reads a value of a type that a field's or container's header told. Binaries share the memory of the message.
    ///
    /// An empty container that names no element type is one of strings.
    ///
    /// # Errors
    /// As [`Thrift::decode`](super::Thrift::decode).
    pub fn decode<R: Reader>(r: &mut R, ttype: TType) -> Result<Self, DecodeError> {
        Ok(match ttype {
            TType::Bool => Self::Bool(r.bool()?),
            TType::I8 => Self::I8(r.i8()?),
            TType::I16 => Self::I16(r.i16()?),
            TType::I32 => Self::I32(r.i32()?),
            TType::I64 => Self::I64(r.i64()?),
            TType::Double => Self::Double(r.double()?),
            TType::String => Self::Binary(r.shared()?),
            TType::Uuid => Self::Uuid(r.uuid()?),
            TType::Struct => {
                let mut fields = Vec::new();
                r.begin_struct()?;
                while let Some(field) = r.next_field()? {
                    r.charge(1, size_of::<(i16, Self)>())?;
                    fields.push((field.id, Self::decode(r, field.ttype)?));
                }
                Self::Struct(fields)
            }
            TType::List => {
                let (element, count) = r.begin_list()?;
                let (element, elements) = decode_elements(r, element, count)?;
                Self::List { element, elements }
            }
            TType::Set => {
                let (element, count) = r.begin_set()?;
                let (element, elements) = decode_elements(r, element, count)?;
                Self::Set { element, elements }
            }
            TType::Map => {
                let (types, count) = r.begin_map()?;
                let (key, value) = types.unwrap_or((TType::String, TType::String));
                r.charge(count, size_of::<(Self, Self)>())?;
                let mut entries = Vec::with_capacity(capacity::<(Self, Self)>(count));
                for _ in 0..count {
                    entries.push((Self::decode(r, key)?, Self::decode(r, value)?));
                }
                r.end_container();
                Self::Map { key, value, entries }
            }
        })
    }

    fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
        w.field(self.ttype(), id);
        self.encode(w)
    }

    fn encode_as<W: Writer>(&self, declared: TType, w: &mut W) -> Result<(), EncodeError> {
        if self.ttype() != declared {
            return Err(EncodeError::element(declared, self.ttype()));
        }
        self.encode(w)
    }
}

/// Reads the elements of a list or set, and its end.
fn decode_elements<R: Reader>(
    r: &mut R,
    element: Option<TType>,
    count: usize,
) -> Result<(TType, Vec<Value>), DecodeError> {
    let element = element.unwrap_or(TType::String);
    r.charge(count, size_of::<Value>())?;
    let mut elements = Vec::with_capacity(capacity::<Value>(count));
    for _ in 0..count {
        elements.push(Value::decode(r, element)?);
    }
    r.end_container();
    Ok((element, elements))
}

/// A union's variant that this build does not know: kept, and written back as it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UnknownField {
    /// The field's id.
    pub id: i16,
    /// The field's value.
    pub value: Value,
}

impl UnknownField {
    /// Writes the field, header and value.
    ///
    /// # Errors
    /// As [`Value::encode`].
    #[doc(hidden)]
    pub fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        self.value.encode_field(w, self.id)
    }

    /// Reads the value of the field whose header was just read.
    ///
    /// # Errors
    /// As [`Value::decode`].
    #[doc(hidden)]
    pub fn decode<R: Reader>(r: &mut R, field: Field) -> Result<Self, DecodeError> {
        Value::decode(r, field.ttype).map(|value| Self { id: field.id, value })
    }
}
