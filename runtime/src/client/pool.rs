//! The connections of a client: made when they are first needed, replaced when they die.

use std::collections::HashMap;
use std::future::ready;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::Either;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;

use super::health::Health;
use crate::context::{lock, now};
use crate::error::{ConnectError, Error, Result, Stage};
use crate::middleware::BoxFuture;
use crate::net::{BoxIo, Connect};
use crate::transport::http2::Config;
use crate::transport::http2::client::{Connection, Refused};
use crate::transport::pingpong::{client, mux};
use crate::transport::{ConnectionId, Load};
use crate::wire::ttheader::Limits;

/// How many connections a ping-pong client keeps that no call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongConnection {
    /// The most that rest per address. Default 1,024; Kitex's is 10, and more callers at a time than that dial anew.
    pub max_idle_per_address: usize,
    /// How long one may rest. Default 1 minute, as Kitex.
    pub max_idle_timeout: Duration,
}

impl LongConnection {
    pub(super) const DEFAULT: Self = Self { max_idle_per_address: 1024, max_idle_timeout: Duration::from_secs(60) };
}

impl Default for LongConnection {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a ping-pong client uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// One for each call.
    Short,
    /// One call at a time, and then another.
    Long(LongConnection),
    /// Many calls at a time, on so many per address.
    Multiplexed(usize),
}

/// Makes and keeps connections.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) service: Arc<str>,
    pub(super) connect: Arc<dyn Connect>,
    pub(super) http2: Config,
    pub(super) limits: Limits,
    /// How long a server may take nothing of a request, or send nothing of an answer. For ping-pong connections.
    pub(super) read_write_timeout: Option<Duration>,
    /// Shared connections per address.
    pub(super) size: usize,
    /// Whether each stream and call has a connection of its own.
    is_short: bool,
    peers: Mutex<HashMap<String, Arc<Peer>>>,
}

/// The connections to one address.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: Arc<str>,
    pub(super) health: Health,
    /// The streams and calls that run on it.
    pub(super) load: Load,
    http2: Slots<Connection>,
    mux: Slots<mux::Connection>,
    resting: Mutex<Rest>,
}

/// The connections that no call uses.
#[derive(Debug, Default)]
struct Rest {
    connections: Vec<Resting>,
    /// The task that looks after them, while there are any; it ends with them.
    reaper: Option<AbortOnDropHandle<()>>,
}

/// A connection that no call uses.
struct Resting {
    connection: Box<client::Connection>,
    since: Instant,
}

impl std::fmt::Debug for Resting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resting").field("since", &self.since).finish_non_exhaustive()
    }
}

/// Connections that many calls share, taken in turn.
struct Slots<C> {
    slots: Box<[Slot<C>]>,
    next: AtomicUsize,
}

impl<C> std::fmt::Debug for Slots<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.slots).finish()
    }
}

struct Slot<C> {
    connection: Mutex<Option<C>>,
    /// Held by whoever dials, so that calls that come meanwhile share the connection.
    dialling: tokio::sync::Mutex<()>,
}

impl<C> std::fmt::Debug for Slot<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("is_connected", &lock(&self.connection).is_some()).finish()
    }
}

/// A connection that many calls share.
trait Shared: Clone {
    fn is_open(&self) -> bool;
}

impl Shared for Connection {
    fn is_open(&self) -> bool {
        Self::is_open(self)
    }
}

impl Shared for mux::Connection {
    fn is_open(&self) -> bool {
        Self::is_open(self)
    }
}

impl<C: Shared> Slots<C> {
    fn new(size: usize) -> Self {
        let slot = |_| Slot { connection: Mutex::new(None), dialling: tokio::sync::Mutex::default() };
        Self { slots: (0..size).map(slot).collect(), next: AtomicUsize::new(0) }
    }

    /// The number of the next turn. No other call has the same.
    fn take_turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The slot whose turn has this number.
    fn at(&self, turn: usize) -> &Slot<C> {
        &self.slots[turn % self.slots.len()]
    }

    /// The next slot in turn.
    fn turn(&self) -> &Slot<C> {
        self.at(self.take_turn())
    }

    /// The next slot in turn, of which each has so many turns in a row.
    fn turn_in_rows(&self, row: usize) -> &Slot<C> {
        self.at(self.take_turn() / row)
    }

    /// The next slot in turn that is not to be avoided, or the last one where all are.
    fn turn_but(&self, is_avoided: impl Fn(&C) -> bool) -> &Slot<C> {
        let mut slot = self.turn();
        for _ in 1..self.slots.len() {
            if !slot.open().as_ref().is_some_and(&is_avoided) {
                break;
            }
            slot = self.turn();
        }
        slot
    }
}

impl<C: Shared> Slot<C> {
    /// The connection, whatever its state.
    fn any(&self) -> Option<C> {
        lock(&self.connection).clone()
    }

    fn open(&self) -> Option<C> {
        lock(&self.connection).as_ref().filter(|connection| connection.is_open()).cloned()
    }

    /// Makes the connection where it is not there.
    async fn fill(&self, dial: Dial<'_>, make: impl Future<Output = Result<C>>) -> Result<C> {
        let _dialling = dial.stage(Stage::Pool, async { Ok(self.dialling.lock().await) }).await?;
        // Another call may have made it while this one waited.
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        let connection = make.await?;
        *lock(&self.connection) = Some(connection.clone());
        Ok(connection)
    }
}

/// How long a connection may take to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) connect_timeout: Duration,
    /// When the call must be over, and how long it was given.
    pub(super) deadline: Option<(Instant, Duration)>,
}

/// How many addresses that only calls have named are remembered. Beyond it, connections to those that no call uses are closed.
const MOST_NAMED: usize = 256;

impl Pool {
    pub(super) fn new(
        service: Arc<str>,
        connect: Arc<dyn Connect>,
        http2: Config,
        limits: Limits,
        read_write_timeout: Option<Duration>,
        size: usize,
        is_short: bool,
    ) -> Self {
        Self { service, connect, http2, limits, read_write_timeout, size, is_short, peers: Mutex::default() }
    }

    /// Whether each stream and call has a connection of its own.
    pub(super) fn is_short(&self) -> bool {
        self.is_short
    }

    /// The connections to an address, made up where it is new.
    pub(super) fn peer(&self, address: &str) -> Arc<Peer> {
        let mut peers = lock(&self.peers);
        let new = || {
            let (http2, mux) = (Slots::new(self.size), Slots::new(self.size));
            Arc::new(Peer {
                address: Arc::from(address),
                health: Health::new(),
                load: Load::default(),
                http2,
                mux,
                resting: Mutex::default(),
            })
        };
        Arc::clone(peers.entry(address.to_owned()).or_insert_with(new))
    }

    /// The connections to an address that a call names.
    pub(super) fn named(&self, address: &str) -> Arc<Peer> {
        let mut peers = lock(&self.peers);
        let is_new = !peers.contains_key(address);
        // Those that discovery gave have another user.
        let is_unused = |peer: &Arc<Peer>| Arc::strong_count(peer) == 1 && peer.load.running() == 0;
        if is_new && peers.values().filter(|peer| is_unused(peer)).count() >= MOST_NAMED {
            peers.retain(|_, peer| !is_unused(peer));
        }
        drop(peers);
        self.peer(address)
    }

    /// Lets go of a peer that is gone: what runs on it goes on, and then its connections are closed.
    pub(super) fn forget(&self, gone: &Peer) {
        lock(&self.peers).remove(&*gone.address);
    }

    /// Opens a stream on the next HTTP/2 connection to a peer, where that is there.
    ///
    /// # Errors
    /// It is not; and the number of the turn that this was, for [`Pool::http2`]: so calls that are made at the same time are spread
    /// evenly, on connections that are still to be made, too.
    pub(super) fn http2_now<T>(
        &self,
        peer: &Peer,
        open: impl FnOnce(&Connection) -> Option<T>,
    ) -> Result<T, Option<usize>> {
        if self.is_short {
            return Err(None);
        }
        let turn = peer.http2.take_turn();
        peer.http2.at(turn).any().and_then(|connection| open(&connection)).ok_or(Some(turn))
    }

    /// Opens a stream on the next HTTP/2 connection to a peer, or on the one whose `turn` it was: on one that is there, or else on a
    /// new one. It is another than the one to `avoid`, where there may be another.
    ///
    /// Whether a connection still takes streams is only known by opening one: asking first would take the h2 crate's lock twice.
    /// Mostly it does, and nothing waits; making one is boxed, so that calls do not carry the room for it.
    ///
    /// # Errors
    /// No connection could be made.
    pub(super) fn http2<'a, T: Send + 'a>(
        &'a self,
        peer: &'a Peer,
        patience: Patience,
        turn: Option<usize>,
        avoid: Option<ConnectionId>,
        open: impl Fn(&Connection) -> Result<T, Refused> + Send + Sync + 'a,
    ) -> impl Future<Output = Result<Result<T, Refused>>> + Send + 'a {
        let slot = match avoid {
            _ if self.is_short => None,
            None => Some(turn.map_or_else(|| peer.http2.turn(), |turn| peer.http2.at(turn))),
            Some(avoid) => Some(peer.http2.turn_but(|connection| connection.id() == avoid)),
        };
        match slot.and_then(Slot::any).map(|connection| open(&connection)) {
            None | Some(Err(Refused::Connection(_))) => {}
            Some(opened) => return Either::Left(ready(Ok(opened))),
        }
        let dial = self.dial(peer, patience);
        let dialled = async move {
            let connection = match slot {
                Some(slot) => dial.http2_in(slot).await?,
                None => dial.http2().await?,
            };
            Ok(open(&connection))
        };
        Either::Right(dialled.boxed())
    }

    /// The next multiplexed connection to a peer.
    ///
    /// Calls that are made together share a connection, and so its writes: spread out one by one, each would have its own.
    pub(super) fn mux<'a>(
        &'a self,
        peer: &'a Peer,
        patience: Patience,
    ) -> impl Future<Output = Result<mux::Connection>> + Send + 'a {
        const TOGETHER: usize = 32;
        let slot = peer.mux.turn_in_rows(TOGETHER);
        match slot.open() {
            Some(connection) => Either::Left(ready(Ok(connection))),
            None => Either::Right(self.dial(peer, patience).mux_in(slot).boxed()),
        }
    }

    /// Makes connections to a peer that calls find there later, as many as there may be at most.
    pub(super) async fn warm_up(
        &self,
        peer: &Arc<Peer>,
        usage: Option<Use>,
        connections: usize,
        patience: Patience,
    ) -> Result<()> {
        let dial = || self.dial(peer, patience);
        match usage {
            None => {
                for slot in peer.http2.slots.iter().take(connections) {
                    dial().http2_in(slot).await?;
                }
            }
            Some(Use::Multiplexed(_)) => {
                for slot in peer.mux.slots.iter().take(connections) {
                    dial().mux_in(slot).await?;
                }
            }
            Some(Use::Long(long)) => {
                for _ in 0..connections.min(long.max_idle_per_address) {
                    peer.rest(self.exclusive(peer, patience).await?, long);
                }
            }
            Some(Use::Short) => {}
        }
        Ok(())
    }

    /// Makes a connection to a peer for one call. Boxed, so that calls do not carry the room for it.
    pub(super) fn exclusive<'a>(
        &'a self,
        peer: &'a Peer,
        patience: Patience,
    ) -> BoxFuture<'a, Result<Box<client::Connection>>> {
        Box::pin(async move {
            let io = self.dial(peer, patience).connect().await?;
            Ok(Box::new(client::Connection::new(io, self.limits, self.read_write_timeout)))
        })
    }

    fn dial<'a>(&'a self, peer: &'a Peer, Patience { connect_timeout, deadline }: Patience) -> Dial<'a> {
        let begin = now();
        let until = begin.checked_add(connect_timeout);
        let deadline = deadline.filter(|(at, _)| until.is_none_or(|until| *at < until));
        Dial { pool: self, peer, begin, until, connect_timeout, deadline }
    }
}

/// The making of a connection, which is given up when its time is over.
#[derive(Clone, Copy)]
struct Dial<'a> {
    pool: &'a Pool,
    peer: &'a Peer,
    begin: Instant,
    until: Option<Instant>,
    connect_timeout: Duration,
    /// The call's, where it is earlier than `until`.
    deadline: Option<(Instant, Duration)>,
}

impl Dial<'_> {
    /// Makes an HTTP/2 connection.
    async fn http2(self) -> Result<Connection> {
        let io = self.connect().await?;
        self.stage(Stage::Handshake, Connection::handshake(io, &self.peer.address, self.pool.http2.clone())).await
    }

    /// The HTTP/2 connection of a slot, made where it is not there.
    async fn http2_in(self, slot: &Slot<Connection>) -> Result<Connection> {
        slot.fill(self, self.http2()).await
    }

    /// The multiplexed connection of a slot, made where it is not there.
    async fn mux_in(self, slot: &Slot<mux::Connection>) -> Result<mux::Connection> {
        let make = async {
            let (io, pool) = (self.connect().await?, self.pool);
            Ok(mux::Connection::new(io, &self.peer.address, pool.limits, pool.read_write_timeout))
        };
        slot.fill(self, make).await
    }

    async fn connect(self) -> Result<BoxIo> {
        let connected = self.stage(Stage::Connect, self.pool.connect.connect(&self.peer.address)).await;
        connected.inspect(|_| self.peer.health.reached())
    }

    /// Runs a stage to its end or to that of the time.
    async fn stage<T>(self, during: Stage, stage: impl Future<Output = io::Result<T>>) -> Result<T> {
        let failed = |source| {
            let (service, address) = (self.pool.service.to_string(), self.peer.address.to_string());
            let after = now().saturating_duration_since(self.begin);
            Error::Connect(Arc::new(ConnectError { service, address, during, after, source }))
        };
        if let Some((at, after)) = self.deadline {
            let late = |_| Error::DeadlineExceeded { during, after, peer: Some(Arc::clone(&self.peer.address)) };
            return timeout_at(at.into(), stage).await.map_err(late)?.map_err(failed);
        }
        let Some(until) = self.until else { return stage.await.map_err(failed) };
        let late = |_| {
            let text = format!("no connection within the option `connect_timeout` of {:?}", self.connect_timeout);
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        };
        timeout_at(until.into(), stage).await.unwrap_or_else(late).map_err(failed)
    }
}

impl Peer {
    /// The connection that rested last, and can still be used.
    pub(super) fn rested(&self, long: LongConnection, now: Instant) -> Option<Box<client::Connection>> {
        loop {
            // No call waits for the lock while this one looks at its connection.
            let mut last = lock(&self.resting).connections.pop()?;
            if now.saturating_duration_since(last.since) < long.max_idle_timeout && last.connection.is_fresh() {
                return Some(last.connection);
            }
        }
    }

    /// Closes the connections that rest.
    pub(super) fn dismiss(&self) {
        lock(&self.resting).connections.clear();
    }

    /// Lets a connection rest until the next call.
    pub(super) fn rest(self: &Arc<Self>, connection: Box<client::Connection>, long: LongConnection) {
        let since = now();
        let mut resting = lock(&self.resting);
        if resting.connections.len() < long.max_idle_per_address {
            resting.connections.push(Resting { connection, since });
            // One whose runtime is gone is finished, too.
            if resting.reaper.as_ref().is_none_or(AbortOnDropHandle::is_finished) {
                let reaper = tokio::spawn(reap(Arc::downgrade(self), long.max_idle_timeout));
                resting.reaper = Some(AbortOnDropHandle::new(reaper));
            }
        }
    }
}

/// Closes the connections that rest for too long, while there are any.
async fn reap(peer: Weak<Peer>, idle: Duration) {
    loop {
        tokio::time::sleep(idle).await;
        let Some(peer) = peer.upgrade() else { return };
        let now = now();
        let mut resting = lock(&peer.resting);
        resting.connections.retain(|it| now.saturating_duration_since(it.since) < idle);
        if resting.connections.is_empty() {
            resting.reaper = None;
            return;
        }
    }
}
