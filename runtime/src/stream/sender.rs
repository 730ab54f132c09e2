//! The sending end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use futures_sink::Sink;

use super::Turn;
use crate::codec::Message;
use crate::error::{Error, Result};
use crate::transport::SendHalf;

/// Sends the messages of a stream, in order. Also a [`Sink`].
///
/// Sent means buffered, as in Kitex: [`Sender::send`] waits only while the peer's window and the local buffer are full. On
/// a client, end the stream with [`Sender::close`]; dropping an end that is not closed cancels the stream, so that the
/// server does not take half of the messages for all of them. On a server the call ends when the handler returns.
pub struct Sender<T> {
    half: Box<dyn SendHalf>,
    turn: Turn,
    message: PhantomData<fn(T)>,
}

impl<T: Message> Sender<T> {
    pub(crate) fn new(half: Box<dyn SendHalf>) -> Self {
        Self { half, turn: Turn::default(), message: PhantomData }
    }

    /// Sends a message; waits for room first.
    ///
    /// Safe to drop while it waits: nothing of the message is sent then.
    ///
    /// # Errors
    /// The stream is over, and how it ended; or the message has no wire form, and the stream goes on.
    pub async fn send(&mut self, message: T) -> Result<()> {
        poll_fn(|task| {
            ready!(self.turn.poll(task));
            ready!(self.half.poll_ready(task))?;
            Poll::Ready(self.half.send(&message).map(drop))
        })
        .await
    }

    /// Waits until everything sent has left this process. There is no need to call it before [`Sender::close`] or the end.
    ///
    /// # Errors
    /// The stream is over, and how it ended.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|task| self.half.poll_flush(task)).await
    }

    /// Says that no message follows; what was sent before still arrives. Doing it twice is doing it once.
    ///
    /// On a client the server's `recv` then gives `None`. On a server nothing is told to the client until the handler returns.
    ///
    /// # Errors
    /// None today: closing a stream that is over does nothing, as in Kitex.
    pub async fn close(&mut self) -> Result<()> {
        self.end();
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.half.close();
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
        self.half.poll_ready(task)
    }

    fn start_send(mut self: Pin<&mut Self>, message: T) -> Result<()> {
        self.half.send(&message).map(drop)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.half.poll_flush(task)
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<Result<()>> {
        self.half.close();
        Poll::Ready(Ok(()))
    }
}
