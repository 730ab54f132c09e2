//! Whom to call, and how.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use thrill::middleware::{AnyMessage, Args, Layer, Next, RecvLayer, RecvNext, Reply, SendLayer, SendNext};
use thrill::{
    ClientBuilder, ClientSuite, Context, Limits, LongConnection, Result, Running, Server, StreamClientBuilder,
    Transport, async_trait,
};
use tokio::net::TcpListener;

use crate::service::other::{Note, OthersClient, OthersStreamClient};
use crate::service::{Handler, Order, SoakClient, SoakServer, SoakStreamClient};
use crate::tally::Tally;
use crate::wire::Dial;

/// The largest message that anyone takes.
const MAX_MESSAGE: usize = 64 << 10;

/// Servers, and clients for them.
#[derive(Clone)]
pub(crate) struct Target(Arc<Inner>);

struct Inner {
    /// Without and with observers, layers and limits.
    servers: [Running; 2],
    /// A server that refuses every call.
    full: Running,
    /// No one listens there.
    dead: String,
    streams: Vec<SoakStreamClient>,
    calls: Vec<SoakClient>,
    other_streams: OthersStreamClient,
    other_calls: Vec<OthersClient>,
}

/// A layer of every kind, which does nothing.
struct Idle;

#[async_trait]
impl Layer for Idle {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        next.run(cx, args).await
    }
}

#[async_trait]
impl SendLayer for Idle {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        next.run(cx, message).await
    }
}

#[async_trait]
impl RecvLayer for Idle {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        next.run(cx).await
    }
}

/// What all clients have: connections that are counted, and little that may be on its way.
struct Plain(Dial);

/// Longer than a busy machine needs to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

impl ClientSuite for Plain {
    fn client<C>(&self, client: ClientBuilder<C>) -> ClientBuilder<C> {
        let client = client.connector(self.0.clone()).connect_timeout(CONNECT_TIMEOUT);
        client.connection_pool_size(2).max_message_size(MAX_MESSAGE)
    }

    fn stream_client<C>(&self, client: StreamClientBuilder<C>) -> StreamClientBuilder<C> {
        let client = client.connector(self.0.clone()).connect_timeout(CONNECT_TIMEOUT);
        client.connection_pool_size(2).max_message_size(MAX_MESSAGE).initial_window_size(64 << 10)
    }
}

/// So few connections rest that all of them are there from the start on.
const FEW: LongConnection = LongConnection { max_idle_per_address: 2, max_idle_timeout: Duration::from_secs(60) };

/// A client's options with all that can be put around calls and messages.
struct Dressed<'a>(&'a Tally);

impl ClientSuite for Dressed<'_> {
    fn client<C>(&self, client: ClientBuilder<C>) -> ClientBuilder<C> {
        client.observe(self.0.clone()).layer(Idle).rpc_timeout(Duration::from_secs(20))
    }

    fn stream_client<C>(&self, client: StreamClientBuilder<C>) -> StreamClientBuilder<C> {
        let client = client.observe(self.0.clone()).layer(Idle).send_layer(Idle).recv_layer(Idle);
        client.recv_timeout(Duration::from_secs(20)).send_timeout(Duration::from_secs(20))
    }
}

/// A client of streams, by a wire that can be cut.
pub(crate) fn streams(address: &str, dial: &Dial) -> StreamClientBuilder<SoakStreamClient> {
    SoakStreamClient::builder("soak").suite(&Plain(dial.clone())).host_ports([address])
}

/// A client of calls, by a wire that can be cut.
pub(crate) fn calls(address: &str, dial: &Dial) -> ClientBuilder<SoakClient> {
    SoakClient::builder("soak").suite(&Plain(dial.clone())).host_ports([address])
}

/// A server for a moment.
pub(crate) async fn serve(server: Server) -> Running {
    let server = server.add(SoakServer::new(Handler::default()));
    server.max_message_size(MAX_MESSAGE).bind("127.0.0.1:0").await.unwrap().spawn()
}

/// A server whose handlers call on to itself.
async fn serve_relay(server: Server, dial: &Dial) -> Running {
    let handler = Handler::default();
    let server = server.max_message_size(MAX_MESSAGE).add(SoakServer::new(handler.clone()));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let onward = streams(&server.local_address().to_string(), dial).build().unwrap();
    assert!(handler.onward.set(onward).is_ok());
    server
}

impl Target {
    pub(crate) async fn new(tally: &Tally) -> Self {
        let dial = Dial::default();
        let dressed = Server::new().observe(tally.clone()).layer(Idle).send_layer(Idle).recv_layer(Idle);
        let limits = Limits::default().with_max_concurrent_calls(100_000).with_max_qps(10_000_000);
        let dressed = dressed.limits(limits.with_max_stream_messages_per_second(1_000_000));
        let servers = [serve_relay(Server::new(), &dial).await, serve_relay(dressed, &dial).await];
        let [bare, observed] = [0, 1].map(|at| servers[at].local_address().to_string());

        let full = serve(Server::new().observe(tally.clone())).await;
        full.handle().set_limits(Limits::default().with_max_concurrent_calls(0));
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();

        let streams = [
            streams(&bare, &dial),
            streams(&observed, &dial).suite(&Dressed(tally)),
            streams(&observed, &dial).observe(tally.clone()),
            streams(&observed, &dial).observe(tally.clone()).short_connection(),
        ];
        let mut all_calls = Vec::new();
        for address in [&bare, &observed] {
            let builder = |transport| match address == &observed {
                true => calls(address, &dial).suite(&Dressed(tally)).transport(transport),
                false => calls(address, &dial).transport(transport),
            };
            use Transport::{Buffered, Framed, Http2, TtHeader, TtHeaderFramed};
            all_calls.extend([Buffered, Framed, TtHeader, TtHeaderFramed].map(|it| builder(it).long_connection(FEW)));
            all_calls.extend([builder(Http2), builder(TtHeader).multiplexed(2), builder(Framed).short_connection()]);
        }
        let other_calls = [Transport::Framed, Transport::TtHeader, Transport::Http2].map(|transport| {
            let client = OthersClient::builder("soak").suite(&Plain(dial.clone())).suite(&Dressed(tally));
            client.transport(transport).host_ports([&observed]).build().unwrap()
        });
        let other_streams = OthersStreamClient::builder("soak").suite(&Plain(dial)).suite(&Dressed(tally));
        Self(Arc::new(Inner {
            servers,
            full,
            dead,
            streams: streams.map(|client| client.build().unwrap()).into(),
            calls: all_calls.into_iter().map(|client| client.build().unwrap()).collect(),
            other_streams: other_streams.host_ports([&observed]).build().unwrap(),
            other_calls: other_calls.into(),
        }))
    }

    /// One of the clients of streams.
    pub(crate) fn streams(&self, round: usize) -> &SoakStreamClient {
        &self.0.streams[round % self.0.streams.len()]
    }

    /// One of the clients of calls: each has another way for messages to travel.
    pub(crate) fn calls(&self, round: usize) -> &SoakClient {
        &self.0.calls[round % self.0.calls.len()]
    }

    pub(crate) fn other_streams(&self) -> &OthersStreamClient {
        &self.0.other_streams
    }

    pub(crate) fn other_calls(&self, round: usize) -> &OthersClient {
        &self.0.other_calls[round % self.0.other_calls.len()]
    }

    /// The address of a server that takes no calls.
    pub(crate) fn full(&self) -> String {
        self.0.full.local_address().to_string()
    }

    /// An address where no one listens.
    pub(crate) fn dead(&self) -> &str {
        &self.0.dead
    }

    /// The address of a server.
    pub(crate) fn address(&self) -> String {
        self.0.servers[1].local_address().to_string()
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.0.servers.iter().chain([&self.0.full])
    }

    pub(crate) fn connections(&self) -> usize {
        self.running().map(|server| server.handle().connections()).sum()
    }

    pub(crate) fn concurrent_calls(&self) -> usize {
        self.running().map(|server| server.handle().concurrent_calls()).sum()
    }

    /// Makes all connections that clients may keep.
    pub(crate) async fn connect(&self) {
        let mut making: Vec<BoxFuture<'_, ()>> = Vec::new();
        for address in [None, Some(self.full())] {
            // More at a time than rest afterwards.
            for round in 0..4 {
                for (number, client) in self.0.calls.iter().enumerate() {
                    let call = client.call(Order::new("slow"));
                    let call = if let Some(full) = &address { call.host_port(full) } else { call };
                    let what = format!("call {round} of client {number} to {address:?}");
                    making.push(Box::pin(ended(what, call.into_future())));
                }
                for (number, client) in self.0.streams.iter().enumerate() {
                    let call = client.ask(Order::new("slow"));
                    let call = if let Some(full) = &address { call.host_port(full) } else { call };
                    let what = format!("stream {round} of client {number} to {address:?}");
                    making.push(Box::pin(ended(what, call.into_future())));
                }
            }
        }
        // What these send is not understood, and closes the connections that are used by one call at a time.
        for client in &self.0.other_calls {
            for _ in 0..2 {
                let call = client.call(Note::default()).into_future();
                making.push(Box::pin(ended("what is not understood".to_owned(), call)));
            }
        }
        for _ in 0..2 {
            let sing = async { self.0.other_streams.sing().await?.recv().await };
            making.push(Box::pin(ended("an unknown method".to_owned(), sing)));
        }
        join_all(making).await;
        // A multiplexed connection has a row of calls before the next one has its turn.
        const ROWS: usize = 64;
        for (number, client) in self.0.calls.iter().enumerate() {
            for _ in 0..ROWS * self.0.servers.len() {
                ended(format!("a call of client {number}"), client.call(Order::new("echo")).into_future()).await;
            }
            for _ in 0..ROWS {
                let call = client.call(Order::new("echo")).host_port(self.full());
                ended(format!("a call of client {number} to the full server"), call.into_future()).await;
            }
        }
    }

    /// Shuts the servers down, and drops the clients.
    pub(crate) async fn end(self) {
        let Ok(Inner { servers, full, .. }) = Arc::try_unwrap(self.0).map_err(drop) else {
            panic!("someone still calls");
        };
        for server in servers.into_iter().chain([full]) {
            server.shutdown().await;
        }
    }
}

/// Waits for the end of a call, whatever it is.
async fn ended<T>(what: String, call: impl Future<Output = Result<T>>) {
    let ended = tokio::time::timeout(Duration::from_secs(20), call).await;
    assert!(ended.is_ok(), "{what} does not end");
}
