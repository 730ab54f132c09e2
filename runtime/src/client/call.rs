//! A call before it is made: a value with options, awaited.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::header::HeaderValue;
use tokio::time::timeout;

use super::channel::{Opening, Shared};
use super::cluster::{ATTEMPTS, Picked};
use super::future::{CallFuture, ReplyReader};
use super::message;
use super::options::{CallOptions, call_options};
use crate::codec::{Reply, Success, Throws};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::middleware::{self, AnyMessage, Args, BoxFuture, typed, wrong_kind};
use crate::observe::Stats;
use crate::schema::Method;
use crate::transport::{ConnectionId, Halves, RecvHalf};

/// A boxed future: what awaiting a call gives.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

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
pub(super) fn sent(sent: Result<()>) -> Result<()> {
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
