//! A stream as layers see it.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use super::{AnyMessage, Layers, RecvLayer, SendLayer, SendNext, wrong_kind};
use crate::context::Context;
use crate::error::Result;
use crate::transport::Halves;

/// A stream of messages whose types its method knows.
///
/// To decorate it, put layers around its messages: they run outside of those that were there before. To give another in its place,
/// see [`Stream::pair`].
///
/// ```
/// # use thrill::middleware::{AnyMessage, Args, Layer, Next, RecvLayer, RecvNext, Reply};
/// # use thrill::{Context, Result};
/// # use std::sync::atomic::{AtomicUsize, Ordering};
/// /// Counts the messages of each stream on its own.
/// #[derive(Default)]
/// struct Count(AtomicUsize);
///
/// #[thrill::async_trait]
/// impl RecvLayer for Count {
///     async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
///         let message = next.run(cx).await?;
///         println!("message {}", self.0.fetch_add(1, Ordering::Relaxed));
///         Ok(message)
///     }
/// }
///
/// struct Counted;
///
/// #[thrill::async_trait]
/// impl Layer for Counted {
///     async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
///         match next.run(cx, args).await? {
///             Reply::Stream(stream) => Ok(Reply::Stream(stream.recv_layer(Count::default()))),
///             reply => Ok(reply),
///         }
///     }
/// }
/// ```
pub struct Stream {
    pub(crate) halves: Halves,
    pub(crate) cx: Context,
    pub(crate) sends: Vec<Arc<dyn SendLayer>>,
    pub(crate) recvs: Vec<Arc<dyn RecvLayer>>,
    /// What it receives and sends, where a layer made it. The others are of their method's types.
    pub(crate) types: Option<(TypeId, TypeId)>,
}

impl Stream {
    pub(crate) fn new(halves: Halves, cx: Context) -> Self {
        Self { halves, cx, sends: Vec::new(), recvs: Vec::new(), types: None }
    }

    /// Puts the layers of its client, server or service around its messages, inside of its own.
    pub(crate) fn within(mut self, layers: &Layers) -> Self {
        self.sends.extend_from_slice(&layers.sends);
        self.recvs.extend_from_slice(&layers.recvs);
        self
    }

    pub(crate) fn map_halves(self, map: impl FnOnce(Halves) -> Halves) -> Self {
        Self { halves: map(self.halves), ..self }
    }

    /// Sends the one request of a method that takes one, through the layers.
    pub(crate) async fn send_request(&mut self, request: &mut dyn AnyMessage) -> Result<()> {
        if self.types.is_some_and(|(_, sent)| sent != request.as_any().type_id()) {
            return Err(wrong_kind(&self.cx, "the stream of a call", &"one of other types"));
        }
        if self.sends.is_empty() {
            return self.send_now(request);
        }
        let sent = SendNext::new(&self.sends, &mut *self.halves.send).run(&self.cx, request).await;
        self.halves.send.close();
        sent
    }

    /// Sends the one request of a method that takes one, past the layers.
    pub(crate) fn send_now(&mut self, request: &mut dyn AnyMessage) -> Result<()> {
        let sent = self.halves.send.send(request.as_encode()).map(drop);
        self.halves.send.close();
        sent
    }

    /// The stream's context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// Runs a layer around each message that this stream sends.
    #[must_use]
    pub fn send_layer(mut self, layer: impl SendLayer) -> Self {
        self.sends.insert(0, Arc::new(layer));
        self
    }

    /// Runs a layer around each `recv` of this stream.
    #[must_use]
    pub fn recv_layer(mut self, layer: impl RecvLayer) -> Self {
        self.recvs.insert(0, Arc::new(layer));
        self
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("context", &self.cx).finish_non_exhaustive()
    }
}
