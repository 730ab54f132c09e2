//! Thrift RPC and Thrift streaming, as Kitex speaks it. A Rust trait is the schema.

pub mod codec;
mod context;
mod error;
mod metadata;
mod metainfo;
pub mod net;
pub mod schema;
mod status;
mod stream;
mod transport;
mod wire;

mod client;
mod server;
pub mod testing;

#[doc(hidden)]
pub mod private;

pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use thrill_macros::{Thrift, service};

pub use client::{Call, ClientBuilder, Open, StreamCall, StreamClientBuilder, WithMetadata};
pub use codec::{DecodeError, EncodeError, Message, Thrift, UnknownField, Value};
pub use context::Context;
pub use error::{Cancelled, ConnectError, ConnectionLost, Error, Origin, Result, Stage};
pub use metadata::Metadata;
pub use metainfo::Metainfo;
pub use server::{Bound, Handle, Keepalive, Running, Server, Service};
pub use status::{BizStatusError, Code, Status};
pub use stream::{BidiStream, ClientStream, Receiver, Sender};

/// The bytes of a value in the Thrift Binary protocol: what travels as the payload of a stream's message.
///
/// # Errors
/// A value that has no wire form; see [`Thrift::encode`].
pub fn encode<T: Thrift>(value: &T) -> Result<Bytes, EncodeError> {
    use bytes::Buf as _;
    let mut buffer = codec::Buffer::new();
    value.encode(&mut codec::binary::Writer::new(&mut buffer))?;
    let mut payload = buffer.take();
    Ok(payload.copy_to_bytes(payload.remaining()))
}

/// Reads a value from the Thrift Binary protocol. Bytes after it are ignored, as in Kitex.
///
/// # Errors
/// Bytes that are not such a value; see [`Thrift::decode`].
pub fn decode<T: Thrift>(bytes: &Bytes) -> Result<T, DecodeError> {
    T::decode(&mut codec::binary::Reader::new(bytes))
}
