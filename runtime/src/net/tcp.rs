//! TCP.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};

use super::{Address, BoxIo, Connect, Listen};

/// Connects by TCP, without Nagle's delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnect;

#[async_trait]
impl Connect for TcpConnect {
    async fn connect(&self, address: &str) -> io::Result<BoxIo> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// Listens on a TCP port.
#[derive(Debug)]
pub struct TcpListen {
    listener: TcpListener,
    local: SocketAddr,
}

impl TcpListen {
    /// Binds an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// An address that is taken, or that is not this machine's.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::bind_with(address, false).await
    }

    /// As [`TcpListen::bind`]; with `reuse_port`, other sockets may listen on the port, too.
    pub(crate) async fn bind_with(address: impl ToSocketAddrs, reuse_port: bool) -> io::Result<Self> {
        let mut last = None;
        for address in lookup_host(address).await? {
            match listen(address, reuse_port) {
                Ok(listener) => return Self::from_listener(listener),
                Err(err) => last = Some(err),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the address names no host")))
    }

    /// Takes over a listener that is bound already.
    ///
    /// # Errors
    /// A listener whose address cannot be read.
    pub fn from_listener(listener: TcpListener) -> io::Result<Self> {
        let local = listener.local_addr()?;
        Ok(Self { listener, local })
    }
}

/// How many connections may wait to be accepted. With the usual 128, a burst of clients overflows it, and each that does
/// waits a second for the kernel to try again; the system's own limit is below this where it wants to be.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A server that restarts does not wait for its last connections to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    if reuse_port {
        set_reuse_port(&socket)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
fn set_reuse_port(socket: &TcpSocket) -> io::Result<()> {
    socket.set_reuseport(true)
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin")))))]
fn set_reuse_port(_: &TcpSocket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system shares no ports (option `reuse_port`)"))
}

#[async_trait]
impl Listen for TcpListen {
    async fn accept(&mut self) -> io::Result<(BoxIo, Address)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), Address::Tcp(peer)))
    }

    fn local_address(&self) -> Address {
        Address::Tcp(self.local)
    }
}
