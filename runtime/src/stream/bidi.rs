//! Both directions of a stream.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use super::{Receiver, Sender};
use crate::codec::Message;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::metadata::Metadata;

/// A stream whose two directions are independent: receives `In`, sends `Out`.
///
/// A handler's `BidiStream<Request, Response>` is `BidiStream<Response, Request>` on the client. [`BidiStream::split`] gives
/// the directions to different tasks. Dropping a client's stream before its end cancels it at once.
#[derive(Debug)]
pub struct BidiStream<In, Out> {
    sender: Sender<Out>,
    receiver: Receiver<In>,
}

impl<In: Message, Out: Message> BidiStream<In, Out> {
    pub(crate) fn new(sender: Sender<Out>, receiver: Receiver<In>) -> Self {
        Self { sender, receiver }
    }

    /// Takes the directions apart.
    #[must_use]
    pub fn split(self) -> (Sender<Out>, Receiver<In>) {
        (self.sender, self.receiver)
    }

    /// The context of the call.
    #[must_use]
    pub fn context(&self) -> &Context {
        self.receiver.context()
    }

    /// Sends a message; see [`Sender::send`].
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send(&mut self, message: Out) -> impl Future<Output = Result<()>> + Send {
        self.sender.send(message)
    }

    /// Says that no message follows; see [`Sender::close`].
    ///
    /// # Errors
    /// As [`Sender::close`].
    pub async fn close(&mut self) -> Result<()> {
        self.sender.close().await
    }

    /// Waits for the next message; see [`Receiver::recv`].
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<In>>> + Send {
        self.receiver.recv()
    }

    /// Waits for the peer's header metadata; see [`Receiver::header`].
    ///
    /// # Errors
    /// As [`Receiver::header`].
    pub async fn header(&mut self) -> Result<Metadata> {
        self.receiver.header().await
    }

    /// Ends the stream as the two sides agreed; see [`Receiver::finish`].
    pub fn finish(self, end: Result<()>) {
        self.receiver.finish(end);
    }

    /// The server's trailer metadata; see [`Receiver::trailer`].
    #[must_use]
    pub fn trailer(&self) -> Option<&Metadata> {
        self.receiver.trailer()
    }

    /// How the stream ended; see [`Receiver::end`].
    #[must_use]
    pub fn end(&self) -> Option<&Result<()>> {
        self.receiver.end()
    }
}

impl<In: Message, Out: Message> Stream for BidiStream<In, Out> {
    type Item = Result<In>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(task)
    }
}

impl<In: Message, Out: Message> Sink<Out> for BidiStream<In, Out> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.sender).poll_ready(task)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Out) -> Result<()> {
        Pin::new(&mut self.sender).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.sender).poll_flush(task)
    }

    fn poll_close(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.sender).poll_close(task)
    }
}
