//! Clients and servers of others for the echo contract: what the tests run against this project's.

pub mod apache;
pub mod volo;
