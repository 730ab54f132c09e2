//! What a stream has to send, until the connection's task takes it.

mod flushing;
mod sending;

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock};
use std::task::{Context as Task, Poll, Wake, Waker};
use std::time::Instant;

use futures_util::task::AtomicWaker;
use http::HeaderMap;
use tokio::time::Sleep;

use super::EOF;
use super::arrival::Arrival;
use super::lane::Lane;
use crate::codec::Buffer;
use crate::context::{Cancel, Context, SendHeader, lock};
use crate::error::{Cancelled, Error, GRACEFUL_SHUTDOWN};
use crate::status::Code;
use crate::transport::Running;

/// The sending direction of one stream, shared by its user, its connection's task, and the bytes on their way.
///
/// Lock order: nothing here calls the h2 crate, which may call back ([`Wake`]) under its own lock; only
/// [`Outbox::flush`] does, in the connection's task and without a lock of ours.
pub(super) struct Outbox {
    // What every message needs comes first, so that it shares few lines of the processor's cache.
    state: Mutex<State>,
    /// Bytes that the connection's task has taken and that are not written to the socket yet.
    taken: AtomicUsize,
    /// How many bytes there may be in all, taken or not.
    limit: usize,
    lane: Arc<Lane>,
    /// A server's call.
    context: Option<Context>,
    /// Whether `sender` has anyone.
    is_waited: AtomicBool,
    /// Whether `ended` or `broken` says why nothing more can be sent.
    is_unsendable: AtomicBool,
    /// A `send` that waits for room, or a flush that waits for none left.
    sender: AtomicWaker,
    /// Why nothing more can be sent or received; the first reason stays.
    ended: OnceLock<End>,
    /// On a client, what the connection's task saw of the peer: a reset, or the connection's end. The receiving half, which
    /// reads what came before it, has the last word in `ended`.
    broken: OnceLock<Error>,
    deadline: Option<(Instant, std::time::Duration)>,
    rest: Mutex<Rest>,
}

#[derive(Default)]
struct State {
    /// The place among the connection's streams, once the connection's task has taken it over.
    key: usize,
    /// The connection's task will look at this stream. So it does at the beginning, when the stream is handed to it.
    is_queued: bool,
    /// A reset or the timer has something to say.
    is_called: bool,
    buffer: Buffer,
    /// The sender waits for the connection's task without being woken by it.
    is_aside: bool,
    send_header: bool,
    /// A server's headers are on their way, with a first message.
    is_sealed: bool,
    finish: Finish,
    reset: Option<h2::Reason>,
    /// The halves that the user still has; a client's stream is given up when both are gone.
    halves: u8,
    /// The peer has ended the stream.
    is_over: bool,
}

/// What a stream needs once.
#[derive(Default)]
struct Rest {
    /// What a server's handler said when it returned.
    trailers: Option<HeaderMap>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Counts a client's stream until its user has seen the end.
    running: Option<Running>,
    /// A client's `recv` that waits for the arrival, or a server's that a deadline must be able to wake; the h2 crate wakes
    /// the others.
    receiver: Option<Waker>,
    /// What came first on a client's stream, until its receiving half takes it.
    arrival: Option<Box<Arrival>>,
    /// Whether a client's receiving half is gone. What holds handles of the h2 crate is then no longer put here: this may
    /// be dropped under that crate's lock.
    is_unread: bool,
}

/// How far the sending direction is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Finish {
    #[default]
    Open,
    /// A client has no more to send.
    Close,
    /// A server's handler has returned.
    Trailers,
    /// `Close` or `Trailers` is done.
    Done,
}

/// Why nothing more can be sent or received.
enum End {
    /// The server has finished the stream without error.
    Done,
    Failed(Error),
}

impl End {
    fn error(&self) -> &Error {
        match self {
            Self::Done => &DONE,
            Self::Failed(err) => err,
        }
    }
}

/// Whether the connection's task is done with a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    More,
    Done,
}

impl Outbox {
    /// A client's stream, with both halves in the user's hands.
    pub(super) fn client(
        lane: Arc<Lane>,
        limit: usize,
        deadline: Option<(Instant, std::time::Duration)>,
        running: Running,
    ) -> Arc<Self> {
        Self::new(lane, limit, deadline, None, 2, Some(running))
    }

    /// A server's stream.
    pub(super) fn server(lane: Arc<Lane>, limit: usize, context: Context) -> Arc<Self> {
        let deadline = context.deadline().zip(context.timeout());
        Self::new(lane, limit, deadline, Some(context), 0, None)
    }

    fn new(
        lane: Arc<Lane>,
        limit: usize,
        deadline: Option<(Instant, std::time::Duration)>,
        context: Option<Context>,
        halves: u8,
        running: Option<Running>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { halves, is_queued: true, ..State::default() }),
            taken: AtomicUsize::new(0),
            limit,
            lane,
            context,
            is_waited: AtomicBool::new(false),
            is_unsendable: AtomicBool::new(false),
            sender: AtomicWaker::new(),
            ended: OnceLock::new(),
            broken: OnceLock::new(),
            deadline,
            rest: Mutex::new(Rest { running, ..Rest::default() }),
        })
    }

    /// Lets the runtime's timer call this stream at its deadline: no task waits for it. The stream is its connection's by now.
    pub(super) fn start_timer(self: &Arc<Self>) {
        let Some((at, _)) = self.deadline else { return };
        let mut timer = Box::pin(tokio::time::sleep_until(at.into()));
        if timer.as_mut().poll(&mut Task::from_waker(&Waker::from(Arc::clone(self)))).is_ready() {
            self.wake_by_ref();
        }
        lock(&self.rest).timer = Some(timer);
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Waits for what comes first on a client's stream; it comes once.
    pub(super) fn poll_arrival(&self, task: &Task<'_>) -> Poll<Box<Arrival>> {
        let mut rest = lock(&self.rest);
        if let Some(arrival) = rest.arrival.take() {
            return Poll::Ready(arrival);
        }
        if let Some(err) = self.ended() {
            return Poll::Ready(Box::new(Arrival::failed(err.clone())));
        }
        let last = rest.receiver.replace(task.waker().clone());
        // What a waker drops may come back here.
        drop(rest);
        drop(last);
        Poll::Pending
    }

    /// What this side did to the stream, or to its connection, explains an error better than what the h2 crate saw of it.
    pub(super) fn explain(&self, err: &h2::Error) -> Error {
        let ours = self.ended().or_else(|| self.broken.get().filter(|_| err.is_io()));
        ours.cloned().unwrap_or_else(|| super::stream_error(err, &self.lane.peer))
    }

    /// When the stream must be over, and how long it was given.
    pub(super) fn deadline(&self) -> Option<(Instant, std::time::Duration)> {
        self.deadline
    }

    /// Ends the stream for what came from the peer, or did not.
    pub(super) fn break_off(&self, err: Error) {
        if self.context.is_some() {
            return self.fail(err);
        }
        let _ = self.broken.set(err);
        self.is_unsendable.store(true, Ordering::SeqCst);
        self.sender.wake();
    }

    /// Why nothing more can be sent.
    fn unsendable(&self) -> Option<&Error> {
        if !self.is_unsendable.load(Ordering::SeqCst) {
            return None;
        }
        self.ended.get().map(End::error).or_else(|| self.broken.get())
    }

    /// Ends the stream for its user. The first reason stays.
    pub(super) fn fail(&self, err: Error) {
        let err = self.of_server(err);
        let cause = self.context.as_ref().map(|_| err.clone());
        self.end(End::Failed(err), cause);
    }

    fn end(&self, end: End, cause: Option<Error>) {
        if self.ended.set(end).is_err() {
            return;
        }
        self.is_unsendable.store(true, Ordering::SeqCst);
        if let (Some(context), Some(cause)) = (&self.context, cause) {
            context.cancel(cause);
        }
        self.sender.wake();
        let mut rest = lock(&self.rest);
        rest.running = None;
        // The timer keeps this stream alive until it has called it.
        let timer = rest.timer.take();
        let receiver = rest.receiver.take();
        drop(rest);
        drop(timer);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// To a handler, a lost connection is a cancelled call.
    fn of_server(&self, err: Error) -> Error {
        match (&self.context, err) {
            (Some(_), Error::ConnectionLost(lost)) => {
                let reason = if lost.reason == EOF {
                    EOF.to_owned()
                } else {
                    format!("ReadFrame encountered err: {}", lost.reason)
                };
                Error::Cancelled(Arc::new(Cancelled::ConnectionLost { reason }))
            }
            (_, err) => err,
        }
    }

    /// Why nothing more can be sent or received.
    pub(super) fn ended(&self) -> Option<&Error> {
        self.unsendable()?;
        self.ended.get().map(End::error)
    }

    /// Wakes this `recv` when the stream is ended from outside the h2 crate.
    pub(super) fn register_receiver(&self, task: &Task<'_>) {
        let last = lock(&self.rest).receiver.replace(task.waker().clone());
        drop(last);
    }

    /// Lets go of the state, and the connection's task look at the stream.
    fn queue(&self, mut state: MutexGuard<'_, State>) {
        let (key, is_queued) = (state.key, std::mem::replace(&mut state.is_queued, true));
        drop(state);
        if is_queued {
            return;
        }
        if let Err(err) = self.lane.ready(key) {
            self.break_off(err);
        }
    }

    fn wake_sender(&self) {
        if self.is_waited.load(Ordering::SeqCst) && self.is_waited.swap(false, Ordering::SeqCst) {
            self.sender.wake();
        }
    }
}

/// Which half of a client's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Send,
    Recv,
}

pub(super) fn cancelled_by_peer(context: &Context, code: u32) -> Error {
    let caller = context.caller().map_or_else(String::new, std::borrow::Cow::into_owned);
    Error::Cancelled(Arc::new(Cancelled::ByPeer { code, caller }))
}

/// What `send` says after the server has finished the stream, in Kitex's words.
static DONE: LazyLock<Error> = LazyLock::new(|| Error::status(13, "the stream is done"));

impl Wake for Outbox {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.is_called = true;
        self.queue(state);
    }
}

impl Cancel for Outbox {
    fn cancel(self: Arc<Self>, cause: &Error) {
        // Kitex passes a shutdown's code on, and cancels otherwise.
        let is_shutdown = cause.code() == Code::UNAVAILABLE && cause.message() == "graceful shutdown";
        let reason = if is_shutdown { GRACEFUL_SHUTDOWN.into() } else { h2::Reason::CANCEL };
        self.reset(reason, cause.clone());
    }
}

impl SendHeader for Outbox {
    fn send_header(self: Arc<Self>) {
        let mut state = lock(&self.state);
        state.send_header = true;
        self.queue(state);
    }
}
