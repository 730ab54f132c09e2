//! One call, from the transport's bytes to the handler and back: what generated dispatchers are made of.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::codec::envelope::Protocol;
use crate::codec::{Buffer, Encode, EncodeError, Message, Reply, Success, Thrift, Throws, binary, compact};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::schema;
use crate::status::Code;
use crate::stream::{BidiStream, Receiver, Sender};
use crate::transport::{Answer, Exchange, Halves, Outcome, RecvHalf};

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
    exchange: Exchange,
}

impl std::fmt::Debug for ServerCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCall").field("context", &self.context).finish_non_exhaustive()
    }
}

impl ServerCall {
    pub(crate) fn new(at: usize, method: &'static schema::Method, context: Context, exchange: Exchange) -> Self {
        Self { at, method, context, exchange }
    }

    /// The method's place in the schema.
    #[must_use]
    pub fn method(&self) -> usize {
        self.at
    }

    /// The call as the service sees it that this one extends.
    #[must_use]
    pub fn inherited(self, service: &schema::Service) -> Self {
        Self { at: self.at.saturating_sub(service.own_methods().len()), ..self }
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
        let Exchange::Stream(Halves { send, recv }) = self.exchange else { return not_a_stream(self.method) };
        let stream = BidiStream::new(Sender::new(send), Receiver::new(recv));
        run(
            self.method,
            async move { handler(self.context, stream).await.map(|()| Answer::Streamed).map_err(in_handler) },
        )
    }

    /// Runs a handler of the request stream that answers once.
    pub fn client<In, Out, F>(self, handler: impl FnOnce(Context, Receiver<In>) -> F + Send + 'static) -> ServerOutcome
    where
        In: Message,
        Out: Message,
        F: Future<Output = Result<Out>> + Send + 'static,
    {
        let Exchange::Stream(Halves { mut send, recv }) = self.exchange else { return not_a_stream(self.method) };
        run(self.method, async move {
            let reply = handler(self.context, Receiver::new(recv)).await.map_err(in_handler)?;
            send.send(&reply).map(|_| Answer::Streamed).map_err(in_framework)
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
        let Exchange::Stream(Halves { send, mut recv }) = self.exchange else { return not_a_stream(self.method) };
        let method = self.method;
        run(method, async move {
            let request = recv_one::<In>(&mut *recv, method).await?;
            handler(self.context, request, Sender::new(send)).await.map(|()| Answer::Streamed).map_err(in_handler)
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
        let Self { method, context, exchange, .. } = self;
        run(method, async move {
            let (args, respond) = exchange.into_args(method).await?;
            let result = match handler(context, args).await {
                Ok(success) => Ok(success),
                Err(err) => Err(err.declared().map_err(in_handler)?),
            };
            respond.reply(&Reply(result)).map_err(in_framework)
        })
    }

    /// Runs a handler of one request that answers nothing. Over a stream its end still goes out, so that no one waits.
    pub fn oneway<Args, F>(self, handler: impl FnOnce(Context, Args) -> F + Send + 'static) -> ServerOutcome
    where
        Args: Thrift + Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let Self { method, context, exchange, .. } = self;
        run(method, async move {
            let (args, _respond) = exchange.into_args(method).await?;
            handler(context, args).await.map(|()| Answer::Nothing).map_err(in_handler)
        })
    }

    /// Answers a number that is no method: a transport never passes one on.
    #[must_use]
    pub fn unknown(self) -> ServerOutcome {
        let name = self.method.name;
        run(self.method, async move { Err(in_framework(Error::status(1, format!("unknown method {name}")))) })
    }
}

/// Where the result of a call with one request goes.
enum Respond {
    Stream(Halves),
    Message(Protocol),
}

impl Exchange {
    /// Reads the arguments of a call with one request.
    async fn into_args<Args: Thrift>(self, method: &schema::Method) -> Result<(Args, Respond), (Error, Failed)> {
        match self {
            Self::Stream(mut halves) => {
                let args = recv_one(&mut *halves.recv, method).await?;
                Ok((args, Respond::Stream(halves)))
            }
            Self::Message { body, range, protocol } => {
                let args = match protocol {
                    Protocol::Binary => Args::decode(&mut binary::Reader::over(&body, range)),
                    Protocol::Compact => Args::decode(&mut compact::Reader::over(&body, range)),
                };
                Ok((args.map_err(|err| in_framework(err.into()))?, Respond::Message(protocol)))
            }
        }
    }
}

impl Respond {
    fn reply(self, reply: &dyn Encode) -> Result<Answer> {
        match self {
            Self::Stream(mut halves) => halves.send.send(reply).map(|_| Answer::Streamed),
            Self::Message(protocol) => {
                let mut buffer = Buffer::new();
                reply.encode(protocol, &mut buffer)?;
                Ok(Answer::Message(buffer))
            }
        }
    }
}

impl<T: Success, E: Throws> Encode for Reply<T, E> {
    fn encode(&self, protocol: Protocol, buffer: &mut Buffer) -> Result<(), EncodeError> {
        match protocol {
            Protocol::Binary => Self::encode(self, &mut binary::Writer::new(buffer)),
            Protocol::Compact => Self::encode(self, &mut compact::Writer::new(buffer)),
        }
    }
}

/// Answers a message to a method that streams: a transport of messages refuses it before it comes here.
fn not_a_stream(method: &'static schema::Method) -> ServerOutcome {
    let (service, name) = (method.service, method.name);
    let text = format!("{service}.{name} streams: it cannot be called by one message");
    run(method, async move { Err(in_framework(Error::protocol(text))) })
}

fn in_handler(err: Error) -> (Error, Failed) {
    (err, Failed::InHandler)
}

fn in_framework(err: Error) -> (Error, Failed) {
    (err, Failed::InFramework)
}

/// Receives the one message of a method that takes one. Kitex runs generated code for it, whose errors count as the handler's.
async fn recv_one<T: Thrift>(recv: &mut dyn RecvHalf, method: &schema::Method) -> Result<T, (Error, Failed)> {
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
    call: impl Future<Output = Result<Answer, (Error, Failed)>> + Send + 'static,
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
