//! The echo contract as its IDL says it, with the handler of the one that is written in Rust.

/// The messages and services of the Kitex peer's own file.
pub mod contract {
    thrill::include_thrift!("idl/echo.thrift");
}

#[allow(clippy::duplicate_mod, reason = "the same handler for the same contract")]
#[path = "handler.rs"]
pub mod handler;
