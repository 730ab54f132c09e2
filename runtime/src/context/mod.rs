//! What a handler knows of the call it answers, and what it says besides its messages.

mod cancellation;
mod response;

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

pub(crate) use self::cancellation::{Cancel, Cancellation};
use self::response::Response;
pub(crate) use self::response::SendHeader;
use crate::error::Result;
use crate::metadata::Metadata;
use crate::metainfo::Metainfo;
use crate::net::Address;
use crate::schema::{Method, Mode};
use crate::stats::Stats;

/// Kitex's name of the log id over HTTP/2.
pub(crate) const LOG_ID: &str = "stream-log-id";

/// The context of a call: method, caller, peer, deadline, cancellation, metadata, metainfo and typed extensions.
///
/// Any method of a service trait may take `&Context` first. Cloning is cheap and gives the same context. Passing it to an
/// outgoing call (`.context(cx)`) gives that call the deadline, the persistent metainfo and the cancellation of this one.
///
/// A client's call has a context too, which its [layers](crate::middleware) see: [`Context::destination`] and
/// [`Context::instance`] tell where it goes, and what is added by [`Context::append_metadata`], [`Context::set_transient`] and
/// [`Context::set_persistent`] travels with it. Typed values ([`Context::insert`]) are shared by everything around one call or
/// stream: its layers, those around each of its messages, and the handler.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    method: Option<&'static Method>,
    peer: Option<Address>,
    /// When the call must be over, and how long it was given.
    deadline: Option<(Instant, Duration)>,
    metadata: Metadata,
    metainfo: OnceLock<Metainfo>,
    /// Who calls, where that does not stand in the metadata.
    caller: Option<Box<Caller>>,
    cancellation: Cancellation,
    response: Mutex<Response>,
    /// Who can send the response headers now.
    sender: OnceLock<Weak<dyn SendHeader>>,
    extensions: Mutex<http::Extensions>,
    /// What was added to travel on.
    added: Mutex<Option<Box<Added>>>,
    /// Where a client's call goes.
    outward: Option<Outward>,
    /// What is counted, where someone watches.
    stats: OnceLock<Box<Stats>>,
}

/// What a message says of who calls.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    pub(crate) service: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) log_id: Option<String>,
}

/// What travels with a client's call besides what its caller said, or with the calls that a handler makes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Added {
    metadata: Metadata,
    metainfo: Metainfo,
}

/// What a client's call knows besides what every call knows.
struct Outward {
    destination: Arc<str>,
    log_id: Option<String>,
    instance: Mutex<Option<Arc<str>>>,
    parent: Option<Context>,
}

/// What a client's call begins with.
pub(crate) struct Outgoing {
    pub(crate) method: &'static Method,
    pub(crate) destination: Arc<str>,
    pub(crate) deadline: Option<(Instant, Duration)>,
    pub(crate) metadata: Metadata,
    pub(crate) metainfo: Metainfo,
    pub(crate) extensions: http::Extensions,
    pub(crate) log_id: Option<String>,
    pub(crate) parent: Option<Context>,
}

impl Outgoing {
    /// A call with which nothing is sent along.
    pub(crate) fn new(method: &'static Method, destination: Arc<str>, deadline: Option<(Instant, Duration)>) -> Self {
        let (metadata, metainfo, extensions) = Default::default();
        Self { method, destination, deadline, metadata, metainfo, extensions, log_id: None, parent: None }
    }
}

impl Inner {
    fn new(
        method: Option<&'static Method>,
        peer: Option<Address>,
        deadline: Option<(Instant, Duration)>,
        metadata: Metadata,
    ) -> Self {
        Self {
            method,
            peer,
            deadline,
            metadata,
            metainfo: OnceLock::new(),
            caller: None,
            cancellation: Cancellation::default(),
            response: Mutex::default(),
            sender: OnceLock::new(),
            extensions: Mutex::default(),
            added: Mutex::default(),
            outward: None,
            stats: OnceLock::new(),
        }
    }
}

impl From<Inner> for Context {
    fn from(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Context {
    pub(crate) fn new(
        method: Option<&'static Method>,
        peer: Option<Address>,
        deadline: Option<(Instant, Duration)>,
        metadata: Metadata,
    ) -> Self {
        Inner::new(method, peer, deadline, metadata).into()
    }

    /// The context of a call that this side makes.
    pub(crate) fn outgoing(call: Outgoing) -> Self {
        let Outgoing { method, destination, deadline, metadata, metainfo, extensions, log_id, parent } = call;
        // What is in neither is not made a value of its own.
        let is_light = metainfo.is_empty() && metadata.raw().is_empty();
        Self::from(Inner {
            metainfo: if is_light { OnceLock::new() } else { metainfo.into() },
            extensions: extensions.into(),
            outward: Some(Outward { destination, log_id, instance: Mutex::default(), parent }),
            ..Inner::new(Some(method), None, deadline, metadata)
        })
    }

    /// The context of a call that came as one message.
    pub(crate) fn of_message(
        method: &'static Method,
        peer: Address,
        timeout: Option<Duration>,
        caller: Caller,
        metadata: Metadata,
        metainfo: Metainfo,
    ) -> Self {
        let deadline = timeout.and_then(|given| Some((now().checked_add(given)?, given)));
        Self::from(Inner {
            caller: Some(Box::new(caller)),
            metainfo: metainfo.into(),
            ..Inner::new(Some(method), Some(peer), deadline, metadata)
        })
    }

    /// The method's name on the wire; empty outside a call.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.inner.method.map_or("", |method| method.name)
    }

    /// The service's name in the IDL; empty outside a call.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.inner.method.map_or("", |method| method.service)
    }

    /// The HTTP/2 path; empty outside a call.
    pub(crate) fn path(&self) -> &'static str {
        self.inner.method.map_or("", |method| method.path)
    }

    /// Whether the caller expects no answer.
    #[must_use]
    pub fn is_oneway(&self) -> bool {
        self.inner.method.is_some_and(|method| method.oneway)
    }

    /// The `streaming.mode` of the method; `None` outside a call.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.inner.method.map(|method| method.mode)
    }

    /// On a client, the name of the service that is called, as it was given to the client's builder. `None` on a server.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        self.inner.outward.as_ref().map(|outward| &*outward.destination)
    }

    /// On a client, the address of the instance that the call goes to, once one is chosen. `None` before that, and on a server.
    #[must_use]
    pub fn instance(&self) -> Option<Arc<str>> {
        self.inner.outward.as_ref().and_then(|outward| lock(&outward.instance).clone())
    }

    pub(crate) fn set_instance(&self, address: Arc<str>) {
        if let Some(outward) = &self.inner.outward {
            *lock(&outward.instance) = Some(address);
        }
    }

    /// On a client, the context of the call that this one is a part of: what `.context(cx)` gave. `None` on a server.
    #[must_use]
    pub fn parent(&self) -> Option<&Self> {
        self.inner.outward.as_ref().and_then(|outward| outward.parent.as_ref())
    }

    /// The service that calls, as it names itself; `None` where it does not.
    #[must_use]
    pub fn caller(&self) -> Option<Cow<'_, str>> {
        if let Some(caller) = &self.inner.caller {
            return caller.service.as_deref().map(Cow::Borrowed);
        }
        self.inner.metadata.get("source-service").filter(|name| !name.is_empty())
    }

    /// The method in whose handler the call was made, as the caller says; `None` where it does not.
    #[must_use]
    pub fn caller_method(&self) -> Option<Cow<'_, str>> {
        if let Some(caller) = &self.inner.caller {
            return caller.method.as_deref().map(Cow::Borrowed);
        }
        self.inner.metadata.get("source-method").filter(|name| !name.is_empty())
    }

    /// The log id that came with a call, and goes with those that are made with this context; on a client, the one that goes
    /// with its call. `None` where there is none: Framed and Buffered carry none.
    #[must_use]
    pub fn log_id(&self) -> Option<Cow<'_, str>> {
        if let Some(outward) = &self.inner.outward {
            return outward.log_id.as_deref().map(Cow::Borrowed);
        }
        if let Some(caller) = &self.inner.caller {
            return caller.log_id.as_deref().map(Cow::Borrowed);
        }
        self.inner.metadata.get(LOG_ID).filter(|id| !id.is_empty())
    }

    /// The address that the call came from.
    #[must_use]
    pub fn peer(&self) -> Option<&Address> {
        self.inner.peer.as_ref()
    }

    /// Sizes and times of the call; `None` where no [observer](crate::observe) watches it.
    #[must_use]
    pub fn stats(&self) -> Option<&Stats> {
        self.inner.stats.get().map(|stats| &**stats)
    }

    pub(crate) fn set_stats(&self, stats: Stats) {
        // Set once, where the call begins.
        let _ = self.inner.stats.set(Box::new(stats));
    }

    /// When the call must be over. Over HTTP/2 it is the caller's `grpc-timeout`.
    ///
    /// After it, `recv` and `send` fail with code 4, and the context is cancelled.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.inner.deadline.map(|(at, _)| at)
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.inner.deadline.map(|(_, given)| given)
    }

    /// The metadata that came with the call. On a client, what its caller sends along.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// The metainfo that came with the call. On a client, what its caller sends along.
    #[must_use]
    pub fn metainfo(&self) -> &Metainfo {
        self.inner.metainfo.get_or_init(|| Metainfo::from_headers(self.inner.metadata.raw()))
    }

    /// A transient metainfo value: one that the direct caller set.
    #[must_use]
    pub fn transient(&self, key: &str) -> Option<&str> {
        self.metainfo().transient.get(key).map(String::as_str)
    }

    /// A persistent metainfo value: one that goes down the whole chain of calls.
    #[must_use]
    pub fn persistent(&self, key: &str) -> Option<&str> {
        self.metainfo().persistent.get(key).map(String::as_str)
    }

    /// Adds metadata to a client's call, before it is made; on a server, to every call that is made with this context from now
    /// on. Kitex's `metadata.AppendToOutgoingContext`.
    ///
    /// # Errors
    /// A name or value that [`Metadata::append`] refuses.
    pub fn append_metadata(&self, name: &str, value: impl AsRef<str>) -> Result<()> {
        lock(&self.inner.added).get_or_insert_default().metadata.append(name, value)
    }

    /// As [`Context::append_metadata`], for all of some metadata, binary values too.
    pub fn append_metadata_all(&self, metadata: &Metadata) {
        lock(&self.inner.added).get_or_insert_default().metadata.merge(metadata);
    }

    /// Adds a transient metainfo value: to a client's call, before it is made; on a server, to every call that is made with this
    /// context from now on. It wins over one of the same key.
    pub fn set_transient(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.inner.added).get_or_insert_default().metainfo.transient.insert(key.into(), value.into());
    }

    /// As [`Context::set_transient`], for a value that goes down the whole chain of calls.
    pub fn set_persistent(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.inner.added).get_or_insert_default().metainfo.persistent.insert(key.into(), value.into());
    }

    /// What was added to travel so far.
    pub(crate) fn added(&self) -> Option<Box<Added>> {
        lock(&self.inner.added).clone()
    }

    /// Forgets what was added since: the call is tried anew.
    pub(crate) fn restore_added(&self, added: Option<Box<Added>>) {
        *lock(&self.inner.added) = added;
    }

    /// Whether nothing travels with a client's call besides its log id.
    pub(crate) fn travels_light(&self) -> bool {
        self.metadata().raw().is_empty()
            && self.inner.metainfo.get().is_none_or(Metainfo::is_empty)
            && lock(&self.inner.added).is_none()
    }

    /// What travels with a client's call: what its caller said, and what was added since.
    pub(crate) fn travels(&self) -> (Metadata, Cow<'_, Metainfo>) {
        let mut metadata = self.metadata().clone();
        let mut metainfo = Cow::Borrowed(self.metainfo());
        if let Some(added) = &*lock(&self.inner.added) {
            metadata.merge(&added.metadata);
            metainfo.to_mut().extend(&added.metainfo);
        }
        (metadata, metainfo)
    }

    /// Gives a call that is made with this context what goes on from here: persistent metainfo, and what was added. What the
    /// call has already stays.
    pub(crate) fn pass_on(&self, metadata: &mut Metadata, metainfo: &mut Metainfo) {
        let mut onward = Metainfo { persistent: self.metainfo().persistent.clone(), ..Metainfo::default() };
        if let Some(added) = &*lock(&self.inner.added) {
            onward.extend(&added.metainfo);
            metadata.merge(&added.metadata);
        }
        onward.extend(metainfo);
        *metainfo = onward;
    }

    /// Keeps a value with the call, by its type. The last value of a type wins.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) {
        lock(&self.inner.extensions).insert(value);
    }

    /// A clone of the value of this type that was kept with the call.
    #[must_use]
    pub fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        lock(&self.inner.extensions).get().cloned()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("service", &self.service())
            .field("method", &self.method())
            .field("peer", &self.inner.peer)
            .field("deadline", &self.inner.deadline)
            .field("cancelled", &self.cancel_cause())
            .finish_non_exhaustive()
    }
}

/// The time by the runtime's clock, which a test may have stopped: what timers go by.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// So much later. What no clock can tell, as who means "never" may ask for, is as far away as tokio's own timers take it to be.
pub(crate) fn later(than: Instant, by: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    than.checked_add(by).unwrap_or_else(|| than + NEVER)
}

/// Locks what no panic can leave half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
