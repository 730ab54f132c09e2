//! Messages to DATA frames.
//!
//! A stream's sender encodes into the stream's outbox and marks it; the connection's task, when it next runs, empties the
//! marked outboxes into h2, one frame each as far as the peer's window goes.

use std::{
    future::poll_fn,
    mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use h2::SendStream;
use http::HeaderMap;
use load::Error;

use crate::message::Message;

/// The outboxes of one connection.
pub(crate) struct Outboxes {
    marked: Mutex<Vec<Arc<Outbox>>>,
    /// The connection's task.
    waker: Mutex<Option<Waker>>,
    /// Whether that task has been woken and not run since.
    woken: AtomicBool,
}

impl Outboxes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { marked: Mutex::default(), waker: Mutex::default(), woken: AtomicBool::new(false) })
    }

    /// Empties the marked outboxes, and again those that were `blocked` by the peer's window. Runs in the connection's
    /// task, before h2 does.
    pub(crate) fn flush(&self, cx: &mut Context<'_>, blocked: &mut Vec<Arc<Outbox>>) {
        self.remember(cx.waker());
        self.woken.store(false, Ordering::Release);
        let mut outboxes = mem::take(&mut *lock(&self.marked));
        outboxes.append(blocked);
        for outbox in outboxes {
            if outbox.poll_flush(cx).is_pending() {
                blocked.push(outbox);
            }
        }
    }

    fn remember(&self, waker: &Waker) {
        let mut known = lock(&self.waker);
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    fn mark(&self, outbox: &Arc<Outbox>) {
        lock(&self.marked).push(outbox.clone());
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What one stream has yet to send.
pub(crate) struct Outbox(Mutex<State>);

struct State {
    stream: SendStream<Bytes>,
    bytes: BytesMut,
    end: Option<End>,
    /// Whether the connection's task knows that there is something.
    marked: bool,
    /// The sender that waits for room.
    waiting: Option<Waker>,
    closed: bool,
}

enum End {
    Data,
    Trailers(HeaderMap),
}

impl Outbox {
    /// Pending: the peer's window is full.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut guard = lock(&self.0);
        let state = &mut *guard;
        state.marked = false;
        while !state.bytes.is_empty() && !state.closed {
            if state.stream.capacity() < state.bytes.len() {
                state.stream.reserve_capacity(state.bytes.len());
            }
            let capacity = state.stream.capacity();
            if capacity == 0 {
                match state.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => continue,
                    Poll::Ready(_) => {
                        state.closed = true;
                        break;
                    }
                    Poll::Pending => {
                        state.marked = true;
                        return Poll::Pending;
                    }
                }
            }
            let len = capacity.min(state.bytes.len());
            let data = state.bytes.split_to(len).freeze();
            state.closed = state.stream.send_data(data, false).is_err();
        }
        let ended = match state.end.take() {
            None => Ok(()),
            Some(End::Data) => state.stream.send_data(Bytes::new(), true),
            Some(End::Trailers(trailers)) => state.stream.send_trailers(trailers),
        };
        state.closed |= ended.is_err();
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
        Poll::Ready(())
    }
}

/// The sending end of a stream.
pub(crate) struct Sender {
    outbox: Arc<Outbox>,
    outboxes: Arc<Outboxes>,
}

impl Sender {
    pub(crate) fn new(stream: SendStream<Bytes>, outboxes: Arc<Outboxes>) -> Self {
        let state = State { stream, bytes: BytesMut::new(), end: None, marked: false, waiting: None, closed: false };
        Self { outbox: Arc::new(Outbox(Mutex::new(state))), outboxes }
    }

    /// Encodes into the outbox; waits while it is full.
    pub(crate) async fn send(&self, message: &Message) -> Result<(), Error> {
        poll_fn(|cx| self.poll_send(cx, message)).await
    }

    /// Ends the stream behind the messages already sent.
    pub(crate) fn end(&self, trailers: Option<HeaderMap>) {
        let mut state = lock(&self.outbox.0);
        state.end = Some(trailers.map_or(End::Data, End::Trailers));
        self.mark(state);
    }

    fn poll_send(&self, cx: &mut Context<'_>, message: &Message) -> Poll<Result<(), Error>> {
        let mut state = lock(&self.outbox.0);
        if state.closed {
            return Poll::Ready(Err("closed".into()));
        }
        if state.bytes.len() >= FULL {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        message.encode(&mut state.bytes);
        self.mark(state);
        Poll::Ready(Ok(()))
    }

    fn mark(&self, mut state: MutexGuard<'_, State>) {
        let known = mem::replace(&mut state.marked, true);
        drop(state);
        if !known {
            self.outboxes.mark(&self.outbox);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

/// Bytes in an outbox that make its sender wait.
const FULL: usize = 64 << 10;
