//! Around one message on its way out.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::ready;

use async_trait::async_trait;

use super::AnyMessage;
use crate::context::Context;
use crate::error::Result;
use crate::transport::SendHalf;

/// Runs around each message that a stream sends. Not for unary and ping-pong calls: those are a [`Layer`](super::Layer)'s.
///
/// ```
/// use thrill::middleware::{AnyMessage, SendLayer, SendNext};
/// use thrill::{Context, Result};
///
/// struct Log;
///
/// #[thrill::async_trait]
/// impl SendLayer for Log {
///     async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
///         println!("{} => {message:?}", cx.method());
///         next.run(cx, message).await
///     }
/// }
/// # let _ = thrill::Server::new().send_layer(Log);
/// ```
#[async_trait]
pub trait SendLayer: Send + Sync + 'static {
    /// Does what is to be done around `next.run(cx, message)`. Without that call, the message is not sent.
    ///
    /// The message may be changed, not its type. Dropping the future before `next` has run drops the message unsent.
    ///
    /// # Errors
    /// What `send` fails with. The stream goes on, unless it is over anyway.
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()>;
}

/// What stands behind a [`SendLayer`].
pub struct SendNext<'a> {
    layers: &'a [Arc<dyn SendLayer>],
    half: &'a mut dyn SendHalf,
}

impl<'a> SendNext<'a> {
    pub(crate) fn new(layers: &'a [Arc<dyn SendLayer>], half: &'a mut dyn SendHalf) -> Self {
        Self { layers, half }
    }

    /// Sends the message; waits for room first.
    ///
    /// # Errors
    /// As [`Sender::send`](crate::Sender::send), or what a layer behind this says.
    pub async fn run(self, cx: &Context, message: &mut dyn AnyMessage) -> Result<()> {
        let Self { layers, half } = self;
        if let Some((layer, layers)) = layers.split_first() {
            return layer.send(cx, message, SendNext { layers, half }).await;
        }
        poll_fn(move |task| {
            ready!(half.poll_ready(task))?;
            std::task::Poll::Ready(half.send(message.as_encode()).map(drop))
        })
        .await
    }
}

impl fmt::Debug for SendNext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendNext").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
