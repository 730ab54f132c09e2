//! What a stream has to send, until the connection's task takes it.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock};
use std::task::{Context as Task, Poll, Wake, Waker, ready};
use std::time::Instant;

use bytes::Buf;
use futures_util::task::AtomicWaker;
use http::{HeaderMap, Response};
use tokio::time::Sleep;

use super::arrival::Arrival;
use super::lane::{Handle, Lane};
use super::outgoing::Outgoing;
use super::spares::SHORT;
use super::{CONTENT_TYPE, EOF};
use crate::codec::envelope::Protocol;
use crate::codec::{Buffer, Encode, Payload};
use crate::context::{Cancel, Context, SendHeader, lock, now};
use crate::error::{Cancelled, Error, GRACEFUL_SHUTDOWN, Result, Stage};
use crate::status::Code;
use crate::transport::Running;
use crate::wire::grpc;

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

    /// The connection's task has taken the stream over, and flushes it next. Answers whether the peer has reset it already.
    pub(super) fn take_over(self: &Arc<Self>, key: usize, handle: &mut Handle) -> bool {
        let mut state = lock(&self.state);
        state.key = key;
        let has_said_all = state.finish == Finish::Close;
        drop(state);
        let waker = Waker::from(Arc::clone(self));
        let mut task = Task::from_waker(&waker);
        // Who sends nothing more need not hear of a reset early: the receiving half does.
        let is_reset = !has_said_all && self.watch_reset(handle, &mut task);
        self.receive(handle, &mut task);
        is_reset
    }

    /// Asks the h2 crate to call this stream when the peer resets it. Answers whether it has.
    fn watch_reset(&self, handle: &mut Handle, task: &mut Task<'_>) -> bool {
        match handle.poll_reset(task) {
            Poll::Pending => return false,
            Poll::Ready(Ok(reason)) => self.reset_by_peer(reason),
            Poll::Ready(Err(err)) => self.break_off(super::stream_error(&err, &self.lane.peer)),
        }
        true
    }

    /// Takes what came first on a client's stream, or asks the h2 crate to call this stream for it. Answers whether all came
    /// that the server had to say.
    fn receive(&self, handle: &mut Handle, task: &mut Task<'_>) -> bool {
        let Handle::Send(_, response) = handle else { return false };
        let Some(Poll::Ready(come)) = response.as_mut().map(|response| Pin::new(response).poll(task)) else {
            return false;
        };
        *response = None;
        let arrival = match come {
            Ok(response) => Arrival::of(response, task, |err| self.explain(err)),
            Err(err) => Arrival::failed(self.explain(&err)),
        };
        let is_whole = arrival.is_whole();
        self.arrive(arrival);
        is_whole
    }

    /// Gives a client's receiving half what came first, or the error in its place.
    fn arrive(&self, arrival: Arrival) {
        let mut rest = lock(&self.rest);
        if rest.is_unread {
            drop(rest);
            return;
        }
        rest.arrival = Some(Box::new(arrival));
        let receiver = rest.receiver.take();
        drop(rest);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
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

    /// The connection is lost under the stream. What came before it is still received.
    pub(super) fn lose(&self, mut handle: Handle, err: Error) {
        self.break_off(err.clone());
        self.receive(&mut handle, &mut Task::from_waker(Waker::noop()));
        if matches!(handle, Handle::Send(_, Some(_))) {
            self.arrive(Arrival::failed(err));
        }
    }

    /// The connection takes a client's stream no more. Both halves hear of it, and no peer has.
    pub(super) fn turn_away(&self, err: Error) {
        self.break_off(err.clone());
        self.arrive(Arrival::failed(err));
    }

    /// When the stream must be over, and how long it was given.
    pub(super) fn deadline(&self) -> Option<(Instant, std::time::Duration)> {
        self.deadline
    }

    fn reset_by_peer(&self, reason: h2::Reason) {
        let code = reason.into();
        self.break_off(match &self.context {
            Some(context) => cancelled_by_peer(context, code),
            // Behind its trailers, a server says that it needs no more of the requests.
            None if reason == h2::Reason::NO_ERROR => DONE.clone(),
            None => Error::Reset { code },
        });
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

    /// Waits until there is `room`.
    fn poll_room(&self, task: &Task<'_>, room: impl Fn(&Self, &State) -> bool) -> Poll<Result<()>> {
        if let Some(err) = self.unsendable() {
            return Poll::Ready(Err(err.clone()));
        }
        let room = || room(self, &lock(&self.state));
        if room() {
            return Poll::Ready(Ok(()));
        }
        self.sender.register(task.waker());
        // Looked at once more, so that what happened before the registration is not missed. All of it in one order with
        // `wake_sender`: one of the two sees the other.
        self.is_waited.store(true, Ordering::SeqCst);
        if self.unsendable().is_some() || room() {
            task.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn wake_sender(&self) {
        if self.is_waited.load(Ordering::SeqCst) && self.is_waited.swap(false, Ordering::SeqCst) {
            self.sender.wake();
        }
    }

    fn has_room(&self, state: &State) -> bool {
        let waiting = state.buffer.len();
        waiting < BURST && waiting + self.taken.load(Ordering::SeqCst) < self.limit
    }

    pub(super) fn poll_ready(&self, task: &Task<'_>) -> Poll<Result<()>> {
        self.poll_room(task, Self::has_room)
    }

    pub(super) fn poll_flush(&self, task: &Task<'_>) -> Poll<Result<()>> {
        self.poll_room(task, |outbox, state| state.buffer.is_empty() && outbox.taken.load(Ordering::SeqCst) == 0)
    }

    /// [`Outbox::poll_ready`] and [`Outbox::send`] in one, which is what nearly every message needs.
    pub(super) fn poll_send(&self, task: &Task<'_>, message: &dyn Encode) -> Poll<Result<usize>> {
        if self.is_unsendable.load(Ordering::SeqCst) {
            ready!(self.poll_ready(task))?;
        }
        let mut state = lock(&self.state);
        if !self.has_room(&state) {
            drop(state);
            ready!(self.poll_ready(task))?;
            state = lock(&self.state);
        }
        Poll::Ready(self.put(state, message))
    }

    /// Encodes a message behind its prefix; nothing of it stays where that fails.
    pub(super) fn send(&self, message: &dyn Encode) -> Result<usize> {
        match self.unsendable() {
            Some(err) => Err(err.clone()),
            None => self.put(lock(&self.state), message),
        }
    }

    fn put(&self, mut state: MutexGuard<'_, State>, message: &dyn Encode) -> Result<usize> {
        if state.finish != Finish::Open {
            return Err(Error::misuse("`send` after `close`: nothing can follow the end of the stream"));
        }
        if let Some(last) = state.buffer.wants_memory() {
            let spares = &self.lane.spares;
            state.buffer.give_memory(if last > SHORT { spares.long() } else { spares.short() });
        }
        let size = put_message(&mut state.buffer, message)?;
        if !std::mem::replace(&mut state.is_sealed, true) {
            if let Some(context) = &self.context {
                context.seal_header();
            }
        }
        self.queue(state);
        Ok(size - grpc::PREFIX)
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        if state.finish == Finish::Open {
            state.finish = Finish::Close;
            self.queue(state);
        }
    }

    /// A server's handler has returned: this is what it said.
    pub(super) fn finish(&self, trailers: HeaderMap) {
        lock(&self.rest).trailers = Some(trailers);
        self.fail(Error::Cancelled(Arc::clone(&HANDLER_RETURNED)));
        let mut state = lock(&self.state);
        state.finish = Finish::Trailers;
        self.queue(state);
    }

    /// Resets the stream at once; what is unsent is lost.
    pub(super) fn reset(&self, reason: h2::Reason, err: Error) {
        lock(&self.state).reset.get_or_insert(reason);
        self.fail(err);
        self.queue(lock(&self.state));
    }

    /// A client's receiving half has seen the end; `err` is what further sends fail with.
    pub(super) fn over(&self, end: &Result<()>) {
        lock(&self.state).is_over = true;
        match end {
            Ok(()) => self.end(End::Done, None),
            Err(err) => self.fail(err.clone()),
        }
    }

    /// A client's half is dropped.
    pub(super) fn drop_half(&self, what: Half) {
        if what == Half::Recv {
            let mut rest = lock(&self.rest);
            rest.is_unread = true;
            let unread = rest.arrival.take();
            drop(rest);
            drop(unread);
        }
        let mut state = lock(&self.state);
        state.halves = state.halves.saturating_sub(1);
        let is_closed = state.finish != Finish::Open;
        let over = state.is_over;
        let is_settled = over && is_closed;
        drop(state);
        match what {
            _ if over => {}
            Half::Send if is_closed => {}
            Half::Send => {
                let what = "the sending half was dropped; call `close` to end the stream without cancelling it";
                self.reset(h2::Reason::CANCEL, Error::dropped(what));
            }
            Half::Recv => self.reset(h2::Reason::CANCEL, Error::dropped("the receiving half was dropped")),
        }
        let mut state = lock(&self.state);
        if !is_settled {
            self.queue(state);
        } else if !std::mem::replace(&mut state.is_queued, true) {
            // Both sides have said all: only the handle is to be dropped.
            self.lane.ready_some_time(state.key);
        }
    }

    /// What the connection's task does with the stream when it has something.
    pub(super) fn flush(self: &Arc<Self>, handle: &mut Handle, memory: &mut Vec<Vec<u8>>) -> Work {
        let mut state = lock(&self.state);
        state.is_queued = false;
        let mut is_answered = false;
        if std::mem::take(&mut state.is_called) {
            let has_said_all = state.finish == Finish::Done;
            drop(state);
            is_answered = self.answer_call(handle, has_said_all);
            state = lock(&self.state);
        }
        let reset = state.reset;
        let payload = (!state.buffer.is_empty()).then(|| {
            // A stream that goes on keeps a little memory, and one that sends much asks for more when it does.
            let is_short = state.finish == Finish::Open && state.buffer.run_len() <= SHORT;
            let memory = is_short.then(|| memory.pop()).flatten();
            let payload = state.buffer.exchange(memory.unwrap_or_default());
            self.taken.fetch_add(payload.remaining(), Ordering::SeqCst);
            payload
        });
        let send_header = std::mem::take(&mut state.send_header);
        let finish = state.finish;
        if finish != Finish::Open {
            state.finish = Finish::Done;
        }
        let given_up = self.context.is_none() && state.halves == 0;
        // Both sides have said all: the stream needs its connection no more.
        let is_through = is_answered && finish == Finish::Done;
        state.is_queued |= is_through;
        let is_over = state.is_over;
        drop(state);
        if payload.is_some() {
            // There may be room for another burst.
            self.wake_sender();
        }

        if is_through {
            return Work::Done;
        }
        if let Some(reason) = reset {
            self.discard(payload);
            handle.reset(reason);
            // A handler goes on until it returns; its stream is gone either way.
            return Work::Done;
        }
        let done = self.send_parts(handle, payload, send_header, finish);
        if given_up {
            if is_over && done == Work::More {
                // As Kitex's client: the server finished early, and hears that nobody minds.
                handle.reset(h2::Reason::NO_ERROR);
            }
            return Work::Done;
        }
        if self.context.is_some() { done } else { Work::More }
    }

    /// Sends headers, data and end; `Done` once the end is sent.
    fn send_parts(
        self: &Arc<Self>,
        handle: &mut Handle,
        payload: Option<Payload>,
        header: bool,
        finish: Finish,
    ) -> Work {
        let is_bare = payload.is_none() && !header;
        let mut trailers = (finish == Finish::Trailers).then(|| lock(&self.rest).trailers.take()).flatten();
        if let (Handle::Respond(respond), Some(context)) = (&mut *handle, &self.context) {
            if is_bare && finish == Finish::Open {
                return Work::More;
            }
            self.lane.pulse.note_sent();
            let is_all = is_bare && trailers.is_some() && !context.has_header();
            let headers = response(context, if is_all { trailers.take() } else { None });
            match respond.send_response(headers, is_all) {
                Ok(send) => *handle = Handle::Send(send, None),
                Err(err) => self.break_off(super::stream_error(&err, &self.lane.peer)),
            }
            if is_all {
                return Work::Done;
            }
        }
        let Some(send) = handle.sender() else {
            self.discard(payload);
            return Work::Done;
        };
        let closes = finish == Finish::Close;
        if payload.is_some() || closes {
            let payload = payload.unwrap_or_default();
            let data = Outgoing::new(payload, Arc::clone(self));
            if let Err(err) = send.send_data(data, closes) {
                // The stream has ended under us; the reset or the receiving half says how.
                tracing::trace!(%err, "data after the end of a stream");
            }
        }
        if let Some(trailers) = trailers {
            self.lane.pulse.note_sent();
            if let Err(err) = send.send_trailers(trailers) {
                tracing::trace!(%err, "trailers after the end of a stream");
            }
        }
        if finish == Finish::Open { Work::More } else { Work::Done }
    }

    fn discard(&self, payload: Option<Payload>) {
        if let Some(payload) = payload {
            self.sent(payload.remaining());
        }
    }

    /// Answers a call of the h2 crate or the timer, and whether all has come that the server had to say.
    fn answer_call(self: &Arc<Self>, handle: &mut Handle, has_said_all: bool) -> bool {
        let waker = Waker::from(Arc::clone(self));
        let mut task = Task::from_waker(&waker);
        let is_answered = self.receive(handle, &mut task);
        if !has_said_all {
            self.watch_reset(handle, &mut task);
        }
        let Some((at, after)) = self.deadline.filter(|_| !is_answered) else { return is_answered };
        // The timer's own clock, which a test may have stopped.
        if self.ended.get().is_some() || now() < at {
            return false;
        }
        let peer = Some(Arc::from(self.lane.peer.as_str()));
        self.fail(Error::DeadlineExceeded { during: Stage::Exchange, after, peer });
        if self.context.is_none() {
            lock(&self.state).reset.get_or_insert(h2::Reason::CANCEL);
        }
        false
    }

    /// Takes bytes off the account.
    pub(super) fn sent(&self, count: usize) {
        self.lane.pulse.note_sent();
        let before = self.taken.fetch_sub(count, Ordering::SeqCst);
        let now = before.saturating_sub(count);
        // Woken at half, not at every byte below the limit, so that a sender fills much at a time.
        let half = self.limit / 2;
        let is_time = (now <= half && before > half) || now == 0;
        if is_time {
            self.wake_sender();
        }
    }
}

/// How far a sender is ahead of the connection's task at most. It is woken on the sender's own thread and runs behind it:
/// without a pause the peer would have nothing to read until the whole send buffer is full, and then wait for it again.
/// This is as much as is worth a system call, and still in the processor's cache when it is written.
const BURST: usize = 32 << 10;

/// Which half of a client's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Send,
    Recv,
}

/// Encodes a message behind its gRPC prefix, and answers how much that was.
pub(super) fn put_message(buffer: &mut Buffer, message: &dyn Encode) -> Result<usize> {
    let mark = buffer.mark();
    let before = buffer.len();
    let at = buffer.run_len();
    buffer.put(&[0; grpc::PREFIX]);
    let encoded = message.encode(Protocol::Binary, buffer);
    let size = buffer.len() - before;
    let prefix = grpc::put_prefix(size - grpc::PREFIX);
    match (encoded, prefix) {
        (Ok(()), Some(prefix)) => {
            buffer.patch(at, &prefix);
            Ok(size)
        }
        (Err(err), _) => {
            buffer.rollback(mark);
            Err(err.into())
        }
        (Ok(()), None) => {
            buffer.rollback(mark);
            Err(Error::TooLarge { what: "message to send", got: size, limit: u32::MAX as usize })
        }
    }
}

/// The response headers, or with trailers the whole answer (Trailers-Only).
fn response(context: &Context, trailers: Option<HeaderMap>) -> Response<()> {
    /// What every response has. To copy it takes less room than to put it together.
    static HEADERS: LazyLock<HeaderMap> =
        LazyLock::new(|| std::iter::once((http::header::CONTENT_TYPE, CONTENT_TYPE)).collect());
    let mut response = Response::new(());
    let headers = response.headers_mut();
    *headers = HEADERS.clone();
    match trailers {
        Some(trailers) => headers.extend(trailers),
        None => context.take_header().write_to(headers),
    }
    response
}

static HANDLER_RETURNED: LazyLock<Arc<Cancelled>> = LazyLock::new(|| Arc::new(Cancelled::HandlerReturned));

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
