//! The result wrapper of a call: field 0 is success, field n is the declared exception n.

use std::any::Any;
use std::fmt;

use super::{DecodeError, Encode, EncodeError, Field, Reader, Thrift, Writer, binary};
use crate::error::Error;

/// A result type of a method: any Thrift type, or `()` for `void`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Thrift type",
    label = "not a Thrift type",
    note = "a method returns `()` or a Thrift type that is `Debug`, `Send` and `'static`"
)]
pub trait Success: Encode + fmt::Debug + Sized + Send + 'static {
    #[doc(hidden)]
    type Itself;

    /// Writes field 0; `void` writes nothing.
    ///
    /// # Errors
    /// As [`Thrift::encode`].
    fn encode_success<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError>;

    /// Reads field 0.
    ///
    /// # Errors
    /// As [`Thrift::decode`].
    fn decode_success<R: Reader>(r: &mut R, field: Field) -> Result<Option<Self>, DecodeError>;

    /// The value of a result that carries nothing: `()`, or what Kitex's client returns for a handler's nil, the zero value.
    ///
    /// # Errors
    /// The type has required fields.
    fn absent() -> Result<Self, DecodeError>;

    #[doc(hidden)]
    fn argument(&mut self, name: &str) -> Option<&mut dyn Any> {
        let _ = name;
        None
    }
}

impl Success for () {
    type Itself = ();

    fn encode_success<W: Writer>(&self, _: &mut W) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode_success<R: Reader>(r: &mut R, field: Field) -> Result<Option<Self>, DecodeError> {
        r.skip(field.ttype)?;
        Ok(Some(()))
    }

    fn absent() -> Result<Self, DecodeError> {
        Ok(())
    }
}

impl<T: Thrift + fmt::Debug + Send + 'static> Success for T {
    type Itself = T;

    fn encode_success<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        self.encode_field(w, 0)
    }

    fn decode_success<R: Reader>(r: &mut R, field: Field) -> Result<Option<Self>, DecodeError> {
        r.value(field)
    }

    fn absent() -> Result<Self, DecodeError> {
        // In Binary, zero bytes are the zero value of every type: 0, "", an empty container, a struct without fields.
        static ZERO: bytes::Bytes = bytes::Bytes::from_static(&[0; 16]);
        T::decode(&mut binary::Reader::new(&ZERO))
    }

    fn argument(&mut self, name: &str) -> Option<&mut dyn Any> {
        Thrift::argument(self, name)
    }
}

/// An error type of a method: [`Error`] itself, or the enum that `#[throws]` makes.
pub trait Throws: std::error::Error + From<Error> + Send + 'static {
    /// The declared exception, or the error that is none.
    ///
    /// # Errors
    /// The error that is not declared.
    fn declared(self) -> Result<Self, Error>;

    /// Writes the declared exception's field. An undeclared error writes nothing.
    ///
    /// # Errors
    /// As [`Thrift::encode`].
    fn encode_declared<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError>;

    /// Reads a field of the result wrapper; `None`, with the value skipped, where it is no declared exception.
    ///
    /// # Errors
    /// As [`Thrift::decode`].
    fn decode_declared<R: Reader>(r: &mut R, field: Field) -> Result<Option<Self>, DecodeError>;
}

impl Throws for Error {
    fn declared(self) -> Result<Self, Error> {
        Err(self)
    }

    fn encode_declared<W: Writer>(&self, _: &mut W) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode_declared<R: Reader>(r: &mut R, field: Field) -> Result<Option<Self>, DecodeError> {
        r.skip(field.ttype)?;
        Ok(None)
    }
}

/// A call's outcome with its wire form: the result wrapper struct.
#[derive(Debug)]
pub struct Reply<T, E>(pub Result<T, E>);

impl<T: Success, E: Throws> Reply<T, E> {
    /// Writes the wrapper.
    ///
    /// # Errors
    /// As [`Thrift::encode`].
    pub fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.begin_struct()?;
        match &self.0 {
            Ok(success) => success.encode_success(w)?,
            Err(exception) => exception.encode_declared(w)?,
        }
        w.end_struct();
        Ok(())
    }

    /// Reads the wrapper. The last field that says something wins, as in Kitex.
    ///
    /// # Errors
    /// As [`Thrift::decode`].
    pub fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let mut outcome = None;
        r.begin_struct()?;
        while let Some(field) = r.next_field()? {
            if field.id == 0 {
                if let Some(success) = T::decode_success(r, field)? {
                    outcome = Some(Ok(success));
                }
            } else if let Some(exception) = E::decode_declared(r, field)? {
                outcome = Some(Err(exception));
            }
        }
        outcome.map_or_else(|| T::absent().map(Ok), Ok).map(Self)
    }
}
