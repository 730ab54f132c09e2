//! One call, from the transport's bytes to the handler and back: what generated dispatchers are made of.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::codec::{Encode, EncodeError, Message, Reply, Success, Thrift, Throws, binary};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::schema;
use crate::status::Code;
use crate::stream::{BidiStream, Receiver, Sender};
use crate::transport::{Halves, Outcome};

/// A service that a [`Server`](crate::Server) can serve: what `#[thrill::service]` generates as `…Server`.
pub trait Service: Send + Sync + 'static {
    /// What the service offers.
    fn schema(&self) -> &'static schema::Service;

    /// Runs a call of one of its methods.
    #[doc(hidden)]
    fn call(&self, call: ServerCall) -> ServerOutcome;
}

/// How a call of a generated dispatcher ends.
#[doc(hidden)]
pub struct ServerOutcome(Outcome);

impl From<ServerOutcome> for Outcome {
    fn from(outcome: ServerOutcome) -> Self {
        outcome.0
    }
}

impl std::fmt::Debug for ServerOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerOutcome").finish_non_exhaustive()
    }
}

/// A call on its way to the handler. Generated dispatchers choose the method below that fits the signature.
#[doc(hidden)]
pub struct ServerCall {
    at: usize,
    method: &'static schema::Method,
    context: Context,
    halves: Halves,
}

impl std::fmt::Debug for ServerCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCall").field("context", &self.context).finish_non_exhaustive()
    }
}

impl ServerCall {
    pub(crate) fn new(at: usize, method: &'static schema::Method, context: Context, halves: Halves) -> Self {
        Self { at, method, context, halves }
    }

    /// The method's place in the schema.
    #[must_use]
    pub fn method(&self) -> usize {
        self.at
    }

    /// Runs a handler of both streams.
    pub fn bidirectional<In, Out, F>(
        self,
        handler: impl FnOnce(Context, BidiStream<In, Out>) -> F + Send + 'static,
    ) -> ServerOutcome
    where
        In: Message,
        Out: Message,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let Halves { send, recv } = self.halves;
        let stream = BidiStream::new(Sender::new(send), Receiver::new(recv));
        run(self.method, async move { handler(self.context, stream).await.map_err(in_handler) })
    }

    /// Runs a handler of the request stream that answers once.
    pub fn client<In, Out, F>(self, handler: impl FnOnce(Context, Receiver<In>) -> F + Send + 'static) -> ServerOutcome
    where
        In: Message,
        Out: Message,
        F: Future<Output = Result<Out>> + Send + 'static,
    {
        let Halves { mut send, recv } = self.halves;
        run(self.method, async move {
            let reply = handler(self.context, Receiver::new(recv)).await.map_err(in_handler)?;
            send.send(&reply).map(drop).map_err(in_framework)
        })
    }

    /// Runs a handler of one request and the response stream.
    pub fn server<In, Out, F>(
        self,
        handler: impl FnOnce(Context, In, Sender<Out>) -> F + Send + 'static,
    ) -> ServerOutcome
    where
        In: Message,
        Out: Message,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let Halves { send, mut recv } = self.halves;
        let method = self.method;
        run(method, async move {
            let request = recv_one::<In>(&mut *recv, method).await?;
            handler(self.context, request, Sender::new(send)).await.map_err(in_handler)
        })
    }

    /// Runs a handler of one request, wrapped in its arguments, that answers once.
    pub fn unary<Args, T, E, F>(self, handler: impl FnOnce(Context, Args) -> F + Send + 'static) -> ServerOutcome
    where
        Args: Thrift + Send + 'static,
        T: Success,
        E: Throws,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Halves { mut send, mut recv } = self.halves;
        let method = self.method;
        run(method, async move {
            let args = recv_one::<Args>(&mut *recv, method).await?;
            let result = match handler(self.context, args).await {
                Ok(success) => Ok(success),
                Err(err) => Err(err.declared().map_err(in_handler)?),
            };
            send.send(&Reply(result)).map(drop).map_err(in_framework)
        })
    }

    /// Runs a handler of one request that answers nothing. Over a stream its end still goes out, so that no one waits.
    pub fn oneway<Args, F>(self, handler: impl FnOnce(Context, Args) -> F + Send + 'static) -> ServerOutcome
    where
        Args: Thrift + Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let Halves { send: _send, mut recv } = self.halves;
        let method = self.method;
        run(method, async move {
            let args = recv_one::<Args>(&mut *recv, method).await?;
            handler(self.context, args).await.map_err(in_handler)
        })
    }

    /// Answers a number that is no method: a transport never passes one on.
    #[must_use]
    pub fn unknown(self) -> ServerOutcome {
        let name = self.method.name;
        run(self.method, async move { Err(in_framework(Error::status(1, format!("unknown method {name}")))) })
    }
}

impl<T: Success, E: Throws> Encode for Reply<T, E> {
    fn encode(&self, w: &mut binary::Writer<'_>) -> Result<(), EncodeError> {
        Self::encode(self, w)
    }
}

fn in_handler(err: Error) -> (Error, Failed) {
    (err, Failed::InHandler)
}

fn in_framework(err: Error) -> (Error, Failed) {
    (err, Failed::InFramework)
}

/// Receives the one message of a method that takes one. Kitex runs generated code for it, whose errors count as the handler's.
async fn recv_one<T: Thrift>(
    recv: &mut dyn crate::transport::RecvHalf,
    method: &schema::Method,
) -> Result<T, (Error, Failed)> {
    let message = poll_fn(|task| {
        recv.poll_recv(task).map(|frame| match frame? {
            Some(frame) => Ok(Some(T::decode(&mut frame.reader())?)),
            None => Ok(None),
        })
    });
    let missing = || {
        let (service, name) = (method.service, method.name);
        Error::status(Code::INTERNAL, format!("the stream of {service}.{name} ended before its request"))
    };
    message.await.and_then(|message: Option<T>| message.ok_or_else(missing)).map_err(in_handler)
}

/// Boxes a call, and turns a panic of the handler into an error of this call alone.
fn run(
    method: &'static schema::Method,
    call: impl Future<Output = Result<(), (Error, Failed)>> + Send + 'static,
) -> ServerOutcome {
    let caught = AssertUnwindSafe(call).catch_unwind();
    ServerOutcome(Box::pin(async move {
        caught.await.unwrap_or_else(|panic| {
            let text = panic_text(&*panic);
            let (service, name) = (method.service, method.name);
            tracing::error!(service, method = name, panic = text, "a handler panicked");
            // Kitex's words: its users search for them.
            let text = format!(
                "panic: [happened in biz handler, method={service}.{name}, please check the panic at the server side] {text}"
            );
            Err(in_framework(Error::status(Code::INTERNAL, text)))
        })
    }))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text")
}
