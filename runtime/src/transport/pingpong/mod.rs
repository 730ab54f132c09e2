//! Ping-pong: one message for a call, one for its answer, over Buffered, Framed, TTHeader and TTHeaderFramed.
//!
//! Each message says by its first bytes how it is laid out, and its answer is laid out the same ([`message`]).

pub(crate) mod client;
pub(crate) mod message;
pub(crate) mod mux;
pub(crate) mod server;
