//! Makes clients.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::uri::Authority;

use super::FromChannel;
use super::balance::{Balance, WeightedRoundRobin};
use super::breaker::CircuitBreaker;
use super::channel::{Channel, Messages, OnClose, Shared, StreamChannel};
use super::cluster::Cluster;
use super::discovery::{Discover, Instance};
use super::pool::{LongConnection, Pool, Use};
use super::warm_up::WarmUp;
use crate::codec::envelope::Protocol;
use crate::error::{Error, Result, StreamTimeout};
use crate::middleware::{Layer, Layers, MetaHandler, RecvLayer, SendLayer};
use crate::net::Connect;
use crate::net::tcp::TcpConnect;
use crate::observe::{Observe, Observers, StatsLevel};
use crate::transport::http2::Config;
use crate::transport::http2::Keepalive;
use crate::transport::pingpong::message::Layout;
use crate::wire::ttheader::Limits;

/// How ping-pong calls travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// The message alone. Kitex's `PurePayload`.
    Buffered,
    /// The message behind its length. Carries no metainfo and no business errors.
    #[default]
    Framed,
    /// The message behind a TTHeader.
    TtHeader,
    /// The message behind a TTHeader and its length: what Kitex's client makes of `WithTransportProtocol(TTHeader)`.
    TtHeaderFramed,
    /// A stream of HTTP/2 for each call. Kitex's `transport.GRPC`.
    Http2,
}

/// What messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// Thrift Binary.
    #[default]
    Binary,
    /// Thrift Compact, for servers of Apache Thrift and Volo. Kitex does not know it.
    Compact,
}

/// Where the instances of the service are.
#[derive(Debug)]
enum Targets {
    Fixed(Vec<Instance>),
    Discovered(Box<dyn Discover>),
}

/// What both kinds of clients can set.
#[derive(Debug)]
struct Options {
    service: String,
    targets: Targets,
    balance: Arc<dyn Balance>,
    breaker: Option<CircuitBreaker>,
    tags: BTreeMap<String, String>,
    connect: Arc<dyn Connect>,
    connect_timeout: Option<Duration>,
    timeout: Option<Duration>,
    read_write_timeout: Option<Duration>,
    pool_size: usize,
    caller: Option<String>,
    http2: Config,
    /// How ping-pong calls travel. A client for streams has HTTP/2.
    transport: Transport,
    payload: Payload,
    /// How connections are used, where it was said.
    usage: Option<Use>,
    on_close: OnClose,
    layers: Layers,
    observers: Observers,
    recv_timeout: StreamTimeout,
    send_timeout: StreamTimeout,
}

impl Options {
    fn new(service: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            service,
            targets: Targets::Fixed(Vec::new()),
            balance: Arc::new(WeightedRoundRobin),
            breaker: None,
            tags: BTreeMap::new(),
            connect: Arc::new(TcpConnect),
            connect_timeout: None,
            timeout: None,
            read_write_timeout: None,
            // Kitex's GOMAXPROCS * 3 / 2.
            pool_size: (cores * 3 / 2).max(1),
            caller: None,
            http2: Config::default(),
            transport: Transport::Http2,
            payload: Payload::default(),
            usage: None,
            on_close: OnClose::default(),
            layers: Layers::default(),
            observers: Observers::default(),
            recv_timeout: StreamTimeout::default(),
            send_timeout: StreamTimeout::default(),
        }
    }

    /// Checks the options and makes what clients share.
    fn build(self) -> Result<Arc<Shared>> {
        let messages = self.messages()?;
        let service = self.service;
        if service.is_empty() {
            return Err(Error::misuse("the service name is empty: give `builder` the name of the service to call"));
        }
        if matches!(&self.targets, Targets::Fixed(addresses) if addresses.is_empty()) {
            return Err(Error::misuse(format!(
                "service {service:?} has no address: call `host_ports` with at least one, or `discover`"
            )));
        }
        if matches!(&self.targets, Targets::Fixed(list) if list.iter().any(|it| it.address.is_empty())) {
            return Err(Error::misuse("`host_ports` has an empty address"));
        }
        if self.pool_size == 0 {
            return Err(Error::misuse(
                "`connection_pool_size` is 0: a client needs at least one connection per address",
            ));
        }
        if self.connect_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::misuse("`connect_timeout` is 0: no connection could be made"));
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::misuse("the timeout of calls is 0: no call could be made; leave it out for none"));
        }
        if self.read_write_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::misuse("`read_write_timeout` is 0: nothing could pass; leave it out for none"));
        }
        if let Some(breaker) = &self.breaker {
            breaker.check()?;
        }
        self.http2.check()?;
        let authority = Authority::try_from(service.as_str())
            .map_err(|err| Error::misuse(format!("service name {service:?} cannot travel as an authority: {err}")))?;
        let caller = self.caller.map(|name| {
            HeaderValue::from_str(&name)
                .map_err(|_| Error::misuse(format!("`caller` {name:?} cannot travel in a header")))
        });
        let limits = Limits { message: self.http2.max_message_size, ..Limits::default() };
        let size = match self.usage {
            Some(Use::Multiplexed(connections)) => connections,
            _ => self.pool_size,
        };
        let is_short = matches!(self.usage, Some(Use::Short));
        let (connect, pause) = (self.connect, self.read_write_timeout);
        let pool = Arc::new(Pool::new(service.into(), connect, self.http2, limits, pause, size, is_short));
        let cluster = match self.targets {
            Targets::Fixed(list) => Cluster::fixed(list, &pool, self.balance, self.breaker, self.tags),
            Targets::Discovered(discover) => Cluster::discovered(discover, self.balance, self.breaker, self.tags),
        };
        Ok(Arc::new(Shared {
            pool,
            authority,
            cluster,
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            caller: caller.transpose()?,
            layers: self.layers,
            observers: Arc::new(self.observers),
            recv_timeout: self.recv_timeout,
            send_timeout: self.send_timeout,
            messages,
            _on_close: self.on_close,
        }))
    }

    /// How ping-pong calls travel; `None` over HTTP/2.
    fn messages(&self) -> Result<Option<Messages>> {
        match self.usage {
            Some(Use::Multiplexed(0)) => {
                return Err(Error::misuse("`multiplexed` is 0: a client needs at least one connection per address"));
            }
            Some(Use::Long(long)) if long.max_idle_per_address == 0 || long.max_idle_timeout.is_zero() => {
                return Err(Error::misuse(
                    "`long_connection` is 0: no connection could rest; use `short_connection` for one per call",
                ));
            }
            Some(Use::Multiplexed(_)) if !matches!(self.transport, Transport::TtHeader | Transport::TtHeaderFramed) => {
                return Err(Error::misuse(
                    "`multiplexed` needs a TTHeader, which tells the calls apart: set `transport` to `TtHeader` or `TtHeaderFramed`",
                ));
            }
            _ => {}
        }
        let layout = match self.transport {
            Transport::Buffered => Layout::Buffered,
            Transport::Framed => Layout::Framed,
            Transport::TtHeader => Layout::TtHeader { is_framed: false },
            Transport::TtHeaderFramed => Layout::TtHeader { is_framed: true },
            Transport::Http2 if self.payload == Payload::Compact => {
                return Err(Error::misuse("`payload` is `Compact`: HTTP/2 carries only `Binary`"));
            }
            Transport::Http2 if matches!(self.usage, Some(Use::Long(_))) => {
                return Err(Error::misuse(
                    "`long_connection` is not for HTTP/2, whose calls share connections: set `connection_pool_size`",
                ));
            }
            Transport::Http2 => return Ok(None),
        };
        let protocol = match self.payload {
            Payload::Binary => Protocol::Binary,
            Payload::Compact => Protocol::Compact,
        };
        Ok(Some(Messages { layout, protocol, usage: self.usage.unwrap_or(Use::Long(LongConnection::DEFAULT)) }))
    }
}

/// The option methods of both builders.
macro_rules! client_options {
    () => {
        /// Sets the addresses of the service, each `host:port`, of equal weight. The last of this and `discover` counts.
        pub fn host_ports<A: Into<String>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
            let instances = addresses.into_iter().map(Instance::new).collect();
            self.options.targets = Targets::Fixed(instances);
            self
        }

        /// Sets what tells of the instances of the service, and of their changes; see [`discovery`](crate::discovery).
        pub fn discover(mut self, discover: impl Discover) -> Self {
            self.options.targets = Targets::Discovered(Box::new(discover));
            self
        }

        /// Sets how instances are chosen for calls and streams; see [`balance`](crate::balance). Default
        /// [`WeightedRoundRobin`], as Kitex.
        pub fn balance(mut self, balance: impl Balance) -> Self {
            self.options.balance = Arc::new(balance);
            self
        }

        /// Stops calls to methods and instances that mostly fail; see [`breaker`](crate::breaker). Default: nothing is stopped, as
        /// Kitex.
        pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
            self.options.breaker = Some(breaker);
            self
        }

        /// Calls only instances with this tag. Several tags must all be there.
        pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.tags.insert(key.into(), value.into());
            self
        }

        /// Makes connections in another way than by TCP.
        pub fn connector(mut self, connect: impl Connect) -> Self {
            self.options.connect = Arc::new(connect);
            self
        }

        /// Sets how long a connection may take to be made. Default 1 s (Kitex's is 50 ms). Where it is set, a TTHeader tells it.
        pub fn connect_timeout(mut self, timeout: Duration) -> Self {
            self.options.connect_timeout = Some(timeout);
            self
        }

        /// Sets how many HTTP/2 connections there are to each address; each is made when it is first needed, and calls go
        /// to them in turn. Default one and a half per core, as Kitex.
        pub fn connection_pool_size(mut self, connections: usize) -> Self {
            self.options.pool_size = connections;
            self
        }

        /// Makes a connection for each call or stream, and closes it afterwards. Default: connections are kept.
        pub fn short_connection(mut self) -> Self {
            self.options.usage = Some(Use::Short);
            self
        }

        /// Runs something when the client is closed: when the last of its clones is dropped and the last of its calls has been
        /// opened or answered. Several run in the order they are added. Kitex's `WithCloseCallbacks`.
        pub fn on_close(mut self, callback: impl FnOnce() + Send + Sync + 'static) -> Self {
            self.options.on_close.push(callback);
            self
        }

        /// Names the calling service to the called one (`source-service`). Default: not named.
        pub fn caller(mut self, service_name: impl Into<String>) -> Self {
            self.options.caller = Some(service_name.into());
            self
        }

        /// Runs a layer around every call. Layers run in the order they are added, the first outermost.
        pub fn layer(mut self, layer: impl Layer) -> Self {
            self.options.layers.calls.push(Arc::new(layer));
            self
        }

        /// Runs a layer around each attempt of a call, once its instance is chosen: Kitex's `WithInstanceMW`; see
        /// [instance layers](crate::middleware#instance-layers). Layers run in the order they are added, inside of those of `layer`.
        pub fn instance_layer(mut self, layer: impl Layer) -> Self {
            self.options.layers.instances.push(Arc::new(layer));
            self
        }

        /// Tells an observer of every call, after those that were added before.
        pub fn observe(mut self, observer: impl Observe) -> Self {
            self.options.observers.all.push(Arc::new(observer));
            self
        }

        /// Sets how much observers hear of. Default [`StatsLevel::Detailed`].
        pub fn stats_level(mut self, level: StatsLevel) -> Self {
            self.options.observers.level = level;
            self
        }

        /// Reads and writes what goes beside the messages. Handlers run in the order they are added.
        pub fn meta_handler(mut self, handler: impl MetaHandler) -> Self {
            self.options.layers.metas.push(Arc::new(handler));
            self
        }

        /// The largest message that is accepted, in bytes. Default 16 MiB; Kitex has no limit.
        pub fn max_message_size(mut self, bytes: usize) -> Self {
            self.options.http2.max_message_size = bytes;
            self
        }

        /// How much a server may send on one stream before it is read here, in bytes. Default 1 MiB.
        pub fn initial_window_size(mut self, bytes: u32) -> Self {
            self.options.http2.stream_window = bytes;
            self
        }

        /// How much a server may send on all streams of a connection before it is read here, in bytes. Default 16 MiB.
        pub fn initial_connection_window_size(mut self, bytes: u32) -> Self {
            self.options.http2.connection_window = bytes;
            self
        }

        /// How much of one stream may wait to be sent before `send` waits, in bytes. Default 64 KiB, as Kitex.
        pub fn send_buffer_size(mut self, bytes: usize) -> Self {
            self.options.http2.send_buffer = bytes;
            self
        }

        /// The largest header list that is accepted, in bytes, 32 per field included. Default 64 KiB.
        pub fn max_header_list_size(mut self, bytes: u32) -> Self {
            self.options.http2.max_header_list_size = bytes;
            self
        }

        /// When a quiet connection is probed. Default never, as Kitex.
        pub fn keepalive(mut self, keepalive: impl Into<Option<Keepalive>>) -> Self {
            self.options.http2.keepalive = keepalive.into();
            self
        }
    };
}

/// A bundle of options for clients, as one value: Kitex's `Suite`.
///
/// ```
/// use std::time::Duration;
/// use thrill::{ClientBuilder, ClientSuite, StreamClientBuilder};
///
/// struct Company;
///
/// impl ClientSuite for Company {
///     fn client<C>(&self, client: ClientBuilder<C>) -> ClientBuilder<C> {
///         client.caller("shop-front").rpc_timeout(Duration::from_secs(1))
///     }
///
///     fn stream_client<C>(&self, client: StreamClientBuilder<C>) -> StreamClientBuilder<C> {
///         client.caller("shop-front").recv_timeout(Duration::from_secs(5))
///     }
/// }
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
/// let client = EchoClient::builder("echo").suite(&Company).host_ports(["127.0.0.1:8888"]).build()?;
/// # Ok::<_, thrill::Error>(())
/// ```
///
/// What comes after a suite wins over it.
pub trait ClientSuite {
    /// Sets the options of a client for ping-pong calls.
    fn client<C>(&self, client: ClientBuilder<C>) -> ClientBuilder<C> {
        client
    }

    /// Sets the options of a client for streams.
    fn stream_client<C>(&self, client: StreamClientBuilder<C>) -> StreamClientBuilder<C> {
        client
    }
}

/// Makes a client for streams. Whatever is not here, streams cannot do.
#[must_use = "a builder does nothing until `build`"]
pub struct StreamClientBuilder<C> {
    options: Options,
    client: PhantomData<fn() -> C>,
}

impl<C> StreamClientBuilder<C> {
    client_options!();

    #[doc(hidden)]
    pub fn new(service_name: impl Into<String>) -> Self {
        Self { options: Options::new(service_name.into()), client: PhantomData }
    }

    /// Runs a layer around each message that a stream sends. Layers run in the order they are added, the first outermost.
    pub fn send_layer(mut self, layer: impl SendLayer) -> Self {
        self.options.layers.sends.push(Arc::new(layer));
        self
    }

    /// Runs a layer around each message that a stream receives. Layers run in the order they are added, the first outermost.
    pub fn recv_layer(mut self, layer: impl RecvLayer) -> Self {
        self.options.layers.recvs.push(Arc::new(layer));
        self
    }

    /// Sets how long every stream may take unless its call says otherwise. Default: without limit.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sets how long one `recv` of a stream may wait, unless its call says otherwise; see [`StreamTimeout`]. Default: without
    /// limit.
    pub fn recv_timeout(mut self, timeout: impl Into<StreamTimeout>) -> Self {
        self.options.recv_timeout = timeout.into();
        self
    }

    /// Sets how long one `send` of a stream may wait for room, unless its call says otherwise; see [`StreamTimeout`]. Default:
    /// without limit.
    pub fn send_timeout(mut self, timeout: impl Into<StreamTimeout>) -> Self {
        self.options.send_timeout = timeout.into();
        self
    }

    /// Applies a bundle of options.
    pub fn suite(self, suite: &impl ClientSuite) -> Self {
        suite.stream_client(self)
    }

    /// Makes the client. Connects to nothing yet.
    ///
    /// # Errors
    /// An option that cannot be; the text names it.
    pub fn build(self) -> Result<C>
    where
        C: FromChannel<Channel = StreamChannel>,
    {
        Ok(C::from_channel(StreamChannel(self.options.build()?), C::schema().methods))
    }

    /// Makes the client, looks for its instances and connects to them, so that the first streams wait for neither; see [`WarmUp`].
    ///
    /// # Errors
    /// As [`Self::build`]; with [`WarmUp::fail_fast`] also instances that are not found or cannot be reached.
    pub async fn build_warm(self, warm_up: WarmUp) -> Result<C>
    where
        C: FromChannel<Channel = StreamChannel>,
    {
        let shared = self.options.build()?;
        warm_up.run(&shared).await?;
        Ok(C::from_channel(StreamChannel(shared), C::schema().methods))
    }
}

/// Makes a client for ping-pong calls.
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder<C> {
    options: Options,
    client: PhantomData<fn() -> C>,
}

impl<C> ClientBuilder<C> {
    client_options!();

    #[doc(hidden)]
    pub fn new(service_name: impl Into<String>) -> Self {
        let options = Options { transport: Transport::default(), ..Options::new(service_name.into()) };
        Self { options, client: PhantomData }
    }

    /// Sets how calls travel. Default [`Transport::Framed`], as Kitex's client.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.options.transport = transport;
        self
    }

    /// Sets the payload protocol. Default [`Payload::Binary`], the only one that Kitex speaks. HTTP/2 carries no other.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.options.payload = payload;
        self
    }

    /// Sets how many connections are kept that no call uses. This is the default. Not for HTTP/2.
    pub fn long_connection(mut self, long: LongConnection) -> Self {
        self.options.usage = Some(Use::Long(long));
        self
    }

    /// Makes many calls at a time on each of so many connections per address, which needs a TTHeader. Kitex's
    /// `WithMuxConnection`.
    pub fn multiplexed(mut self, connections: usize) -> Self {
        self.options.usage = Some(Use::Multiplexed(connections));
        self
    }

    /// Sets how long a server may take nothing of a request, or send nothing while an answer is waited for, before the
    /// connection is given up. Default: without limit, as Kitex's client; the call's own timeout bounds both. Not for HTTP/2.
    pub fn read_write_timeout(mut self, timeout: Duration) -> Self {
        self.options.read_write_timeout = Some(timeout);
        self
    }

    /// Sets how long every call may take unless it says otherwise: connecting, writing and waiting for the reply. A TTHeader
    /// tells the server what is left of it. Default: without limit, as Kitex. The error says what was going on when it passed.
    pub fn rpc_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Applies a bundle of options.
    pub fn suite(self, suite: &impl ClientSuite) -> Self {
        suite.client(self)
    }

    /// Makes the client. Connects to nothing yet.
    ///
    /// # Errors
    /// An option that cannot be; the text names it.
    pub fn build(self) -> Result<C>
    where
        C: FromChannel<Channel = Channel>,
    {
        Ok(C::from_channel(Channel(self.options.build()?), C::schema().methods))
    }

    /// Makes the client, looks for its instances and connects to them, so that the first calls wait for neither; see [`WarmUp`].
    ///
    /// # Errors
    /// As [`Self::build`]; with [`WarmUp::fail_fast`] also instances that are not found or cannot be reached.
    pub async fn build_warm(self, warm_up: WarmUp) -> Result<C>
    where
        C: FromChannel<Channel = Channel>,
    {
        let shared = self.options.build()?;
        warm_up.run(&shared).await?;
        Ok(C::from_channel(Channel(shared), C::schema().methods))
    }
}

impl<C> fmt::Debug for StreamClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamClientBuilder").field("options", &self.options).finish()
    }
}

impl<C> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("options", &self.options).finish()
    }
}
