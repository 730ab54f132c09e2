//! What awaiting a call gives.
//!
//! Mostly nothing stands between a call and its connection: no layer, no observer, no circuit breaker, no instance to be found,
//! no connection to be made. Such a call begins within one poll and needs no memory of its own; every other is boxed.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use super::call::{Call, Pending, Sent, Unanswered, count};
use super::channel::Opening;
use super::message;
use super::stream_call::{Open, StreamCall};
use crate::codec::{Reply, Success, Throws};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::observe::Stats;
use crate::status::Code;
use crate::transport::pingpong::message::Message;
use crate::transport::{Halves, RecvHalf};

/// A call that is being made; see [`Call`].
#[must_use = "a call is made when it is awaited"]
pub struct CallFuture<T, E = Error>(State<T, E>);

enum State<T, E> {
    New(Call<T, E>),
    Stream(OnStream<T, E>),
    Message(OnConnection<T, E>),
    Boxed(Pending<Result<T, E>>),
    Done,
}

/// A call whose request is on its way by a stream.
struct OnStream<T, E> {
    call: Call<T, E>,
    cx: Context,
    halves: Halves,
    reply: ReplyReader<T, E>,
}

/// A call whose request is on its way by a connection of its own.
struct OnConnection<T, E> {
    _call: Call<T, E>,
    cx: Context,
    sent: message::Sent,
}

impl<T: Success, E: Throws> CallFuture<T, E> {
    pub(super) fn new(call: Call<T, E>) -> Self {
        Self(State::New(call))
    }
}

// Nothing in it is pinned: the boxed future is by its box.
impl<T, E> Unpin for CallFuture<T, E> {}

impl<T: Success, E: Throws> Future for CallFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let state = &mut self.0;
        if matches!(state, State::New(_)) {
            *state = match std::mem::replace(state, State::Done) {
                State::New(call) => match begin(call) {
                    Ok(begun) => begun,
                    Err(err) => return Poll::Ready(Err(err.into())),
                },
                other => other,
            };
        }
        if let State::Message(sent) = state {
            let message = ready!(sent.poll(task));
            let State::Message(sent) = std::mem::replace(state, State::Done) else { return Poll::Pending };
            return Poll::Ready(match message.and_then(|message| sent.into_reply(message)) {
                Ok(reply) => reply.0,
                Err(err) => Err(err.into()),
            });
        }
        if let State::Stream(sent) = state {
            let unanswered = match ready!(sent.poll(task)) {
                Ok(reply) => {
                    *state = State::Done;
                    return Poll::Ready(reply.0);
                }
                Err(unanswered) => unanswered,
            };
            let State::Stream(sent) = std::mem::replace(state, State::Done) else { return Poll::Pending };
            *state = State::Boxed(match unanswered {
                Unanswered::Draining(_) => sent.call.boxed(sent.cx, Opening::default()),
                Unanswered::Refused(_, by) => {
                    sent.call.boxed(sent.cx, Opening { avoid: Some(by), ..Opening::default() })
                }
                Unanswered::Failed(err) => return Poll::Ready(Err(err.into())),
            });
        }
        let State::Boxed(boxed) = state else { return Poll::Pending };
        let answered = ready!(boxed.as_mut().poll(task));
        *state = State::Done;
        Poll::Ready(answered)
    }
}

fn begin<T: Success, E: Throws>(mut call: Call<T, E>) -> Result<State<T, E>> {
    let cx = call.make_context()?;
    Ok(match call.send_now(&cx) {
        Ok(Sent::Stream(halves)) => State::Stream(OnStream { call, cx, halves, reply: ReplyReader::new() }),
        Ok(Sent::Message(sent)) => State::Message(OnConnection { _call: call, cx, sent: sent? }),
        Err(picked) => State::Boxed(call.boxed(cx, Opening { picked, ..Opening::default() })),
    })
}

impl<T: Success, E: Throws> OnStream<T, E> {
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Result<Reply<T, E>, Unanswered>> {
        let recv = &mut *self.halves.recv;
        self.reply.poll(recv, &self.cx, task).map_err(|err| Unanswered::of(err, recv))
    }
}

impl<T: Success, E: Throws> OnConnection<T, E> {
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Result<Message>> {
        self.sent.poll(&self.cx, task)
    }

    fn into_reply(self, message: Message) -> Result<Reply<T, E>> {
        self.sent.into_answer(message, &self.cx)?.decode()
    }
}

impl<T, E> fmt::Debug for CallFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

/// Receives the result wrapper and the end behind it. What the end says wins over the result, as in Kitex.
pub(super) struct ReplyReader<T, E>(Option<Reply<T, E>>);

impl<T: Success, E: Throws> ReplyReader<T, E> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    pub(super) async fn read(mut self, recv: &mut dyn RecvHalf, cx: &Context) -> Result<Reply<T, E>> {
        poll_fn(|task| self.poll(recv, cx, task)).await
    }

    fn poll(&mut self, recv: &mut dyn RecvHalf, cx: &Context, task: &mut Task<'_>) -> Poll<Result<Reply<T, E>>> {
        loop {
            let frame = ready!(recv.poll_recv(task))?;
            match (frame, self.0.take()) {
                (Some(frame), None) => {
                    count(cx, Stats::count_received, frame.len());
                    self.0 = Some(Reply::decode(&mut frame.reader())?);
                }
                (None, Some(reply)) => return Poll::Ready(Ok(reply)),
                (None, None) => {
                    let text = "the server ended the call without a response";
                    return Poll::Ready(Err(Error::status(Code::INTERNAL, text)));
                }
                (Some(_), Some(_)) => {
                    let text = "the server sent more than one response to a call that has one";
                    return Poll::Ready(Err(Error::protocol(text)));
                }
            }
        }
    }
}

/// A stream that is being opened; see [`StreamCall`].
#[must_use = "a stream is opened when its call is awaited"]
pub struct StreamCallFuture<S>(StreamState<S>);

enum StreamState<S> {
    New(StreamCall<S>),
    Boxed(Pending<Result<S>>),
    Done,
}

impl<S: Open> StreamCallFuture<S> {
    pub(super) fn new(call: StreamCall<S>) -> Self {
        Self(StreamState::New(call))
    }
}

// As that of a call.
impl<S> Unpin for StreamCallFuture<S> {}

impl<S: Open> Future for StreamCallFuture<S> {
    type Output = Result<S>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let mut boxed = match std::mem::replace(&mut self.0, StreamState::Done) {
            StreamState::New(mut call) => {
                let cx = call.make_context()?;
                match call.open_now(&cx) {
                    Ok(opened) => return Poll::Ready(opened),
                    Err(picked) => call.boxed(cx, picked),
                }
            }
            StreamState::Boxed(boxed) => boxed,
            StreamState::Done => return Poll::Pending,
        };
        match boxed.as_mut().poll(task) {
            Poll::Pending => self.0 = StreamState::Boxed(boxed),
            ready => return ready,
        }
        Poll::Pending
    }
}

impl<S> fmt::Debug for StreamCallFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCallFuture").finish_non_exhaustive()
    }
}
