//! Layers around calls, streams and messages, on both sides.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{FutureExt as _, SinkExt, StreamExt as _, TryStreamExt as _};
use thrill::middleware::{
    AnyMessage, Args, Layer, MetaHandler, Next, RecvLayer, RecvNext, Reply, SendLayer, SendNext, layer,
};
use thrill::schema::Mode;
use thrill::{Context, Error, Result, Running, Server, ServiceExt as _, Status, Transport};
use thrill_tests::contract::{
    AddError, CounterClient, CounterServer, NotFound, Request, Response, TestServiceClient, TestServiceServer,
    TestServiceStreamClient,
};
use thrill_tests::handler::Handler;

use crate::public_api::{EdgeStreamClient, Note, Script, assert_error, at_once, within};

/// What layers saw, in the order they saw it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn say(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Says what goes by.
#[derive(Clone)]
struct Watch(&'static str, Seen);

impl Watch {
    fn say(&self, text: std::fmt::Arguments<'_>) {
        self.1.say(format!("{} {text}", self.0));
    }
}

#[thrill::async_trait]
impl Layer for Watch {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        match &args {
            Args::Message(args) => self.say(format_args!("{} {args:?}", cx.method())),
            Args::Opening => self.say(format_args!("{} opening", cx.method())),
            args => self.say(format_args!("{} stream {}", cx.method(), args.is_streaming())),
        }
        let reply = next.run(cx, args).await;
        match &reply {
            Ok(Reply::Message(message)) => self.say(format_args!("replied {message:?}")),
            Ok(Reply::Exception(exception)) => self.say(format_args!("threw {:?}", exception.to_string())),
            Ok(Reply::Stream(_)) => self.say(format_args!("opened")),
            Ok(_) => self.say(format_args!("done")),
            Err(err) => self.say(format_args!("failed {err}")),
        }
        reply
    }
}

#[thrill::async_trait]
impl SendLayer for Watch {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        self.say(format_args!("{} => {message:?}", cx.method()));
        next.run(cx, message).await
    }
}

#[thrill::async_trait]
impl RecvLayer for Watch {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        let message = next.run(cx).await;
        match &message {
            Ok(Some(message)) => self.say(format_args!("{} <= {message:?}", cx.method())),
            Ok(None) => self.say(format_args!("{} <= end", cx.method())),
            Err(err) => self.say(format_args!("{} <= {err}", cx.method())),
        }
        message
    }
}

async fn contract_server(server: Server) -> Running {
    server.add(TestServiceServer::new(Handler::default())).bind("127.0.0.1:0").await.unwrap().spawn()
}

fn request(text: &str) -> Request {
    Request { message: Some(text.to_owned()) }
}

fn response(text: &str) -> Response {
    Response { message: Some(text.to_owned()) }
}

const TRANSPORTS: [Transport; 5] =
    [Transport::Buffered, Transport::Framed, Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2];

fn pingpong(server: &Running, transport: Transport, layer: impl Layer) -> TestServiceClient {
    let addr = server.local_address().to_string();
    TestServiceClient::builder("echo").host_ports([addr]).transport(transport).layer(layer).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_see_a_ping_pong_call_with_its_messages_over_every_transport() {
    let (ours, theirs) = (Seen::default(), Seen::default());
    let server =
        contract_server(Server::new().layer(Watch("s1", theirs.clone())).layer(Watch("s2", theirs.clone()))).await;
    for transport in TRANSPORTS {
        let client = pingpong(&server, transport, Watch("c", ours.clone()));
        assert_eq!(client.echo_ping_pong(request("hi")).await.unwrap(), response("hi"));
        let call = r#"EchoPingPong EchoPingPongArgs { req: Request { message: Some("hi") } }"#;
        let reply = r#"replied Response { message: Some("hi") }"#;
        assert_eq!(ours.take(), [format!("c {call}"), format!("c {reply}")], "{transport:?}");
        let want = [format!("s1 {call}"), format!("s2 {call}"), format!("s2 {reply}"), format!("s1 {reply}")];
        assert_eq!(theirs.take(), want, "{transport:?}");

        client.nothing().await.unwrap();
        assert_eq!(ours.take(), ["c Nothing NothingArgs", "c replied ()"], "{transport:?}");
        assert_eq!(theirs.take()[3], "s1 replied ()", "{transport:?}");

        // A declared exception is no failure of the call.
        let thrown = client.add(404, 1).await.unwrap_err();
        assert!(matches!(thrown, AddError::NotFound(NotFound { code: Some(4), .. })), "{thrown:?}");
        assert!(ours.take()[1].starts_with("c threw"), "{transport:?}");
        assert!(theirs.take()[2].starts_with("s2 threw"), "{transport:?}");

        // One that is not, is.
        client.add(500, 1).await.unwrap_err();
        assert!(ours.take()[1].starts_with("c failed") && theirs.take()[2] == "s2 failed add failed", "{transport:?}");

        client.notify("x".to_owned()).await.unwrap();
        assert_eq!(ours.take()[1], "c done", "{transport:?}");
        // A later call behind it on the same connection has no order to it: wait for the notice itself.
        within(async {
            while theirs.0.lock().unwrap().len() < 4 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(theirs.take()[2], "s2 done", "{transport:?}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_see_the_opening_of_a_stream_and_message_layers_its_messages() {
    let (ours, theirs) = (Seen::default(), Seen::default());
    let watch = Watch("s", theirs.clone());
    let server = contract_server(Server::new().layer(watch.clone()).send_layer(watch.clone()).recv_layer(watch)).await;
    let watch = Watch("c", ours.clone());
    let client = TestServiceStreamClient::builder("echo")
        .host_ports([server.local_address().to_string()])
        .layer(watch.clone())
        .send_layer(watch.clone())
        .recv_layer(watch)
        .build()
        .unwrap();
    let (req, res) = (r#"Request { message: Some("hi") }"#, r#"Response { message: Some("hi") }"#);

    let mut stream = client.echo().await.unwrap();
    stream.send(request("hi")).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(response("hi")));
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    let want =
        ["c Echo opening", "c opened", &format!("c Echo => {req}"), &format!("c Echo <= {res}"), "c Echo <= end"];
    assert_eq!(ours.take(), want);
    let want =
        ["s Echo stream true", &format!("s Echo <= {req}"), &format!("s Echo => {res}"), "s Echo <= end", "s done"];
    assert_eq!(theirs.take(), want);

    let mut upload = client.echo_client().await.unwrap();
    upload.send(request("hi")).await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), response("hi"));
    let name = "EchoClient";
    let (sent, received) = (format!("c {name} => {req}"), format!("c {name} <= {res}"));
    assert_eq!(ours.take(), ["c EchoClient opening", "c opened", &sent, &received, "c EchoClient <= end"]);
    let (received, sent) = (format!("s {name} <= {req}"), format!("s {name} => {res}"));
    assert_eq!(theirs.take(), ["s EchoClient stream true", &received, "s EchoClient <= end", &sent, "s done"]);

    let download = client.echo_server(request("hi")).await.unwrap();
    assert_eq!(within(download.try_collect::<Vec<_>>()).await.unwrap().len(), 3);
    // The one request is sent like every message: behind the opening.
    assert_eq!(ours.take()[..3], ["c EchoServer opening", "c opened", &format!("c EchoServer => {req}")]);
    assert_eq!(theirs.take()[1], format!("s EchoServer <= {req}"));

    // Unary over a stream is a ping-pong call to layers, and its messages have no other.
    within(client.echo_unary(request("hi")).into_future()).await.unwrap();
    let call = format!("EchoUnary EchoUnaryArgs {{ req: {req} }}");
    assert_eq!(ours.take(), [format!("c {call}"), format!("c replied {res}")]);
    assert_eq!(theirs.take(), [format!("s {call}"), format!("s replied {res}")]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_layers_of_a_service_run_inside_of_the_servers_and_for_no_other() {
    let seen = Seen::default();
    let service = TestServiceServer::new(Handler::default())
        .layer(Watch("test1", seen.clone()))
        .layer(Watch("test2", seen.clone()))
        .recv_layer(Watch("test", seen.clone()));
    let server = Server::new()
        .layer(Watch("all", seen.clone()))
        .recv_layer(Watch("all", seen.clone()))
        .add(service)
        .add(CounterServer::new(Handler::default()));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    let names =
        |seen: Vec<String>| seen.iter().filter_map(|it| it.split(' ').next().map(str::to_owned)).collect::<Vec<_>>();

    CounterClient::builder("counter").host_ports([&addr]).build().unwrap().increment(1).await.unwrap();
    assert_eq!(names(seen.take()), ["all", "all"]);
    let client = TestServiceStreamClient::builder("echo").host_ports([&addr]).build().unwrap();
    client.echo_unary(request("hi")).await.unwrap();
    assert_eq!(names(seen.take()), ["all", "test1", "test2", "test2", "test1", "all"]);
    let mut upload = client.echo_client().await.unwrap();
    upload.send(request("hi")).await.unwrap();
    within(upload.close_and_recv()).await.unwrap();
    // Around a `recv` the outer layer is the last to see what came.
    let got = names(seen.take());
    assert_eq!(got[3..7], ["test", "all", "test", "all"], "{got:?}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_changes_arguments_and_reply_of_a_unary_call() {
    let change = layer(|cx, mut args, next| {
        Box::pin(async move {
            if let Args::Message(args) = &mut args {
                assert!(args.argument::<i64>("req").is_none(), "it has another type");
                args.argument::<Request>("req").unwrap().message = Some("changed".to_owned());
            }
            let mut reply = next.run(&cx, args).await?;
            if let Reply::Message(message) = &mut reply {
                message.downcast_mut::<Response>().unwrap().message.as_mut().unwrap().push('!');
            }
            Ok(reply)
        })
    });
    let server = contract_server(Server::new().layer(change)).await;
    for transport in TRANSPORTS {
        let seen = Seen::default();
        let client = pingpong(&server, transport, Watch("c", seen.clone()));
        assert_eq!(client.echo_ping_pong(request("hi")).await.unwrap(), response("changed!"), "{transport:?}");
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_may_stop_early_on_either_side() {
    let refuse = || layer(|_, _, _| Box::pin(async { Err(Status::new(16, "who are you").into()) }));
    // A client's layer stops before anything is dialled: no one listens there.
    let client = TestServiceStreamClient::builder("echo").host_ports(["127.0.0.1:1"]).layer(refuse()).build().unwrap();
    assert_error(client.echo().await, 16, "who are you");
    assert_error(client.echo_unary(request("hi")).await, 16, "who are you");

    // A server's: the handler does not run, and the text has no mark of a handler.
    let server = contract_server(Server::new().layer(refuse())).await;
    let addr = server.local_address().to_string();
    let client = TestServiceStreamClient::builder("echo").host_ports([addr]).build().unwrap();
    let err = within(client.echo().await.unwrap().recv()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 16 desc = who are you");
    let err = within(client.echo_unary(request("hi")).into_future()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 16 desc = who are you");
    server.shutdown().await;

    // With a reply of its own.
    let answer = layer(|_, args, _| {
        Box::pin(async move {
            assert!(!args.is_streaming());
            Ok(Reply::Message(Box::new(response("cached"))))
        })
    });
    let server = contract_server(Server::new()).await;
    let client = pingpong(&server, Transport::Framed, answer);
    assert_eq!(client.echo_ping_pong(request("hi")).await.unwrap(), response("cached"));
    // Of a wrong kind: the layer is at fault, and the error says so.
    let err = client.add(1, 2).await.unwrap_err().to_string();
    assert!(err.contains("a layer of TestService.Add gave Response"), "{err}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handlers_error_keeps_its_mark_when_passed_on_and_loses_it_when_replaced() {
    let pass = Watch("s", Seen::default());
    let server = contract_server(Server::new().layer(pass)).await;
    let addr = server.local_address().to_string();
    let client = TestServiceStreamClient::builder("echo").host_ports([addr]).build().unwrap();
    for (command, want) in [
        ("!error no", "rpc error: code = 13 desc = no [biz error]"),
        ("!status 5 gone", "rpc error: code = 5 desc = gone [biz error]"),
        ("!biz 7 refused", "biz error: code=7, msg=refused"),
    ] {
        assert_eq!(within(client.echo_unary(request(command)).into_future()).await.unwrap_err().to_string(), want);
        let mut stream = client.echo().await.unwrap();
        stream.send(request(command)).await.unwrap();
        assert_eq!(within(stream.recv()).await.unwrap_err().to_string(), want);
    }
    let err = within(client.echo_unary(request("!panic boom")).into_future()).await.unwrap_err();
    assert!(err.to_string().ends_with("boom") && err.to_string().contains("panic: [happened"), "{err}");
    server.shutdown().await;

    let replace = layer(|cx, args, next| {
        Box::pin(async move { next.run(&cx, args).await.map_err(|err| Status::new(9, format!("mapped {err}")).into()) })
    });
    let server = contract_server(Server::new().layer(replace)).await;
    let addr = server.local_address().to_string();
    let client = TestServiceStreamClient::builder("echo").host_ports([addr]).build().unwrap();
    let err = within(client.echo_unary(request("!error no")).into_future()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 9 desc = mapped no");
    server.shutdown().await;
}

/// Changes, refuses and swallows by what a message says.
struct Censor;

#[thrill::async_trait]
impl SendLayer for Censor {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        let Some(note) = message.downcast_mut::<Note>() else { return next.run(cx, message).await };
        match note.text() {
            "change" => *note = Note::of("changed"),
            "refuse" => return Err(Error::new("refused")),
            "swallow" => return Ok(()),
            _ => {}
        }
        next.run(cx, message).await
    }
}

#[thrill::async_trait]
impl RecvLayer for Censor {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        let mut message = next.run(cx).await?;
        let Some(note) = message.as_mut().and_then(|it| it.downcast_mut::<Note>()) else { return Ok(message) };
        match note.text() {
            "change it back" => *note = Note::of("changed back"),
            "refuse it back" => return Err(Error::new("refused back")),
            "another type" => return Ok(Some(Box::new(request("x")))),
            _ => {}
        }
        Ok(message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_layers_change_refuse_and_swallow_and_the_stream_goes_on() {
    let served = Script::new().serve().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).send_layer(Censor).recv_layer(Censor);
    let mut stream = client.build().unwrap().talk().await.unwrap();
    for (say, want) in [
        ("plain", Ok("plain")),
        ("change", Ok("changed")),
        ("change it back", Ok("changed back")),
        ("refuse it back", Err("refused back")),
        ("another type", Err("a layer of Edge.Talk gave Request")),
        ("plain", Ok("plain")),
    ] {
        stream.send(Note::of(say)).await.unwrap();
        match (within(stream.recv()).await, want) {
            (Ok(Some(note)), Ok(want)) => assert_eq!(note.text(), want),
            (Err(err), Err(want)) => assert!(err.to_string().contains(want), "{err}"),
            (got, want) => panic!("{say}: {got:?}, not {want:?}"),
        }
    }
    assert_eq!(stream.send(Note::of("refuse")).await.unwrap_err().to_string(), "refused");
    stream.send(Note::of("swallow")).await.unwrap();
    stream.send(Note::of("last")).await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("last")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_and_streams_go_through_the_layers_too() {
    let served = Script::new().serve().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).send_layer(Censor).recv_layer(Censor);
    let client = client.build().unwrap();
    let (mut tx, rx) = client.talk().await.unwrap().split();
    let said = ["a", "change", "change it back"];
    tx.send_all(&mut futures_util::stream::iter(said.map(|text| Ok(Note::of(text))))).await.unwrap();
    SinkExt::close(&mut tx).await.unwrap();
    let got: Vec<_> = within(rx.map_ok(|note| note.text().to_owned()).try_collect::<Vec<_>>()).await.unwrap();
    assert_eq!(got, ["a", "changed", "changed back"]);

    let mut upload = client.upload().await.unwrap();
    let refused = SinkExt::send(&mut upload, Note::of("refuse")).await;
    assert_eq!(refused.unwrap_err().to_string(), "refused");
    SinkExt::send(&mut upload, Note::of("b")).await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), Note::of("1"));
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recv_that_is_dropped_in_a_layer_loses_no_message() {
    /// Waits behind every message until the test lets it go on.
    struct Slow(Arc<tokio::sync::Semaphore>);

    #[thrill::async_trait]
    impl RecvLayer for Slow {
        async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
            let message = next.run(cx).await?;
            self.0.acquire().await.unwrap().forget();
            Ok(message)
        }
    }

    let served = Script::new().serve().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).recv_layer(Slow(Arc::clone(&gate)));
    let mut stream = client.build().unwrap().talk().await.unwrap();
    stream.send(Note::of("one")).await.unwrap();
    stream.send(Note::of("two")).await.unwrap();
    for _ in 0..3 {
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), stream.recv()).await.is_err());
    }
    gate.add_permits(1);
    // The header is behind the layer that holds the message: it comes, and the message stays.
    within(stream.header()).await.unwrap();
    gate.add_permits(9);
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("one")));
    assert_eq!(within(stream.next()).await.unwrap().unwrap(), Note::of("two"));
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    assert!(stream.end().is_some_and(Result::is_ok) && stream.trailer().is_some());
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_dropped_in_a_layer_sends_nothing() {
    /// Never lets a message called "stuck" go on.
    struct Stuck;

    #[thrill::async_trait]
    impl SendLayer for Stuck {
        async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
            if message.downcast_ref::<Note>().is_some_and(|note| note.text() == "stuck") {
                std::future::pending::<()>().await;
            }
            next.run(cx, message).await
        }
    }

    let served = Script::new().serve().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).send_layer(Stuck).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    assert!(stream.send(Note::of("stuck")).now_or_never().is_none());
    stream.send(Note::of("free")).await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("free")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    served.running.shutdown().await;
}

/// Kept with a call.
#[derive(Clone)]
struct Count(Arc<AtomicUsize>);

/// Counts the messages of a stream where a layer around it says so.
struct CountMessages;

#[thrill::async_trait]
impl SendLayer for CountMessages {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        if let Some(Count(count)) = cx.extension() {
            count.fetch_add(1, Ordering::SeqCst);
        }
        next.run(cx, message).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_layers_of_a_stream_and_its_handler_share_the_extensions_of_its_context() {
    // Server: what a meta handler reads, layers and the handler find.
    struct ReadTenant;
    impl MetaHandler for ReadTenant {
        fn read(&self, cx: &Context) -> Result<()> {
            let tenant = cx.metadata().get("x-tenant").ok_or_else(|| Status::new(3, "no tenant"))?.into_owned();
            cx.insert(tenant);
            Ok(())
        }
        fn write(&self, cx: &Context) -> Result<()> {
            cx.set_trailer("x-written", "yes")
        }
    }
    let mut served = Script::new()
        .talk(|desk, cx, mut stream| async move {
            desk.say(cx.extension::<String>().unwrap_or_default());
            desk.say(stream.context().extension::<String>().unwrap_or_default());
            while let Some(note) = stream.recv().await? {
                stream.send(note).await?;
            }
            Ok(())
        })
        .ask(|_, cx, _| async move { Ok(Note::of(cx.extension::<String>().unwrap_or_default())) })
        .serve_with(Server::new().meta_handler(ReadTenant), "127.0.0.1:0")
        .await;

    // Client: what a layer around the opening keeps, the layers around its messages find; and a stream's decorator is its own.
    struct WriteTenant;
    impl MetaHandler for WriteTenant {
        fn write(&self, cx: &Context) -> Result<()> {
            cx.append_metadata("x-tenant", cx.extension::<String>().unwrap_or_default())
        }
        fn read(&self, cx: &Context) -> Result<()> {
            // Of a stream, the trailers come later than the headers.
            let written = cx.trailer().get("x-written").map(std::borrow::Cow::into_owned);
            assert_eq!(written.as_deref(), (cx.mode() == Some(Mode::Unary)).then_some("yes"));
            Ok(())
        }
    }
    let count = layer(|cx, args, next| {
        Box::pin(async move {
            cx.insert(Count(Arc::default()));
            Ok(match next.run(&cx, args).await? {
                Reply::Stream(stream) => Reply::Stream(stream.send_layer(CountMessages)),
                reply => reply,
            })
        })
    });
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).meta_handler(WriteTenant).layer(count);
    let client = client.send_layer(CountMessages).build().unwrap();
    let mut stream = client.talk().extension("t-1".to_owned()).await.unwrap();
    for _ in 0..2 {
        stream.send(Note::default()).await.unwrap();
        within(stream.recv()).await.unwrap();
    }
    assert_eq!(served.heard_at_once().await, "t-1");
    assert_eq!(served.heard_at_once().await, "t-1");
    // Two messages, each past the client's layer and past the stream's own.
    assert_eq!(stream.context().extension::<Count>().unwrap().0.load(Ordering::SeqCst), 4);
    assert_eq!(stream.context().destination(), Some("edge"));
    assert_eq!(stream.context().instance().as_deref(), Some(&*served.addr));

    let reply = client.ask(Note::default()).extension("t-2".to_owned()).with_metadata().await.unwrap();
    assert_eq!((reply.message, reply.trailer.get("x-written").as_deref()), (Note::of("t-2"), Some("yes")));
    drop(stream);
    // A meta handler that refuses ends the call, as a layer does.
    let err = at_once(served.client().ask(Note::default()).into_future()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 3 desc = no tenant");
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_layer_adds_to_the_context_travels() {
    let add = || {
        layer(|cx, args, next| {
            Box::pin(async move {
                cx.append_metadata("x-layer", "m-1")?;
                cx.set_transient("HOP", "t-1");
                cx.set_persistent("CHAIN", "p-1");
                next.run(&cx, args).await
            })
        })
    };
    let server = contract_server(Server::new()).await;
    for transport in [Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2] {
        let client = pingpong(&server, transport, add());
        let reply = client.echo_ping_pong(request("!meta")).persistent("CHAIN", "mine").transient("OWN", "o").await;
        let meta = reply.unwrap().message.unwrap();
        // Metadata are headers on a stream, and strings of a TTHeader.
        for part in [r#""CHAIN":"p-1""#, r#""HOP":"t-1""#, r#""OWN":"o""#, r#""x-layer":["m-1"]"#] {
            assert!(meta.contains(part), "{transport:?}: {part} is not in {meta}");
        }
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_layer_is_an_error_of_its_call_alone() {
    let panics = layer(|cx, args, next| {
        Box::pin(async move {
            assert_ne!(cx.method(), "EchoUnary", "a layer's panic");
            next.run(&cx, args).await
        })
    });
    let server = contract_server(Server::new().layer(panics)).await;
    let addr = server.local_address().to_string();
    let client = TestServiceStreamClient::builder("echo").host_ports([addr]).build().unwrap();
    let err = within(client.echo_unary(request("hi")).into_future()).await.unwrap_err();
    assert!(err.to_string().contains("a layer's panic"), "{err}");
    assert_eq!(within(client.echo_server(request("hi")).await.unwrap().collect::<Vec<_>>()).await.len(), 3);
    server.shutdown().await;
}
