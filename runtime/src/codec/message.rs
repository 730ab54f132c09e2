//! What streams and calls need of a value beyond its bytes.

use std::fmt;

use super::envelope::Protocol;
use super::{Buffer, EncodeError, Thrift, binary, compact};

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
pub(crate) trait Encode {
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
