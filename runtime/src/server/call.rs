//! One call, from the transport's bytes to the handler and back: what generated dispatchers are made of.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::layered::ServiceLayers;
use crate::codec::envelope::Protocol;
use crate::codec::{Buffer, Encode, EncodeError, Message, Reply, Success, Thrift, Throws, binary, compact};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::middleware::{self, Args, BoxFuture, Layers, Next, Stream, typed, wrong_kind};
use crate::schema;
use crate::status::Code;
use crate::stream::{BidiStream, Receiver, Sender, WriteOnce};
use crate::transport::{Answer, Exchange, Halves, Outcome, RecvHalf};

/// A service that a [`Server`](crate::Server) can serve: what `#[thrill::service]` generates as `…Server`.
pub trait Service: Send + Sync + 'static {
    /// What the service offers.
    fn schema(&self) -> &'static schema::Service;

    /// Runs a call of one of its methods.
    #[doc(hidden)]
    fn call(&self, call: ServerCall) -> ServerOutcome;

    /// What runs around the calls of this service alone.
    #[doc(hidden)]
    fn layers(&self) -> ServiceLayers {
        ServiceLayers::default()
    }
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
    layers: Arc<Layers>,
}

impl std::fmt::Debug for ServerCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCall").field("context", &self.context).finish_non_exhaustive()
    }
}

impl ServerCall {
    pub(crate) fn new(
        at: usize,
        method: &'static schema::Method,
        context: Context,
        exchange: Exchange,
        layers: Arc<Layers>,
    ) -> Self {
        Self { at, method, context, exchange, layers }
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
        self.stream(move |cx, stream| {
            let (sender, receiver) = stream.into_ends();
            handler(cx, BidiStream::new(sender, receiver))
        })
    }

    /// Runs a handler of the request stream that answers once.
    pub fn client<In, Out, F>(self, handler: impl FnOnce(Context, Receiver<In>) -> F + Send + 'static) -> ServerOutcome
    where
        In: Message,
        Out: Message,
        F: Future<Output = Result<Out>> + Send + 'static,
    {
        self.stream(move |cx, stream| async move {
            let (mut sender, receiver) = stream.into_ends();
            let reply = handler(cx, receiver).await?;
            sender.send_last(reply).await
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
        let method = self.method;
        self.stream(move |cx, stream| async move {
            let (sender, mut receiver) = stream.into_ends();
            // Kitex runs generated code for it, whose errors count as the handler's.
            let request = receiver.recv().await?.ok_or_else(|| without_request(method))?;
            handler(cx, request, sender).await
        })
    }

    /// Runs a handler of a stream.
    fn stream<F>(self, handler: impl FnOnce(Context, Stream) -> F + Send + 'static) -> ServerOutcome
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let Self { method, context: cx, exchange, layers, .. } = self;
        let Exchange::Stream(halves) = exchange else { return not_a_stream(method) };
        if !layers.are_around_calls() {
            return run(method, handler(cx.clone(), Stream::new(halves, cx).within(&layers)).map(streamed));
        }
        run(method, async move {
            let metas = WriteOnce::new(cx.clone(), Arc::clone(&layers));
            let stream = Stream::new(halves.written_by_metas(&metas), cx.clone());
            let mut failure = None;
            let last = |cx: Context, args: Args| -> BoxFuture<'_, Result<middleware::Reply>> {
                Box::pin(async {
                    let Args::Stream(stream) = args else { return Err(wrong_kind(&cx, "the stream of a call", &args)) };
                    let ended = handler(cx, stream.within(&layers)).await;
                    failure = ended.as_ref().err().cloned();
                    ended.map(|()| middleware::Reply::Done)
                })
            };
            layers.read_meta(&cx).map_err(in_framework)?;
            let reply = Next::new(&layers.calls, last).run(&cx, Args::Stream(stream)).await;
            let reply = reply.map_err(|err| in_layers(err, failure));
            metas.write().map_err(in_framework)?;
            match reply? {
                middleware::Reply::Done => Ok(Answer::Streamed),
                other => Err(in_framework(wrong_kind(&cx, "the end of a stream", &other))),
            }
        })
    }

    /// Runs a handler of one request, wrapped in its arguments, that answers once.
    pub fn unary<Args, T, E, F>(self, handler: impl FnOnce(Context, Args) -> F + Send + 'static) -> ServerOutcome
    where
        Args: Message,
        T: Success,
        E: Throws,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Self { method, context: cx, exchange, layers, .. } = self;
        run(method, async move {
            if !layers.are_around_calls() {
                let (args, respond) = exchange.into_args(method).await?;
                let result = declared(handler(cx, args).await).map_err(in_handler)?;
                return respond.reply(&Reply(result)).map_err(in_framework);
            }
            Box::pin(async {
                layers.read_meta(&cx).map_err(in_framework)?;
                let (args, respond) = exchange.into_args(method).await?;
                let replied = through_layers(&layers, &cx, args, |cx, args| async {
                    Ok(match declared(handler(cx, args).await)? {
                        Ok(message) => middleware::Reply::Message(Box::new(message)),
                        Err(exception) => middleware::Reply::Exception(Box::new(exception)),
                    })
                });
                let replied = replied.await;
                layers.write_meta(&cx).map_err(in_framework)?;
                let result = typed::<T, E>(&cx, replied?).map_err(in_framework)?;
                respond.reply(&Reply(result)).map_err(in_framework)
            })
            .await
        })
    }

    /// Runs a handler of one request that answers nothing. Over a stream its end still goes out, so that no one waits.
    pub fn oneway<Args, F>(self, handler: impl FnOnce(Context, Args) -> F + Send + 'static) -> ServerOutcome
    where
        Args: Message,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let Self { method, context: cx, exchange, layers, .. } = self;
        run(method, async move {
            layers.read_meta(&cx).map_err(in_framework)?;
            let (args, _respond) = exchange.into_args(method).await?;
            if !layers.are_around_calls() {
                return handler(cx, args).await.map(|()| Answer::Nothing).map_err(in_handler);
            }
            let replied = through_layers(&layers, &cx, args, |cx, args| async {
                handler(cx, args).await.map(|()| middleware::Reply::Done)
            });
            let replied = Box::pin(replied).await;
            // As Kitex, though over a message nothing of it travels.
            layers.write_meta(&cx).map_err(in_framework)?;
            replied.map(|_| Answer::Nothing)
        })
    }

    /// Answers a number that is no method: a transport never passes one on.
    #[must_use]
    pub fn unknown(self) -> ServerOutcome {
        let name = self.method.name;
        run(self.method, async move { Err(in_framework(Error::status(1, format!("unknown method {name}")))) })
    }
}

/// What a handler of one request gave: an error that the method does not declare apart.
fn declared<T, E: Throws>(result: Result<T, E>) -> Result<Result<T, E>> {
    match result {
        Ok(success) => Ok(Ok(success)),
        Err(err) => err.declared().map(Err),
    }
}

/// Runs a handler of one request within the layers.
async fn through_layers<A: Message, F>(
    layers: &Layers,
    cx: &Context,
    args: A,
    handler: impl FnOnce(Context, A) -> F + Send,
) -> Result<middleware::Reply, (Error, Failed)>
where
    F: Future<Output = Result<middleware::Reply>> + Send,
{
    let mut failure = None;
    let last = |cx: Context, args: Args| -> BoxFuture<'_, Result<middleware::Reply>> {
        Box::pin(async {
            const WHAT: &str = "the arguments of a call";
            let Args::Message(args) = args else { return Err(wrong_kind(&cx, WHAT, &args)) };
            let args = args.downcast::<A>().map_err(|other| wrong_kind(&cx, WHAT, &other))?;
            let replied = handler(cx, *args).await;
            failure = replied.as_ref().err().cloned();
            replied
        })
    };
    let replied = Next::new(&layers.calls, last).run(cx, Args::Message(Box::new(args))).await;
    replied.map_err(|err| in_layers(err, failure))
}

/// A layer passed the handler's error on, or has one of its own.
fn in_layers(err: Error, of_handler: Option<Error>) -> (Error, Failed) {
    let passed_on = of_handler.is_some_and(|failure| failure.is_same(&err));
    (err, if passed_on { Failed::InHandler } else { Failed::InFramework })
}

/// Where the result of a call with one request goes.
enum Respond {
    Stream(Halves),
    Message(Protocol, Buffer),
}

impl Exchange {
    /// Reads the arguments of a call with one request.
    async fn into_args<Args: Thrift>(self, method: &schema::Method) -> Result<(Args, Respond), (Error, Failed)> {
        match self {
            Self::Stream(mut halves) => {
                let args = recv_one(&mut *halves.recv, method).await?;
                Ok((args, Respond::Stream(halves)))
            }
            Self::Message { body, range, protocol, reply } => {
                let args = match protocol {
                    Protocol::Binary => Args::decode(&mut binary::Reader::over(&body, range)),
                    Protocol::Compact => Args::decode(&mut compact::Reader::over(&body, range)),
                };
                Ok((args.map_err(|err| in_framework(err.into()))?, Respond::Message(protocol, reply)))
            }
        }
    }
}

impl Respond {
    fn reply(self, reply: &dyn Encode) -> Result<Answer> {
        match self {
            Self::Stream(mut halves) => halves.send.send(reply).map(|_| Answer::Streamed),
            Self::Message(protocol, mut buffer) => {
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

/// How a handler ends whose answer went over the stream.
fn streamed(returned: Result<()>) -> Result<Answer, (Error, Failed)> {
    returned.map(|()| Answer::Streamed).map_err(in_handler)
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

/// Receives the one message of a method that takes one. To Kitex a stream without it is the handler's error, and bytes that
/// are no message are not.
async fn recv_one<T: Thrift>(recv: &mut dyn RecvHalf, method: &schema::Method) -> Result<T, (Error, Failed)> {
    let message = poll_fn(|task| {
        recv.poll_recv(task).map(|frame| match frame? {
            Some(frame) => Ok(Some(T::decode(&mut frame.reader())?)),
            None => Ok(None),
        })
    });
    let message = message.await.and_then(|message: Option<T>| message.ok_or_else(|| without_request(method)));
    message.map_err(|err| if matches!(err, Error::Decode(_)) { in_framework(err) } else { in_handler(err) })
}

fn without_request(method: &schema::Method) -> Error {
    let (service, name) = (method.service, method.name);
    Error::status(Code::INTERNAL, format!("the stream of {service}.{name} ended before its request"))
}

/// Boxes a call, and turns a panic of the handler into an error of this call alone.
fn run(
    method: &'static schema::Method,
    call: impl Future<Output = Result<Answer, (Error, Failed)>> + Send + 'static,
) -> ServerOutcome {
    // Combined without an async block of its own, which would hold the handler's future twice.
    let caught = AssertUnwindSafe(call).catch_unwind();
    ServerOutcome(Box::pin(caught.map(|ended| ended.unwrap_or_else(|panic| panicked(method, &*panic)))))
}

/// Turns a panic of a handler into an error of its call.
#[cold]
fn panicked(method: &schema::Method, panic: &(dyn Any + Send)) -> Result<Answer, (Error, Failed)> {
    let text = panic_text(panic);
    let (service, name) = (method.service, method.name);
    tracing::error!(service, method = name, panic = text, "a handler panicked");
    // Kitex's words: its users search for them.
    let text = format!(
        "panic: [happened in biz handler, method={service}.{name}, please check the panic at the server side] {text}"
    );
    Err(in_framework(Error::status(Code::INTERNAL, text)))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text")
}
