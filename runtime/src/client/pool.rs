//! The connections of a client: several per address, made when they are first needed, replaced when they die.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::context::lock;
use crate::error::{ConnectError, Error, Result};
use crate::net::Connect;
use crate::transport::http2::Config;
use crate::transport::http2::client::Connection;

/// Makes and keeps connections.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) service: String,
    pub(super) connect: Arc<dyn Connect>,
    pub(super) http2: Config,
    /// Connections per address.
    pub(super) size: usize,
    pub(super) peers: Mutex<HashMap<String, Arc<Peer>>>,
}

/// The connections to one address.
#[derive(Debug)]
pub(super) struct Peer {
    address: String,
    slots: Box<[Slot]>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Slot {
    connection: Mutex<Option<Connection>>,
    /// Held by whoever dials, so that calls that come meanwhile share the connection.
    dialling: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("is_connected", &lock(&self.connection).is_some()).finish()
    }
}

impl Slot {
    fn open(&self) -> Option<Connection> {
        lock(&self.connection).as_ref().filter(|connection| connection.is_open()).cloned()
    }
}

impl Pool {
    /// The connections to an address, made up where it is new.
    pub(super) fn peer(&self, address: &str) -> Arc<Peer> {
        let mut peers = lock(&self.peers);
        if let Some(peer) = peers.get(address) {
            return Arc::clone(peer);
        }
        let slots = (0..self.size).map(|_| Slot::default()).collect();
        let peer = Arc::new(Peer { address: address.to_owned(), slots, next: AtomicUsize::new(0) });
        peers.insert(address.to_owned(), Arc::clone(&peer));
        peer
    }

    /// The next connection to a peer, in turn; dialled where it is not there.
    pub(super) async fn connection(&self, peer: &Peer, connect_timeout: Duration) -> Result<Connection> {
        let turn = peer.next.fetch_add(1, Ordering::Relaxed);
        let slot = &peer.slots[turn % peer.slots.len()];
        if let Some(connection) = slot.open() {
            return Ok(connection);
        }
        let begin = Instant::now();
        let failed = |source| {
            let (service, address) = (self.service.clone(), peer.address.clone());
            Error::Connect(Arc::new(ConnectError { service, address, after: begin.elapsed(), source }))
        };
        match timeout(connect_timeout, self.dial(slot, &peer.address)).await {
            Ok(connection) => connection.map_err(failed),
            Err(_) => {
                let text = format!("no connection within the option `connect_timeout` of {connect_timeout:?}");
                Err(failed(std::io::Error::new(std::io::ErrorKind::TimedOut, text)))
            }
        }
    }

    async fn dial(&self, slot: &Slot, address: &str) -> std::io::Result<Connection> {
        let _dialling = slot.dialling.lock().await;
        // Another call may have made it while this one waited.
        if let Some(connection) = slot.open() {
            return Ok(connection);
        }
        let io = self.connect.connect(address).await?;
        let connection = Connection::handshake(io, address, self.http2.clone()).await?;
        *lock(&slot.connection) = Some(connection.clone());
        Ok(connection)
    }
}
