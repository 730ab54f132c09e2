//! How connections are made, shared, lost, replaced, and let go; and how a server ends.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use thrill::net::tcp::TcpListen;
use thrill::{BidiStream, Code, Error, Keepalive, Origin, Result, Server};
use thrill_tests::contract::{CounterClient, CounterServer, Request, TestServiceServer, TestServiceStreamClient};
use thrill_tests::handler::Handler;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::deadlines::NeverConnects;
use crate::public_api::{EdgeServer, EdgeStreamClient, Note, Script, Served, Talk, assert_error, at_once, within};

/// A wire that can be cut, or go silent.
pub(crate) struct Proxy {
    pub(crate) addr: String,
    pass: watch::Sender<Pass>,
    accepted: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Through,
    /// Bytes are kept until they may pass again.
    Silent,
    /// Connections are closed.
    Cut,
}

impl Proxy {
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, target) = (listener.local_addr().unwrap().to_string(), target.to_owned());
        let (pass, watching) = watch::channel(Pass::Through);
        let accepted: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let far = TcpStream::connect(&target).await?;
                near.set_nodelay(true)?;
                far.set_nodelay(true)?;
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                tokio::spawn(pump(from_near, to_far, watching.clone()));
                tokio::spawn(pump(from_far, to_near, watching.clone()));
            }
            io::Result::Ok(())
        });
        Self { addr, pass, accepted }
    }

    /// A client with one connection through here.
    pub(crate) fn client(&self) -> EdgeStreamClient {
        EdgeStreamClient::builder("edge").host_ports([&self.addr]).connection_pool_size(1).build().unwrap()
    }

    pub(crate) fn go_silent(&self) {
        self.pass.send_replace(Pass::Silent);
    }

    /// Closes the connections there are; new ones pass.
    pub(crate) fn cut(&self) {
        self.pass.send_replace(Pass::Cut);
    }

    fn heal(&self) {
        self.pass.send_replace(Pass::Through);
    }

    /// How many connections were made.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut pass: watch::Receiver<Pass>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = tokio::select! {
            read = from.read(&mut buffer) => read?,
            _ = pass.wait_for(|pass| *pass == Pass::Cut) => return Ok(()),
        };
        let is_cut = pass.wait_for(|pass| *pass != Pass::Silent).await.map_or(true, |pass| *pass == Pass::Cut);
        if count == 0 || is_cut {
            return Ok(());
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
    }
}

/// A handler that tells from which connection it is called.
fn telling() -> Script {
    Script::new().ask(|_, cx, _| async move { Ok(Note::of(cx.peer().map_or(String::new(), ToString::to_string))) })
}

async fn ask(client: &EdgeStreamClient) -> Result<String> {
    within(client.ask(Note::default()).into_future()).await.map(|note| note.text().to_owned())
}

/// An exchange on a stream that goes on.
pub(crate) async fn exchange(stream: &mut Talk, text: &str) {
    stream.send(Note::of(text)).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of(text)));
}

pub(crate) async fn finish(mut stream: Talk) {
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_made_when_they_are_needed_and_used_in_turn() {
    let served = telling().serve().await;
    let proxy = Proxy::to(&served.addr).await;
    let client = EdgeStreamClient::builder("edge").host_ports([&proxy.addr]).connection_pool_size(3).build().unwrap();
    assert_eq!(proxy.accepted(), 0);
    let mut peers = Vec::new();
    for calls in 1..=9 {
        peers.push(ask(&client).await.unwrap());
        assert_eq!(proxy.accepted(), calls.min(3), "after {calls} calls");
    }
    assert_eq!(peers.iter().collect::<HashSet<_>>().len(), 3);
    assert!((0..6).all(|at| peers[at] == peers[at + 3]), "not in turn: {peers:?}");
    // Clones share them.
    assert_eq!(ask(&client.clone()).await.unwrap(), peers[0]);
    assert_eq!(proxy.accepted(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_come_together_share_a_connection_that_is_being_made() {
    let served = telling().serve().await;
    let proxy = Proxy::to(&served.addr).await;
    let client = proxy.client();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { ask(&client).await.unwrap() });
    }
    let peers = within(calls.join_all()).await.into_iter().collect::<HashSet<_>>();
    assert_eq!((peers.len(), proxy.accepted()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_used_in_turn_and_a_call_may_name_its_own() {
    let named = |name: &'static str| Script::new().ask(move |_, _, _| async move { Ok(Note::of(name)) });
    let (a, b, c) = (named("a").serve().await, named("b").serve().await, named("c").serve().await);
    let client = EdgeStreamClient::builder("edge").host_ports([&a.addr, &b.addr]).build().unwrap();
    let mut seen = String::new();
    for _ in 0..6 {
        seen.push_str(&ask(&client).await.unwrap());
    }
    assert!(seen == "ababab" || seen == "bababa", "{seen}");
    let call = client.ask(Note::default()).host_port(&c.addr);
    assert_eq!(within(call.into_future()).await.unwrap(), Note::of("c"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_refuses_is_passed_over() {
    let served = Script::new().serve().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&refusing().await, &served.addr]).build().unwrap();
    for _ in 0..10 {
        ask(&client).await.unwrap();
    }
}

/// An address where no one listens.
pub(crate) async fn refusing() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_its_streams_and_is_replaced() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        stream.send(Note::of("hello")).await?;
        desk.say(stream.recv().await.unwrap_err().to_string());
        desk.say(cx.cancelled().await.to_string());
        Ok(())
    });
    let mut served = script.serve().await;
    let proxy = Proxy::to(&served.addr).await;
    let client = proxy.client();
    let mut stream = client.talk().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("hello")));
    proxy.cut();
    let err = at_once(stream.recv()).await.unwrap_err();
    let Error::ConnectionLost(lost) = &err else { panic!("{err:?}") };
    assert_eq!((lost.peer(), lost.is_draining()), (proxy.addr.as_str(), false));
    assert_eq!((err.origin(), err.code()), (Origin::Network, Code::UNAVAILABLE));
    assert!(err.to_string().contains(&proxy.addr), "{err}");
    assert_error(stream.send(Note::default()).await, 14, "lost");
    for _ in 0..2 {
        let heard = served.heard_at_once().await;
        assert!(heard.starts_with("rpc error: code = 1 desc = transport: "), "{heard}");
        assert!(heard.ends_with("[triggered by remote service]"), "{heard}");
    }
    proxy.heal();
    ask(&client).await.unwrap();
    assert_eq!(proxy.accepted(), 2);
}

/// Serves on an address that another server is about to leave.
async fn serve_again(script: Script, addr: &str) -> Served {
    let free = async {
        loop {
            match TcpListen::bind(addr).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    script.serve_on(Server::new(), within(free).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_on_its_port_is_found_again() {
    let first = Script::new().serve().await;
    let addr = first.addr.clone();
    let client = first.client();
    for _ in 0..3 {
        ask(&client).await.unwrap();
    }
    within(first.running.shutdown()).await;
    let again = serve_again(Script::new(), &addr).await;
    for _ in 0..3 {
        ask(&client).await.unwrap();
    }
    within(again.running.shutdown()).await;
    assert_error(ask(&client).await, 14, "cannot connect to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_streams_finish_and_sends_new_calls_to_the_next_server() {
    let named = |name: &'static str| Script::new().ask(move |_, _, _| async move { Ok(Note::of(name)) });
    let old = named("old").serve().await;
    let addr = old.addr.clone();
    let client = old.client();
    let mut stream = client.talk().await.unwrap();
    exchange(&mut stream, "1").await;
    assert_eq!(ask(&client).await.unwrap(), "old");
    let handle = old.running.handle();
    handle.shutdown();
    handle.shutdown();
    let _new = serve_again(named("new"), &addr).await;
    // Until the client has heard of it, the old server still answers; none fails.
    within(async { while ask(&client).await.unwrap() == "old" {} }).await;
    for number in 0..100 {
        assert_eq!(ask(&client).await.unwrap(), "new");
        exchange(&mut stream, &number.to_string()).await;
    }
    assert!((&mut Box::pin(old.running)).now_or_never().is_none(), "the old server ended under a stream");
    finish(stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_while_servers_take_turns() {
    let (a, b) = (Script::new().serve().await, Script::new().serve().await);
    let addresses = [a.addr.clone(), b.addr.clone()];
    let client = EdgeStreamClient::builder("edge").host_ports(&addresses).connection_pool_size(2).build().unwrap();
    let (stop, stopping) = watch::channel(false);
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (client, stopping) = (client.clone(), stopping.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while !*stopping.borrow() {
                assert_eq!(client.ask(Note::of("x")).await?, Note::of("x"));
                calls += 1;
            }
            Ok::<_, Error>(calls)
        });
    }
    let mut servers = [a, b];
    for round in 0..6 {
        for _ in 0..50 {
            ask(&client).await.unwrap();
        }
        let server = &mut servers[round % 2];
        let addr = server.addr.clone();
        server.running.handle().shutdown();
        within(&mut server.running).await;
        *server = serve_again(Script::new(), &addr).await;
    }
    stop.send_replace(true);
    while let Some(calls) = within(callers.join_next()).await {
        assert!(calls.unwrap().unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_cannot_be_made_says_where_for_whom_and_how_long() {
    let addr = refusing().await;
    let client = EdgeStreamClient::builder("a-service").host_ports([&addr]).build().unwrap();
    let err = within(client.talk().into_future()).await.unwrap_err();
    let Error::Connect(connect) = &err else { panic!("{err:?}") };
    assert_eq!(connect.address(), addr);
    assert_eq!((err.origin(), err.code()), (Origin::Network, Code::UNAVAILABLE));
    let text = err.to_string();
    for part in [addr.as_str(), "\"a-service\"", &format!("{:?}", connect.after()), "refused"] {
        assert!(text.contains(part), "{part} is not in {text:?}");
    }
    assert!(std::error::Error::source(&err).is_some_and(|source| source.downcast_ref::<io::Error>().is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_too_long_names_the_option() {
    let client = EdgeStreamClient::builder("slow").host_ports(["far:1"]).connector(NeverConnects).build().unwrap();
    for (call, after) in [
        (client.talk(), Duration::from_secs(1)),
        (client.talk().connect_timeout(Duration::from_millis(50)), Duration::from_millis(50)),
    ] {
        let began = tokio::time::Instant::now();
        let err = call.await.unwrap_err();
        assert_eq!(began.elapsed(), after);
        let text = err.to_string();
        let option = format!("option `connect_timeout` of {after:?}");
        assert!(text.contains("far:1") && text.contains("\"slow\"") && text.contains(&option), "{text}");
    }
}

#[test]
fn a_client_that_cannot_be_names_the_option() {
    let build = || EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]);
    let rows = [
        (EdgeStreamClient::builder("").host_ports(["127.0.0.1:1"]), "service name is empty"),
        (EdgeStreamClient::builder("edge"), "`host_ports`"),
        (build().host_ports([""; 0]), "`host_ports`"),
        (build().connection_pool_size(0), "`connection_pool_size` is 0"),
        (EdgeStreamClient::builder("a b\n").host_ports(["127.0.0.1:1"]), "service name \"a b\\n\""),
        (build().caller("a\nb"), "`caller` \"a\\nb\""),
    ];
    for (builder, part) in rows {
        assert_error(builder.build(), 13, part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_share_a_port() {
    let handler = Arc::new(Handler::default());
    let server = Server::new()
        .add(TestServiceServer::from_arc(Arc::clone(&handler)))
        .add(CounterServer::from_arc(handler))
        .bind("127.0.0.1:0")
        .await
        .unwrap()
        .spawn();
    let addr = server.local_address().to_string();
    let echo = TestServiceStreamClient::builder("echo").host_ports([&addr]).build().unwrap();
    let counter = CounterClient::builder("echo").host_ports([&addr]).build().unwrap();
    let request = Request { message: Some("x".to_owned()) };
    assert_eq!(within(echo.echo_unary(request).into_future()).await.unwrap().message.as_deref(), Some("x"));
    assert_eq!(within(counter.increment(2).into_future()).await.unwrap(), 2);
    assert_eq!(within(counter.increment(3).into_future()).await.unwrap(), 5);
    let edge = EdgeStreamClient::builder("edge").host_ports([&addr]).build().unwrap();
    assert_error(ask(&edge).await, 20, "unknown service Edge");
}

/// What a newer client knows.
#[thrill::service(name = "Edge", namespace = "test", rename_all = "PascalCase")]
trait NewerEdge {
    #[streaming(mode = "bidirectional")]
    async fn sing(&self, stream: BidiStream<Note, Note>) -> Result<()>;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_method_is_answered_at_once() {
    let served = Script::new().serve().await;
    let client = NewerEdgeStreamClient::builder("edge").host_ports([&served.addr]).build().unwrap();
    let mut stream = client.sing().await.unwrap();
    assert_error(within(stream.recv()).await, 1, "unknown method Sing");
}

#[tokio::test]
async fn a_server_without_a_service_or_with_two_of_one_name_is_refused() {
    assert_error(Server::new().bind("127.0.0.1:0").await, 13, "`Server::add`");
    let twice = Server::new().add(EdgeServer::new(Script::new())).add(EdgeServer::new(Script::new()));
    assert_error(twice.bind("127.0.0.1:0").await, 13, "service \"Edge\" is added twice");
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = Server::new().add(EdgeServer::new(Script::new())).bind(taken.local_addr().unwrap()).await;
    assert_error(bound, 13, "cannot bind the server's address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_handlers_and_tells_them_nothing() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        desk.say("running");
        desk.wait().await;
        desk.say(format!("returns, cancelled: {}", cx.is_cancelled()));
        stream.send(Note::of("last")).await
    });
    let mut served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    assert_eq!(served.heard().await, "running");
    served.running.handle().shutdown();
    // The listener is closed: the shutdown has begun.
    let refused = async {
        while TcpStream::connect(&served.addr).await.is_ok() {
            tokio::task::yield_now().await
        }
    };
    within(refused).await;
    assert!((&mut served.running).now_or_never().is_none(), "the server ended under its handler");
    served.let_go(1);
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("last")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    within(&mut served.running).await;
    assert_eq!(served.unheard().as_deref(), Some("returns, cancelled: false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_resets_what_outlasts_exit_wait_time() {
    let script = Script::new()
        .talk(|desk, cx, mut stream| async move {
            desk.say("running");
            let err = stream.recv().await.unwrap_err();
            desk.say(err.to_string());
            desk.say(cx.cancelled().await.to_string());
            Err(err)
        })
        .upload(|desk, _, _| async move {
            desk.say("running");
            // Never let go: no handler can hold a shutdown up.
            desk.wait().await;
            Ok(Note::default())
        });
    let wait = Duration::from_millis(100);
    let mut served = script.serve_with(Server::new().exit_wait_time(wait), "127.0.0.1:0").await;
    let client = served.client();
    let mut stream = client.talk().await.unwrap();
    let upload = client.upload().await.unwrap();
    assert_eq!((served.heard().await, served.heard().await), ("running".to_owned(), "running".to_owned()));
    served.running.handle().shutdown();
    at_once(&mut served.running).await;
    let text = "rpc error: code = 14 desc = graceful shutdown";
    assert_eq!(at_once(stream.recv()).await.unwrap_err().to_string(), text);
    assert_eq!(stream.send(Note::default()).await.unwrap_err().to_string(), text);
    assert_eq!(at_once(upload.close_and_recv()).await.unwrap_err().to_string(), text);
    assert_eq!((served.heard().await.as_str(), served.heard().await.as_str()), (text, text));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_keepalive_finds_a_silent_server() {
    let served = Script::new().serve().await;
    let proxy = Proxy::to(&served.addr).await;
    let time = Duration::from_millis(100);
    let keepalive = Keepalive { time, timeout: time, without_streams: false };
    let client = EdgeStreamClient::builder("edge").host_ports([&proxy.addr]).connection_pool_size(1);
    let client = client.keepalive(keepalive).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    exchange(&mut stream, "1").await;
    proxy.go_silent();
    assert_error(at_once(stream.recv()).await, 14, "keepalive ping failed to receive ACK within timeout");
    proxy.heal();
    exchange(&mut client.talk().await.unwrap(), "2").await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_keepalive_finds_a_silent_client() {
    let script = Script::new().talk(|desk, cx, _stream| async move {
        desk.say("running");
        desk.say(cx.cancelled().await.to_string());
        Ok(())
    });
    let time = Duration::from_millis(100);
    let keepalive = Keepalive { time, timeout: time, without_streams: true };
    let mut served = script.serve_with(Server::new().keepalive(keepalive), "127.0.0.1:0").await;
    let proxy = Proxy::to(&served.addr).await;
    let _stream = proxy.client().talk().await.unwrap();
    assert_eq!(served.heard().await, "running");
    proxy.go_silent();
    let heard = served.heard_at_once().await;
    assert!(heard.contains("keepalive ping was not answered"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keepalive_leaves_a_peer_alone_that_answers() {
    let time = Duration::from_millis(20);
    let keepalive = Keepalive { time, timeout: Duration::from_secs(10), without_streams: true };
    let served = Script::new().serve_with(Server::new().keepalive(keepalive), "127.0.0.1:0").await;
    let proxy = Proxy::to(&served.addr).await;
    let client = EdgeStreamClient::builder("edge").host_ports([&proxy.addr]).connection_pool_size(1);
    let client = client.keepalive(keepalive).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    for number in 0..5 {
        exchange(&mut stream, &number.to_string()).await;
        // Quiet for several probes of both sides; no test could wait for their absence in another way.
        tokio::time::sleep(3 * time).await;
    }
    finish(stream).await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn all_kinds_work_without_a_socket() {
    let (served, connector) = Script::new().serve_in_memory(Server::new());
    let client = EdgeStreamClient::builder("edge").host_ports(["anything"]).connector(connector).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    exchange(&mut stream, "1").await;
    finish(stream).await;
    let mut upload = client.upload().await.unwrap();
    upload.send(Note::of_size(4 << 20)).await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), Note::of("1"));
    let mut notes = client.download(Note::of("2")).await.unwrap();
    for want in [Some(Note::of("0")), Some(Note::of("1")), None] {
        assert_eq!(within(notes.recv()).await.unwrap(), want);
    }
    assert_eq!(ask(&client).await.unwrap(), "");
    within(served.running.shutdown()).await;
    assert_error(ask(&client).await, 14, "cannot connect to anything for service \"edge\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_beyond_the_servers_limit_waits_for_its_turn() {
    let served = Script::new().serve_with(Server::new().max_concurrent_streams(2), "127.0.0.1:0").await;
    let client = served.client();
    let (mut first, mut second) = (client.talk().await.unwrap(), client.talk().await.unwrap());
    exchange(&mut first, "1").await;
    exchange(&mut second, "2").await;

    let mut waiting = Vec::new();
    for number in 0..3 {
        let mut stream = client.talk().await.unwrap();
        stream.send(Note::of(number.to_string())).await.unwrap();
        waiting.push(stream);
    }
    // Gives up while it waits: by its deadline, and by being dropped.
    let timeout = Duration::from_millis(100);
    assert_error(at_once(client.ask(Note::default()).timeout(timeout).into_future()).await, 4, "deadline exceeded");
    drop(waiting.remove(1));
    exchange(&mut first, "still").await;

    finish(first).await;
    finish(second).await;
    for (mut stream, number) in waiting.into_iter().zip(["0", "2"]) {
        assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of(number)));
        finish(stream).await;
    }
    assert_eq!(ask(&client).await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_before_the_servers_settings_keep_its_limit_too() {
    let served = Script::new().serve_with(Server::new().max_concurrent_streams(2), "127.0.0.1:0").await;
    let client = served.client();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { client.ask(Note::of("x")).await });
    }
    while let Some(answer) = within(calls.join_next()).await {
        assert_eq!(answer.unwrap().unwrap(), Note::of("x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_whose_client_is_gone_at_once() {
    let served = Script::new().serve().await;
    // Not in a task: so the connection's runs at the same time, on another thread.
    for _ in 0..200 {
        let client = served.client();
        let mut stream = client.talk().await.unwrap();
        drop(client);
        stream.send(Note::of("hi")).await.unwrap();
        assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("hi")));
    }
}
