//! The receiving end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use futures_core::Stream;

use super::Turn;
use super::lent::Lent;
use crate::codec::Message;
use crate::context::Context;
use crate::error::Result;
use crate::metadata::Metadata;
use crate::middleware::{AnyMessage, BoxFuture, RecvLayer, RecvNext, wrong_kind};
use crate::transport::RecvHalf;

/// Receives the messages of a stream, in order. Also a [`Stream`] of results.
///
/// Dropping it before the end cancels a client's stream at once. On a server the client's `send` waits once the window is full,
/// until the handler returns: what it still sent is thrown away then.
pub struct Receiver<T> {
    half: Box<dyn RecvHalf>,
    turn: Turn,
    layered: Option<Box<Layered<T>>>,
    cx: Context,
}

/// What is around each message.
struct Layered<T> {
    layers: Arc<[Arc<dyn RecvLayer>]>,
    /// A `recv` that has begun. It outlives the future of its caller, so that no message is lost.
    running: Option<Receiving<T>>,
    /// What it gave while no one asked for it.
    ahead: Option<Result<Option<T>>>,
}

/// Gives the half back, with what came.
type Receiving<T> = BoxFuture<'static, (Box<dyn RecvHalf>, Result<Option<T>>)>;

impl<T: Message> Receiver<T> {
    pub(crate) fn new(half: Box<dyn RecvHalf>, cx: Context, layers: Vec<Arc<dyn RecvLayer>>) -> Self {
        let layered =
            (!layers.is_empty()).then(|| Box::new(Layered { layers: layers.into(), running: None, ahead: None }));
        Self { half, turn: Turn::default(), layered, cx }
    }

    /// The context of the call.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// Waits for the next message. `None` is the end that the peer meant: a client has closed its direction, a server has
    /// ended the call without error. Kitex calls it `io.EOF`. The end is repeated on further calls.
    ///
    /// Safe to drop while it waits: no message is lost.
    ///
    /// # Errors
    /// How the stream ended otherwise: the server's status or business error, a deadline, a cancellation, a lost
    /// connection. Or a message that cannot be decoded; the next one still can.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<T>>> + Send {
        poll_fn(|task| self.poll_recv(task))
    }

    pub(crate) fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<T>>> {
        ready!(self.turn.poll(task));
        if self.layered.is_some() {
            return self.poll_layered(task);
        }
        Poll::Ready(match ready!(self.half.poll_recv(task))? {
            Some(frame) => Ok(Some(T::decode(&mut frame.reader())?)),
            None => Ok(None),
        })
    }

    /// Receives through the layers.
    #[cold]
    fn poll_layered(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<T>>> {
        let Some(layered) = &mut self.layered else { return Poll::Ready(Ok(None)) };
        if let Some(ahead) = layered.ahead.take() {
            return Poll::Ready(ahead);
        }
        let running = layered.running.get_or_insert_with(|| {
            let mut half = std::mem::replace(&mut self.half, Box::new(Lent));
            let (layers, cx) = (Arc::clone(&layered.layers), self.cx.clone());
            Box::pin(async move {
                let received = RecvNext::new::<T>(&layers, &mut *half).run(&cx).await;
                let message = received.and_then(|message| message.map(|message| typed(&cx, message)).transpose());
                (half, message)
            })
        });
        let (half, message) = ready!(running.as_mut().poll(task));
        self.half = half;
        layered.running = None;
        Poll::Ready(message)
    }

    /// Gets the half back from the layers.
    fn poll_settled(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if self.layered.as_ref().is_some_and(|layered| layered.running.is_some()) {
            let message = ready!(self.poll_layered(task));
            if let Some(layered) = &mut self.layered {
                layered.ahead = Some(message);
            }
        }
        Poll::Ready(())
    }

    /// Waits for the peer's header metadata. On a client that may be long: a server sends it with its first message. On a
    /// server it is there from the start.
    ///
    /// # Errors
    /// How the stream ended before the header came.
    pub async fn header(&mut self) -> Result<Metadata> {
        poll_fn(|task| self.poll_settled(task)).await;
        poll_fn(|task| self.half.poll_header(task).map(|header| header.cloned())).await
    }

    /// The server's trailer metadata; `None` until `recv` has given the end.
    #[must_use]
    pub fn trailer(&self) -> Option<&Metadata> {
        self.half.trailer()
    }

    /// Ends the stream as the two sides agreed by their messages, not by the protocol: [observers](crate::observe) hear that the
    /// call finished so. Where the stream runs still, it is cancelled, as by dropping it. Kitex's `FinishStream`.
    ///
    /// On a server the call ends when the handler returns.
    pub fn finish(mut self, end: Result<()>) {
        self.half.finish(end);
    }

    /// How the stream ended; `None` while it runs. `Ok` is the end that the peer meant.
    #[must_use]
    pub fn end(&self) -> Option<&Result<()>> {
        self.half.end()
    }
}

/// The message of a layer as what the stream carries.
fn typed<T: Message>(cx: &Context, message: Box<dyn AnyMessage>) -> Result<T> {
    let wrong = |other: Box<dyn AnyMessage>| wrong_kind(cx, "a message of its stream", &other);
    message.downcast::<T>().map(|message| *message).map_err(wrong)
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("message", &std::any::type_name::<T>())
            .field("end", &self.half.end())
            .finish_non_exhaustive()
    }
}

impl<T: Message> Stream for Receiver<T> {
    type Item = Result<T>;

    /// Ends after the first error, apart from a message that cannot be decoded.
    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<T>>> {
        let had_ended = matches!(self.half.end(), Some(Err(_)));
        match ready!(self.poll_recv(task)) {
            Ok(message) => Poll::Ready(message.map(Ok)),
            Err(_) if had_ended => Poll::Ready(None),
            Err(err) => Poll::Ready(Some(Err(err))),
        }
    }
}
