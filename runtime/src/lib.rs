//! Thrift streaming and Thrift RPC, as Kitex speaks it. A Rust trait is the schema.
//!
//! Write the messages and the trait; implement the trait; serve it; call it with the generated client.
//!
//! ```
//! use thrill::{BidiStream, Receiver, Result, Sender, Server, Thrift};
//!
//! #[derive(Thrift, Clone, Debug, Default, PartialEq)]
//! pub struct Request {
//!     #[thrift(id = 1)]
//!     pub message: Option<String>,
//! }
//!
//! #[derive(Thrift, Clone, Debug, Default, PartialEq)]
//! pub struct Response {
//!     #[thrift(id = 1)]
//!     pub message: Option<String>,
//! }
//!
//! /// `namespace` is the Kitex package: the path of the first method is `/echo.TestService/Echo`.
//! #[thrill::service(namespace = "echo", rename_all = "PascalCase")]
//! pub trait TestService {
//!     #[streaming(mode = "bidirectional")]
//!     async fn echo(&self, stream: BidiStream<Request, Response>) -> Result<()>;
//!
//!     #[streaming(mode = "client")]
//!     async fn echo_client(&self, requests: Receiver<Request>) -> Result<Response>;
//!
//!     #[streaming(mode = "server")]
//!     async fn echo_server(&self, req: Request, responses: Sender<Response>) -> Result<()>;
//!
//!     #[streaming(mode = "unary")]
//!     async fn echo_unary(&self, req: Request) -> Result<Response>;
//! }
//!
//! struct Handler;
//!
//! impl TestService for Handler {
//!     async fn echo(&self, mut stream: BidiStream<Request, Response>) -> Result<()> {
//!         while let Some(Request { message }) = stream.recv().await? {
//!             stream.send(Response { message }).await?;
//!         }
//!         Ok(())
//!     }
//!
//!     async fn echo_client(&self, mut requests: Receiver<Request>) -> Result<Response> {
//!         let mut last = None;
//!         while let Some(req) = requests.recv().await? {
//!             last = req.message;
//!         }
//!         Ok(Response { message: last })
//!     }
//!
//!     async fn echo_server(&self, req: Request, mut responses: Sender<Response>) -> Result<()> {
//!         for _ in 0..3 {
//!             responses.send(Response { message: req.message.clone() }).await?;
//!         }
//!         Ok(())
//!     }
//!
//!     async fn echo_unary(&self, req: Request) -> Result<Response> {
//!         Ok(Response { message: req.message })
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<()> {
//! let server = Server::new().add(TestServiceServer::new(Handler)).bind("127.0.0.1:0").await?.spawn();
//!
//! let addr = server.local_address().to_string();
//! let client = TestServiceStreamClient::builder("echo-server").host_ports([addr]).build()?;
//!
//! let hi = Request { message: Some("hi".into()) };
//! let mut stream = client.echo().await?;
//! stream.send(hi.clone()).await?;
//! stream.close().await?;
//! assert_eq!(stream.recv().await?, Some(Response { message: Some("hi".into()) }));
//! assert_eq!(stream.recv().await?, None); // Kitex's io.EOF
//!
//! let mut responses = client.echo_server(hi).await?;
//! while let Some(response) = responses.recv().await? {
//!     assert_eq!(response.message.as_deref(), Some("hi"));
//! }
//! server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # Messages
//!
//! `#[derive(Thrift)]` makes a struct, an exception (`#[thrift(exception)]`), a union (an enum whose variants carry a value) or
//! an enum a Thrift type. A field is `#[thrift(id = N)]`; its type tells its requiredness:
//!
//! | Rust | IDL | written | absent on read |
//! | --- | --- | --- | --- |
//! | `Option<T>` | `optional` | when present | `None`, or its `default` |
//! | `T` | default requiredness | always | `T::default()`, or its `default` |
//! | `T` with `#[thrift(required)]` | `required` | always | an error that names struct and field |
//!
//! | Rust | Thrift |
//! | --- | --- |
//! | `bool` `i8` `i16` `i32` `i64` `f64` | the same, `double` |
//! | `String`, [`ByteString`] (shares the message's memory) | `string` |
//! | [`Bytes`] (shares the message's memory), `Vec<u8>` | `binary` |
//! | `Vec<T>`; `HashSet<T>`, `BTreeSet<T>`; `HashMap<K, V>`, `BTreeMap<K, V>` | `list`, `set`, `map` |
//! | `Box<T>`, `Arc<T>` | as `T`; `Box` is for recursive types |
//! | [`Uuid`], of the feature `uuid`, which is on by default | `uuid`, which Kitex does not know |
//! | [`OrderedF64`] | `double`, where it is a key |
//!
//! A union and an enum have a variant with `#[thrift(unknown)]`, which keeps what a newer peer sends.
//!
//! ```
//! use thrill::{Thrift, UnknownField};
//!
//! #[derive(Thrift, Debug, PartialEq)]
//! enum Shape {
//!     #[thrift(id = 1)]
//!     Name(String),
//!     #[thrift(id = 2)]
//!     Area(i64),
//!     #[thrift(unknown)]
//!     Unknown(UnknownField),
//! }
//!
//! #[derive(Thrift, Clone, Copy, Debug, PartialEq)]
//! enum Mood {
//!     #[thrift(value = 1)]
//!     Calm,
//!     #[thrift(value = 5)]
//!     Wild,
//!     #[thrift(unknown)]
//!     Unknown(i32),
//! }
//!
//! let bytes = thrill::encode(&Shape::Area(7))?;
//! assert_eq!(thrill::decode::<Shape>(&bytes)?, Shape::Area(7));
//! assert_eq!(Mood::from(9), Mood::Unknown(9));
//! # Ok::<_, thrill::Error>(())
//! ```
//!
//! # IDL
//!
//! [`include_thrift!`] takes a `.thrift` file, [`thrift!`] the IDL itself, and writes what stands above: the same types, the
//! same traits, and from there on the same path.
//!
//! ```
//! mod idl {
//!     thrill::include_thrift!("../examples/idl/echo.thrift");
//! }
//!
//! thrill::thrift! {
//!     /// A place.
//!     struct Point { 1: required i32 x, 2: required i32 y = 7 }
//!
//!     union Shape { 1: Point dot, 2: list<Point> line, 3: list<Shape> all }
//!
//!     const Point ORIGIN = {"x": 0, "y": 0}
//! }
//!
//! let request = idl::Request { message: Some("hi".into()) };
//! assert_eq!(thrill::decode::<idl::Request>(&thrill::encode(&request)?)?, request);
//! assert_eq!(Point::default(), Point { x: 0, y: 7 });
//! let shape = Shape::All(vec![Shape::Dot(ORIGIN.clone())]);
//! assert_eq!(thrill::decode::<Shape>(&thrill::encode(&shape)?)?, shape);
//! # Ok::<_, thrill::Error>(())
//! ```
//!
//! # Streams
//!
//! | `streaming.mode` | handler | client |
//! | --- | --- | --- |
//! | `bidirectional` | `BidiStream<Request, Response>` | `client.m().await?`: `BidiStream<Response, Request>` |
//! | `client` | `Receiver<Request>`, returns the response | `client.m().await?`: `ClientStream<Request, Response>` |
//! | `server` | the request, `Sender<Response>` | `client.m(req).await?`: `Receiver<Response>` |
//! | `unary` | the request, returns the response | `client.m(req).await?`: the response |
//! | none (ping-pong) | the arguments, returns the result | the same, on the other client |
//!
//! - Opening a stream does not wait for the server. Sent means buffered: [`Sender::send`] waits only while the peer's window
//!   and the local buffer are full.
//! - [`Receiver::recv`] gives `None` at the end that the peer meant, and an error for every other end; both are repeated.
//! - On a client, end the requests with `close`. Dropping a stream, or a half of it that is not closed, cancels it at once.
//! - The server ends a call when the handler returns. A cancelled call's handler runs on: its `recv` and `send` fail, and
//!   [`Context::cancelled`] tells why. A panic is that call's error, and no other's.
//!
//! # Ping-pong
//!
//! Methods without `#[streaming]` are called by the other generated client, over what [`ClientBuilder::transport`] says; the
//! server answers every transport on its one port.
//!
//! ```
//! # use thrill::{Error, Result, Server, Thrift, Transport};
//! #[derive(Thrift, Debug)]
//! #[thrift(exception)]
//! pub struct NotFound {
//!     #[thrift(id = 1, required)]
//!     what: String,
//! }
//!
//! #[thrill::service]
//! pub trait Shop {
//!     #[throws(1 => NotFound)]
//!     async fn price(&self, item: String) -> Result<i64, PriceError>;
//! }
//!
//! struct Corner;
//!
//! impl Shop for Corner {
//!     async fn price(&self, item: String) -> Result<i64, PriceError> {
//!         if item == "tea" { Ok(4) } else { Err(NotFound { what: item }.into()) }
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<()> {
//! let server = Server::new().add(ShopServer::new(Corner)).bind("127.0.0.1:0").await?.spawn();
//! let addr = server.local_address().to_string();
//! let client = ShopClient::builder("shop").host_ports([addr]).transport(Transport::TtHeaderFramed).build()?;
//! assert!(matches!(client.price("tea".into()).await, Ok(4)));
//! assert!(matches!(client.price("coal".into()).await, Err(PriceError::NotFound(it)) if it.what == "coal"));
//! server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! What a client of ping-pong calls can set, beside what both kinds of clients can:
//!
//! | option of the client | default | Kitex |
//! | --- | --- | --- |
//! | [`transport`](ClientBuilder::transport) | [`Framed`](Transport::Framed), as Kitex | `WithTransportProtocol`, which makes TTHeader a TTHeaderFramed |
//! | [`payload`](ClientBuilder::payload) | [`Binary`](Payload::Binary) | Binary only |
//! | [`long_connection`](ClientBuilder::long_connection) | 1,024 rest per address for 1 min; Kitex: 10 | `WithLongConnection` |
//! | [`short_connection`](ClientBuilder::short_connection) | off | `WithShortConnection` |
//! | [`multiplexed`](ClientBuilder::multiplexed) | off | `WithMuxConnection` |
//! | [`connect_timeout`](ClientBuilder::connect_timeout) | 1 s; Kitex: 50 ms | `WithConnectTimeout` |
//! | [`rpc_timeout`](ClientBuilder::rpc_timeout); `.timeout(…)` on the call | none, as Kitex | `WithRPCTimeout` |
//! | [`read_write_timeout`](ClientBuilder::read_write_timeout) | none | its client has the RPC timeout only |
//!
//! | option of the server | default | Kitex |
//! | --- | --- | --- |
//! | [`read_write_timeout`](Server::read_write_timeout) | 10 s; Kitex: 5 s | `WithReadWriteTimeout` |
//! | [`max_connection_idle_time`](Server::max_connection_idle_time) | 10 min, as Kitex; set, it is HTTP/2's too | `WithMaxConnIdleTime` |
//! | [`max_message_size`](Server::max_message_size) | 16 MiB; Kitex: none | `NewDefaultCodecWithSizeLimit` |
//! | [`max_concurrent_streams`](Server::max_concurrent_streams), for a multiplexed connection's calls | 1,000 | none |
//! | [`add_fallback`](Server::add_fallback) | none | `WithFallbackService` |
//! | [`refuse_traffic_without_service_name`](Server::refuse_traffic_without_service_name) | off | `WithRefuseTrafficWithoutServiceName` |
//! | [`exit_wait_time`](Server::exit_wait_time) | 5 s, as Kitex | `WithExitWaitTime` |
//!
//! A connection is used again after an answer with the call's own sequence id, a declared exception or a business error; after
//! any other end of a call, a timeout included, it is closed. A server that shuts down says so in its replies (`crrst`, over a
//! TTHeader), answers what runs, and takes no more than what was on its way. An error names its stage, address and time:
//! [`Error::DeadlineExceeded`], [`ConnectError`], [`ConnectionLost`].
//!
//! Several services share the port: a stream and a call over a TTHeader name theirs; a call over Buffered or Framed goes to
//! the service that has its method. Where several have it, [`Server::add_fallback`] says which is meant, or
//! [`Server::refuse_traffic_without_service_name`] refuses such calls; without either the server does not start.
//!
//! # Extending a service
//!
//! `trait Sub: Base` is the IDL's `service Sub extends Base`: `SubServer` answers the methods of both, which are all methods
//! of `Sub` on the wire, and the clients of `Sub` call both. This works across modules and crates, and over several levels.
//!
//! ```
//! # use thrill::{Result, Server};
//! mod base {
//!     #[thrill::service]
//!     pub trait Health {
//!         async fn ping(&self) -> thrill::Result<String>;
//!     }
//! }
//!
//! // Named by its path, since `HealthServer` is looked for beside it.
//! #[thrill::service]
//! pub trait Store: base::Health {
//!     async fn count(&self) -> Result<i64>;
//! }
//!
//! struct Shelf;
//!
//! impl base::Health for Shelf {
//!     async fn ping(&self) -> Result<String> {
//!         Ok("pong".into())
//!     }
//! }
//!
//! impl Store for Shelf {
//!     async fn count(&self) -> Result<i64> {
//!         Ok(7)
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<()> {
//! let server = Server::new().add(StoreServer::new(Shelf)).bind("127.0.0.1:0").await?.spawn();
//! let client = StoreClient::builder("store").host_ports([server.local_address().to_string()]).build()?;
//! assert_eq!(client.count().await?, 7);
//! assert_eq!(client.ping().await?, "pong");
//! server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! [`Error`] tells by its variant, and by [`Error::origin`], who caused it: this side's user, the peer, or the network between.
//! A handler may return any error: [`Error::new`] wraps it and it travels as code 13 with its text and Kitex's mark
//! ` [biz error]`; a [`Status`] keeps its code; a [`BizStatusError`] keeps code, message and extra.
//!
//! # Kitex's names
//!
//! Those that are met first; [`guide::options`] has every option of Kitex, and where it is here.
//!
//! | Kitex | here |
//! | --- | --- |
//! | `NewStreamClient`, `streamclient.WithHostPorts` | `…StreamClient::builder(name)`, `.host_ports(…)` |
//! | `streamclient.WithConnectTimeout`, `streamcall.WithConnectTimeout` | `.connect_timeout(…)` on the builder, on the call |
//! | `streamcall.WithHostPort` | `.host_port(…)` on the call |
//! | `context.WithTimeout`, `context.WithDeadline` before a stream | `.timeout(…)`, `.deadline(…)` on the call |
//! | the handler's `ctx` passed to a call | `.context(cx)` on the call |
//! | `WithResolver`, `discovery.Resolver` | `.discover(…)`: [`discovery::Discover`] |
//! | `WithLoadBalancer` | `.balance(…)`: [`balance`] |
//! | `WithCircuitBreaker`, `circuitbreak.NewCBSuite` | `.circuit_breaker(…)`: [`breaker::CircuitBreaker`] |
//! | `WithTag` | `.tag(…)` on the builder, on the call |
//! | the key function of `NewConsistentHashOption` | `.hash_key(…)` on the call, [`balance::ConsistentHash::by`] |
//! | `WithClientBasicInfo` | `.caller(…)` on the builder |
//! | `client.WithTransportProtocol` | [`ClientBuilder::transport`]: [`Transport`] |
//! | `client.WithRPCTimeout`, `callopt.WithRPCTimeout` | [`ClientBuilder::rpc_timeout`], `.timeout(…)` on the call |
//! | `WithShortConnection`, `WithLongConnection`, `WithMuxConnection` | `.short_connection()`, `.long_connection(…)`, `.multiplexed(…)` |
//! | `metainfo.SendBackwardValue`, `RecvBackwardValue` | [`Context::send_backward`], [`WithMetadata::backward`] |
//! | `rpcinfo` of the caller: `ServiceName`, `Method` | [`Context::caller`], [`Context::caller_method`] |
//! | the log id of a TTHeader and of a stream's context | `.log_id(…)` on the call, [`Context::log_id`] |
//! | `WithGRPCConnPoolSize` | `.connection_pool_size(…)` |
//! | `WithGRPCInitialWindowSize`, `WithGRPCInitialConnWindowSize` | `.initial_window_size(…)`, `.initial_connection_window_size(…)` |
//! | `WithGRPCMaxHeaderListSize`, `WithGRPCMaxConcurrentStreams` | `.max_header_list_size(…)`, `.max_concurrent_streams(…)` |
//! | `WithGRPCKeepaliveParams` | `.keepalive(…)`, [`Server::max_connection_idle_time`], [`Server::max_connection_age`] |
//! | `WithGRPCKeepaliveEnforcementPolicy` | [`Server::keepalive_enforcement`]: [`KeepaliveEnforcement`] |
//! | `WithWarmingUp` | `.build_warm(…)` on the builder: [`WarmUp`] |
//! | `WithFallbackService`, `WithRefuseTrafficWithoutServiceName` | [`Server::add_fallback`], [`Server::refuse_traffic_without_service_name`] |
//! | `WithExitWaitTime` | [`Server::exit_wait_time`] |
//! | `WithExitSignal` | [`Bound::run_until`]; [`Server::serve`] listens for Kitex's signals |
//! | `RegisterStartHook`, `RegisterShutdownHook` | [`Server::on_start`], [`Server::on_stop`] |
//! | `WithRegistry`, `WithRegistryInfo` | [`Server::register`]: [`Register`], [`Registration`] |
//! | `WithLimit`, `limit.Option.UpdateControl` | [`Server::limits`], [`Handle::set_limits`] |
//! | `WithConnectionLimiter`, `WithQPSLimiter` | [`Server::limiter`]: [`Limiter`] |
//! | `WithLimitReporter` | [`Server::on_limit`] |
//! | `stream.Recv` and `io.EOF`, `stream.Send`, `stream.Close`, `CloseAndRecv` | `recv` and `None`, `send`, `close`, `close_and_recv` |
//! | `stream.Header`, `stream.Trailer` | `header`, `trailer` |
//! | `SetHeader`, `SendHeader`, `SetTrailer` | [`Context::set_header`], [`Context::send_header`], [`Context::set_trailer`] |
//! | `metainfo.WithValue`, `WithPersistentValue`, `GetValue` … | `.transient(…)`, `.persistent(…)` on the call; the same on [`Context`] |
//! | `kerrors.NewBizStatusErrorWithExtra` | [`BizStatusError`] |
//! | `status.Err` | [`Error::status`], [`Status`] |
//!
//! # IDL
//!
//! The trait is the schema, and prints it: `EchoServer::SCHEMA.idl()`. [`testing::assert_idl`] keeps a committed `.thrift` file in
//! step with the trait, for the teams that generate from it, and `UPDATE_IDL=1 cargo test` writes it. With
//! `#[thrill::service(locked = "idl/echo.thrift")]` what would break them does not compile:
//!
//! ```text
//! error[E0080]: evaluation panicked: this breaks peers that were built with `idl/notes.thrift`:
//!                 type-changed: field 1 of `Author`, `id`, was `i32` and is `i64`
//!                   help: keep its type, and add a field with a new id
//!               if no such peer is left, `UPDATE_IDL=breaking cargo test` writes the file anew
//!   --> src/lib.rs:35:76
//!    |
//! 35 | #[thrill::service(namespace = "notes", rename_all = "PascalCase", locked = "idl/notes.thrift")]
//!    |                                                                            ^^^^^^^^^^^^^^^^^^
//! ```
//!
//! See [`idl`], and [`idl::Rule`] for what breaks peers.
//!
//! # Limits
//!
//! Each has a default and an option: a message 16 MiB (Kitex has no limit: raise `max_message_size` where its peers send more),
//! nesting 64 levels (fixed), 16 times its size in memory, or 256 MiB where that is more (fixed), header list 64 KiB, 1,000 streams per connection, 1 MiB unread per stream,
//! 16 MiB unread per connection, 64 KiB unsent per stream, 5 s until a connection shows what it speaks, 10 s for
//! anything left unfinished.

pub mod codec;
mod context;
mod error;
pub mod guide;
pub mod idl;
mod metadata;
mod metainfo;
pub mod middleware;
pub mod net;
pub mod observe;
pub mod schema;
mod stats;
mod status;
mod stream;
mod transport;
mod wire;

mod client;
mod server;
pub mod testing;

#[doc(hidden)]
pub mod private;

/// The attribute that the traits of layers are implemented with.
pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use thrill_macros::{Thrift, include_thrift, service, thrift};
#[cfg(feature = "uuid")]
pub use uuid::Uuid;

pub use client::{
    Call, CallFuture, ClientBuilder, ClientSuite, LongConnection, Open, Payload, StreamCall, StreamCallFuture,
    StreamClientBuilder, Transport, WarmUp, WithMetadata, balance, breaker, discovery,
};
pub use codec::{ApplicationException, DecodeError, EncodeError, Message, OrderedF64, Thrift, UnknownField, Value};
pub use context::Context;
pub use error::{Cancelled, ConnectError, ConnectionLost, Error, Origin, Result, Stage, StreamTimeout};
pub use metadata::Metadata;
pub use metainfo::Metainfo;
pub use server::{
    Bound, Handle, Keepalive, KeepaliveEnforcement, Layered, LimitKind, Limiter, Limits, Permit, Refused, Register,
    Registration, Running, Server, ServerSuite, Service, ServiceExt, shutdown_signal,
};
pub use status::{BizStatusError, Code, Status};
pub use stream::{BidiStream, ClientStream, Receiver, Sender, call_with_timeout};

/// The bytes of a value in the Thrift Binary protocol: what travels as the payload of a stream's message.
///
/// # Errors
/// A value that has no wire form; see [`Thrift::encode`].
pub fn encode<T: Thrift>(value: &T) -> Result<Bytes, EncodeError> {
    let mut buffer = codec::Buffer::new();
    value.encode(&mut codec::binary::Writer::new(&mut buffer))?;
    Ok(buffer.take().into_bytes())
}

/// Reads a value from the Thrift Binary protocol. Bytes after it are ignored, as in Kitex.
///
/// # Errors
/// Bytes that are not such a value; see [`Thrift::decode`].
pub fn decode<T: Thrift>(bytes: &Bytes) -> Result<T, DecodeError> {
    T::decode(&mut codec::binary::Reader::new(bytes))
}

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
