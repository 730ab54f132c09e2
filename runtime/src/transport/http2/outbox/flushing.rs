//! What the connection's task does with a stream: it hands the h2 crate what there is to send, and takes what came first.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::task::{Context as Task, Poll, Waker};

use bytes::Buf as _;
use http::{HeaderMap, Response};

use super::{DONE, Finish, Outbox, Work, cancelled_by_peer};
use crate::codec::Payload;
use crate::context::{Context, lock, now};
use crate::error::{Error, Stage};
use crate::transport::http2::arrival::Arrival;
use crate::transport::http2::lane::Handle;
use crate::transport::http2::outgoing::Outgoing;
use crate::transport::http2::spares::SHORT;
use crate::transport::http2::{CONTENT_TYPE, stream_error};

impl Outbox {
    /// The connection's task has taken the stream over, and flushes it next. Answers whether the peer has reset it already.
    pub(in crate::transport::http2) fn take_over(self: &Arc<Self>, key: usize, handle: &mut Handle) -> bool {
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
            Poll::Ready(Err(err)) => self.break_off(stream_error(&err, &self.lane.peer)),
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

    /// The connection is lost under the stream. What came before it is still received.
    pub(in crate::transport::http2) fn lose(&self, mut handle: Handle, err: Error) {
        self.break_off(err.clone());
        self.receive(&mut handle, &mut Task::from_waker(Waker::noop()));
        if matches!(handle, Handle::Send(_, Some(_))) {
            self.arrive(Arrival::failed(err));
        }
    }

    /// The connection takes a client's stream no more. Both halves hear of it, and no peer has.
    pub(in crate::transport::http2) fn turn_away(&self, err: Error) {
        self.break_off(err.clone());
        self.arrive(Arrival::failed(err));
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

    /// What the connection's task does with the stream when it has something.
    pub(in crate::transport::http2) fn flush(self: &Arc<Self>, handle: &mut Handle, memory: &mut Vec<Vec<u8>>) -> Work {
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
                Err(err) => self.break_off(stream_error(&err, &self.lane.peer)),
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
    pub(in crate::transport::http2) fn sent(&self, count: usize) {
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
