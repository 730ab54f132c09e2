//! TCP.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

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
        Self::from_listener(TcpListener::bind(address).await?)
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
