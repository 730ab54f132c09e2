//! The sending end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker, ready};

use futures_sink::Sink;

use super::Turn;
use super::lent::Lent;
use crate::codec::Message;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::middleware::{BoxFuture, SendLayer, SendNext};
use crate::transport::SendHalf;

/// Sends the messages of a stream, in order. Also a [`Sink`].
///
/// Sent means buffered, as in Kitex: [`Sender::send`] waits only while the peer's window and the local buffer are full. On
/// a client, end the stream with [`Sender::close`]; dropping an end that is not closed cancels the stream, so that the
/// server does not take half of the messages for all of them. On a server the call ends when the handler returns.
pub struct Sender<T> {
    half: Box<dyn SendHalf>,
    turn: Turn,
    layered: Option<Box<Layered>>,
    cx: Context,
    message: PhantomData<fn(T)>,
}

/// What is around each message.
struct Layered {
    layers: Arc<[Arc<dyn SendLayer>]>,
    /// A message that the `Sink` was given and that is not sent yet.
    running: Option<Sending>,
}

/// Gives the half back, and tells whether the message was sent.
type Sending = BoxFuture<'static, (Box<dyn SendHalf>, Result<()>)>;

impl<T: Message> Sender<T> {
    pub(crate) fn new(half: Box<dyn SendHalf>, cx: Context, layers: Vec<Arc<dyn SendLayer>>) -> Self {
        let layered = (!layers.is_empty()).then(|| Box::new(Layered { layers: layers.into(), running: None }));
        Self { half, turn: Turn::default(), layered, cx, message: PhantomData }
    }

    /// The context of the call.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// Sends a message; waits for room first.
    ///
    /// Safe to drop while it waits: nothing of the message is sent then.
    ///
    /// # Errors
    /// The stream is over, and how it ended; or the message has no wire form, and the stream goes on.
    pub fn send(&mut self, message: T) -> impl Future<Output = Result<()>> + Send {
        if self.layered.is_some() {
            // Boxed, so that a `send` without layers has no room for them.
            return Sent::Layered(Box::pin(self.send_layered(message)));
        }
        Sent::Direct(self, message)
    }

    /// Sends a message behind which nothing comes: it need not wait for room.
    pub(crate) async fn send_last(&mut self, message: T) -> Result<()> {
        if self.layered.is_some() { self.send_layered(message).await } else { self.half.send(&message).map(drop) }
    }

    /// Sends through the layers. Dropped before its end, it has sent nothing, unless a layer waits behind its `next`.
    async fn send_layered(&mut self, mut message: T) -> Result<()> {
        poll_fn(|task| self.turn.poll(task)).await;
        poll_fn(|task| self.poll_settled(task)).await?;
        let layers = self.layered.as_ref().map_or(&[][..], |layered| &layered.layers);
        SendNext::new(layers, &mut *self.half).run(&self.cx, &mut message).await
    }

    /// Waits until what the `Sink` was given is through the layers.
    fn poll_settled(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        let Some(layered) = &mut self.layered else { return Poll::Ready(Ok(())) };
        let Some(running) = &mut layered.running else { return Poll::Ready(Ok(())) };
        let (half, sent) = ready!(running.as_mut().poll(task));
        layered.running = None;
        self.half = half;
        Poll::Ready(sent)
    }

    /// Waits until everything sent has left this process. There is no need to call it before [`Sender::close`] or the end.
    ///
    /// # Errors
    /// The stream is over, and how it ended.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|task| self.poll_settled(task)).await?;
        poll_fn(|task| self.half.poll_flush(task)).await
    }

    /// Says that no message follows; what was sent before still arrives. Doing it twice is doing it once.
    ///
    /// On a client the server's `recv` then gives `None`. On a server nothing is told to the client until the handler returns.
    ///
    /// # Errors
    /// A layer's, of a message that was given to the `Sink` and never flushed. Closing a stream that is over does nothing, as in
    /// Kitex.
    pub async fn close(&mut self) -> Result<()> {
        let settled = poll_fn(|task| self.poll_settled(task)).await;
        self.half.close();
        settled
    }

    /// As [`Sender::close`], without waiting.
    pub(super) fn end(&mut self) {
        // What a layer still holds back was never flushed: a `Sink` may forget it.
        let _ = self.poll_settled(&mut Task::from_waker(Waker::noop()));
        self.half.close();
    }
}

/// A message that is being sent.
///
/// By hand, since an `async fn` moves its arguments before it looks at them: a short message costs less to encode than to move.
enum Sent<'a, T> {
    Direct(&'a mut Sender<T>, T),
    Layered(BoxFuture<'a, Result<()>>),
}

// The message is not pinned in it.
impl<T> Unpin for Sent<'_, T> {}

impl<T: Message> Future for Sent<'_, T> {
    type Output = Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        match &mut *self {
            Self::Direct(sender, message) => {
                ready!(sender.turn.poll(task));
                sender.half.poll_send(task, message).map_ok(drop)
            }
            Self::Layered(sending) => sending.as_mut().poll(task),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("message", &std::any::type_name::<T>()).finish_non_exhaustive()
    }
}

impl<T: Message> Sink<T> for Sender<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        ready!(self.turn.poll(task));
        ready!(self.poll_settled(task))?;
        self.half.poll_ready(task)
    }

    fn start_send(mut self: Pin<&mut Self>, mut message: T) -> Result<()> {
        let this = &mut *self;
        let Some(layered) = &mut this.layered else { return this.half.send(&message).map(drop) };
        let mut half = std::mem::replace(&mut this.half, Box::new(Lent));
        let (layers, cx) = (Arc::clone(&layered.layers), this.cx.clone());
        layered.running = Some(Box::pin(async move {
            let sent = SendNext::new(&layers, &mut *half).run(&cx, &mut message).await;
            (half, sent)
        }));
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        ready!(self.poll_settled(task))?;
        self.half.poll_flush(task)
    }

    fn poll_close(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        ready!(self.poll_settled(task))?;
        self.half.close();
        Poll::Ready(Ok(()))
    }
}
