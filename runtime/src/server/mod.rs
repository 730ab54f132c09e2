//! The server: takes connections, finds out what they speak, and runs the handlers.

mod accept;
pub(crate) mod call;
mod layered;
mod lifecycle;
mod limits;
mod paced;
mod register;
pub(crate) mod router;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::ToSocketAddrs;
use tokio::sync::watch;

pub use crate::transport::http2::{Keepalive, KeepaliveEnforcement};
pub use call::Service;
pub use layered::{Layered, ServiceExt};
pub use lifecycle::shutdown_signal;
pub use limits::{LimitKind, Limiter, Limits, Permit, Refused};
pub use register::{Register, Registration};

use crate::error::{Error, Result};
use crate::middleware::{Layer, Layers, MetaHandler, RecvLayer, SendLayer};
use crate::net::tcp::TcpListen;
use crate::net::{Address, Listen};
use crate::observe::{Observe, Observers, StatsLevel};
use crate::transport::http2::Config;
use crate::transport::pingpong::server as pingpong;
use crate::transport::{Dispatch, Stopping};
use crate::wire::ttheader;
use lifecycle::{Lifecycle, Signals, raise};
use limits::{Gate, OnLimit};
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
    limits: Limits,
    limiters: Vec<Arc<dyn Limiter>>,
    on_limit: Vec<OnLimit>,
    lifecycle: Lifecycle,
}

#[derive(Clone, Debug)]
struct Options {
    http2: Config,
    pingpong: pingpong::Config,
    detection_timeout: Duration,
    exit_wait_time: Duration,
    reuse_port: bool,
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
        f.debug_struct("Server")
            .field("services", &services)
            .field("options", &self.options)
            .field("limits", &self.limits)
            .field("lifecycle", &self.lifecycle)
            .finish_non_exhaustive()
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
                    limits: ttheader::Limits::default(),
                    read_write_timeout: Duration::from_secs(10),
                    max_idle_time: Some(Duration::from_secs(600)),
                    max_concurrent_calls: 1_000,
                },
                detection_timeout: Duration::from_secs(5),
                exit_wait_time: Duration::from_secs(5),
                reuse_port: false,
            },
            limits: Limits::default(),
            limiters: Vec::new(),
            on_limit: Vec::new(),
            lifecycle: Lifecycle::default(),
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
    /// is closed. Whoever pauses behind the method's name of a request with a length is told, as by Kitex: exception 7,
    /// `connection read timeout`. Not for streams. Default 10 s, the [`Server::partial_timeout`], which sets it, too;
    /// Kitex's `WithReadWriteTimeout` is 5 s.
    pub fn read_write_timeout(mut self, timeout: Duration) -> Self {
        self.options.pingpong.read_write_timeout = timeout;
        self
    }

    /// How long a connection may have no call and no stream before it is closed: HTTP/2 by a GOAWAY, and ping-pong after twice
    /// that time at the latest. Default, where this is not called: ping-pong 10 min, as Kitex's `WithMaxConnIdleTime`, and HTTP/2
    /// never, as its `MaxConnectionIdle`. `None` never, for both.
    pub fn max_connection_idle_time(mut self, time: impl Into<Option<Duration>>) -> Self {
        let time = time.into();
        self.options.pingpong.max_idle_time = time;
        self.options.http2.max_idle_time = time;
        self
    }

    /// How long an HTTP/2 connection takes streams, a tenth more or less by chance, before its client is told to use another one
    /// (GOAWAY); the streams that run go on. Clients then spread over servers that came later. Default `None`, without end, as
    /// Kitex's `MaxConnectionAge`.
    pub fn max_connection_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.options.http2.max_age = age.into();
        self
    }

    /// How long the streams of a connection that is [too old](Self::max_connection_age) may go on before it is closed under them.
    /// Zero closes it with the GOAWAY. Default `None`, until their end, as Kitex's `MaxConnectionAgeGrace`.
    pub fn max_connection_age_grace(mut self, grace: impl Into<Option<Duration>>) -> Self {
        self.options.http2.max_age_grace = grace.into();
        self
    }

    /// Sets how much the server takes on. Default: no limit. [`Handle::set_limits`] changes it while the server runs.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a limit of one's own, which is asked after those of [`Server::limits`].
    pub fn limiter(mut self, limiter: impl Limiter) -> Self {
        self.limiters.push(Arc::new(limiter));
        self
    }

    /// Calls a function for every connection, stream and call that is refused for a limit. It should be quick.
    pub fn on_limit(mut self, on_limit: impl Fn(&Refused) + Send + Sync + 'static) -> Self {
        self.on_limit.push(Arc::new(on_limit));
        self
    }

    /// Runs something when the server takes connections; it is given the address. Several run one after another, and before the
    /// server is registered.
    pub fn on_start<F, Run>(mut self, hook: F) -> Self
    where
        F: FnOnce(Address) -> Run + Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        self.lifecycle.on_start.push(Box::new(move |address| Box::pin(hook(address))));
        self
    }

    /// Runs something when a shutdown begins, before the server is deregistered and its clients are told. Several run one after
    /// another; all of them and the deregistration have [`Server::exit_wait_time`].
    pub fn on_stop<F, Run>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Run + Send + 'static,
        Run: Future<Output = ()> + Send + 'static,
    {
        self.lifecycle.on_stop.push(Box::new(move || Box::pin(hook())));
        self
    }

    /// Makes the server known to a registry while it runs: after its start hooks, and until a shutdown begins.
    pub fn register(mut self, registry: impl Register, registration: Registration) -> Self {
        self.lifecycle.registries.push((Arc::new(registry), registration));
        self
    }

    /// How long a shutdown waits for the calls that run, before it resets their streams. Default 5 s, as Kitex.
    pub fn exit_wait_time(mut self, time: Duration) -> Self {
        self.options.exit_wait_time = time;
        self
    }

    /// Lets several sockets, of other processes too, listen on the port that [`Server::bind`] is given: the system spreads
    /// connections over them (`SO_REUSEPORT`). All of them must have it so. Not on Windows, where binding then fails. Default
    /// false, as Kitex's `WithReusePort`.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
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

    /// How often clients may probe their HTTP/2 connections; see [`KeepaliveEnforcement`]. Default `None`, as often as they like: a
    /// ping costs little here, and many at once are bounded. Kitex's is the default of [`KeepaliveEnforcement`].
    pub fn keepalive_enforcement(mut self, policy: impl Into<Option<KeepaliveEnforcement>>) -> Self {
        self.options.http2.keepalive_enforcement = policy.into();
        self
    }

    /// Binds a TCP address and serves it until a signal asks the process to end; see [`Bound::run_until_signal`].
    ///
    /// # Errors
    /// As [`Server::bind`] and [`Bound::run_until_signal`].
    pub async fn serve(self, address: impl ToSocketAddrs) -> Result<()> {
        self.bind(address).await?.run_until_signal().await
    }

    /// Binds a TCP address; port 0 lets the system choose. Connections are taken once [`Bound::run`] runs.
    ///
    /// # Errors
    /// An address that cannot be bound, or services that cannot stand together, as in [`Server::listen`].
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<Bound> {
        let listener = TcpListen::bind_with(address, self.options.reuse_port).await.map_err(|err| {
            Error::new(io::Error::new(err.kind(), format!("cannot bind the server's address: {err}")))
        })?;
        self.listen(listener)
    }

    /// Serves a listener of another kind.
    ///
    /// # Errors
    /// An option that cannot be, by its name; no service, two of one name, two fallbacks, or a ping-pong method that several
    /// services have and not the fallback.
    pub fn listen(self, listener: impl Listen) -> Result<Bound> {
        self.options.http2.check()?;
        self.options.pingpong.check()?;
        if self.options.detection_timeout.is_zero() {
            return Err(Error::misuse("`detection_timeout` is 0: no connection could show what it speaks"));
        }
        self.limits.check()?;
        if self.lifecycle.registries.iter().any(|(_, registration)| registration.service.is_empty()) {
            return Err(Error::misuse("`register` has an empty service name: clients could not look for it"));
        }
        let gate = Arc::new(Gate::new(self.limits, self.limiters, self.on_limit));
        let dispatch: Arc<dyn Dispatch> =
            Arc::new(Router::new(self.services, &self.layers, self.observers, Arc::clone(&gate))?);
        let (stop, _) = watch::channel(Stopping::No);
        Ok(Bound {
            listener: Box::new(listener),
            dispatch,
            options: self.options,
            lifecycle: self.lifecycle,
            handle: Handle { stop: Arc::new(stop), gate },
        })
    }
}

/// A server with an address, ready to run.
#[must_use = "a server takes no connection until it runs"]
pub struct Bound {
    listener: Box<dyn Listen>,
    dispatch: Arc<dyn Dispatch>,
    options: Options,
    lifecycle: Lifecycle,
    handle: Handle,
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
        self.handle.clone()
    }

    /// Serves until it is stopped: by its [`Handle`], or by dropping this future, which resets what runs.
    ///
    /// A stop runs the stop hooks and takes the server out of its registries; then closes the listener and tells every client to
    /// open no more streams here (GOAWAY; `crrst` in the replies of ping-pong calls over TTHeader); then waits for what runs,
    /// for [`Server::exit_wait_time`] at most; then resets the rest with Kitex's code for a graceful shutdown. Ping-pong
    /// connections are closed when they rest, and after the call that they carry.
    pub async fn run(self) {
        let Self { listener, dispatch, options, lifecycle, handle } = self;
        let (address, patience, stop) = (listener.local_address(), options.exit_wait_time, handle.stop);
        let serving = async {
            accept::run(listener, dispatch, &handle.gate, options, Arc::clone(&stop)).await;
            raise(&stop, Stopping::Leaving);
        };
        tokio::join!(serving, lifecycle.run(address, &stop, patience));
    }

    /// Serves until `end` is ready, and then shuts down as [`Bound::run`] does.
    pub async fn run_until(self, end: impl Future<Output = ()>) {
        let handle = self.handle();
        let mut running = pin!(self.run());
        tokio::select! {
            () = &mut running => return,
            () = end => handle.shutdown(),
        }
        running.await;
    }

    /// Serves until a signal asks the process to end, and then shuts down as [`Bound::run`] does; a second signal resets what
    /// still runs. The signals are those of [`shutdown_signal`].
    ///
    /// # Errors
    /// A system that does not let the process listen for signals.
    pub async fn run_until_signal(self) -> Result<()> {
        let mut signals = Signals::listen()?;
        let handle = self.handle();
        let mut running = pin!(self.run());
        for stop in [Handle::shutdown, Handle::shutdown_now] {
            tokio::select! {
                () = &mut running => return Ok(()),
                signal = signals.next() => {
                    signal?;
                    stop(&handle);
                }
            }
        }
        running.await;
        Ok(())
    }

    /// As [`Bound::run`], in a task of its own.
    pub fn spawn(self) -> Running {
        let (address, handle) = (self.local_address(), self.handle());
        Running { address, handle, task: tokio::spawn(self.run()) }
    }
}

/// Stops a server, and changes its limits while it runs.
#[derive(Clone)]
pub struct Handle {
    stop: Arc<watch::Sender<Stopping>>,
    gate: Arc<Gate>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("limits", &self.limits())
            .field("connections", &self.connections())
            .field("concurrent_calls", &self.concurrent_calls())
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Begins a graceful shutdown. Doing it twice is doing it once.
    pub fn shutdown(&self) {
        raise(&self.stop, Stopping::Leaving);
    }

    /// Ends the server without waiting for what runs: it is reset. Also for a graceful shutdown that takes too long.
    pub fn shutdown_now(&self) {
        raise(&self.stop, Stopping::Forced);
    }

    /// How much the server takes on.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.gate.limits()
    }

    /// Changes how much the server takes on. What runs already goes on, also where it is over the new limits. A limit of 0 is
    /// taken here, to refuse everything for a while.
    pub fn set_limits(&self, limits: Limits) {
        self.gate.set(limits);
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.gate.connections.running()
    }

    /// How many streams and calls run.
    #[must_use]
    pub fn concurrent_calls(&self) -> usize {
        self.gate.calls.running()
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
