//! What streams and calls need of a value beyond its bytes.

use std::fmt;

use super::envelope::Protocol;
use super::{Buffer, EncodeError, Thrift, Writer, binary, compact};

/// What a stream carries: a Thrift struct or union that may move between tasks and can be printed.
///
/// Implemented for every type that qualifies; there is nothing to write.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a message of a stream",
    label = "not a message",
    note = "a message is a type with `#[derive(Thrift, Debug)]` that is `Send` and `'static`"
)]
pub trait Message: Thrift + fmt::Debug + Send + 'static {
    /// The type: generated code names it so, and a type that is no message is then refused once.
    #[doc(hidden)]
    type Itself;
}

impl<T: Thrift + fmt::Debug + Send + 'static> Message for T {
    type Itself = T;
}

/// The one virtual call that a message costs on its way out: everything below it is monomorphised.
#[doc(hidden)]
pub trait Encode {
    #[doc(hidden)]
    fn encode(&self, protocol: Protocol, buffer: &mut Buffer) -> Result<(), EncodeError>;
}

impl<T: Thrift> Encode for T {
    fn encode(&self, protocol: Protocol, buffer: &mut Buffer) -> Result<(), EncodeError> {
        match protocol {
            Protocol::Binary => Thrift::encode(self, &mut binary::Writer::new(buffer)),
            Protocol::Compact => Thrift::encode(self, &mut compact::Writer::new(buffer)),
        }
    }
}

/// A struct without fields: no arguments, and the result of `void`.
impl Encode for () {
    fn encode(&self, protocol: Protocol, buffer: &mut Buffer) -> Result<(), EncodeError> {
        fn empty<W: Writer>(mut w: W) -> Result<(), EncodeError> {
            w.begin_struct()?;
            w.end_struct();
            Ok(())
        }
        match protocol {
            Protocol::Binary => empty(binary::Writer::new(buffer)),
            Protocol::Compact => empty(compact::Writer::new(buffer)),
        }
    }
}
