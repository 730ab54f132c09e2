//! Where bytes come from: sockets, and what stands in for them.
//!
//! [`Connect`] and [`Listen`] are what another kind of connection implements; [`tcp`] is the default, and
//! [`testing`](crate::testing) has one without sockets.

pub(crate) mod memory;
pub(crate) mod sniff;
pub mod tcp;

use std::fmt;
use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's bytes, both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Any [`Io`].
pub type BoxIo = Box<dyn Io>;

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A name that only the [`Connect`] in use understands.
    Named(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Makes connections for a client.
#[async_trait]
pub trait Connect: fmt::Debug + Send + Sync + 'static {
    /// Connects to an address as the user wrote it, `host:port` for TCP. The caller bounds the time.
    ///
    /// # Errors
    /// Whatever kept the connection from being made; it is reported with the address and the time it took.
    async fn connect(&self, address: &str) -> io::Result<BoxIo>;
}

/// Takes connections for a server.
#[async_trait]
pub trait Listen: Send + 'static {
    /// Waits for the next connection. Must be safe to drop while it waits.
    ///
    /// # Errors
    /// A passing failure, such as too few file descriptors: the server waits a moment and asks again. An error of the
    /// kind `NotConnected` says that no further connection can come.
    async fn accept(&mut self) -> io::Result<(BoxIo, Address)>;

    /// Where it listens.
    fn local_address(&self) -> Address;
}
