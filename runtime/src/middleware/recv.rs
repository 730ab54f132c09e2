//! Around one message on its way in.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::ready;

use async_trait::async_trait;

use super::AnyMessage;
use crate::codec::Message;
use crate::context::Context;
use crate::error::Result;
use crate::transport::{Frame, RecvHalf};

/// Runs around each `recv` of a stream. Not for unary and ping-pong calls: those are a [`Layer`](super::Layer)'s.
///
/// ```
/// use thrill::middleware::{AnyMessage, RecvLayer, RecvNext};
/// use thrill::{Context, Result};
///
/// struct Log;
///
/// #[thrill::async_trait]
/// impl RecvLayer for Log {
///     async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
///         let message = next.run(cx).await;
///         println!("{} <= {message:?}", cx.method());
///         message
///     }
/// }
/// # let _ = thrill::Server::new().recv_layer(Log);
/// ```
#[async_trait]
pub trait RecvLayer: Send + Sync + 'static {
    /// Does what is to be done around `next.run(cx)`, and answers what that gives, or something else of the same type.
    ///
    /// `None` is the end that the peer meant. A `recv` whose future is dropped goes on with the next one: nothing is lost.
    ///
    /// # Errors
    /// What `recv` fails with: how the stream ended, or the layer's own. After the latter the stream goes on.
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>>;
}

/// What stands behind a [`RecvLayer`].
pub struct RecvNext<'a> {
    layers: &'a [Arc<dyn RecvLayer>],
    half: &'a mut dyn RecvHalf,
    decode: Decode,
}

type Decode = fn(Frame<'_>) -> Result<Box<dyn AnyMessage>>;

impl<'a> RecvNext<'a> {
    pub(crate) fn new<T: Message>(layers: &'a [Arc<dyn RecvLayer>], half: &'a mut dyn RecvHalf) -> Self {
        Self { layers, half, decode: |frame| Ok(Box::new(T::decode(&mut frame.reader())?)) }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// As [`Receiver::recv`](crate::Receiver::recv), or what a layer behind this says.
    pub async fn run(self, cx: &Context) -> Result<Option<Box<dyn AnyMessage>>> {
        let Self { layers, half, decode } = self;
        if let Some((layer, layers)) = layers.split_first() {
            return layer.recv(cx, RecvNext { layers, half, decode }).await;
        }
        poll_fn(|task| {
            let frame = ready!(half.poll_recv(task))?;
            std::task::Poll::Ready(frame.map(decode).transpose())
        })
        .await
    }
}

impl fmt::Debug for RecvNext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvNext").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
