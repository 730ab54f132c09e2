//! The server: takes connections, finds out what they speak, and runs the handlers.

mod accept;
pub(crate) mod call;
mod layered;
pub(crate) mod router;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::ToSocketAddrs;
use tokio::sync::watch;

pub use crate::transport::http2::Keepalive;
pub use call::Service;
pub use layered::{Layered, ServiceExt};

use crate::error::{Error, Result};
use crate::middleware::{Layer, Layers, MetaHandler, RecvLayer, SendLayer};
use crate::net::tcp::TcpListen;
use crate::net::{Address, Listen};
use crate::observe::{Observe, Observers, StatsLevel};
use crate::transport::http2::Config;
use crate::transport::pingpong::server as pingpong;
use crate::transport::{Dispatch, Stopping};
use crate::wire::ttheader::Limits;
use router::{Router, Services};

/// Serves services on one port.
///
/// ```no_run
/// # use thrill::{BidiStream, Result};
/// # #[derive(thrill::Thrift, Debug)] pub struct Note { #[thrift(id = 1)] text: Option<String> }
/// #[thrill::service(namespace = "chat")]
/// trait Chat {
///     #[streaming(mode = "bidirectional")]
///     async fn talk(&self, stream: BidiStream<Note, Note>) -> Result<()>;
/// }
///
/// struct Parrot;
///
/// impl Chat for Parrot {
///     async fn talk(&self, mut stream: BidiStream<Note, Note>) -> Result<()> {
///         while let Some(note) = stream.recv().await? {
///             stream.send(note).await?;
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main] async fn main() -> Result<()> {
/// thrill::Server::new().add(ChatServer::new(Parrot)).serve("127.0.0.1:8888").await?;
/// # Ok(()) }
/// ```
#[must_use = "a server does nothing until it is bound"]
pub struct Server {
    services: Services,
    layers: Layers,
    observers: Observers,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    http2: Config,
    pingpong: pingpong::Config,
    detection_timeout: Duration,
    exit_wait_time: Duration,
}

/// A bundle of options for servers, as one value: Kitex's `Suite`. What comes after it wins over it.
pub trait ServerSuite {
    /// Sets the options.
    fn server(&self, server: Server) -> Server;
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = self.services.all.iter().map(|service| service.schema().name).collect::<Vec<_>>();
        f.debug_struct("Server").field("services", &services).field("options", &self.options).finish()
    }
}

impl Server {
    /// Makes a server with default options and no service.
    pub fn new() -> Self {
        Self {
            services: Services::default(),
            layers: Layers::default(),
            observers: Observers::default(),
            options: Options {
                http2: Config { keepalive: Some(Keepalive::server_default()), ..Config::default() },
                pingpong: pingpong::Config {
                    limits: Limits::default(),
                    read_write_timeout: Duration::from_secs(10),
                    max_idle_time: Some(Duration::from_secs(600)),
                    max_concurrent_calls: 1_000,
                },
                detection_timeout: Duration::from_secs(5),
                exit_wait_time: Duration::from_secs(5),
            },
        }
    }

    /// Adds a service: what `#[thrill::service]` generates as `…Server`.
    #[expect(
        clippy::should_implement_trait,
        reason = "a server is no number, and `add` is what one does with a service"
    )]
    pub fn add(mut self, service: impl Service) -> Self {
        self.services.all.push(Arc::new(service));
        self
    }

    /// Adds a service that is also the one meant by calls that name no service, where it has their method: all calls over
    /// [`Transport::Buffered`] and [`Transport::Framed`], and over a TTHeader those of clients that do not write the name.
    ///
    /// Without a fallback such a call goes to the service that has its method, so that several services with a ping-pong
    /// method of one name cannot be served: [`Server::bind`] refuses them. A stream always names its service. Kitex's
    /// `WithFallbackService`.
    ///
    /// [`Transport::Buffered`]: crate::Transport::Buffered
    /// [`Transport::Framed`]: crate::Transport::Framed
    pub fn add_fallback(mut self, service: impl Service) -> Self {
        self.services.fallbacks.push(self.services.all.len());
        self.add(service)
    }

    /// Refuses ping-pong calls that do not name their service, or one that this server does not have, with the exception 20.
    /// Services may then have methods of one name without a fallback; clients need a TTHeader. Kitex's
    /// `WithRefuseTrafficWithoutServiceName`. Default: such calls are served; see [`Server::add_fallback`].
    pub fn refuse_traffic_without_service_name(mut self) -> Self {
        self.services.refuse_nameless = true;
        self
    }

    /// Applies a bundle of options.
    pub fn suite(self, suite: &impl ServerSuite) -> Self {
        suite.server(self)
    }

    /// Runs a layer around every handler. Layers run in the order they are added, the first outermost; those of a service
    /// ([`ServiceExt::layer`]) run inside of these.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.calls.push(Arc::new(layer));
        self
    }

    /// Runs a layer around each message that a stream sends.
    pub fn send_layer(mut self, layer: impl SendLayer) -> Self {
        self.layers.sends.push(Arc::new(layer));
        self
    }

    /// Runs a layer around each message that a stream receives.
    pub fn recv_layer(mut self, layer: impl RecvLayer) -> Self {
        self.layers.recvs.push(Arc::new(layer));
        self
    }

    /// Tells an observer of every call, after those that were added before.
    pub fn observe(mut self, observer: impl Observe) -> Self {
        self.observers.all.push(Arc::new(observer));
        self
    }

    /// Sets how much observers hear of. Default [`StatsLevel::Detailed`].
    pub fn stats_level(mut self, level: StatsLevel) -> Self {
        self.observers.level = level;
        self
    }

    /// Reads and writes what goes beside the messages. Handlers run in the order they are added.
    pub fn meta_handler(mut self, handler: impl MetaHandler) -> Self {
        self.layers.metas.push(Arc::new(handler));
        self
    }

    /// How long a connection may take to show what it speaks. Default 5 s.
    pub fn detection_timeout(mut self, timeout: Duration) -> Self {
        self.options.detection_timeout = timeout;
        self
    }

    /// How long a peer may leave a preface, frame, header block or message unfinished before its connection is closed.
    /// Default 10 s.
    pub fn partial_timeout(mut self, timeout: Duration) -> Self {
        self.options.http2.partial_timeout = timeout;
        self.options.pingpong.read_write_timeout = timeout;
        self
    }

    /// How long a ping-pong connection may pause inside a request, and how long it may take nothing of a reply, before it
    /// is closed. Not for streams. Default 10 s, the [`Server::partial_timeout`], which sets it, too; Kitex's
    /// `WithReadWriteTimeout` is 5 s.
    pub fn read_write_timeout(mut self, timeout: Duration) -> Self {
        self.options.pingpong.read_write_timeout = timeout;
        self
    }

    /// How long a ping-pong connection may have no call before it is closed; it is closed after twice that time at the
    /// latest. Default 10 min, as Kitex's `WithMaxConnIdleTime`; `None` never.
    pub fn max_connection_idle_time(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.options.pingpong.max_idle_time = time.into();
        self
    }

    /// How long a shutdown waits for the calls that run, before it resets their streams. Default 5 s, as Kitex.
    pub fn exit_wait_time(mut self, time: Duration) -> Self {
        self.options.exit_wait_time = time;
        self
    }

    /// The largest message that is accepted, in bytes. Default 16 MiB; Kitex has no limit. The ping-pong calls of a
    /// multiplexed connection that run at a time have as many bytes of requests together: others wait.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.options.http2.max_message_size = bytes;
        self.options.pingpong.limits.message = bytes;
        self
    }

    /// How many streams a client may have open on one connection, and how many calls of a multiplexed one run at a time.
    /// Default 1,000.
    pub fn max_concurrent_streams(mut self, streams: u32) -> Self {
        self.options.http2.max_concurrent_streams = streams;
        self.options.pingpong.max_concurrent_calls = streams as usize;
        self
    }

    /// The largest header list that is accepted, in bytes, 32 per field included. Default 64 KiB.
    pub fn max_header_list_size(mut self, bytes: u32) -> Self {
        self.options.http2.max_header_list_size = bytes;
        self
    }

    /// How much a client may send on one stream before its handler reads it, in bytes. Default 1 MiB.
    pub fn initial_window_size(mut self, bytes: u32) -> Self {
        self.options.http2.stream_window = bytes;
        self
    }

    /// How much a client may send on all streams of a connection before handlers read it, in bytes. Default 16 MiB. Keep it
    /// well above the window of a stream: at the same size, one handler that does not read stalls the whole connection.
    pub fn initial_connection_window_size(mut self, bytes: u32) -> Self {
        self.options.http2.connection_window = bytes;
        self
    }

    /// How much of one stream may wait to be sent before `send` waits, in bytes. Default 64 KiB, as Kitex.
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.options.http2.send_buffer = bytes;
        self
    }

    /// When a quiet connection is probed. Default after 2 h, with 20 s for the answer, as Kitex; `None` never.
    pub fn keepalive(mut self, keepalive: impl Into<Option<Keepalive>>) -> Self {
        self.options.http2.keepalive = keepalive.into();
        self
    }

    /// Binds a TCP address and serves it until the process ends, or the listener fails for good.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn serve(self, address: impl ToSocketAddrs) -> Result<()> {
        self.bind(address).await?.run().await;
        Ok(())
    }

    /// Binds a TCP address; port 0 lets the system choose. Connections are taken once [`Bound::run`] runs.
    ///
    /// # Errors
    /// An address that cannot be bound, or services that cannot stand together, as in [`Server::listen`].
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<Bound> {
        let listener = TcpListen::bind(address).await.map_err(|err| {
            Error::new(io::Error::new(err.kind(), format!("cannot bind the server's address: {err}")))
        })?;
        self.listen(listener)
    }

    /// Serves a listener of another kind.
    ///
    /// # Errors
    /// An option that cannot be, by its name; no service, two of one name, two fallbacks, or a ping-pong method that several services have and not the fallback.
    pub fn listen(self, listener: impl Listen) -> Result<Bound> {
        self.options.http2.check()?;
        if self.options.detection_timeout.is_zero() {
            return Err(Error::misuse("`detection_timeout` is 0: no connection could show what it speaks"));
        }
        let dispatch: Arc<dyn Dispatch> = Arc::new(Router::new(self.services, &self.layers, self.observers)?);
        let (stop, _) = watch::channel(Stopping::No);
        Ok(Bound { listener: Box::new(listener), dispatch, options: self.options, stop: Arc::new(stop) })
    }
}

/// A server with an address, ready to run.
#[must_use = "a server takes no connection until it runs"]
pub struct Bound {
    listener: Box<dyn Listen>,
    dispatch: Arc<dyn Dispatch>,
    options: Options,
    stop: Arc<watch::Sender<Stopping>>,
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("local_address", &self.local_address()).finish_non_exhaustive()
    }
}

impl Bound {
    /// Where the server listens.
    #[must_use]
    pub fn local_address(&self) -> Address {
        self.listener.local_address()
    }

    /// Stops the server from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { stop: Arc::clone(&self.stop) }
    }

    /// Serves until it is stopped: by its [`Handle`], or by dropping this future, which resets what runs.
    ///
    /// A stop first tells every client to open no more streams here, then waits for those that run, for
    /// [`Server::exit_wait_time`] at most, then resets the rest with Kitex's code for a graceful shutdown.
    pub async fn run(self) {
        let Self { listener, dispatch, options, stop } = self;
        accept::run(listener, dispatch, options, stop).await;
    }

    /// As [`Bound::run`], in a task of its own.
    pub fn spawn(self) -> Running {
        let (address, handle) = (self.local_address(), self.handle());
        Running { address, handle, task: tokio::spawn(self.run()) }
    }
}

/// Stops a server.
#[derive(Clone, Debug)]
pub struct Handle {
    stop: Arc<watch::Sender<Stopping>>,
}

impl Handle {
    /// Begins a graceful shutdown. Doing it twice is doing it once.
    pub fn shutdown(&self) {
        self.stop.send_if_modified(|stage| std::mem::replace(stage, (*stage).max(Stopping::Draining)) == Stopping::No);
    }
}

/// A server that runs in a task of its own; awaiting it waits for its end. Dropping it leaves the server running.
#[derive(Debug)]
pub struct Running {
    address: Address,
    handle: Handle,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Where the server listens.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        &self.address
    }

    /// Stops the server from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Begins a graceful shutdown and waits for its end.
    pub async fn shutdown(self) {
        self.handle.shutdown();
        self.await;
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        Pin::new(&mut self.task).poll(task).map(|end| {
            if let Err(err) = end {
                tracing::error!(%err, "the server's task ended early");
            }
        })
    }
}
