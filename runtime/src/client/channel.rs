//! The one way of every call: choose an address, take a connection, open a stream.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HeaderName, HeaderValue};
use http::uri::Authority;

use super::breaker::Admitted;
use super::call::Call;
use super::cluster::{Attempts, Cluster, Picked};
use super::options::CallOptions;
use super::pool::{Peer, Pool, Use};
use super::stream_call::{Open, StreamCall};
use crate::codec::envelope::Protocol;
use crate::codec::{Message, Success, Throws};
use crate::context::{Context, LOG_ID, Outgoing, now};
use crate::error::{Error, Result, Stage, StreamTimeout};
use crate::metadata::Metadata;
use crate::middleware::{Args, BoxFuture, Layers, Reply, Stream, wrong_kind};
use crate::observe::{Observers, Watch};
use crate::schema::Method;
use crate::stream::{BidiStream, ClientStream, Receiver, timed};
use crate::transport::http2::client::{Connection, Open as OpenStream, Refused};
use crate::transport::pingpong::message::Layout;
use crate::transport::{ConnectionId, Halves};

/// What clients of one kind share.
pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    pub(super) cluster: Cluster,
    pub(super) authority: Authority,
    /// `None`: [`CONNECT_TIMEOUT`].
    pub(super) connect_timeout: Option<Duration>,
    /// What calls are given unless they say otherwise.
    pub(super) timeout: Option<Duration>,
    pub(super) recv_timeout: StreamTimeout,
    pub(super) send_timeout: StreamTimeout,
    pub(super) caller: Option<HeaderValue>,
    pub(super) layers: Layers,
    pub(super) observers: Arc<Observers>,
    /// How ping-pong calls travel; `None` over HTTP/2.
    pub(super) messages: Option<Messages>,
    pub(super) _on_close: OnClose,
}

/// What runs when a client is closed.
#[derive(Default)]
pub(super) struct OnClose(Vec<Box<dyn FnOnce() + Send + Sync>>);

impl OnClose {
    pub(super) fn push(&mut self, callback: impl FnOnce() + Send + Sync + 'static) {
        self.0.push(Box::new(callback));
    }
}

impl Drop for OnClose {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|callback| callback());
    }
}

impl fmt::Debug for OnClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnClose").field(&self.0.len()).finish()
    }
}

/// How ping-pong calls travel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages {
    pub(super) layout: Layout,
    pub(super) protocol: Protocol,
    pub(super) usage: Use,
}

/// How a stream is opened.
#[derive(Default)]
pub(super) struct Opening {
    /// Whether it is for a call, which is made again where the server did not look at it.
    pub(super) can_repeat: bool,
    /// The connection on which a call is not made again, where there is another.
    pub(super) avoid: Option<ConnectionId>,
    /// The instance that is tried first.
    pub(super) picked: Option<Picked>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// What a generated stream client calls through. Clones share the connections.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct StreamChannel(pub(super) Arc<Shared>);

/// What a generated ping-pong client calls through. Clones share the connections.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Channel(pub(super) Arc<Shared>);

impl StreamChannel {
    /// Calls a method of both streams.
    pub fn bidirectional<In: Message, Out: Message>(&self, method: &'static Method) -> StreamCall<BidiStream<In, Out>> {
        self.stream(method)
    }

    /// Calls a method of a request stream.
    pub fn client<Request: Message, Response: Message>(
        &self,
        method: &'static Method,
    ) -> StreamCall<ClientStream<Request, Response>> {
        self.stream(method)
    }

    /// Calls a method of a response stream.
    pub fn server<Request: Message, Response: Message>(
        &self,
        method: &'static Method,
        request: Request,
    ) -> StreamCall<Receiver<Response>> {
        StreamCall::new(Arc::clone(&self.0), method, Some(Box::new(request)))
    }

    /// Calls a unary method.
    pub fn unary<T: Success, E: Throws>(&self, method: &'static Method, args: impl Message) -> Call<T, E> {
        Call::new(Arc::clone(&self.0), method, Box::new(args))
    }

    fn stream<S: Open>(&self, method: &'static Method) -> StreamCall<S> {
        StreamCall::new(Arc::clone(&self.0), method, None)
    }
}

impl Channel {
    /// Calls a method that answers.
    pub fn call<T: Success, E: Throws>(&self, method: &'static Method, args: impl Message) -> Call<T, E> {
        Call::new(Arc::clone(&self.0), method, Box::new(args))
    }

    /// Calls a method that does not.
    pub fn oneway<E: Throws>(&self, method: &'static Method, args: impl Message) -> Call<(), E> {
        Call::new(Arc::clone(&self.0), method, Box::new(args))
    }
}

/// How long a connection may take to be made, where no option says it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What the layers of a stream are around.
fn open_stream<'a>(
    shared: &'a Shared,
    cx: &'a Context,
    options: &'a CallOptions,
    _: Args,
) -> BoxFuture<'a, Result<Reply>> {
    Box::pin(async move {
        let halves = shared.open(cx, options, Opening::default()).await?;
        Ok(Reply::Stream(Stream::new(halves.read_by_metas(cx, &shared.layers), cx.clone())))
    })
}

/// A call whose deadline has passed does not even connect.
pub(super) fn check_deadline(deadline: Option<(Instant, Duration)>) -> Result<()> {
    match deadline {
        Some((at, after)) if at <= now() => Err(Error::DeadlineExceeded { during: Stage::Open, after, peer: None }),
        _ => Ok(()),
    }
}

impl Shared {
    /// The context of a call, from its options.
    pub(super) fn context(&self, method: &'static Method, options: &mut CallOptions) -> Result<Context> {
        options.check()?;
        let deadline = options.deadline(self.timeout);
        let mut call = Outgoing::new(method, Arc::clone(&self.pool.service), deadline);
        if let Some(chosen) = options.chosen() {
            call.metadata = std::mem::take(&mut chosen.metadata);
            call.metainfo = std::mem::take(&mut chosen.metainfo);
            call.extensions = std::mem::take(&mut chosen.extensions);
            call.log_id = chosen.log_id.take();
            call.parent = chosen.context.take();
        }
        if let Some(parent) = &call.parent {
            parent.pass_on(&mut call.metadata, &mut call.metainfo);
            call.log_id = call.log_id.or_else(|| parent.log_id().map(Cow::into_owned));
        }
        Ok(Context::outgoing(call))
    }

    /// Opens a stream, through the client's layers.
    pub(super) async fn open_layered(
        &self,
        cx: &Context,
        options: &CallOptions,
        watch: Option<&Watch>,
        picked: Option<Picked>,
    ) -> Result<Stream> {
        if !self.layers.are_around_calls() {
            let halves = self.open(cx, options, Opening { picked, ..Opening::default() }).await?;
            return Ok(self.dressed(Stream::new(halves, cx.clone()), options, watch));
        }
        match self.layered(cx, options, Args::Opening, open_stream).await? {
            Reply::Stream(stream) => Ok(self.dressed(stream, options, watch)),
            other => Err(wrong_kind(cx, "a stream", &other)),
        }
    }

    /// A stream that was opened, with what the client and the call put around it.
    pub(super) fn dressed(&self, stream: Stream, options: &CallOptions, watch: Option<&Watch>) -> Stream {
        let (recv, send) = (options.recv_timeout, options.send_timeout);
        stream.within(&self.layers).map_halves(|halves| {
            let halves = timed(halves, recv.unwrap_or(self.recv_timeout), send.unwrap_or(self.send_timeout));
            match watch {
                Some(watch) => halves.watched_on_client(watch),
                None => halves,
            }
        })
    }

    /// Opens a stream where nothing has to be waited for. What fails is left to [`Shared::open`].
    ///
    /// # Errors
    /// Something has to be; and the instance that was picked by then.
    pub(super) fn open_now(
        &self,
        cx: &Context,
        options: &CallOptions,
        can_repeat: bool,
    ) -> Result<Halves, Option<Picked>> {
        let (attempts, peer) = self.pick_now(cx, options).ok_or(None)?;
        let open = |connection: &Connection| self.open_on(connection, &peer, cx, can_repeat).ok();
        self.pool.http2_now(&peer, open).map_err(|turn| attempts.into_picked(turn))
    }

    /// Picks the instance for a call around which nothing stands, where the instances are known.
    pub(super) fn pick_now<'a>(
        &'a self,
        cx: &'a Context,
        options: &'a CallOptions,
    ) -> Option<(Attempts<'a>, Arc<Peer>)> {
        let is_direct = !self.layers.are_around_calls() && self.observers.is_empty() && self.cluster.breaker.is_none();
        if !is_direct || check_deadline(cx.deadline().zip(cx.timeout())).is_err() {
            return None;
        }
        let mut attempts = self.cluster.attempts_now(cx, options, self.connect_timeout(options))?;
        let peer = attempts.next()?;
        cx.set_instance(Arc::clone(&peer.address));
        Some((attempts, peer))
    }

    /// Opens a stream, within the call's deadline.
    pub(super) async fn open(&self, cx: &Context, options: &CallOptions, opening: Opening) -> Result<Halves> {
        check_deadline(cx.deadline().zip(cx.timeout()))?;
        let Opening { can_repeat, avoid, picked } = opening;
        let mut turn = picked.as_ref().and_then(|picked| picked.turn);
        let mut attempts = self.attempts(cx, options, picked).await?;
        while let Some(peer) = attempts.next() {
            cx.set_instance(Arc::clone(&peer.address));
            let open = |connection: &Connection| self.open_on(connection, &peer, cx, can_repeat);
            match self.pool.http2(&peer, attempts.patience(), turn.take(), avoid, open).await {
                Ok(opened) => {
                    attempts.reached(&peer);
                    match opened {
                        Ok(halves) => return Ok(halves),
                        Err(refused) => attempts.refused(refused)?,
                    }
                }
                Err(err) => attempts.unreachable(&peer, err),
            }
        }
        Err(attempts.into_error(&self.pool.service))
    }

    fn open_on(&self, connection: &Connection, peer: &Peer, cx: &Context, can_repeat: bool) -> Result<Halves, Refused> {
        connection.open(OpenStream {
            path: cx.path(),
            authority: &self.authority,
            metadata: self.metadata(cx),
            deadline: cx.deadline().zip(cx.timeout()),
            parent: cx.parent(),
            load: &peer.load,
            can_repeat,
        })
    }

    /// Lets a call through the circuit breaker of its method, which is to hear how it went.
    pub(super) fn admit(&self, cx: &Context) -> Result<Admitted<'_>> {
        match &self.cluster.breaker {
            Some(breaker) => breaker.admit_call(&self.pool.service, cx.method()),
            None => Ok(Admitted::unguarded()),
        }
    }

    /// The instances to try, one after another, until one takes the call.
    pub(super) async fn attempts<'a>(
        &'a self,
        cx: &'a Context,
        options: &'a CallOptions,
        picked: Option<Picked>,
    ) -> Result<Attempts<'a>> {
        self.cluster.attempts(&self.pool, cx, options, self.connect_timeout(options), picked).await
    }

    fn connect_timeout(&self, options: &CallOptions) -> Duration {
        options.connect_timeout.or(self.connect_timeout).unwrap_or(CONNECT_TIMEOUT)
    }

    /// What travels with the call: the user's metadata, metainfo, and who calls.
    fn metadata(&self, cx: &Context) -> Metadata {
        if self.caller.is_none() && cx.log_id().is_none() && cx.travels_light() {
            return Metadata::new();
        }
        self.full_metadata(cx)
    }

    /// As [`Shared::metadata`]. Apart, so that a call with which nothing goes does not run past all of it.
    #[inline(never)]
    fn full_metadata(&self, cx: &Context) -> Metadata {
        const SOURCE_SERVICE: HeaderName = HeaderName::from_static("source-service");
        const SOURCE_METHOD: HeaderName = HeaderName::from_static("source-method");
        const DESTINATION_SERVICE: HeaderName = HeaderName::from_static("destination-service");
        const DESTINATION_METHOD: HeaderName = HeaderName::from_static("destination-method");
        let (mut metadata, metainfo) = cx.travels();
        metainfo.write_to(&mut metadata);
        // One that came by a TTHeader may have bytes that no header has, and does not travel on then.
        if let Some(value) = cx.log_id().and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            metadata.set(HeaderName::from_static(LOG_ID), value);
        }
        if let Some(caller) = &self.caller {
            metadata.set(SOURCE_SERVICE, caller.clone());
            let from = cx.parent().map_or("", Context::method);
            for (name, value) in
                [(SOURCE_METHOD, from), (DESTINATION_SERVICE, &*self.pool.service), (DESTINATION_METHOD, cx.method())]
            {
                if let Ok(value) = HeaderValue::from_str(value) {
                    metadata.set(name, value);
                }
            }
        }
        metadata
    }
}
