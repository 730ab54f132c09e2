//! What the tests share: the echo contract, as a trait, a handler, and the cases that a client runs against it.

pub mod cases;
pub mod contract;
pub mod forward;
pub mod h2peer;
pub mod handler;
pub mod idl_first;
pub mod message;
pub mod peer;
pub mod skip;
