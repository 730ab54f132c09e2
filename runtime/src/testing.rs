//! For tests of services: a server and a client in one process, without a socket; and the committed IDL.
//!
//! ```
//! # use thrill::{Receiver, Result};
//! # #[derive(thrill::Thrift, Debug, PartialEq)] pub struct Number { #[thrift(id = 1)] value: i64 }
//! #[thrill::service]
//! trait Adder {
//!     #[streaming(mode = "client")]
//!     async fn sum(&self, numbers: Receiver<Number>) -> Result<Number>;
//! }
//!
//! struct Sum;
//!
//! impl Adder for Sum {
//!     async fn sum(&self, mut numbers: Receiver<Number>) -> Result<Number> {
//!         let mut value = 0;
//!         while let Some(number) = numbers.recv().await? {
//!             value += number.value;
//!         }
//!         Ok(Number { value })
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<()> {
//! let (listener, connector) = thrill::testing::memory();
//! let server = thrill::Server::new().add(AdderServer::new(Sum)).listen(listener)?.spawn();
//!
//! let client = AdderStreamClient::builder("adder").host_ports(["memory"]).connector(connector).build()?;
//! let mut numbers = client.sum().await?;
//! for value in [1, 2, 3] {
//!     numbers.send(Number { value }).await?;
//! }
//! assert_eq!(numbers.close_and_recv().await?, Number { value: 6 });
//! server.shutdown().await;
//! # Ok(()) }
//! ```

mod diff;
mod idl_file;

use std::path::Path;

use crate::error::Error;
use crate::idl;
pub use crate::net::memory::{MemoryConnect, MemoryListen};
use crate::schema::Service;

/// Makes a listener for [`Server::listen`](crate::Server::listen) and a connector for a client's builder that reach each
/// other, and nothing else.
#[must_use]
pub fn memory() -> (MemoryListen, MemoryConnect) {
    crate::net::memory::pair()
}

/// Asserts that a committed file has the IDL of services, so that the teams that generate from it miss nothing.
///
/// `UPDATE_IDL=1 cargo test` writes the file anew. It refuses to when that would break peers that were built with the file
/// as it is; where there are none, `UPDATE_IDL=breaking` writes it nevertheless. The path is relative to the package, where
/// `cargo test` runs.
///
/// ```no_run
/// # #[derive(thrill::Thrift, Debug)] pub struct User { #[thrift(id = 1)] name: String }
/// #[thrill::service(namespace = "users")]
/// pub trait Users {
///     async fn me(&self) -> thrill::Result<User>;
/// }
///
/// # #[allow(unused)]
/// #[test]
/// fn the_idl_is_in_step() {
///     thrill::testing::assert_idl("idl/users.thrift", &[UsersServer::SCHEMA]);
/// }
/// ```
///
/// # Panics
/// If the file has other text, with the lines that differ, or if there is no IDL for the services; see
/// [`idl::export`].
#[track_caller]
pub fn assert_idl(path: impl AsRef<Path>, services: &[&Service]) {
    let path = path.as_ref();
    if let Err(text) = idl_file::is_in_step(path, services) {
        panic!("{text}");
    }
}

/// Asserts that services break no peer that was built with a released file; see [`idl::Rule`].
///
/// `#[thrill::service(locked = "…")]` is the same check at compile time.
///
/// # Panics
/// If they do, with every change, or if the file cannot be read or lacks a service.
#[track_caller]
pub fn assert_compatible(released: impl AsRef<Path>, services: &[&Service]) {
    let path = released.as_ref();
    let changes = std::fs::read_to_string(path).map_err(Error::from).and_then(|text| idl::breaking(&text, services));
    match changes {
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => panic!("{}", idl_file::listed(path, &changes)),
        Err(err) => panic!("{}: {err}", path.display()),
    }
}
