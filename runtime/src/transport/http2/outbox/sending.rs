//! What a stream's user does with it: send, wait for room, and end it.

use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, MutexGuard};
use std::task::{Context as Task, Poll, ready};

use http::HeaderMap;
use tokio::task::yield_now;

use super::{End, Finish, Half, Outbox, State};
use crate::codec::envelope::Protocol;
use crate::codec::{Buffer, Encode};
use crate::context::lock;
use crate::error::{Cancelled, Error, Result};
use crate::transport::http2::spares::SHORT;
use crate::wire::grpc;

impl Outbox {
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

    fn has_room(&self, state: &State) -> bool {
        let waiting = state.buffer.len();
        waiting < BURST && waiting + self.taken.load(Ordering::SeqCst) < self.limit
    }

    pub(in crate::transport::http2) fn poll_ready(&self, task: &mut Task<'_>) -> Poll<Result<()>> {
        if self.steps_aside(task) {
            return Poll::Pending;
        }
        self.poll_room(task, Self::has_room)
    }

    /// Lets the connection's task run behind a burst, where it has no other stream to look after; whether that is so. The sender runs
    /// again behind whatever else can run.
    ///
    /// Were it woken by the connection's task, the two would wake each other without an end, on which the runtime wakes another
    /// thread to share what looks like much work: system calls, and a move to another processor's cache, at every second burst.
    fn steps_aside(&self, task: &mut Task<'_>) -> bool {
        if self.lane.pulse.active() > 1 {
            return false;
        }
        let mut state = lock(&self.state);
        if state.is_aside || state.buffer.len() < BURST {
            return false;
        }
        state.is_aside = true;
        drop(state);
        pin!(yield_now()).poll(task).is_pending()
    }

    pub(in crate::transport::http2) fn poll_flush(&self, task: &Task<'_>) -> Poll<Result<()>> {
        self.poll_room(task, |outbox, state| state.buffer.is_empty() && outbox.taken.load(Ordering::SeqCst) == 0)
    }

    /// [`Outbox::poll_ready`] and [`Outbox::send`] in one, which is what nearly every message needs.
    pub(in crate::transport::http2) fn poll_send(
        &self,
        task: &mut Task<'_>,
        message: &dyn Encode,
    ) -> Poll<Result<usize>> {
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
    pub(in crate::transport::http2) fn send(&self, message: &dyn Encode) -> Result<usize> {
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
        state.is_aside = false;
        let size = put_message(&mut state.buffer, message)?;
        if !std::mem::replace(&mut state.is_sealed, true) {
            if let Some(context) = &self.context {
                context.seal_header();
            }
        }
        self.queue(state);
        Ok(size - grpc::PREFIX)
    }

    pub(in crate::transport::http2) fn close(&self) {
        let mut state = lock(&self.state);
        if state.finish == Finish::Open {
            state.finish = Finish::Close;
            self.queue(state);
        }
    }

    /// A server's handler has returned: this is what it said.
    pub(in crate::transport::http2) fn finish(&self, trailers: HeaderMap) {
        lock(&self.rest).trailers = Some(trailers);
        self.fail(Error::Cancelled(Arc::clone(&HANDLER_RETURNED)));
        let mut state = lock(&self.state);
        state.finish = Finish::Trailers;
        self.queue(state);
    }

    /// Resets the stream at once; what is unsent is lost.
    pub(in crate::transport::http2) fn reset(&self, reason: h2::Reason, err: Error) {
        lock(&self.state).reset.get_or_insert(reason);
        self.fail(err);
        self.queue(lock(&self.state));
    }

    /// A client's receiving half has seen the end; `err` is what further sends fail with.
    pub(in crate::transport::http2) fn over(&self, end: &Result<()>) {
        lock(&self.state).is_over = true;
        match end {
            Ok(()) => self.end(End::Done, None),
            Err(err) => self.fail(err.clone()),
        }
    }

    /// A client's half is dropped.
    pub(in crate::transport::http2) fn drop_half(&self, what: Half) {
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
}

/// How far a sender is ahead of the connection's task at most. It is woken on the sender's own thread and runs behind it:
/// without a pause the peer would have nothing to read until the whole send buffer is full, and then wait for it again.
/// This is as much as is worth a system call, and still in the processor's cache when it is written.
const BURST: usize = 32 << 10;

/// Encodes a message behind its gRPC prefix, and answers how much that was.
pub(in crate::transport::http2) fn put_message(buffer: &mut Buffer, message: &dyn Encode) -> Result<usize> {
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

static HANDLER_RETURNED: LazyLock<Arc<Cancelled>> = LazyLock::new(|| Arc::new(Cancelled::HandlerReturned));
