//! A service with layers of its own.

use std::fmt;
use std::sync::Arc;

use super::call::{ServerCall, ServerOutcome, Service};
use crate::middleware::{Layer, Layers, RecvLayer, SendLayer};
use crate::schema;

/// Puts layers around one service of a server.
///
/// ```
/// use thrill::{ServiceExt as _, middleware::layer};
/// # #[thrill::service] trait Shop { async fn close(&self) -> thrill::Result<()>; }
/// # struct Corner;
/// # impl Shop for Corner { async fn close(&self) -> thrill::Result<()> { Ok(()) } }
///
/// let log = layer(|cx, args, next| {
///     Box::pin(async move {
///         println!("{} is called", cx.method());
///         next.run(&cx, args).await
///     })
/// });
/// let server = thrill::Server::new().add(ShopServer::new(Corner).layer(log));
/// # drop(server);
/// ```
pub trait ServiceExt: Service + Sized {
    /// Runs a layer around the handlers of this service, inside of the server's. Layers run in the order they are added, the
    /// first outermost.
    fn layer(self, layer: impl Layer) -> Layered<Self> {
        Layered::new(self, |layers| layers.calls.push(Arc::new(layer)))
    }

    /// Runs a layer around each message that a stream of this service sends.
    fn send_layer(self, layer: impl SendLayer) -> Layered<Self> {
        Layered::new(self, |layers| layers.sends.push(Arc::new(layer)))
    }

    /// Runs a layer around each message that a stream of this service receives.
    fn recv_layer(self, layer: impl RecvLayer) -> Layered<Self> {
        Layered::new(self, |layers| layers.recvs.push(Arc::new(layer)))
    }
}

impl<S: Service> ServiceExt for S {}

/// A service with layers of its own; see [`ServiceExt`].
pub struct Layered<S> {
    service: S,
    layers: Layers,
}

impl<S: Service> Layered<S> {
    fn new(service: S, add: impl FnOnce(&mut Layers)) -> Self {
        let ServiceLayers(mut layers) = service.layers();
        add(&mut layers);
        Self { service, layers }
    }
}

impl<S: Service> Service for Layered<S> {
    fn schema(&self) -> &'static schema::Service {
        self.service.schema()
    }

    fn call(&self, call: ServerCall) -> ServerOutcome {
        self.service.call(call)
    }

    fn layers(&self) -> ServiceLayers {
        ServiceLayers(self.layers.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for Layered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("service", &self.service).field("layers", &self.layers).finish()
    }
}

/// What runs around the calls of a service.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct ServiceLayers(pub(crate) Layers);
