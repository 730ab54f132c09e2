//! Why a value has no bytes, or bytes are no value.

use std::error::Error;
use std::fmt;
use std::str::Utf8Error;

use super::TType;
use super::limits::{MAX_DEPTH, MAX_GROWTH};

/// Why a value cannot be written.
///
/// One pointer wide, so that the results of the hot path stay in registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError(Box<EncodeKind>);

/// Why bytes are not the value they should be.
///
/// One pointer wide, so that the results of the hot path stay in registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Box<DecodeKind>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum EncodeKind {
    Depth,
    Length { len: usize },
    Element { declared: TType, got: TType },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DecodeKind {
    End { wanted: &'static str, at: usize },
    NegativeLength { len: i32, at: usize },
    Varint { at: usize, max: usize },
    Length { claimed: usize, left: usize, at: usize },
    UnknownType { byte: u8, at: usize },
    Depth { at: usize },
    Utf8(Utf8Error),
    Required { owner: &'static str, field: &'static str },
    Element { wanted: TType, got: TType },
    EmptyUnion { name: &'static str },
    Memory { count: usize, size: usize },
}

impl EncodeError {
    #[cold]
    pub(super) fn depth() -> Self {
        Self(Box::new(EncodeKind::Depth))
    }

    #[cold]
    pub(super) fn length(len: usize) -> Self {
        Self(Box::new(EncodeKind::Length { len }))
    }

    #[cold]
    pub(super) fn element(declared: TType, got: TType) -> Self {
        Self(Box::new(EncodeKind::Element { declared, got }))
    }
}

impl DecodeError {
    /// A union without any field.
    #[cold]
    #[must_use]
    pub fn empty_union(name: &'static str) -> Self {
        Self(Box::new(DecodeKind::EmptyUnion { name }))
    }

    /// A required field that did not come, or came as another type. `owner` is the struct.
    #[cold]
    #[must_use]
    pub fn required(owner: &'static str, field: &'static str) -> Self {
        Self(Box::new(DecodeKind::Required { owner, field }))
    }

    /// A container whose elements are of another type than the declared one.
    #[cold]
    #[must_use]
    pub fn element_mismatch(wanted: TType, got: TType) -> Self {
        Self(Box::new(DecodeKind::Element { wanted, got }))
    }

    /// Whether a container held elements of another type, so that its field is to be skipped like any of a wrong type.
    #[must_use]
    pub fn is_element_mismatch(&self) -> bool {
        matches!(*self.0, DecodeKind::Element { .. })
    }

    #[cold]
    pub(super) fn end(wanted: &'static str, at: usize) -> Self {
        Self(Box::new(DecodeKind::End { wanted, at }))
    }

    /// A number of Compact that does not end within as many bytes as the largest takes.
    #[cold]
    pub(super) fn varint(at: usize, max: usize) -> Self {
        Self(Box::new(DecodeKind::Varint { at, max }))
    }

    /// A negative length, or a count of bytes or elements that the `left` bytes cannot hold.
    #[cold]
    pub(super) fn length(claimed: i32, left: usize, at: usize) -> Self {
        Self(Box::new(match usize::try_from(claimed) {
            Ok(claimed) => DecodeKind::Length { claimed, left, at },
            Err(_) => DecodeKind::NegativeLength { len: claimed, at },
        }))
    }

    #[cold]
    pub(super) fn unknown_type(byte: u8, at: usize) -> Self {
        Self(Box::new(DecodeKind::UnknownType { byte, at }))
    }

    #[cold]
    pub(super) fn depth(at: usize) -> Self {
        Self(Box::new(DecodeKind::Depth { at }))
    }

    /// Values that would take more memory than a message may.
    #[cold]
    pub(super) fn memory(count: usize, size: usize) -> Self {
        Self(Box::new(DecodeKind::Memory { count, size }))
    }

    #[cold]
    pub(super) fn utf8(err: Utf8Error) -> Self {
        Self(Box::new(DecodeKind::Utf8(err)))
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            EncodeKind::Depth => {
                write!(f, "value nests more than {MAX_DEPTH} levels deep; peers refuse that, so flatten it")
            }
            EncodeKind::Length { len } => write!(f, "length {len} does not fit an i32; split the value"),
            EncodeKind::Element { declared, got } => {
                write!(f, "container of {declared} holds a value of type {got}; give all elements the declared type")
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            DecodeKind::End { wanted, at } => write!(f, "bytes end where {wanted} should be, at offset {at}"),
            DecodeKind::Varint { at, max } => write!(f, "varint at offset {at} does not end within {max} bytes"),
            DecodeKind::NegativeLength { len, at } => write!(f, "negative length {len} at offset {at}"),
            DecodeKind::Length { claimed, left, at } => {
                write!(f, "length {claimed} at offset {at} claims more than the {left} bytes left can hold")
            }
            DecodeKind::UnknownType { byte, at } => write!(f, "unknown data type {byte} at offset {at}"),
            DecodeKind::Depth { at } => {
                write!(f, "depth limit exceeded at offset {at}: more than {MAX_DEPTH} nested structs and containers")
            }
            DecodeKind::Utf8(err) => {
                write!(f, "string is not UTF-8: {err}; declare the field `binary` if it is not text")
            }
            // Kitex's text up to the parenthesis: its users search logs for it.
            DecodeKind::Required { owner, field } => write!(f, "required field {field} is not set (struct {owner})"),
            DecodeKind::Element { wanted, got } => write!(f, "container has elements of type {got}, not {wanted}"),
            DecodeKind::Memory { count, size } => write!(
                f,
                "message would take too much memory: {count} more values of {size} bytes each are beyond {MAX_GROWTH} times its size, or 256 MiB; send fewer at a time"
            ),
            DecodeKind::EmptyUnion { name } => write!(f, "union {name} has no field set; a union needs exactly one"),
        }
    }
}

impl Error for EncodeError {}

impl Error for DecodeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            DecodeKind::Utf8(err) => Some(err),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_and_where() {
        let rows = [
            (DecodeError::end("an i32", 7), "bytes end where an i32 should be, at offset 7"),
            (DecodeError::length(-1, 5, 7), "negative length -1 at offset 7"),
            (DecodeError::length(9, 5, 7), "length 9 at offset 7 claims more than the 5 bytes left can hold"),
            (DecodeError::unknown_type(99, 7), "unknown data type 99 at offset 7"),
            (DecodeError::depth(7), "depth limit exceeded at offset 7: more than 64 nested structs and containers"),
            (DecodeError::required("Request", "message"), "required field message is not set (struct Request)"),
            (
                DecodeError::element_mismatch(TType::I32, TType::String),
                "container has elements of type string, not i32",
            ),
            (DecodeError::empty_union("Shape"), "union Shape has no field set; a union needs exactly one"),
        ];
        for (err, want) in rows {
            assert_eq!(err.to_string(), want);
        }
        assert_eq!(EncodeError::length(1 << 31).to_string(), "length 2147483648 does not fit an i32; split the value");
    }

    #[test]
    fn a_result_costs_no_more_than_its_value_and_a_word() {
        assert_eq!(size_of::<Result<(), EncodeError>>(), 8);
        assert_eq!(size_of::<Result<i64, DecodeError>>(), 16);
        assert_eq!(size_of::<Result<String, DecodeError>>(), 24);
    }
}
