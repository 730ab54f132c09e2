//! What one `recv`, one `send` and any future may take; causes of cancellation as types.

use std::sync::Arc;
use std::time::Duration;

use thrill::middleware::{AnyMessage, RecvLayer, RecvNext};
use thrill::{
    Cancelled, ClientBuilder, ClientSuite, Context, Error, Keepalive, Receiver, Result, Server, ServerSuite, Stage,
    StreamClientBuilder, StreamTimeout, Transport, call_with_timeout,
};
use thrill_tests::contract::TestServiceClient;

use crate::connections::Proxy;
use crate::public_api::{EdgeServer, EdgeStreamClient, Note, Script, Served, assert_error, at_once, within};

const SOON: Duration = Duration::from_millis(50);
const EXPIRED: &str =
    "rpc error: code = 17 desc = stream Recv timeout, timeout config={Timeout:50ms DisableCancelRemote:false}";

fn edge(served: &Served) -> StreamClientBuilder<EdgeStreamClient> {
    EdgeStreamClient::builder("edge").host_ports([&served.addr]).connection_pool_size(1)
}

/// A handler that answers when the test lets it go on, and tells what cancels it.
fn slow() -> Script {
    Script::new().talk(|desk, cx, mut stream| async move {
        tokio::select! {
            () = desk.wait() => {}
            cause = cx.cancelled() => {
                desk.say(format!("{cause:?}"));
                return Err(cause);
            }
        }
        while let Some(note) = stream.recv().await? {
            stream.send(note).await?;
        }
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recv_that_takes_too_long_cancels_the_stream_with_kitex_s_error() {
    let mut served = slow().serve().await;
    let client = edge(&served).recv_timeout(SOON).caller("test").build().unwrap();
    let mut stream = client.talk().await.unwrap();
    let err = at_once(stream.recv()).await.unwrap_err();
    assert_eq!(err.to_string(), EXPIRED);
    assert!(matches!(err, Error::StreamTimeout { during: Stage::Recv, timeout } if timeout == SOON.into()), "{err:?}");
    // The handler hears of it at once, and everything that follows here says the same.
    let heard = served.heard_at_once().await;
    assert!(heard.contains("ByPeer { code: 8, caller: \"test\" }"), "{heard}");
    assert_eq!(at_once(stream.recv()).await.unwrap_err().to_string(), EXPIRED);
    assert_eq!(stream.send(Note::default()).await.unwrap_err().to_string(), EXPIRED);
    // The connection serves the next stream, whose messages come in time.
    served.let_go(1);
    let mut next = client.talk().await.unwrap();
    for _ in 0..3 {
        next.send(Note::of("hi")).await.unwrap();
        assert_eq!(within(next.recv()).await.unwrap(), Some(Note::of("hi")));
    }
    drop(next);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recv_timeout_may_leave_the_peer_alone() {
    let mut served = slow().serve().await;
    let keep = StreamTimeout { timeout: SOON, disable_cancel_remote: true };
    let mut stream = edge(&served).build().unwrap().talk().recv_timeout(keep).await.unwrap();
    stream.send(Note::of("late")).await.unwrap();
    for _ in 0..2 {
        assert_error(at_once(stream.recv()).await, 17, "config={Timeout:50ms DisableCancelRemote:true}");
    }
    served.let_go(1);
    let received = within(async {
        loop {
            match stream.recv().await {
                Err(Error::StreamTimeout { .. }) => {}
                received => break received,
            }
        }
    });
    assert_eq!(received.await.unwrap(), Some(Note::of("late")));
    assert_eq!(served.unheard(), None);
    drop(stream);
    served.running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_call_wins_over_the_client_s() {
    let (served, connector) = slow().serve_in_memory(Server::new());
    let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector);
    let client = client.recv_timeout(Duration::from_secs(1)).build().unwrap();
    let hour = Duration::from_secs(3600);
    let took = |mut stream: thrill::BidiStream<Note, Note>| async move {
        let begin = tokio::time::Instant::now();
        let ended = tokio::time::timeout(2 * hour, stream.recv()).await;
        (begin.elapsed().as_secs(), ended.is_ok())
    };
    assert_eq!(took(client.talk().await.unwrap()).await, (1, true));
    assert_eq!(took(client.talk().recv_timeout(hour).await.unwrap()).await, (3600, true));
    // Zero is without limit.
    assert_eq!(took(client.talk().recv_timeout(Duration::ZERO).await.unwrap()).await, (7200, false));
    drop(served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_finds_no_room_for_too_long_fails() {
    let mut served = slow().serve().await;
    let mut stream = edge(&served).send_timeout(SOON).build().unwrap().talk().await.unwrap();
    let err = within(async {
        loop {
            if let Err(err) = stream.send(Note::of_size(64 << 10)).await {
                break err;
            }
        }
    })
    .await;
    assert_error(Err::<(), _>(err), 17, "stream Send timeout, timeout config={Timeout:50ms DisableCancelRemote:false}");
    assert!(served.heard_at_once().await.contains("ByPeer"));
    assert_error(stream.send(Note::default()).await, 17, "stream Send timeout");
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_see_a_timeout() {
    struct Count(Arc<std::sync::atomic::AtomicUsize>);
    #[thrill::async_trait]
    impl RecvLayer for Count {
        async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
            let received = next.run(cx).await;
            if matches!(received, Err(Error::StreamTimeout { .. })) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            received
        }
    }
    let served = slow().serve().await;
    let count = Arc::default();
    let client = edge(&served).recv_layer(Count(Arc::clone(&count))).build().unwrap();
    let mut stream = client.talk().recv_timeout(SOON).await.unwrap();
    at_once(stream.recv()).await.unwrap_err();
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_future_can_be_given_a_time() {
    let served = slow().serve().await;
    let mut stream = edge(&served).build().unwrap().talk().await.unwrap();
    stream.send(Note::of("hi")).await.unwrap();
    let err = call_with_timeout(SOON, stream.recv()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc timeout: CallWithTimeout: timeout in business code, timeout_config=50ms");
    // What was given up can be taken up again, without limit too.
    served.let_go(1);
    assert_eq!(within(call_with_timeout(Duration::ZERO, stream.recv())).await.unwrap(), Some(Note::of("hi")));
    drop(stream);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_reads_the_cause_of_its_end_as_a_type() {
    fn told(cause: &Error) -> &'static str {
        match cause {
            Error::DeadlineExceeded { .. } => "deadline",
            Error::Cancelled(cause) => match &**cause {
                Cancelled::ByPeer { code: 8, caller } if caller == "test" => "caller",
                Cancelled::ConnectionLost { .. } => "connection",
                Cancelled::Shutdown => "shutdown",
                _ => "something else",
            },
            _ => "no cancellation",
        }
    }
    let script = || {
        Script::new().talk(|desk, cx, _| async move {
            desk.say("running");
            let cause = cx.cancelled().await;
            assert_eq!(cx.cancel_cause().map(told), Some(told(&cause)));
            desk.say(told(&cause));
            Err(cause)
        })
    };
    for want in ["deadline", "caller", "connection", "shutdown"] {
        let server = Server::new().exit_wait_time(Duration::from_millis(10));
        let mut served = script().serve_with(server, "127.0.0.1:0").await;
        let proxy = Proxy::to(&served.addr).await;
        let client = EdgeStreamClient::builder("edge").host_ports([&proxy.addr]).caller("test").build().unwrap();
        let call = client.talk();
        let call = if want == "deadline" { call.timeout(Duration::from_millis(100)) } else { call };
        let stream = call.await.unwrap();
        assert_eq!(served.heard().await, "running");
        match want {
            // The caller's reset, which is as quick, does not come through.
            "deadline" => proxy.go_silent(),
            "caller" => drop(stream),
            "connection" => {
                proxy.cut();
                drop(stream);
            }
            "shutdown" => served.running.handle().shutdown(),
            _ => {}
        }
        assert_eq!(served.heard().await, want);
    }
}

#[thrill::service]
trait Slow {
    /// Waits until it is cancelled, and says by a oneway call what did it.
    async fn wait(&self, cx: &Context) -> Result<String>;
}

struct Waits(tokio::sync::mpsc::UnboundedSender<String>);

impl Slow for Waits {
    async fn wait(&self, cx: &Context) -> Result<String> {
        let _ = self.0.send("running".to_owned());
        let _ = self.0.send(format!("{:?}", cx.cancelled().await));
        Err(Error::new("cancelled"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_pong_handler_hears_of_its_deadline_and_of_a_shutdown() {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::new().exit_wait_time(Duration::from_millis(10)).add(SlowServer::new(Waits(said)));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    for (transport, mux) in [(Transport::TtHeader, 0), (Transport::TtHeaderFramed, 0), (Transport::TtHeader, 1)] {
        let client = SlowClient::builder("slow").host_ports([&addr]).transport(transport);
        let client = if mux > 0 { client.multiplexed(mux) } else { client };
        let client = client.build().unwrap();
        let err = within(client.wait().timeout(SOON).into_future()).await.unwrap_err();
        assert!(matches!(err, Error::DeadlineExceeded { .. }) || err.to_string().contains("cancelled"), "{err:?}");
        assert_eq!(within(heard.recv()).await.unwrap(), "running");
        let cause = within(heard.recv()).await.unwrap();
        // A client whose time is over closes a connection of its own: the server may hear of that first.
        let is_closed = mux == 0 && cause.starts_with("Cancelled(ConnectionLost");
        assert!(is_closed || cause.starts_with("DeadlineExceeded"), "{cause}");
    }
    let client = SlowClient::builder("slow").host_ports([&addr]).build().unwrap();
    let waiting = tokio::spawn(client.wait().into_future());
    assert_eq!(within(heard.recv()).await.unwrap(), "running");
    server.handle().shutdown();
    assert_eq!(within(heard.recv()).await.unwrap(), "Cancelled(Shutdown)");
    within(waiting).await.unwrap().unwrap_err();
}

#[test]
fn an_option_that_cannot_be_is_named_when_the_client_or_server_is_made() {
    let client = || EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]);
    let never = Keepalive { time: Duration::ZERO, ..Keepalive::frequent() };
    let rows = [
        (client().initial_window_size(0), "`initial_window_size` is 0"),
        (client().initial_window_size(1 << 31), "`initial_window_size` is 2147483648"),
        (client().initial_connection_window_size(0), "`initial_connection_window_size` is 0"),
        (client().max_message_size(0), "`max_message_size` is 0"),
        (client().max_header_list_size(0), "`max_header_list_size` is 0"),
        (client().send_buffer_size(0), "`send_buffer_size` is 0"),
        (client().connect_timeout(Duration::ZERO), "`connect_timeout` is 0"),
        (client().timeout(Duration::ZERO), "timeout of calls is 0"),
        (client().keepalive(never), "`keepalive` has a time of 0"),
    ];
    for (builder, part) in rows {
        assert_error(builder.build(), 13, part);
    }
    let rows = [
        (Server::new().initial_window_size(0), "`initial_window_size` is 0"),
        (Server::new().initial_connection_window_size(1 << 31), "`initial_connection_window_size` is 2147483648"),
        (Server::new().max_concurrent_streams(0), "`max_concurrent_streams` is 0"),
        (Server::new().partial_timeout(Duration::ZERO), "`partial_timeout` is 0"),
        (Server::new().detection_timeout(Duration::ZERO), "`detection_timeout` is 0"),
        (Server::new().keepalive(never), "`keepalive` has a time of 0"),
    ];
    for (server, part) in rows {
        let (listener, _) = thrill::testing::memory();
        assert_error(server.add(EdgeServer::new(Script::new())).listen(listener), 13, part);
    }
    let zero = TestServiceClient::builder("echo").host_ports(["127.0.0.1:1"]).rpc_timeout(Duration::ZERO);
    assert_error(zero.build(), 13, "timeout of calls is 0");
}

/// What every service of a company has.
struct Company;

impl ClientSuite for Company {
    fn client<C>(&self, client: ClientBuilder<C>) -> ClientBuilder<C> {
        client.caller("front").transport(Transport::TtHeader)
    }

    fn stream_client<C>(&self, client: StreamClientBuilder<C>) -> StreamClientBuilder<C> {
        client.caller("front").recv_timeout(SOON)
    }
}

impl ServerSuite for Company {
    fn server(&self, server: Server) -> Server {
        server.exit_wait_time(Duration::from_millis(10))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_bundles_options_and_what_follows_wins() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        desk.say(cx.caller().unwrap_or_default());
        stream.recv().await.map(drop)
    });
    let mut served = script.serve_with(Server::new().suite(&Company), "127.0.0.1:0").await;
    let suited = || EdgeStreamClient::builder("edge").suite(&Company).host_ports([&served.addr]);
    let clients = [suited().build().unwrap(), suited().caller("other").build().unwrap()];
    for (client, caller) in clients.iter().zip(["front", "other"]) {
        let mut stream = client.talk().await.unwrap();
        assert_eq!(served.heard().await, caller);
        assert_eq!(at_once(stream.recv()).await.unwrap_err().to_string(), EXPIRED);
    }
    served.running.shutdown().await;
}

/// The shape that a user sees: streams have no rpc timeout, calls have no recv timeout.
#[expect(dead_code, reason = "it only has to compile")]
async fn options_are_where_they_can_work(streams: EdgeStreamClient, calls: TestServiceClient) -> Result<()> {
    let _: Receiver<Note> = streams.download(Note::default()).recv_timeout(SOON).send_timeout(SOON).await?;
    calls.nothing().timeout(SOON).await
}
