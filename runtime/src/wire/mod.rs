//! Frames to bytes and back. Pure: nothing here reads a socket, a clock or a global.

pub(crate) mod detect;
pub(crate) mod framed;
pub(crate) mod grpc;
pub(crate) mod http2;
pub(crate) mod ttheader;
