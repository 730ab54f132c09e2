//! What a handler knows of the call it answers, and what it says besides its messages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::error::{Error, Result};
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

/// What an answer says besides its messages.
#[derive(Debug, Default)]
struct Response {
    header_sent: bool,
    trailer_sent: bool,
    /// Most handlers say nothing.
    said: Option<Box<Said>>,
}

#[derive(Debug, Default)]
struct Said {
    header: Metadata,
    trailer: Metadata,
    backward: BTreeMap<String, String>,
}

impl Response {
    fn said(&mut self) -> &mut Said {
        self.said.get_or_insert_default()
    }
}

/// The transport's hand for [`Context::send_header`].
pub(crate) trait SendHeader: Send + Sync {
    fn send_header(self: Arc<Self>);
}

/// Something that ends when a context is cancelled: a stream opened with it.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(self: Arc<Self>, cause: &Error);
}

impl Context {
    pub(crate) fn new(
        method: Option<&'static Method>,
        peer: Option<Address>,
        deadline: Option<(Instant, Duration)>,
        metadata: Metadata,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
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
            }),
        }
    }

    /// The context of a call that this side makes.
    pub(crate) fn outgoing(call: Outgoing) -> Self {
        let Outgoing { method, destination, deadline, metadata, metainfo, extensions, log_id, parent } = call;
        let mut cx = Self::new(Some(method), None, deadline, metadata);
        if let Some(inner) = Arc::get_mut(&mut cx.inner) {
            inner.metainfo = metainfo.into();
            inner.extensions = extensions.into();
            inner.outward = Some(Outward { destination, log_id, instance: Mutex::default(), parent });
        }
        cx
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
        let mut cx = Self::new(Some(method), Some(peer), deadline, metadata);
        if let Some(inner) = Arc::get_mut(&mut cx.inner) {
            inner.caller = Some(Box::new(caller));
            inner.metainfo = metainfo.into();
        }
        cx
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
        self.metadata().raw().is_empty() && self.metainfo().is_empty() && lock(&self.inner.added).is_none()
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

    /// Adds header metadata to the answer. The headers go out with the first message, with the end of the call, or when
    /// [`Context::send_header`] is called.
    ///
    /// # Errors
    /// A name or value that [`Metadata::append`] refuses, or headers that are sent already.
    pub fn set_header(&self, name: &str, value: impl AsRef<str>) -> Result<()> {
        self.change_header(|header| header.append(name, value))
    }

    /// As [`Context::set_header`], for several at once, binary ones too.
    ///
    /// # Errors
    /// Headers that are sent already.
    pub fn set_headers(&self, metadata: &Metadata) -> Result<()> {
        self.change_header(|header| {
            header.merge(metadata);
            Ok(())
        })
    }

    fn change_header(&self, set: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        let mut response = self.response();
        if response.header_sent {
            return Err(headers_sent());
        }
        set(&mut response.said().header)
    }

    /// Sends the response headers now, before any message.
    ///
    /// # Errors
    /// Headers that are sent already.
    pub fn send_header(&self) -> Result<()> {
        if self.response().header_sent {
            return Err(headers_sent());
        }
        self.seal_header();
        if let Some(sender) = self.inner.sender.get().and_then(Weak::upgrade) {
            sender.send_header();
        }
        Ok(())
    }

    /// Adds trailer metadata to the answer. Trailers go out when the handler returns.
    ///
    /// # Errors
    /// A name or value that [`Metadata::append`] refuses, or a call that has ended.
    pub fn set_trailer(&self, name: &str, value: impl AsRef<str>) -> Result<()> {
        self.change_trailer(|trailer| trailer.append(name, value))
    }

    /// As [`Context::set_trailer`], for several at once, binary ones too.
    ///
    /// # Errors
    /// A call that has ended.
    pub fn set_trailers(&self, metadata: &Metadata) -> Result<()> {
        self.change_trailer(|trailer| {
            trailer.merge(metadata);
            Ok(())
        })
    }

    fn change_trailer(&self, set: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        let mut response = self.response();
        if response.trailer_sent {
            return Err(Error::misuse("the call has ended: set trailers before the handler returns"));
        }
        set(&mut response.said().trailer)
    }

    /// Sends a metainfo value back to the caller, with the answer of a ping-pong call over TTHeader. Other transports have no
    /// way back, in Kitex either; use header and trailer metadata on a stream.
    pub fn send_backward(&self, key: impl Into<String>, value: impl Into<String>) {
        self.response().said().backward.insert(key.into(), value.into());
    }

    /// On a client, the header metadata of the answer to a unary call; where there is a [`MetaHandler`], also of a stream's. Empty
    /// until it is there; beside an error, it is for layers and observers.
    ///
    /// [`MetaHandler`]: crate::middleware::MetaHandler
    #[must_use]
    pub fn header(&self) -> Metadata {
        self.response().said.as_ref().map(|said| said.header.clone()).unwrap_or_default()
    }

    /// On a client, the trailer metadata of a unary call's answer, once it is there; beside an error as [`Context::header`].
    #[must_use]
    pub fn trailer(&self) -> Metadata {
        self.response().said.as_ref().map(|said| said.trailer.clone()).unwrap_or_default()
    }

    /// On a client, a value that came back with the answer of a ping-pong call over TTHeader, its error included. Kitex's
    /// `RecvBackwardValue`.
    #[must_use]
    pub fn backward(&self, key: &str) -> Option<String> {
        self.response().said.as_ref().and_then(|said| said.backward.get(key).cloned())
    }

    /// What came back with the answer, for a client's layers.
    pub(crate) fn answered(&self, header: Metadata, trailer: Metadata, backward: BTreeMap<String, String>) {
        self.response().said = Some(Box::new(Said { header, trailer, backward }));
    }

    pub(crate) fn take_backward(&self) -> BTreeMap<String, String> {
        self.response().said.as_mut().map(|said| std::mem::take(&mut said.backward)).unwrap_or_default()
    }

    /// Waits until the call is cancelled and tells why.
    ///
    /// | the cause | is |
    /// | --- | --- |
    /// | the caller cancelled | [`Cancelled::ByPeer`](crate::Cancelled::ByPeer), with the reset's code and who called |
    /// | the deadline passed | [`Error::DeadlineExceeded`] |
    /// | the connection is lost | [`Cancelled::ConnectionLost`](crate::Cancelled::ConnectionLost) |
    /// | the server is shutting down | [`Cancelled::Shutdown`](crate::Cancelled::Shutdown) |
    /// | the handler returned | [`Cancelled::HandlerReturned`](crate::Cancelled::HandlerReturned) |
    ///
    /// A call made with this context ends with it, and its error has the cause ([`Cancelled::Cascade`](crate::Cancelled::Cascade)).
    /// A ping-pong caller cannot cancel but by closing the connection, which a handler hears of once it has waited for something;
    /// a oneway call's hears only of its deadline and of a shutdown.
    ///
    /// On a client it is the call that this one is a part of ([`Context::parent`]) that may be cancelled.
    ///
    /// ```
    /// # use thrill::{Cancelled, Context, Error};
    /// # async fn handler(cx: Context) {
    /// match cx.cancelled().await {
    ///     Error::DeadlineExceeded { after, .. } => println!("too late, after {after:?}"),
    ///     Error::Cancelled(cause) => match &*cause {
    ///         Cancelled::ByPeer { caller, .. } => println!("{caller} does not want it any more"),
    ///         Cancelled::ConnectionLost { reason } => println!("the caller is gone: {reason}"),
    ///         Cancelled::Shutdown => println!("the server stops"),
    ///         cause => println!("{cause}"),
    ///     },
    ///     other => println!("{other}"),
    /// }
    /// # }
    /// ```
    pub async fn cancelled(&self) -> Error {
        self.cancellation().wait().await
    }

    /// Why the call was cancelled; `None` while it runs.
    #[must_use]
    pub fn cancel_cause(&self) -> Option<&Error> {
        self.cancellation().cause.get()
    }

    /// Whether the call was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel_cause().is_some()
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

    pub(crate) fn cancel(&self, cause: Error) {
        self.inner.cancellation.cancel(cause);
    }

    /// A client's call is cancelled with the call that it is a part of.
    fn cancellation(&self) -> &Cancellation {
        self.parent().map_or(&self.inner.cancellation, Self::cancellation)
    }

    /// Ends `child` with this context, at once where it is cancelled already.
    pub(crate) fn adopt(&self, child: &Arc<impl Cancel + 'static>) {
        let weak: Weak<dyn Cancel> = Arc::<_>::downgrade(child) as _;
        self.cancellation().adopt(weak);
    }

    pub(crate) fn on_send_header(&self, sender: &Arc<impl SendHeader + 'static>) {
        let weak: Weak<dyn SendHeader> = Arc::<_>::downgrade(sender) as _;
        // Set once, where the call begins.
        let _ = self.inner.sender.set(weak);
    }

    /// From now on headers count as sent: they are on their way.
    pub(crate) fn seal_header(&self) {
        self.response().header_sent = true;
    }

    /// Takes the header metadata, to send it.
    pub(crate) fn take_header(&self) -> Metadata {
        let mut response = self.response();
        response.header_sent = true;
        response.said.as_mut().map(|said| std::mem::take(&mut said.header)).unwrap_or_default()
    }

    /// Takes the header metadata and the backward metainfo, to send them; `None` where the handler set none.
    pub(crate) fn take_said(&self) -> Option<(Metadata, BTreeMap<String, String>)> {
        let mut response = self.response();
        response.header_sent = true;
        response.said.as_mut().map(|said| (std::mem::take(&mut said.header), std::mem::take(&mut said.backward)))
    }

    /// Whether the handler set a header that no one has taken.
    pub(crate) fn has_header(&self) -> bool {
        self.response().said.as_ref().is_some_and(|said| !said.header.raw().is_empty())
    }

    /// Takes the trailer metadata: from now on trailers count as sent.
    pub(crate) fn take_trailer(&self) -> Metadata {
        let mut response = self.response();
        response.header_sent = true;
        response.trailer_sent = true;
        response.said.as_mut().map(|said| std::mem::take(&mut said.trailer)).unwrap_or_default()
    }

    fn response(&self) -> MutexGuard<'_, Response> {
        lock(&self.inner.response)
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

/// A one-way switch with a reason, and what ends with it.
#[derive(Default)]
pub(crate) struct Cancellation {
    cause: OnceLock<Error>,
    waiting: Notify,
    children: Mutex<Vec<Weak<dyn Cancel>>>,
}

impl Cancellation {
    pub(crate) fn cancel(&self, cause: Error) {
        if self.cause.set(cause).is_err() {
            return;
        }
        self.waiting.notify_waiters();
        for child in std::mem::take(&mut *lock(&self.children)) {
            self.end(&child);
        }
    }

    pub(crate) async fn wait(&self) -> Error {
        let mut waiting = pin!(self.waiting.notified());
        // Registered before the look, so that a cancellation between the two is not missed.
        waiting.as_mut().enable();
        if self.cause.get().is_none() {
            waiting.await;
        }
        self.cause.get().cloned().unwrap_or_else(|| Error::dropped("the call ended"))
    }

    fn adopt(&self, child: Weak<dyn Cancel>) {
        let mut children = lock(&self.children);
        if self.cause.get().is_some() {
            drop(children);
            return self.end(&child);
        }
        if children.len() == children.capacity() {
            // Before it grows: a handler that makes many calls keeps only those that live.
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(child);
    }

    fn end(&self, child: &Weak<dyn Cancel>) {
        if let (Some(child), Some(cause)) = (child.upgrade(), self.cause.get()) {
            child.cancel(&cause.cascade());
        }
    }
}

fn headers_sent() -> Error {
    Error::misuse("the headers are sent already: set them before the first message")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancellation_reaches_waiters_children_and_late_comers_once() {
        #[derive(Default)]
        struct Child(Mutex<Vec<String>>);
        impl Cancel for Child {
            fn cancel(self: Arc<Self>, cause: &Error) {
                lock(&self.0).push(cause.to_string());
            }
        }
        let cx = Context::new(None, None, None, Metadata::new());
        let early = Arc::new(Child::default());
        cx.adopt(&early);
        let waiting = tokio::spawn({
            let cx = cx.clone();
            async move { cx.cancelled().await.to_string() }
        });
        tokio::task::yield_now().await;
        cx.cancel(Error::status(14, "first"));
        cx.cancel(Error::status(14, "second"));
        let late = Arc::new(Child::default());
        cx.adopt(&late);
        assert_eq!(waiting.await.unwrap(), "rpc error: code = 14 desc = first");
        assert_eq!(cx.cancelled().await.to_string(), "rpc error: code = 14 desc = first");
        for child in [early, late] {
            assert_eq!(*lock(&child.0), ["rpc error: code = 14 desc = first"]);
        }
    }

    #[test]
    fn headers_are_set_before_they_are_sent() {
        let cx = Context::new(None, None, None, Metadata::new());
        cx.set_header("x-a", "1").unwrap();
        assert!(cx.set_header("X-A", "1").is_err());
        assert_eq!(cx.take_header().get("x-a").as_deref(), Some("1"));
        assert!(cx.set_header("x-b", "2").unwrap_err().to_string().contains("sent already"));
        assert!(cx.send_header().is_err());
        cx.set_trailer("x-t", "3").unwrap();
        assert_eq!(cx.take_trailer().get("x-t").as_deref(), Some("3"));
        assert!(cx.set_trailer("x-t", "3").is_err());
    }
}
