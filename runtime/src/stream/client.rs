//! A client's stream of requests that gets one response.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use futures_sink::Sink;

use super::{Receiver, Sender};
use crate::codec::Message;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::status::Code;

/// Sends many requests, then receives one response.
///
/// Dropping it before [`ClientStream::close_and_recv`] cancels the stream at once.
#[derive(Debug)]
pub struct ClientStream<Request, Response> {
    sender: Sender<Request>,
    receiver: Receiver<Response>,
}

impl<Request: Message, Response: Message> ClientStream<Request, Response> {
    pub(crate) fn new(sender: Sender<Request>, receiver: Receiver<Response>) -> Self {
        Self { sender, receiver }
    }

    /// The context of the call.
    #[must_use]
    pub fn context(&self) -> &Context {
        self.receiver.context()
    }

    /// Sends a request; see [`Sender::send`].
    ///
    /// # Errors
    /// As [`Sender::send`]. [`ClientStream::close_and_recv`] then tells how the server ended the stream.
    pub fn send(&mut self, request: Request) -> impl Future<Output = Result<()>> + Send {
        self.sender.send(request)
    }

    /// Ends the requests and waits for the response.
    ///
    /// # Errors
    /// How the server ended the stream, where it was not by one response.
    pub async fn close_and_recv(mut self) -> Result<Response> {
        self.sender.close().await?;
        one(&mut self.receiver).await
    }

    /// Ends the requests and gives the end that receives: for who wants header and trailer with the response.
    #[must_use]
    pub fn into_receiver(self) -> Receiver<Response> {
        let Self { mut sender, receiver } = self;
        sender.end();
        receiver
    }

    /// Waits for the server's header metadata; see [`Receiver::header`].
    ///
    /// # Errors
    /// As [`Receiver::header`].
    pub async fn header(&mut self) -> Result<Metadata> {
        self.receiver.header().await
    }
}

/// Receives the one message and the end behind it. What the end says wins over the message, as in Kitex.
pub(crate) async fn one<T: Message>(receiver: &mut Receiver<T>) -> Result<T> {
    let first = receiver.recv().await?;
    let Some(message) = first else {
        return Err(Error::status(Code::INTERNAL, "the server ended the call without a response"));
    };
    match receiver.recv().await? {
        None => Ok(message),
        Some(_) => Err(Error::protocol("the server sent more than one response to a call that has one")),
    }
}

impl<Request: Message, Response: Message> Sink<Request> for ClientStream<Request, Response> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.sender).poll_ready(task)
    }

    fn start_send(mut self: Pin<&mut Self>, request: Request) -> Result<()> {
        Pin::new(&mut self.sender).start_send(request)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.sender).poll_flush(task)
    }

    fn poll_close(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.sender).poll_close(task)
    }
}
