//! Connections without sockets: both ends in one process.

use std::io;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Address, BoxIo, Connect, Listen};

/// How many bytes may be on their way in each direction, like a socket's buffers.
const PIPE: usize = 64 << 10;

/// Makes a listener and a connector that only know each other.
pub(crate) fn pair() -> (MemoryListen, MemoryConnect) {
    let (dial, dialled) = mpsc::unbounded_channel();
    (MemoryListen { dialled }, MemoryConnect { dial })
}

/// Takes the connections that its [`MemoryConnect`] makes.
#[derive(Debug)]
pub struct MemoryListen {
    dialled: mpsc::UnboundedReceiver<tokio::io::DuplexStream>,
}

/// Connects to its [`MemoryListen`], whatever the address says. Clones connect to the same one.
#[derive(Clone, Debug)]
pub struct MemoryConnect {
    dial: mpsc::UnboundedSender<tokio::io::DuplexStream>,
}

#[async_trait]
impl Connect for MemoryConnect {
    async fn connect(&self, _address: &str) -> io::Result<BoxIo> {
        let (near, far) = tokio::io::duplex(PIPE);
        let refused = |_| io::Error::new(io::ErrorKind::ConnectionRefused, "the in-memory server is gone");
        self.dial.send(far).map_err(refused)?;
        Ok(Box::new(near))
    }
}

#[async_trait]
impl Listen for MemoryListen {
    async fn accept(&mut self) -> io::Result<(BoxIo, Address)> {
        let Some(io) = self.dialled.recv().await else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "every in-memory connector is gone"));
        };
        Ok((Box::new(io), self.local_address()))
    }

    fn local_address(&self) -> Address {
        Address::Named("memory".to_owned())
    }
}
