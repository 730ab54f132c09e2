//! The only names that generated code may use. Not part of the public API: anything here may change in any release.

pub use core;
pub use std;
pub use std::sync::Arc;

pub use crate::client::{Call, Channel, ClientBuilder, FromChannel, StreamCall, StreamChannel, StreamClientBuilder};
pub use crate::codec::{
    DecodeError, EncodeError, Field, Message, Reader, Reply, Success, TType, Thrift, Throws, UnknownField, Value,
    Writer,
};
pub use crate::error::{Error, Result};
pub use crate::schema;
pub use crate::server::Service;
pub use crate::server::call::{ServerCall, ServerOutcome as Outcome};
pub use crate::stream::{BidiStream, ClientStream, Receiver, Sender};

pub mod extends;
pub mod locked;

/// What a field of default requiredness is where a peer leaves it out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no default value",
    label = "no default value",
    note = "a field of default requiredness needs one when a peer leaves it out: derive `Default`, make the field `Option<..>` or `#[thrift(required)]`, or give `#[thrift(default = ..)]`"
)]
pub trait Absent: Sized {
    /// The value.
    fn absent() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Absent for T {
    fn absent() -> Self {
        Self::default()
    }
}

/// The value of a field of default requiredness that a peer left out.
#[inline]
#[must_use]
pub fn absent<T: Absent>() -> T {
    T::absent()
}

/// The value of a required field.
///
/// # Errors
/// The peer left it out.
#[inline]
pub fn required<T>(slot: Option<T>, owner: &'static str, field: &'static str) -> std::result::Result<T, DecodeError> {
    slot.ok_or_else(|| DecodeError::required(owner, field))
}

/// Reads a field of a union. A container whose elements are of another type than the variant's is kept as unknown.
///
/// # Errors
/// Bytes that are no such value.
pub fn variant<T: Thrift, U, R: Reader>(
    r: &mut R,
    field: Field,
    known: fn(T) -> U,
    unknown: fn(UnknownField) -> U,
) -> std::result::Result<U, DecodeError> {
    let mark = r.mark();
    match T::decode(r) {
        Ok(value) => Ok(known(value)),
        Err(err) if err.is_element_mismatch() => {
            r.rewind(mark);
            UnknownField::decode(r, field).map(unknown)
        }
        Err(err) => Err(err),
    }
}

/// What `#[throws]` can name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Thrift exception",
    label = "not an exception",
    note = "only a struct with `#[derive(Thrift)]` and `#[thrift(exception)]` can be thrown"
)]
pub trait Exception: Thrift + 'static {
    /// The exception as what it is to Rust.
    fn as_error(&self) -> &(dyn std::error::Error + 'static);
}
