//! Values to bytes and back.
//!
//! [`Thrift`] is what `#[derive(Thrift)]` implements; [`Writer`] and [`Reader`] are what a payload protocol implements
//! ([`binary`]). A value knows its fields, a protocol knows its bytes, and the two meet monomorphised, so that nothing
//! is virtual below one message.
//!
//! Everything here is pure: no IO, no globals, no `async`, and no allocation by a number that a peer sent.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic))]

pub mod binary;
mod buffer;
pub mod compact;
mod containers;
pub(crate) mod delimit;
pub(crate) mod envelope;
mod error;
#[cfg(test)]
pub(crate) mod fuzz;
mod limits;
mod message;
mod ordered;
mod reply;
mod scalars;
mod strings;
#[cfg(test)]
mod tests;
mod value;

use std::any::Any;
use std::fmt;

pub use buffer::{Buffer, LINK_MIN, Mark, Payload};
pub use envelope::ApplicationException;
pub use error::{DecodeError, EncodeError};
pub use limits::{MAX_DEPTH, MAX_GROWTH};
#[doc(hidden)]
pub use message::Encode;
pub use message::Message;
pub use ordered::OrderedF64;
pub use reply::{Reply, Success, Throws};
pub use value::{UnknownField, Value};

use crate::schema::Type;

/// The wire type of a value, by the numbers of the Thrift Binary protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum TType {
    /// One byte, 0 or 1.
    Bool = 2,
    /// A signed byte.
    I8 = 3,
    /// IEEE 754, 8 bytes.
    Double = 4,
    /// A signed 16-bit integer.
    I16 = 6,
    /// A signed 32-bit integer, or an enum.
    I32 = 8,
    /// A signed 64-bit integer.
    I64 = 10,
    /// `string` and `binary`.
    String = 11,
    /// A struct, union or exception.
    Struct = 12,
    /// Keys and values.
    Map = 13,
    /// A set.
    Set = 14,
    /// A list.
    List = 15,
    /// 16 raw bytes. Kitex does not know this type.
    Uuid = 16,
}

/// The name in the IDL.
impl fmt::Display for TType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::Double => "double",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::String => "string",
            Self::Struct => "struct",
            Self::Map => "map",
            Self::Set => "set",
            Self::List => "list",
            Self::Uuid => "uuid",
        })
    }
}

/// A field's header: what [`Reader::next_field`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's id. May be zero or negative: ids are the peer's.
    pub id: i16,
    /// The wire type of the value that follows.
    pub ttype: TType,
}

/// A value with a Thrift wire form; `#[derive(Thrift)]` implements it for structs, exceptions, unions and enums.
///
/// `Option` has no wire form of its own: it is a property of a field, not a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Thrift type",
    label = "not a Thrift type",
    note = "Thrift types are bool, i8, i16, i32, i64, f64, String, ByteString, Bytes, Vec<u8>, Vec, sets, maps, Box, Arc of such types, and types with `#[derive(Thrift)]`"
)]
pub trait Thrift: Sized {
    /// The wire type of every value of this Rust type.
    const TYPE: TType;

    /// Describes the type, for printing IDL and for generic calls.
    const SCHEMA: Type;

    /// Writes the value without a field header.
    ///
    /// # Errors
    /// A nesting deeper than [`MAX_DEPTH`], or a length that does not fit an `i32`.
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError>;

    /// Reads the value without a field header.
    ///
    /// # Errors
    /// Bytes that are not such a value, or that break a limit.
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError>;

    /// A method's argument by its name, where this is the struct of arguments.
    #[doc(hidden)]
    fn argument(&mut self, name: &str) -> Option<&mut dyn Any> {
        let _ = name;
        None
    }

    /// Writes the value as field `id` of a struct.
    #[doc(hidden)]
    #[inline]
    fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
        w.field(Self::TYPE, id);
        self.encode(w)
    }

    /// Decodes a field's value into `slot`; one that [`Reader::value`] skips leaves it as it is.
    #[doc(hidden)]
    #[inline]
    fn fill<R: Reader>(r: &mut R, field: Field, slot: &mut Self) -> Result<(), DecodeError> {
        if let Some(value) = r.value(field)? {
            *slot = value;
        }
        Ok(())
    }

    /// As [`Thrift::fill`], for an optional or required field.
    #[doc(hidden)]
    #[inline]
    fn fill_some<R: Reader>(r: &mut R, field: Field, slot: &mut Option<Self>) -> Result<(), DecodeError> {
        if let Some(value) = r.value(field)? {
            *slot = Some(value);
        }
        Ok(())
    }

    /// Writes the elements of a list or set, without its header. Scalars override it with one pass over a slice.
    #[doc(hidden)]
    #[inline]
    fn encode_elements<W: Writer>(elements: &[Self], w: &mut W) -> Result<(), EncodeError> {
        for element in elements {
            element.encode(w)?;
        }
        Ok(())
    }

    /// Reads the `count` elements of a list. `count` is the peer's claim, already checked against the bytes left.
    #[doc(hidden)]
    #[inline]
    fn decode_elements<R: Reader>(r: &mut R, count: usize) -> Result<Vec<Self>, DecodeError> {
        let mut elements = Vec::with_capacity(limits::capacity::<Self>(count));
        for _ in 0..count {
            elements.push(Self::decode(r)?);
        }
        Ok(elements)
    }
}

/// A payload protocol's writing half.
///
/// Only what can fail returns a `Result`: depth, and lengths that do not fit the wire.
pub trait Writer {
    /// Begins a struct.
    ///
    /// # Errors
    /// A nesting deeper than [`MAX_DEPTH`].
    fn begin_struct(&mut self) -> Result<(), EncodeError>;
    /// Ends a struct: writes the stop mark.
    fn end_struct(&mut self);
    /// Writes a field header.
    fn field(&mut self, ttype: TType, id: i16);
    /// Writes a bool.
    fn bool(&mut self, v: bool);
    /// Writes an i8.
    fn i8(&mut self, v: i8);
    /// Writes an i16.
    fn i16(&mut self, v: i16);
    /// Writes an i32.
    fn i32(&mut self, v: i32);
    /// Writes an i64.
    fn i64(&mut self, v: i64);
    /// Writes a double.
    fn double(&mut self, v: f64);
    /// Writes 16 raw bytes.
    fn uuid(&mut self, v: [u8; 16]);
    /// Writes a string or binary by copying it.
    ///
    /// # Errors
    /// A length that does not fit an `i32`.
    fn bytes(&mut self, v: &[u8]) -> Result<(), EncodeError>;
    /// Writes a string or binary; a long one is linked, not copied.
    ///
    /// # Errors
    /// A length that does not fit an `i32`.
    fn shared(&mut self, v: &bytes::Bytes) -> Result<(), EncodeError>;
    /// Begins a list. No end mark follows the elements.
    ///
    /// # Errors
    /// A length that does not fit an `i32`, or a nesting deeper than [`MAX_DEPTH`].
    fn begin_list(&mut self, element: TType, len: usize) -> Result<(), EncodeError>;
    /// Begins a set.
    ///
    /// # Errors
    /// As [`Writer::begin_list`].
    fn begin_set(&mut self, element: TType, len: usize) -> Result<(), EncodeError> {
        self.begin_list(element, len)
    }
    /// Begins a map.
    ///
    /// # Errors
    /// As [`Writer::begin_list`].
    fn begin_map(&mut self, key: TType, value: TType, len: usize) -> Result<(), EncodeError>;
    /// Ends a list, set or map.
    fn end_container(&mut self);

    /// Writes fixed-width values at once where the protocol lays them out as an array of big-endian numbers. `false`: it
    /// does not, and nothing was written.
    #[inline]
    fn array<T: Copy, const N: usize>(&mut self, values: &[T], to_be: impl Fn(T) -> [u8; N]) -> bool {
        let _ = (values, to_be);
        false
    }

    /// Writes a whole field of a scalar at once. A protocol overrides these where one write is cheaper than two.
    #[inline]
    fn field_bool(&mut self, id: i16, v: bool) {
        self.field(TType::Bool, id);
        self.bool(v);
    }
    /// As [`Writer::field_bool`].
    #[inline]
    fn field_i8(&mut self, id: i16, v: i8) {
        self.field(TType::I8, id);
        self.i8(v);
    }
    /// As [`Writer::field_bool`].
    #[inline]
    fn field_i16(&mut self, id: i16, v: i16) {
        self.field(TType::I16, id);
        self.i16(v);
    }
    /// As [`Writer::field_bool`].
    #[inline]
    fn field_i32(&mut self, id: i16, v: i32) {
        self.field(TType::I32, id);
        self.i32(v);
    }
    /// As [`Writer::field_bool`].
    #[inline]
    fn field_i64(&mut self, id: i16, v: i64) {
        self.field(TType::I64, id);
        self.i64(v);
    }
    /// As [`Writer::field_bool`].
    #[inline]
    fn field_double(&mut self, id: i16, v: f64) {
        self.field(TType::Double, id);
        self.double(v);
    }
    /// As [`Writer::field_bool`].
    ///
    /// # Errors
    /// As [`Writer::bytes`].
    #[inline]
    fn field_bytes(&mut self, id: i16, v: &[u8]) -> Result<(), EncodeError> {
        self.field(TType::String, id);
        self.bytes(v)
    }
    /// As [`Writer::field_bool`]; a long value is linked, not copied.
    ///
    /// # Errors
    /// As [`Writer::shared`].
    #[inline]
    fn field_shared(&mut self, id: i16, v: &bytes::Bytes) -> Result<(), EncodeError> {
        self.field(TType::String, id);
        self.shared(v)
    }
}

/// A payload protocol's reading half, over the bytes of one message.
pub trait Reader: Sized {
    /// Where a reader stands; see [`Reader::rewind`].
    type Mark;

    /// Begins a struct.
    ///
    /// # Errors
    /// A nesting deeper than [`MAX_DEPTH`].
    fn begin_struct(&mut self) -> Result<(), DecodeError>;
    /// Reads the next field header; `None` is the struct's end, which also closes what [`Reader::begin_struct`] opened.
    ///
    /// # Errors
    /// Bytes that end, or a type that is none.
    fn next_field(&mut self) -> Result<Option<Field>, DecodeError>;
    /// Reads a bool.
    ///
    /// # Errors
    /// Bytes that end.
    fn bool(&mut self) -> Result<bool, DecodeError>;
    /// Reads an i8.
    ///
    /// # Errors
    /// Bytes that end.
    fn i8(&mut self) -> Result<i8, DecodeError>;
    /// Reads an i16.
    ///
    /// # Errors
    /// Bytes that end.
    fn i16(&mut self) -> Result<i16, DecodeError>;
    /// Reads an i32.
    ///
    /// # Errors
    /// Bytes that end.
    fn i32(&mut self) -> Result<i32, DecodeError>;
    /// Reads an i64.
    ///
    /// # Errors
    /// Bytes that end.
    fn i64(&mut self) -> Result<i64, DecodeError>;
    /// Reads a double.
    ///
    /// # Errors
    /// Bytes that end.
    fn double(&mut self) -> Result<f64, DecodeError>;
    /// Reads 16 raw bytes.
    ///
    /// # Errors
    /// Bytes that end.
    fn uuid(&mut self) -> Result<[u8; 16], DecodeError>;
    /// Reads a string or binary without copying: the slice lives as long as the reader is not moved on.
    ///
    /// # Errors
    /// A negative length, or one beyond the bytes left.
    fn bytes(&mut self) -> Result<&[u8], DecodeError>;
    /// Reads a string or binary that shares the message's memory.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    fn shared(&mut self) -> Result<bytes::Bytes, DecodeError>;
    /// Reads a list's header: element type and count. The count is checked against the bytes left; an empty list may
    /// name no element type.
    ///
    /// # Errors
    /// A negative count, one that the bytes left cannot hold, a type that is none, or a nesting deeper than [`MAX_DEPTH`].
    fn begin_list(&mut self) -> Result<(Option<TType>, usize), DecodeError>;
    /// Reads a set's header, as [`Reader::begin_list`].
    ///
    /// # Errors
    /// As [`Reader::begin_list`].
    fn begin_set(&mut self) -> Result<(Option<TType>, usize), DecodeError> {
        self.begin_list()
    }
    /// Reads a map's header: key type, value type and count, as [`Reader::begin_list`].
    ///
    /// # Errors
    /// As [`Reader::begin_list`].
    fn begin_map(&mut self) -> Result<(Option<(TType, TType)>, usize), DecodeError>;
    /// Ends a list, set or map.
    fn end_container(&mut self);
    /// Skips a value of the given wire type.
    ///
    /// # Errors
    /// Bytes that end, or that break a limit.
    fn skip(&mut self, ttype: TType) -> Result<(), DecodeError>;
    /// Remembers where the reader stands.
    fn mark(&self) -> Self::Mark;
    /// Goes back to a mark.
    fn rewind(&mut self, mark: Self::Mark);

    /// Takes the memory of `count` values of `size` bytes off what the message may take, before they are read. A reader that bounds
    /// memory in another way need not.
    ///
    /// # Errors
    /// The message would take more than [`MAX_GROWTH`] allows.
    #[inline]
    fn charge(&mut self, count: usize, size: usize) -> Result<(), DecodeError> {
        let _ = (count, size);
        Ok(())
    }

    /// Reads `count` fixed-width values at once where the protocol lays them out as an array of big-endian numbers.
    /// `None`: it does not.
    ///
    /// # Errors
    /// Bytes that end.
    #[inline]
    fn array(&mut self, count: usize, width: usize) -> Result<Option<&[u8]>, DecodeError> {
        let _ = (count, width);
        Ok(None)
    }

    /// Reads the `count` strings of a list. A protocol overrides it where many are checked faster than one by one.
    ///
    /// # Errors
    /// As [`Reader::bytes`], or bytes that are not UTF-8.
    #[inline]
    fn strings(&mut self, count: usize) -> Result<Vec<String>, DecodeError> {
        let mut strings = Vec::with_capacity(limits::capacity::<String>(count));
        for _ in 0..count {
            strings.push(String::decode(self)?);
        }
        Ok(strings)
    }

    /// Decodes a field's value, or skips it and answers `None` where it is of another type.
    ///
    /// A value of another wire type is skipped, as Kitex does, and so is a container whose elements are of another type.
    ///
    /// # Errors
    /// Bytes that are not such a value.
    #[inline]
    fn value<T: Thrift>(&mut self, field: Field) -> Result<Option<T>, DecodeError> {
        if field.ttype != T::TYPE {
            self.skip(field.ttype)?;
            return Ok(None);
        }
        // Only a container can turn out to be of another type after its header; a scalar pays nothing for the mark.
        if !matches!(T::TYPE, TType::List | TType::Set | TType::Map) {
            return T::decode(self).map(Some);
        }
        let mark = self.mark();
        match T::decode(self) {
            Ok(value) => Ok(Some(value)),
            Err(err) if err.is_element_mismatch() => {
                self.rewind(mark);
                self.skip(field.ttype)?;
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }
}
