//! For tests of services: a server and a client in one process, without a socket.
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

pub use crate::net::memory::{MemoryConnect, MemoryListen};

/// Makes a listener for [`Server::listen`](crate::Server::listen) and a connector for a client's builder that reach each
/// other, and nothing else.
#[must_use]
pub fn memory() -> (MemoryListen, MemoryConnect) {
    crate::net::memory::pair()
}
