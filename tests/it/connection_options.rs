//! What options say of connections: how long they last, how often they are probed, how many there are, and when they are made.

use std::future::IntoFuture as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thrill::breaker::{BreakerConfig, CircuitBreaker};
use thrill::net::{BoxIo, Connect};
use thrill::{
    ClientBuilder, Context, Error, Keepalive, KeepaliveEnforcement, LongConnection, Payload, Registration, Result,
    Running, Server, Stage, StreamClientBuilder, Transport, WarmUp, async_trait,
};
use thrill_tests::h2peer::wire::{ENHANCE_YOUR_CALM, REFUSED_STREAM};
use thrill_tests::h2peer::{Frame, Peer, Port, fields, reply, request, say, soon};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::connections::{Proxy, exchange, finish, refusing};
use crate::public_api::{EdgeServer, EdgeStreamClient, Note, Script, Served, assert_error, within};

const SECOND: Duration = Duration::from_secs(1);

/// A ping-pong service.
#[thrill::service]
trait Whence {
    /// What the caller's metadata says of the way that the call came.
    async fn whence(&self, cx: &Context) -> Result<String>;
}

struct Here;

impl Whence for Here {
    async fn whence(&self, cx: &Context) -> Result<String> {
        Ok(cx.metadata().get("x-way").unwrap_or_default().into_owned())
    }
}

async fn serve(server: Server) -> (Running, String) {
    let running = server.add(WhenceServer::new(Here)).bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = running.local_address().to_string();
    (running, addr)
}

/// A server without a socket, and a client with one connection to it.
fn in_memory(script: Script, server: Server) -> (Served, EdgeStreamClient) {
    let (served, connector) = script.serve_in_memory(server);
    let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connection_pool_size(1);
    (served, client.connector(connector).build().unwrap())
}

async fn until(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_ends_that_has_no_stream_for_its_idle_time() {
    let server = Server::new().max_connection_idle_time(60 * SECOND);
    let (served, client) = in_memory(Script::new(), server);
    let connections = || served.running.handle().connections();
    let mut stream = client.talk().await.unwrap();
    for number in 0..10 {
        sleep(100 * SECOND).await;
        exchange(&mut stream, &number.to_string()).await;
    }
    finish(stream).await;
    let rested = Instant::now();
    sleep(59 * SECOND).await;
    assert_eq!(connections(), 1);
    // Another stream in between begins it anew.
    finish(client.talk().await.unwrap()).await;
    sleep(59 * SECOND).await;
    assert_eq!(connections(), 1, "after {:?}", rested.elapsed());
    sleep(2 * SECOND).await;
    assert_eq!(connections(), 0);
    // The client makes another.
    exchange(&mut client.talk().await.unwrap(), "again").await;
    assert_eq!(connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_go_from_an_idle_connection_is_left() {
    let server = Server::new().max_connection_idle_time(60 * SECOND).partial_timeout(3 * SECOND);
    let (served, connector) = Script::new().serve_in_memory(server);
    let mut io = connector.connect("memory").await.unwrap();
    let began = Instant::now();
    // A preface and an empty SETTINGS; no PING is ever answered.
    tokio::io::AsyncWriteExt::write_all(&mut io, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut io, &mut said).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 63);
    assert_eq!(served.running.handle().connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_takes_no_more_streams_at_its_maximal_age() {
    let (served, client) = in_memory(Script::new(), Server::new().max_connection_age(100 * SECOND));
    let connections = || served.running.handle().connections();
    let mut old = client.talk().await.unwrap();
    exchange(&mut old, "1").await;
    sleep(89 * SECOND).await;
    exchange(&mut client.talk().await.unwrap(), "still").await;
    assert_eq!(connections(), 1);
    sleep(22 * SECOND).await;
    // The stream that runs goes on, and the next is on another connection.
    let mut new = client.talk().await.unwrap();
    exchange(&mut new, "2").await;
    assert_eq!(connections(), 2);
    sleep(10_000 * SECOND).await;
    exchange(&mut old, "3").await;
    finish(old).await;
    until(|| connections() == 1).await;
    drop(new);
    until(|| connections() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_connection_that_is_too_old_have_its_grace() {
    let script = || {
        Script::new().talk(|desk, cx, mut stream| async move {
            stream.send(Note::of("begun")).await?;
            desk.say(cx.cancelled().await.to_string());
            Ok(())
        })
    };
    for (grace, least, most) in [(10 * SECOND, 100, 120), (Duration::ZERO, 90, 110)] {
        let server = Server::new().max_connection_age(100 * SECOND).max_connection_age_grace(grace);
        let (mut served, client) = in_memory(script(), server);
        let began = Instant::now();
        let mut stream = client.talk().await.unwrap();
        assert_eq!(stream.recv().await.unwrap(), Some(Note::of("begun")));
        let err = stream.recv().await.unwrap_err();
        let after = began.elapsed().as_secs();
        assert!((least..=most).contains(&after), "after {after} s with a grace of {grace:?}");
        assert!(matches!(err, Error::ConnectionLost(_)), "{err:?}");
        // Kitex's words.
        let text = "transport: closing server transport due to maximum connection age [triggered by remote service]";
        assert_eq!(served.heard().await, format!("rpc error: code = 1 desc = {text}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_that_come_too_often_end_a_connection_where_that_is_enforced() {
    const TALK: &str = "/test.Edge/Talk";
    let quick = KeepaliveEnforcement { min_time: Duration::from_nanos(1), without_streams: false };
    let always = KeepaliveEnforcement { without_streams: true, ..quick };
    let kitex = KeepaliveEnforcement::default();
    assert_eq!((kitex.min_time, kitex.without_streams), (300 * SECOND, false));
    let rows = [
        (None, false, false),
        (None, true, false),
        (Some(kitex), false, true),
        (Some(kitex), true, true),
        // Without streams every two hours, unless the policy says otherwise.
        (Some(quick), false, true),
        (Some(quick), true, false),
        (Some(always), false, false),
    ];
    for (policy, has_stream, is_ended) in rows {
        let row = format!("{policy:?}, a stream: {has_stream}");
        let script = Script::new().talk(|desk, cx, mut stream| async move {
            stream.send(Note::of("begun")).await?;
            desk.say(cx.cancelled().await.to_string());
            Ok(())
        });
        let mut served = script.serve_with(Server::new().keepalive_enforcement(policy), "127.0.0.1:0").await;
        let mut peer = Peer::client(&served.addr, &[]).await;
        if has_stream {
            let stream = peer.open(&request(TALK)).await;
            assert!(matches!(peer.on(stream).await, Frame::Headers { .. }), "{row}");
            assert!(matches!(peer.on(stream).await, Frame::Data { .. }), "{row}");
            // What the server just sent is no one's fault: the first ping only begins the count.
            assert_eq!(peer.fence().await, [], "{row}");
        } else {
            assert_eq!(peer.fence().await, [], "{row}");
        }
        // Two are forgiven.
        for _ in 0..2 {
            assert_eq!(peer.fence().await, [], "{row}");
        }
        if !is_ended {
            for _ in 0..50 {
                assert_eq!(peer.fence().await, [], "{row}");
            }
            continue;
        }
        peer.send(&Frame::Ping(*b"too many")).await;
        let end = peer.end().await;
        let goaways = end.iter().filter_map(|frame| match frame {
            Frame::GoAway { code, debug, .. } => Some((*code, debug.clone())),
            _ => None,
        });
        assert_eq!(goaways.collect::<Vec<_>>(), [(ENHANCE_YOUR_CALM, "too_many_pings".into())], "{row}");
        if has_stream {
            let heard = served.heard_at_once().await;
            assert!(heard.contains("too many pings"), "{row}: {heard}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_between_answers_are_not_too_many() {
    let server = Server::new().keepalive_enforcement(KeepaliveEnforcement::default());
    let served = Script::new().serve_with(server, "127.0.0.1:0").await;
    let mut peer = Peer::client(&served.addr, &[]).await;
    let stream = peer.open(&request("/test.Edge/Talk")).await;
    for number in 0..20 {
        peer.send(&Frame::data(stream, say(&number.to_string()))).await;
        while !matches!(peer.on(stream).await, Frame::Data { .. }) {}
        // As a client does that measures the way while it receives.
        assert_eq!(peer.fence().await, []);
        assert_eq!(peer.fence().await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_connection_carries_one_stream() {
    let served = Script::new().serve().await;
    let proxy = Proxy::to(&served.addr).await;
    let connections = || served.running.handle().connections();
    let client = EdgeStreamClient::builder("edge").host_ports([&proxy.addr]).short_connection().build().unwrap();
    for calls in 1..=3 {
        within(client.ask(Note::of("x")).into_future()).await.unwrap();
        assert_eq!(proxy.accepted(), calls);
        until(|| connections() == 0).await;
    }
    let (mut one, mut other) = (client.talk().await.unwrap(), client.talk().await.unwrap());
    exchange(&mut one, "1").await;
    exchange(&mut other, "2").await;
    assert_eq!((proxy.accepted(), connections()), (5, 2));
    finish(one).await;
    until(|| connections() == 1).await;
    exchange(&mut other, "still").await;
    drop(other);
    until(|| connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_options_does_not_matter() {
    let (running, addr) = serve(Server::new()).await;
    let proxy = Proxy::to(&addr).await;
    let builder = || WhenceClient::builder("whence").host_ports([&proxy.addr]);
    let clients = [
        builder().transport(Transport::Http2).short_connection().payload(Payload::Binary),
        builder().short_connection().payload(Payload::Binary).transport(Transport::Http2),
    ];
    for (calls, client) in [2, 4].into_iter().zip(clients) {
        let client = client.build().unwrap();
        for _ in 0..2 {
            // Framed carries no metadata.
            let way = within(client.whence().metadata("x-way", "by HTTP/2").into_future()).await.unwrap();
            assert_eq!(way, "by HTTP/2");
        }
        assert_eq!(proxy.accepted(), calls);
        until(|| running.handle().connections() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_warmed_up_has_its_connections_before_its_first_call() {
    let (a, b) = (Script::new().serve().await, Script::new().serve().await);
    let (to_a, to_b) = (Proxy::to(&a.addr).await, Proxy::to(&b.addr).await);
    let warm_up = WarmUp { connections: 2, fail_fast: true, ..WarmUp::default() };
    let builder = || EdgeStreamClient::builder("edge").host_ports([&to_a.addr, &to_b.addr]);
    let client = within(builder().connection_pool_size(3).build_warm(warm_up)).await.unwrap();
    until(|| (to_a.accepted(), to_b.accepted()) == (2, 2)).await;
    within(client.ask(Note::of("x")).into_future()).await.unwrap();
    assert_eq!(to_a.accepted() + to_b.accepted(), 4);
    // No more than are kept.
    let _one_each = within(builder().connection_pool_size(1).build_warm(warm_up)).await.unwrap();
    until(|| (to_a.accepted(), to_b.accepted()) == (3, 3)).await;

    let (_running, addr) = serve(Server::new()).await;
    type Kind = fn(ClientBuilder<WhenceClient>) -> ClientBuilder<WhenceClient>;
    let kinds: [(Kind, usize); 4] = [
        (|builder| builder, 2),
        (|builder| builder.long_connection(LongConnection { max_idle_per_address: 1, ..LongConnection::default() }), 1),
        (|builder| builder.transport(Transport::TtHeader).multiplexed(2), 2),
        (|builder| builder.transport(Transport::Http2).connection_pool_size(2), 2),
    ];
    for (kind, connections) in kinds {
        let proxy = Proxy::to(&addr).await;
        let builder = kind(WhenceClient::builder("whence").host_ports([&proxy.addr]));
        let client = within(builder.build_warm(warm_up)).await.unwrap();
        until(|| proxy.accepted() == connections).await;
        for _ in 0..4 {
            within(client.whence().into_future()).await.unwrap();
        }
        assert_eq!(proxy.accepted(), connections, "a call made one more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_that_fails_is_an_error_only_where_it_should_be() {
    let served = Script::new().serve().await;
    let builder = || EdgeStreamClient::builder("edge");
    let nobody = refusing().await;
    let fail_fast = WarmUp { fail_fast: true, ..WarmUp::default() };
    type Change = fn(StreamClientBuilder<EdgeStreamClient>) -> StreamClientBuilder<EdgeStreamClient>;
    let rows: [(Change, WarmUp, &str); 4] = [
        (|it| it, WarmUp { connections: 0, ..fail_fast }, "`build_warm` has 0 `connections`"),
        (|it| it, WarmUp { parallel: 0, ..fail_fast }, "0 in `parallel`"),
        (|it| it.short_connection(), WarmUp::default(), "`build_warm` with `short_connection`"),
        (|it| it.connection_pool_size(0), WarmUp::default(), "`connection_pool_size` is 0"),
    ];
    for (option, warm_up, part) in rows {
        assert_error(option(builder().host_ports([&served.addr])).build_warm(warm_up).await, 13, part);
    }
    let err = within(builder().host_ports([&served.addr, &nobody]).build_warm(fail_fast)).await.unwrap_err();
    assert!(matches!(&err, Error::Connect(connect) if connect.address() == nobody), "{err:?}");
    let client = within(builder().host_ports([&nobody, &served.addr]).build_warm(WarmUp::default())).await.unwrap();
    within(client.ask(Note::of("x")).into_future()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_run_when_a_client_is_closed_runs_once_and_with_its_last_clone() {
    let served = Script::new().serve().await;
    let said = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&said), Arc::clone(&said));
    let builder = EdgeStreamClient::builder("edge").host_ports([&served.addr]);
    let builder = builder.on_close(move || first.lock().unwrap().push("first"));
    let client = builder.on_close(move || second.lock().unwrap().push("second")).build().unwrap();
    let (clone, call) = (client.clone(), client.ask(Note::of("x")));
    drop(client);
    within(clone.ask(Note::of("x")).into_future()).await.unwrap();
    drop(clone);
    assert!(said.lock().unwrap().is_empty(), "a call is still to be made");
    within(call.into_future()).await.unwrap();
    assert_eq!(*said.lock().unwrap(), ["first", "second"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn servers_share_a_port_where_all_of_them_say_so() {
    let named = |name: &'static str| Script::new().ask(move |_, _, _| async move { Ok(Note::of(name)) });
    let server = |name| Server::new().add(EdgeServer::new(named(name)));
    let first = server("first").reuse_port(true).bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = first.local_address().to_string();
    let _second = server("second").reuse_port(true).bind(&addr).await.unwrap().spawn();
    assert_error(server("third").bind(&addr).await, 13, "cannot bind the server's address");
    let client = EdgeStreamClient::builder("edge").host_ports([&addr]).short_connection().build().unwrap();
    let mut seen = Vec::new();
    within(async {
        while seen.len() < 2 {
            let name = client.ask(Note::default()).await.unwrap().text().to_owned();
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_refused_goes_to_another_connection() {
    let port = Port::bind().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&port.addr]).connection_pool_size(2).build().unwrap();
    let first = tokio::spawn(client.ask(Note::of("first")).into_future());
    let mut one = port.serve(&[]).await;
    assert!(matches!(one.on(1).await, Frame::Headers { .. }));
    // The next in turn is the other connection, and after it this one again.
    let second = tokio::spawn(client.ask(Note::of("second")).into_future());
    let mut other = port.serve(&[]).await;
    assert!(matches!(other.on(1).await, Frame::Headers { .. }));
    one.send(&Frame::reset(1, REFUSED_STREAM)).await;
    assert!(matches!(other.on(3).await, Frame::Headers { .. }));
    for stream in [1, 3] {
        let header = fields(&[(":status", "200"), ("content-type", "application/grpc+thrift")]);
        other.send(&Frame::headers(stream, &header)).await;
        other.send(&Frame::data(stream, reply("done"))).await;
        other.send(&Frame::trailers(stream, &fields(&[("grpc-status", "0")]))).await;
    }
    for call in [first, second] {
        assert_eq!(soon("the answer", call).await.unwrap().unwrap(), Note::of("done"));
    }
}

/// Connects, and waits until the server at this address has closed the connection.
#[derive(Debug)]
struct TooLate(String);

#[async_trait]
impl Connect for TooLate {
    async fn connect(&self, address: &str) -> io::Result<BoxIo> {
        let stream = TcpStream::connect(address).await?;
        if address == self.0 {
            stream.peek(&mut [0]).await?;
        }
        Ok(Box::new(stream))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_a_connection_at_once_fails_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let client =
        EdgeStreamClient::builder("edge").host_ports([&addr]).connector(TooLate(addr.clone())).build().unwrap();
    let err = within(client.talk().into_future()).await.unwrap_err();
    let Error::Connect(connect) = &err else { panic!("{err:?}") };
    assert_eq!((connect.during(), connect.address()), (Stage::Handshake, addr.as_str()));
    assert!(err.to_string().contains("during the handshake"), "{err}");
    // Another instance takes the call.
    let served = Script::new().serve().await;
    let both = EdgeStreamClient::builder("edge").host_ports([&addr, &served.addr]).connector(TooLate(addr));
    let both = both.build().unwrap();
    for _ in 0..2 {
        within(both.ask(Note::of("x")).into_future()).await.unwrap();
    }
}

#[test]
fn an_option_of_connections_that_cannot_be_is_named() {
    let streams = || EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]);
    let calls = || WhenceClient::builder("whence").host_ports(["127.0.0.1:1"]);
    let broken = |config| {
        let breaker = CircuitBreaker::new();
        breaker.set_config(config);
        breaker
    };
    let long = LongConnection::default();
    let mut never_open = BreakerConfig::default();
    never_open.cool_off = Duration::ZERO;
    let rows = [
        (streams().host_ports([""]).build().err(), "`host_ports` has an empty address"),
        (
            streams().circuit_breaker(broken(BreakerConfig::new(0.0, 200))).build().err(),
            "`circuit_breaker` has an `error_rate` of 0",
        ),
        (streams().circuit_breaker(broken(BreakerConfig::new(1.5, 200))).build().err(), "`error_rate` of 1.5"),
        (streams().circuit_breaker(broken(BreakerConfig::new(f64::NAN, 200))).build().err(), "`error_rate` of NaN"),
        (streams().circuit_breaker(broken(BreakerConfig::new(0.5, 0))).build().err(), "`min_sample`"),
        (streams().circuit_breaker(broken(never_open)).build().err(), "`cool_off` of 0"),
    ];
    for (err, part) in rows {
        assert_error(err.map_or(Ok(()), Err), 13, part);
    }
    let rows = [
        (calls().read_write_timeout(Duration::ZERO), "`read_write_timeout` is 0"),
        (calls().long_connection(LongConnection { max_idle_per_address: 0, ..long }), "`long_connection` is 0"),
        (
            calls().long_connection(LongConnection { max_idle_timeout: Duration::ZERO, ..long }),
            "`long_connection` is 0",
        ),
        (calls().multiplexed(0).transport(Transport::TtHeader), "`multiplexed` is 0"),
        (calls().multiplexed(1), "`multiplexed` needs a TTHeader"),
        (calls().multiplexed(1).transport(Transport::Http2), "`multiplexed` needs a TTHeader"),
        (calls().payload(Payload::Compact).transport(Transport::Http2), "`payload` is `Compact`"),
        (calls().transport(Transport::Http2).long_connection(long), "`long_connection` is not for HTTP/2"),
    ];
    for (builder, part) in rows {
        assert_error(builder.build(), 13, part);
    }
    let rows = [
        (Server::new().max_connection_idle_time(Duration::ZERO), "`max_connection_idle_time` is 0"),
        (Server::new().max_connection_age(Duration::ZERO), "`max_connection_age` is 0"),
        (Server::new().max_connection_age_grace(SECOND), "`max_connection_age_grace` without `max_connection_age`"),
        (Server::new().read_write_timeout(Duration::ZERO), "`read_write_timeout` is 0"),
        (Server::new().register(Nowhere, Registration::new("")), "`register` has an empty service name"),
    ];
    for (server, part) in rows {
        let (listener, _) = thrill::testing::memory();
        assert_error(server.add(EdgeServer::new(Script::new())).listen(listener), 13, part);
    }
}

struct Nowhere;

#[async_trait]
impl thrill::Register for Nowhere {
    async fn register(&self, _: &Registration) -> Result<()> {
        Ok(())
    }

    async fn deregister(&self, _: &Registration) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_beyond_all_clocks_is_no_time() {
    const NEVER: Duration = Duration::MAX;
    let keepalive = Keepalive { time: NEVER, timeout: NEVER, without_streams: true };
    let server = Server::new()
        .detection_timeout(NEVER)
        .partial_timeout(NEVER)
        .read_write_timeout(NEVER)
        .max_connection_idle_time(NEVER)
        .max_connection_age(NEVER)
        .max_connection_age_grace(NEVER)
        .keepalive(keepalive)
        .keepalive_enforcement(KeepaliveEnforcement { min_time: NEVER, without_streams: true });
    let (running, addr) = serve(server).await;
    for transport in [Transport::Framed, Transport::TtHeaderFramed, Transport::Http2] {
        let client = WhenceClient::builder("whence").host_ports([&addr]).transport(transport);
        let client = client.connect_timeout(NEVER).rpc_timeout(NEVER).read_write_timeout(NEVER).keepalive(keepalive);
        let said = within(client.build().unwrap().whence().into_future()).await;
        assert_eq!(said.unwrap(), "", "{transport:?}");
    }
    running.shutdown().await;

    let server = Server::new().exit_wait_time(NEVER).max_connection_age(NEVER).keepalive(keepalive);
    let served = Script::new().serve_with(server, "127.0.0.1:0").await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).connect_timeout(NEVER).timeout(NEVER);
    let client = client.recv_timeout(NEVER).send_timeout(NEVER).keepalive(keepalive).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    exchange(&mut stream, "hi").await;
    finish(stream).await;
}
