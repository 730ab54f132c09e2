//! Layers: what users put around calls and messages.
//!
//! | trait | runs around | Kitex |
//! | --- | --- | --- |
//! | [`Layer`] | a call, or the opening of a stream (client); the handler (server) | `endpoint.Middleware` |
//! | [`Layer`] as an instance layer | one attempt of a client's call, its instance chosen | `WithInstanceMW` |
//! | [`SendLayer`], [`RecvLayer`] | one message of a stream, on either side | `WithSendMiddleware`, `WithRecvMiddleware` |
//! | [`MetaHandler`] | what goes and comes beside the messages | `remote.MetaHandler` |
//!
//! Layers run in the order they are added: the first is the outermost. All layers of one call or stream, those of its messages
//! too, and its handler share one [`Context`]; what one keeps in it with [`Context::insert`], the others find.
//!
//! A layer that logs every call:
//!
//! ```
//! use std::time::Instant;
//! use thrill::middleware::{Args, Layer, Next, Reply};
//! use thrill::{Context, Result};
//!
//! struct Log;
//!
//! #[thrill::async_trait]
//! impl Layer for Log {
//!     async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
//!         let begin = Instant::now();
//!         let reply = next.run(cx, args).await;
//!         println!("{}.{} took {:?}: {reply:?}", cx.service(), cx.method(), begin.elapsed());
//!         reply
//!     }
//! }
//!
//! # #[derive(thrill::Thrift, Clone, Debug, Default, PartialEq)] struct Note { #[thrift(id = 1)] text: String }
//! # #[thrill::service] trait Echo { async fn echo(&self, note: Note) -> Result<Note>; }
//! # struct Handler;
//! # impl Echo for Handler { async fn echo(&self, note: Note) -> Result<Note> { Ok(note) } }
//! # #[tokio::main] async fn main() -> Result<()> {
//! let server = thrill::Server::new().layer(Log).add(EchoServer::new(Handler)).bind("127.0.0.1:0").await?.spawn();
//! let addr = server.local_address().to_string();
//! let client = EchoClient::builder("echo").host_ports([addr]).layer(Log).build()?;
//! client.echo(Note { text: "hi".into() }).await?;
//! # server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # What a layer sees
//!
//! | | [`Args`] | [`Reply`] |
//! | --- | --- | --- |
//! | ping-pong and unary, both sides | `Message`: the arguments' struct | `Message`, or `Exception` where one was thrown that the method declares |
//! | a stream, client | `Opening` | `Stream` |
//! | a stream, server | `Stream` | `Done` |
//! | oneway, both sides | `Message` | `Done` |
//!
//! On a client, a layer around a stream has returned once the stream is open: messages are for [`SendLayer`] and [`RecvLayer`].
//! On a server it ends with the handler. Unary methods look the same over a stream and over ping-pong; send and receive layers
//! do not run for them.
//!
//! A layer may stop early, with a reply or an error of its own; change arguments or reply in place
//! ([`AnyMessage::downcast_mut`](trait.AnyMessage.html)); add to the context what is to travel
//! ([`Context::append_metadata`]); put layers around the messages of this one stream ([`Stream::send_layer`]); or give a stream
//! of its own in its place ([`Stream::pair`]).
//!
//! Where none is installed, none costs: a call looks whether a list is empty, and a message whether an `Option` is `None`. Layers
//! around calls cost a stream's messages nothing. `thrill-layers` in `benches/` measures it.
//!
//! # Instance layers
//!
//! Layers run before an instance is chosen. Those that a client adds by `instance_layer` run behind that, around each attempt,
//! and [`Context::instance`] tells them the address. They are like the others in all else:
//!
//! ```text
//! layer, layer … ─ choose an instance ─ instance layer … ─ connect, send, wait for the answer (a stream: open it)
//!                          └──────── another, while none takes the call: six at most ────────┘
//! ```
//!
//! | an attempt gives | the call |
//! | --- | --- |
//! | [`Error::Connect`], [`Error::CircuitOpen`], a connection that [is draining](crate::ConnectionLost::is_draining) | goes to another instance, through the instance layers again |
//! | any other error, or a reply | has ended with that |
//!
//! So a layer that answers `Error::CircuitOpen` for an instance passes it over. What it adds to the context to travel goes to its
//! instance alone; changed arguments stay changed. Kitex has the same rule, and runs such layers inside of its circuit breaker, as
//! here.
//!
//! ```
//! use thrill::middleware::layer;
//!
//! let zone = layer(|cx, args, next| {
//!     Box::pin(async move {
//!         let address = cx.instance().unwrap_or_default();
//!         cx.append_metadata("x-zone", if address.starts_with("10.1.") { "near" } else { "far" })?;
//!         next.run(&cx, args).await
//!     })
//! });
//! # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
//! let client = EchoClient::builder("echo").host_ports(["10.1.0.1:8888", "10.2.0.1:8888"]).instance_layer(zone).build()?;
//! # Ok::<_, thrill::Error>(())
//! ```

mod layers;
mod message;
mod meta;
mod recv;
mod send;
mod stream;

pub(crate) use layers::Layers;
pub use message::AnyMessage;
pub use meta::MetaHandler;
pub use recv::{RecvLayer, RecvNext};
pub use send::{SendLayer, SendNext};
pub use stream::Stream;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use crate::codec::{Success, Throws};
use crate::context::Context;
use crate::error::{Error, Result};

/// A boxed future, as [`layer`] wants it from a closure.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs around a call or the opening of a stream; see the [module](self).
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// Does what is to be done around `next.run(cx, args)`, and answers what that gives, or something else.
    ///
    /// Dropping the future drops the call: on a client that cancels it.
    ///
    /// # Errors
    /// The call's error. On a server one of the layer's own travels as it is; the handler's error, passed on, keeps Kitex's mark
    /// ` [biz error]`.
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply>;
}

/// Makes a layer from a closure.
///
/// ```
/// # use thrill::middleware::layer;
/// let slow = layer(|cx, args, next| {
///     Box::pin(async move {
///         tokio::time::sleep(std::time::Duration::from_millis(5)).await;
///         next.run(&cx, args).await
///     })
/// });
/// # let _ = thrill::Server::new().layer(slow);
/// ```
pub fn layer<F>(call: F) -> impl Layer
where
    F: for<'a> Fn(Context, Args, Next<'a>) -> BoxFuture<'a, Result<Reply>> + Send + Sync + 'static,
{
    struct FromFn<F>(F);

    #[async_trait]
    impl<F> Layer for FromFn<F>
    where
        F: for<'a> Fn(Context, Args, Next<'a>) -> BoxFuture<'a, Result<Reply>> + Send + Sync + 'static,
    {
        async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
            (self.0)(cx.clone(), args, next).await
        }
    }

    FromFn(call)
}

/// What a call is made with.
#[derive(Debug)]
#[non_exhaustive]
pub enum Args {
    /// The arguments of a ping-pong or unary call: a struct with a field for each, of a type that has no name; see
    /// [`AnyMessage::argument`](trait.AnyMessage.html).
    Message(Box<dyn AnyMessage>),
    /// A client opens a stream. There is nothing to see yet.
    Opening,
    /// The stream that a server's handler will read and write.
    Stream(Stream),
}

impl Args {
    /// Whether the call streams: it is neither ping-pong nor unary.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        !matches!(self, Self::Message(_))
    }
}

/// What a call gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// The response of a ping-pong or unary call: the method's result type, `()` for `void`.
    Message(Box<dyn AnyMessage>),
    /// An exception that the method declares: the enum that `#[throws]` names. It is no failure of the call.
    Exception(Box<dyn std::error::Error + Send>),
    /// The stream that a client's caller gets.
    Stream(Stream),
    /// Nothing: a handler of a stream has returned, or a oneway call is sent.
    Done,
}

/// What stands behind a layer: the other layers, and the call itself.
pub struct Next<'a> {
    layers: &'a [Arc<dyn Layer>],
    last: Last<'a>,
}

/// The call itself.
type Last<'a> = Box<dyn FnOnce(Context, Args) -> BoxFuture<'a, Result<Reply>> + Send + 'a>;

impl<'a> Next<'a> {
    pub(crate) fn new(
        layers: &'a [Arc<dyn Layer>],
        last: impl FnOnce(Context, Args) -> BoxFuture<'a, Result<Reply>> + Send + 'a,
    ) -> Self {
        Self { layers, last: Box::new(last) }
    }

    /// Goes on with the call.
    ///
    /// # Errors
    /// The call's error, or one of a layer behind this.
    pub async fn run(self, cx: &Context, args: Args) -> Result<Reply> {
        match self.layers.split_first() {
            Some((layer, layers)) => layer.call(cx, args, Next { layers, last: self.last }).await,
            None => (self.last)(cx.clone(), args).await,
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

/// A reply of the layers, as what the method gives.
pub(crate) fn typed<T: Success, E: Throws>(cx: &Context, reply: Reply) -> Result<Result<T, E>> {
    const WHAT: &str = "the reply of a call";
    match reply {
        Reply::Message(message) => {
            let message = message.downcast::<T>().map_err(|other| wrong_kind(cx, WHAT, &other))?;
            Ok(Ok(*message))
        }
        Reply::Exception(exception) => {
            let exception = exception.downcast::<E>().map_err(|other| wrong_kind(cx, WHAT, &other))?;
            Ok(Err(*exception))
        }
        Reply::Done if cx.is_oneway() => Ok(Ok(T::absent()?)),
        other => Err(wrong_kind(cx, WHAT, &other)),
    }
}

/// A layer answered something else than the method's own kind.
pub(crate) fn wrong_kind(cx: &Context, what: &str, got: &impl fmt::Debug) -> Error {
    let (service, method) = (cx.service(), cx.method());
    Error::misuse(format!("a layer of {service}.{method} gave {got:?} for {what}"))
}
