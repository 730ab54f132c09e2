//! A call before it is made: a value with options, awaited.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context as Task, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::header::HeaderValue;
use tokio::time::timeout;

use super::channel::{Opening, Shared};
use super::cluster::{ATTEMPTS, Picked};
use super::future::{CallFuture, ReplyReader, StreamCallFuture};
use super::message;
use super::pool::Peer;
use crate::codec::{Message, Reply, Success, Throws};
use crate::context::{Context, now};
use crate::error::{Error, Result, StreamTimeout};
use crate::metadata::Metadata;
use crate::metainfo::Metainfo;
use crate::middleware::{self, AnyMessage, Args, BoxFuture, Stream, typed, wrong_kind};
use crate::observe::{Stats, Watch};
use crate::schema::Method;
use crate::stream::{BidiStream, ClientStream, Receiver};
use crate::transport::{ConnectionId, Halves, RecvHalf};

/// A boxed future: what awaiting a call gives.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What one call sets; it wins over what the client sets. Most calls set nothing, and have no room for it either.
#[derive(Clone, Debug, Default)]
pub(super) struct CallOptions(Option<Box<Chosen>>);

/// The options of a call that sets any.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) host_port: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) hash_key: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) metainfo: Metainfo,
    pub(super) log_id: Option<String>,
    pub(super) context: Option<Context>,
    pub(super) extensions: http::Extensions,
    pub(super) recv_timeout: Option<StreamTimeout>,
    pub(super) send_timeout: Option<StreamTimeout>,
    /// The instance that was chosen, where layers are around each.
    pub(super) instance: Option<Arc<Peer>>,
    /// What was wrong with an option: the call fails with it.
    pub(super) mistake: Option<Error>,
}

impl CallOptions {
    /// The options of a call that sets any.
    pub(super) fn chosen(&mut self) -> Option<&mut Chosen> {
        self.0.as_deref_mut()
    }
}

impl Deref for CallOptions {
    type Target = Chosen;

    fn deref(&self) -> &Chosen {
        static NONE: LazyLock<Chosen> = LazyLock::new(Chosen::default);
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for CallOptions {
    fn deref_mut(&mut self) -> &mut Chosen {
        self.0.get_or_insert_default()
    }
}

impl Chosen {
    /// What was wrong with an option.
    pub(super) fn check(&self) -> Result<()> {
        self.mistake.clone().map_or(Ok(()), Err)
    }

    /// When the call must be over: the earliest of what was said.
    pub(super) fn deadline(&self, default: Option<Duration>) -> Option<(Instant, Duration)> {
        let timeout = self.timeout.or(default.filter(|_| self.deadline.is_none()));
        let now = (timeout.is_some() || self.deadline.is_some()).then(now);
        let until = |at: Instant| now.map(|now| (at, at.saturating_duration_since(now)));
        let by_timeout = now.zip(timeout).and_then(|(now, after)| Some((now.checked_add(after)?, after)));
        let by_deadline = self.deadline.and_then(until);
        let by_context = self.context.as_ref().and_then(|cx| cx.deadline().zip(cx.timeout()));
        [by_timeout, by_deadline, by_context].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// The option methods that every call has, and what they come to.
macro_rules! call_options {
    () => {
        /// Sets how long the call may take, its opening included. It travels as `grpc-timeout`; when it passes, both sides
        /// see code 4.
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }

        /// Sets when the call must be over; see [`Self::timeout`]. The earlier of the two counts.
        pub fn deadline(mut self, at: Instant) -> Self {
            self.options.deadline = Some(at);
            self
        }

        /// Sets how long a connection may take to be made for this call.
        pub fn connect_timeout(mut self, timeout: Duration) -> Self {
            self.options.connect_timeout = Some(timeout);
            self
        }

        /// Sends this call to one address, `host:port`, instead of the client's.
        pub fn host_port(mut self, address: impl Into<String>) -> Self {
            self.options.host_port = Some(address.into());
            self
        }

        /// Sends this call only to instances with this tag. It wins over the client's tag of the same key.
        pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.tags.insert(key.into(), value.into());
            self
        }

        /// Says what a [`ConsistentHash`](crate::balance::ConsistentHash) goes by: calls of one key go to one instance.
        pub fn hash_key(mut self, key: impl Into<String>) -> Self {
            self.options.hash_key = Some(key.into());
            self
        }

        /// Adds metadata. A name or value that cannot be is the call's error; see [`Metadata::append`].
        pub fn metadata(mut self, name: &str, value: impl AsRef<str>) -> Self {
            if let Err(err) = self.options.metadata.append(name, value) {
                self.options.mistake.get_or_insert(err);
            }
            self
        }

        /// Adds all of some metadata, binary values too.
        pub fn metadata_all(mut self, metadata: &Metadata) -> Self {
            self.options.metadata.merge(metadata);
            self
        }

        /// Adds a transient metainfo value: the called service sees it, and those that it calls do not.
        pub fn transient(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.metainfo.transient.insert(key.into(), value.into());
            self
        }

        /// Adds a persistent metainfo value: all services down the chain of calls see it.
        pub fn persistent(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.metainfo.persistent.insert(key.into(), value.into());
            self
        }

        /// Sets the id by which logs know the call, instead of that of [`Self::context`]: the called service has it as
        /// [`Context::log_id`]. A TTHeader carries it, and HTTP/2 as `stream-log-id`; Framed and Buffered do not.
        pub fn log_id(mut self, log_id: impl Into<String>) -> Self {
            let log_id = log_id.into();
            if HeaderValue::from_bytes(log_id.as_bytes()).is_err() {
                let text = format!("`log_id` {log_id:?} cannot travel in a header");
                self.options.mistake.get_or_insert(Error::misuse(text));
            }
            self.options.log_id = Some(log_id).filter(|id| !id.is_empty());
            self
        }

        /// Makes this call a part of the one with this context: it ends with it, has at most its deadline, and passes its log
        /// id and persistent metainfo on, with what was added to it ([`Context::append_metadata`]).
        pub fn context(mut self, cx: &Context) -> Self {
            self.options.context = Some(cx.clone());
            self
        }

        /// Keeps a value with the call, by its type: layers and balancers find it with [`Context::extension`].
        pub fn extension<V: Clone + Send + Sync + 'static>(mut self, value: V) -> Self {
            self.options.extensions.insert(value);
            self
        }

        /// The call's context, from its options.
        pub(super) fn make_context(&mut self) -> Result<Context> {
            self.shared.context(self.method, &mut self.options)
        }
    };
}

/// The opening of a stream: set its options, then await it. The server is not waited for.
///
/// Nothing happens before it is awaited.
#[must_use = "a stream is opened when its call is awaited"]
pub struct StreamCall<S> {
    shared: Arc<Shared>,
    method: &'static Method,
    options: CallOptions,
    /// The one request of a method that takes one.
    request: Option<Box<dyn AnyMessage>>,
    stream: PhantomData<fn() -> S>,
}

impl<S: Open> StreamCall<S> {
    pub(super) fn new(shared: Arc<Shared>, method: &'static Method, request: Option<Box<dyn AnyMessage>>) -> Self {
        Self { shared, method, options: CallOptions::default(), request, stream: PhantomData }
    }

    call_options!();

    /// Sets how long one `recv` of this stream may wait; see [`StreamTimeout`]. Zero: without limit, whatever the client says.
    pub fn recv_timeout(mut self, timeout: impl Into<StreamTimeout>) -> Self {
        self.options.recv_timeout = Some(timeout.into());
        self
    }

    /// Sets how long one `send` of this stream may wait; see [`StreamTimeout`]. Zero: without limit, whatever the client says.
    pub fn send_timeout(mut self, timeout: impl Into<StreamTimeout>) -> Self {
        self.options.send_timeout = Some(timeout.into());
        self
    }
}

impl<S> fmt::Debug for StreamCall<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCall").field("method", &self.method.path).finish_non_exhaustive()
    }
}

impl<S: Open> IntoFuture for StreamCall<S> {
    type Output = Result<S>;
    type IntoFuture = StreamCallFuture<S>;

    fn into_future(self) -> Self::IntoFuture {
        StreamCallFuture::new(self)
    }
}

impl<S: Open> StreamCall<S> {
    /// Opens the stream where nothing has to be waited for.
    ///
    /// # Errors
    /// As [`Shared::open_now`].
    pub(super) fn open_now(&mut self, cx: &Context) -> Result<Result<S>, Option<Picked>> {
        let Self { shared, options, request, .. } = self;
        if request.is_some() && !shared.layers.sends.is_empty() {
            return Err(None);
        }
        let halves = shared.open_now(cx, options, false)?;
        let mut stream = shared.dressed(Stream::new(halves, cx.clone()), options, None);
        let sent = request.take().map_or(Ok(()), |mut request| sent(stream.send_now(&mut *request)));
        Ok(sent.map(|()| S::open(Opened(stream))))
    }

    /// Opens the stream, whatever has to be waited for; on the instance that was picked.
    pub(super) fn boxed(self, cx: Context, picked: Option<Picked>) -> Pending<Result<S>> {
        Box::pin(async move {
            let Self { shared, options, request, .. } = self;
            let Some(watch) = shared.observers.watch(&cx) else {
                return Ok(S::open(Opened(open(&shared, &cx, &options, request, None, picked).await?)));
            };
            let opened = watch.within(open(&shared, &cx, &options, request, Some(&watch), None)).boxed().await;
            // From now on the receiving half tells of the end.
            watch.opened();
            opened.inspect_err(|err| watch.finish(&Err(err.clone()))).map(|stream| S::open(Opened(stream)))
        })
    }
}

/// Opens a stream, and sends the one request of a method that takes one.
async fn open(
    shared: &Shared,
    cx: &Context,
    options: &CallOptions,
    request: Option<Box<dyn AnyMessage>>,
    watch: Option<&Watch>,
    picked: Option<Picked>,
) -> Result<Stream> {
    let admitted = shared.admit(cx)?;
    let opened = shared.open_layered(cx, options, watch, picked).await;
    admitted.record(&opened);
    let mut stream = opened?;
    if let Some(mut request) = request {
        sent(stream.send_request(&mut *request).await)?;
    }
    Ok(stream)
}

/// What a client's call of a streaming method gives. Sealed: these are the three kinds of streams.
pub trait Open: Send + 'static {
    /// Wraps what was opened.
    #[doc(hidden)]
    fn open(opened: Opened) -> Self;
}

/// A stream that was just opened.
#[doc(hidden)]
pub struct Opened(Stream);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl<In: Message, Out: Message> Open for BidiStream<In, Out> {
    fn open(Opened(stream): Opened) -> Self {
        let (sender, receiver) = stream.into_ends();
        Self::new(sender, receiver)
    }
}

impl<Request: Message, Response: Message> Open for ClientStream<Request, Response> {
    fn open(Opened(stream): Opened) -> Self {
        let (sender, receiver) = stream.into_ends();
        Self::new(sender, receiver)
    }
}

impl<Response: Message> Open for Receiver<Response> {
    fn open(Opened(stream): Opened) -> Self {
        // Its one request is sent, and it is closed.
        stream.into_receiver()
    }
}

/// A call with one request and one response: set its options, then await it.
///
/// Nothing happens before it is awaited. Dropping the future cancels the call. Over HTTP/2, a call that the server says it did
/// not look at is made again: on another connection where this one is about to end, and once more, on another where there is one,
/// where it was refused.
#[must_use = "a call is made when it is awaited"]
pub struct Call<T, E = Error> {
    shared: Arc<Shared>,
    method: &'static Method,
    options: CallOptions,
    args: Box<dyn AnyMessage>,
    result: PhantomData<fn() -> (T, E)>,
}

impl<T: Success, E: Throws> Call<T, E> {
    pub(super) fn new(shared: Arc<Shared>, method: &'static Method, args: Box<dyn AnyMessage>) -> Self {
        Self { shared, method, options: CallOptions::default(), args, result: PhantomData }
    }

    call_options!();

    /// Makes the call and gives the response with its header and trailer metadata.
    ///
    /// # Errors
    /// As the call itself.
    pub async fn with_metadata(self) -> Result<WithMetadata<T>, E> {
        self.run().await.map_err(E::from)?.into_result()
    }

    async fn run(mut self) -> Result<Answer<T, E>> {
        let cx = self.make_context()?;
        self.run_in(cx, Opening::default()).await
    }

    /// Sends the request where nothing has to be waited for.
    ///
    /// # Errors
    /// As [`Shared::open_now`].
    pub(super) fn send_now(&mut self, cx: &Context) -> Result<Sent, Option<Picked>> {
        if self.method.oneway {
            return Err(None);
        }
        if let Some(messages) = self.shared.messages {
            let sent = message::send_now(&self.shared, messages, cx, &self.options, &mut *self.args);
            return sent.map(Sent::Message);
        }
        let mut halves = self.shared.open_now(cx, &self.options, true)?;
        // What fails is left to who waits.
        halves.send.send(self.args.as_encode()).map_err(|_| None)?;
        halves.send.close();
        Ok(Sent::Stream(halves))
    }

    /// Makes the call, whatever has to be waited for.
    pub(super) fn boxed(self, cx: Context, opening: Opening) -> Pending<Result<T, E>> {
        Box::pin(self.run_in(cx, opening).map(|answer| answer?.reply.0))
    }

    // The fields are used where they are: taken out of `self`, they would be in the future twice.
    async fn run_in(self, cx: Context, opening: Opening) -> Result<Answer<T, E>> {
        let Some(watch) = self.shared.observers.watch(&cx) else {
            return call_through(&self.shared, &cx, &self.options, self.args, opening).await;
        };
        let answer = watch.within(call_through(&self.shared, &cx, &self.options, self.args, opening)).boxed().await;
        watch.finish(&answer.as_ref().map(drop).map_err(Error::clone));
        answer
    }
}

/// A request that is on its way.
pub(super) enum Sent {
    Stream(Halves),
    /// Or that it was not written, or could not be.
    Message(Result<message::Sent>),
}

/// Makes a call, through the client's layers where there are any.
async fn call_through<T: Success, E: Throws>(
    shared: &Shared,
    cx: &Context,
    options: &CallOptions,
    mut args: Box<dyn AnyMessage>,
    opening: Opening,
) -> Result<Answer<T, E>> {
    let admitted = shared.admit(cx)?;
    let called = if shared.layers.are_around_calls() {
        call_layered(shared, cx, options, args).boxed().await
    } else {
        call(shared, cx, options, &mut *args, opening).await
    };
    admitted.record(&called);
    called
}

/// Makes a call through the client's layers. What came beside the reply is in the context, for them and for the caller.
async fn call_layered<T: Success, E: Throws>(
    shared: &Shared,
    cx: &Context,
    options: &CallOptions,
    args: Box<dyn AnyMessage>,
) -> Result<Answer<T, E>> {
    let reply = shared.layered(cx, options, Args::Message(args), attempt::<T, E>).await?;
    Ok(Answer { reply: Reply(typed(cx, reply)?), around: Around::Context(cx.clone()) })
}

/// What the layers of a call are around.
fn attempt<'a, T: Success, E: Throws>(
    shared: &'a Shared,
    cx: &'a Context,
    options: &'a CallOptions,
    args: Args,
) -> BoxFuture<'a, Result<middleware::Reply>> {
    Box::pin(async move {
        let Args::Message(mut args) = args else { return Err(wrong_kind(cx, "the arguments of a call", &args)) };
        let answer = call::<T, E>(shared, cx, options, &mut *args, Opening::default()).await?;
        if cx.is_oneway() {
            return Ok(middleware::Reply::Done);
        }
        answer.around.keep(cx);
        shared.layers.read_meta(cx)?;
        Ok(match answer.reply.0 {
            Ok(message) => middleware::Reply::Message(Box::new(message)),
            Err(exception) => middleware::Reply::Exception(Box::new(exception)),
        })
    })
}

/// Makes a call.
async fn call<T: Success, E: Throws>(
    shared: &Shared,
    cx: &Context,
    options: &CallOptions,
    args: &mut dyn AnyMessage,
    opening: Opening,
) -> Result<Answer<T, E>> {
    if let Some(messages) = shared.messages {
        let mut answer = message::call(shared, messages, cx, options, args, opening.picked).await?;
        count(cx, Stats::count_received, answer.len());
        return Ok(Answer { reply: answer.decode()?, around: Around::Message(answer) });
    }
    let Opening { avoid: mut refused_by, mut picked, .. } = opening;
    let mut attempts = 0;
    loop {
        let opening = Opening { can_repeat: true, avoid: refused_by, picked: picked.take() };
        match over_a_stream(shared, cx, options, args, opening).await {
            // RFC 9113, 6.8: the server says that it did not look at the stream. Another connection takes the call.
            Err(Unanswered::Draining(_)) if attempts + 1 < ATTEMPTS => attempts += 1,
            // RFC 9113, 8.7, says the same of this. Only once, as gRPC: who refuses has enough to do.
            Err(Unanswered::Refused(_, by)) if refused_by.is_none() => refused_by = Some(by),
            Err(unanswered) => return Err(unanswered.into()),
            Ok(answer) => return Ok(answer),
        }
    }
}

/// Why a call has no answer.
pub(super) enum Unanswered {
    /// The connection was about to end, and the server did not look at the call.
    Draining(Error),
    /// The server did not look at the call; and the connection that it was on.
    Refused(Error, ConnectionId),
    /// It failed.
    Failed(Error),
}

impl Unanswered {
    /// Why the receiving half gave an error in place of an answer.
    pub(super) fn of(err: Error, recv: &mut dyn RecvHalf) -> Self {
        match err {
            Error::Reset { code: REFUSED_STREAM } if !is_begun(recv) => match recv.connection() {
                Some(by) => Self::Refused(err, by),
                None => Self::Failed(err),
            },
            err => err.into(),
        }
    }
}

impl From<Error> for Unanswered {
    fn from(err: Error) -> Self {
        match &err {
            Error::ConnectionLost(lost) if lost.is_draining() => Self::Draining(err),
            _ => Self::Failed(err),
        }
    }
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        let (Unanswered::Draining(err) | Unanswered::Refused(err, _) | Unanswered::Failed(err)) = unanswered;
        err
    }
}

/// RFC 9113, 7: the stream was not processed.
const REFUSED_STREAM: u32 = 7;

async fn over_a_stream<T: Success, E: Throws>(
    shared: &Shared,
    cx: &Context,
    options: &CallOptions,
    args: &mut dyn AnyMessage,
    opening: Opening,
) -> Result<Answer<T, E>, Unanswered> {
    let Halves { mut send, mut recv } = shared.open(cx, options, opening).await?;
    let size = send.send(args.as_encode());
    count(cx, Stats::count_sent, size.as_ref().copied().unwrap_or_default());
    sent(size.map(drop))?;
    send.close();
    if cx.is_oneway() {
        // Kitex's servers say nothing to a oneway call over a stream; what was sent only has to leave.
        if poll_fn(|task| send.poll_flush(task)).await.is_err() {
            // The server has ended the stream already, or it failed: the receiving half tells which.
            end_of(&mut *recv).await?;
        }
        tokio::spawn(linger(Halves { send, recv }));
        let absent = T::absent().map_err(Error::from)?;
        return Ok(Answer { reply: Reply(Ok(absent)), around: Around::Nothing });
    }
    match ReplyReader::new().read(&mut *recv, cx).await {
        Ok(reply) => Ok(Answer { reply, around: Around::Stream(recv) }),
        Err(err) => {
            let unanswered = Unanswered::of(err, &mut *recv);
            if let Unanswered::Failed(_) = unanswered {
                // What came beside an error is for layers and observers.
                Around::Stream(recv).keep(cx);
            }
            Err(unanswered)
        }
    }
}

/// Leaves the stream of a oneway call open until the server ends it: a reset could overtake the handler's look at its request.
async fn linger(Halves { send, mut recv }: Halves) {
    let _ = timeout(LINGER, end_of(&mut *recv)).await;
    drop(send);
}

/// Waits for the end of a stream, whatever comes before it.
async fn end_of(recv: &mut dyn RecvHalf) -> Result<()> {
    while poll_fn(|task| recv.poll_recv(task).map(|frame| frame.map(|frame| frame.is_some()))).await? {}
    Ok(())
}

/// How long the stream of a oneway call is open for a server that does not end it, as Kitex's.
const LINGER: Duration = Duration::from_secs(5);

/// Whether the server has begun to answer.
fn is_begun(recv: &mut dyn RecvHalf) -> bool {
    matches!(recv.poll_header(&mut Task::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
}

/// Counts a message of a call that someone watches.
pub(super) fn count(cx: &Context, count: fn(&Stats, usize), size: usize) {
    if let Some(stats) = cx.stats() {
        count(stats, size);
    }
}

/// Whether the one request of a call was sent. Where the server has ended the stream already, the receiving half tells how; what
/// this side did wrong, a layer among it, is told here.
fn sent(sent: Result<()>) -> Result<()> {
    match sent {
        Err(err @ (Error::Encode(_) | Error::TooLarge { .. } | Error::Misuse(_) | Error::Handler(_))) => Err(err),
        _ => Ok(()),
    }
}

struct Answer<T, E> {
    reply: Reply<T, E>,
    around: Around,
}

/// Where what came beside the reply is.
enum Around {
    Stream(Box<dyn RecvHalf>),
    Message(message::Answer),
    Context(Context),
    Nothing,
}

impl Around {
    /// Puts it where layers find it.
    fn keep(self, cx: &Context) {
        match self {
            Self::Stream(recv) => {
                let (header, trailer) = header_and_trailer(recv);
                cx.answered(header, trailer, BTreeMap::new());
            }
            Self::Message(answer) => cx.answered(Metadata::new(), Metadata::new(), answer.backward()),
            Self::Context(_) | Self::Nothing => {}
        }
    }
}

/// What a stream that has ended said beside its messages.
fn header_and_trailer(mut recv: Box<dyn RecvHalf>) -> (Metadata, Metadata) {
    let trailer = recv.trailer().cloned().unwrap_or_default();
    let header = match recv.poll_header(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(Ok(header)) => header.clone(),
        _ => Metadata::new(),
    };
    (header, trailer)
}

impl<T: Success, E: Throws> Answer<T, E> {
    fn into_result(self) -> Result<WithMetadata<T>, E> {
        let message = self.reply.0?;
        let (header, trailer, backward) = match self.around {
            Around::Message(answer) => (Metadata::new(), Metadata::new(), answer.backward()),
            Around::Nothing => Default::default(),
            Around::Context(cx) => (cx.take_header(), cx.take_trailer(), cx.take_backward()),
            Around::Stream(recv) => {
                let (header, trailer) = header_and_trailer(recv);
                (header, trailer, BTreeMap::new())
            }
        };
        Ok(WithMetadata { message, header, trailer, backward })
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method.path).finish_non_exhaustive()
    }
}

impl<T: Success, E: Throws> IntoFuture for Call<T, E> {
    type Output = Result<T, E>;
    type IntoFuture = CallFuture<T, E>;

    fn into_future(self) -> Self::IntoFuture {
        CallFuture::new(self)
    }
}

/// A response with the metadata around it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WithMetadata<T> {
    /// The response.
    pub message: T,
    /// The server's header metadata. Streams have it.
    pub header: Metadata,
    /// The server's trailer metadata. Streams have it.
    pub trailer: Metadata,
    /// The server's backward metainfo. Ping-pong calls over TTHeader have it.
    pub backward: BTreeMap<String, String>,
}
