//! Layers around each attempt of a client's call, behind balancing.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thrill::balance::{Balance, Candidates, Pick};
use thrill::breaker::{BreakerConfig, CircuitBreaker, CircuitState};
use thrill::discovery::Instance;
use thrill::middleware::{Args, Layer, MetaHandler, Next, Reply, Stream, layer};
use thrill::{Bytes, ClientBuilder, Context, Error, Result, Running, Server, Status, Transport};
use thrill_tests::contract::{Request, Response, TestServiceClient, TestServiceServer, TestServiceStreamClient};
use thrill_tests::h2peer::wire::NO_ERROR;
use thrill_tests::h2peer::{Frame, Port};
use thrill_tests::handler::Handler;

use crate::public_api::within;

/// No one listens there.
const DEAD: &str = "127.0.0.1:1";

const TRANSPORTS: [Transport; 5] =
    [Transport::Buffered, Transport::Framed, Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2];

/// The first that can be used.
#[derive(Debug)]
struct InOrder;

impl Balance for InOrder {
    fn picker(&self, _: &[Instance]) -> Box<dyn Pick> {
        Box::new(Self)
    }
}

impl Pick for InOrder {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        (0..candidates.len()).find(|at| candidates.is_usable(*at))
    }
}

/// Says what goes by, and where to.
#[derive(Clone)]
struct Watch(&'static str, Arc<Mutex<Vec<String>>>);

impl Watch {
    fn say(&self, cx: &Context, text: &str) {
        let at = cx.instance().unwrap_or_else(|| "nowhere".into());
        self.1.lock().unwrap().push(format!("{} {text} {at}", self.0));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.1.lock().unwrap())
    }
}

#[thrill::async_trait]
impl Layer for Watch {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        self.say(cx, if args.is_streaming() { "opens" } else { "calls" });
        let reply = next.run(cx, args).await;
        self.say(
            cx,
            match &reply {
                Ok(Reply::Message(_)) => "reply",
                Ok(Reply::Stream(_)) => "stream",
                Ok(_) => "done",
                Err(Error::Connect(_)) => "unreachable",
                Err(Error::CircuitOpen(_)) => "open circuit",
                Err(_) => "failure",
            },
        );
        reply
    }
}

async fn serve() -> (Running, String) {
    let server = Server::new().add(TestServiceServer::new(Handler::default())).bind("127.0.0.1:0").await.unwrap();
    let server = server.spawn();
    let addr = server.local_address().to_string();
    (server, addr)
}

fn pingpong(addrs: &[&str], transport: Transport) -> ClientBuilder<TestServiceClient> {
    let client = TestServiceClient::builder("echo").host_ports(addrs.iter().copied()).balance(InOrder);
    client.transport(transport)
}

fn request(text: &str) -> Request {
    Request { message: Some(text.to_owned()) }
}

fn response(text: &str) -> Response {
    Response { message: Some(text.to_owned()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_layers_run_inside_of_the_others_in_their_order_and_know_the_instance() {
    let (_server, at) = serve().await;
    let watch = Watch("c", Arc::default());
    let of = |name| Watch(name, Arc::clone(&watch.1));
    let line = |text: &str| format!("{text} {at}");
    for transport in TRANSPORTS {
        let client = pingpong(&[&at], transport).instance_layer(of("i1")).layer(of("c")).instance_layer(of("i2"));
        let client = client.build().unwrap();
        assert_eq!(within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap(), response("hi"));
        let want = ["i1 calls", "i2 calls", "i2 reply", "i1 reply", "c reply"].map(line);
        let seen = watch.take();
        assert_eq!((&*seen[0], &seen[1..]), ("c calls nowhere", &want[..]), "{transport:?}");

        // An error of the server's makes no other attempt.
        within(client.add(500, 1).into_future()).await.unwrap_err();
        assert_eq!(watch.take()[1..3], ["i1 calls", "i2 calls"].map(line), "{transport:?}");
        within(client.notify("x".to_owned()).into_future()).await.unwrap();
        assert_eq!(watch.take()[3..], ["i2 done", "i1 done", "c done"].map(line), "{transport:?}");
    }
    let client = TestServiceStreamClient::builder("echo").host_ports([&at]).layer(of("c")).instance_layer(of("i"));
    let client = client.build().unwrap();
    let mut stream = within(client.echo().into_future()).await.unwrap();
    stream.send(request("hi")).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(response("hi")));
    assert_eq!(watch.take(), ["c opens nowhere".to_owned(), line("i opens"), line("i stream"), line("c stream")]);
    assert_eq!(within(client.echo_unary(request("hi")).into_future()).await.unwrap(), response("hi"));
    assert_eq!(watch.take()[1..3], ["i calls", "i reply"].map(line));
    // A call that names its address has an instance too.
    let client = TestServiceStreamClient::builder("echo").host_ports([DEAD]).instance_layer(of("i")).build().unwrap();
    within(client.echo().host_port(&at).into_future()).await.unwrap();
    assert_eq!(watch.take(), ["i opens", "i stream"].map(line));
}

/// Tells the server the instance, as a layer and as a meta handler.
struct Tell;

#[thrill::async_trait]
impl Layer for Tell {
    async fn call(&self, cx: &Context, mut args: Args, next: Next<'_>) -> Result<Reply> {
        cx.append_metadata("x-instance", cx.instance().unwrap())?;
        if let Args::Message(args) = &mut args {
            let Request { message } = args.argument("req").unwrap();
            assert_eq!(message.as_deref(), Some("!meta"), "the arguments are there at each attempt");
        }
        next.run(cx, args).await
    }
}

impl MetaHandler for Tell {
    fn write(&self, cx: &Context) -> Result<()> {
        cx.append_metadata("x-meta", cx.instance().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_no_instance_takes_goes_to_the_next_through_the_layers_again() {
    let (_server, at) = serve().await;
    let watch = Watch("i", Arc::default());
    let lines =
        ["i calls 127.0.0.1:1", "i unreachable 127.0.0.1:1", &format!("i calls {at}"), &format!("i reply {at}")];
    for transport in [Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2] {
        let client = pingpong(&[DEAD, &at], transport).instance_layer(watch.clone()).instance_layer(Tell);
        let client = client.meta_handler(Tell).build().unwrap();
        let reply = within(client.echo_ping_pong(request("!meta")).into_future()).await.unwrap().message.unwrap();
        // Neither what the layer added for the other instance nor what the handler wrote then has travelled.
        for name in ["x-instance", "x-meta"] {
            assert!(reply.contains(&format!(r#""{name}":["{at}"]"#)), "{transport:?}: {reply}");
        }
        assert_eq!(watch.take(), lines, "{transport:?}");
    }
    let client = TestServiceStreamClient::builder("echo").host_ports([DEAD, &at]).balance(InOrder);
    let client = client.instance_layer(watch.clone()).build().unwrap();
    let mut stream = within(client.echo().into_future()).await.unwrap();
    stream.send(request("hi")).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(response("hi")));
    let lines =
        ["i opens 127.0.0.1:1", "i unreachable 127.0.0.1:1", &format!("i opens {at}"), &format!("i stream {at}")];
    assert_eq!(watch.take(), lines);

    // Where none does, the call has the last error; and six are enough.
    let dead: Vec<_> = (1..=9).map(|port| format!("127.0.0.1:{port}")).collect();
    let dead: Vec<_> = dead.iter().map(String::as_str).collect();
    let client = pingpong(&dead, Transport::Framed).instance_layer(watch.clone()).build().unwrap();
    let err = within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap_err();
    assert!(matches!(&err, Error::Connect(err) if err.address() == "127.0.0.1:6"), "{err:?}");
    assert_eq!(watch.take().len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_leaving_does_not_take_a_call() {
    let (_server, at) = serve().await;
    let port = Port::bind().await;
    let leaving = async {
        let mut peers = Vec::new();
        loop {
            let mut peer = port.serve(&[]).await;
            peer.on(1).await;
            peer.send(&Frame::GoAway { last: 0, code: NO_ERROR, debug: Bytes::new() }).await;
            peers.push(peer);
        }
    };
    let watch = Watch("i", Arc::default());
    let client = pingpong(&[&port.addr, &at], Transport::Http2).instance_layer(watch.clone()).build().unwrap();
    let reply = tokio::select! {
        reply = within(client.echo_ping_pong(request("hi")).into_future()) => reply.unwrap(),
        () = leaving => panic!("it goes on"),
    };
    assert_eq!(reply, response("hi"));
    // Other connections to it are another matter than other instances: the layers run once for each of the latter.
    let lines = [("calls", &port.addr), ("failure", &port.addr), ("calls", &at), ("reply", &at)];
    assert_eq!(watch.take(), lines.map(|(text, at)| format!("i {text} {at}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_layer_passes_an_instance_over_by_an_open_circuit() {
    let ((_one, one), (_two, two)) = (serve().await, serve().await);
    let avoid = |address: String| {
        layer(move |cx, args, next| {
            let is_avoided = cx.instance().as_deref() == Some(&*address);
            Box::pin(async move {
                if is_avoided {
                    drop(args);
                    return Err(Error::CircuitOpen("not there".into()));
                }
                next.run(&cx, args).await
            })
        })
    };
    let watch = Watch("i", Arc::default());
    for transport in TRANSPORTS {
        let client = pingpong(&[&one, &two], transport).instance_layer(watch.clone());
        let client = client.instance_layer(avoid(one.clone())).build().unwrap();
        assert_eq!(within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap(), response("hi"));
        let lines = [("calls", &one), ("open circuit", &one), ("calls", &two), ("reply", &two)];
        assert_eq!(watch.take(), lines.map(|(text, at)| format!("i {text} {at}")), "{transport:?}");
    }
    let client = pingpong(&[&one], Transport::Framed).instance_layer(avoid(one.clone())).build().unwrap();
    let err = within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap_err();
    assert_eq!(err.to_string(), "forbidden by circuitbreaker: not there");

    // The client's own circuits are around the layers, as Kitex's.
    let breaker = CircuitBreaker::new();
    breaker.set_instance_config(BreakerConfig::new(0.5, 1));
    let client = pingpong(&[DEAD, &one], Transport::Framed).circuit_breaker(breaker.clone());
    let client = client.instance_layer(watch.clone()).build().unwrap();
    within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap();
    assert_eq!((breaker.instance_state(DEAD), watch.take().len()), (CircuitState::Open, 4));
    within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap();
    assert_eq!(watch.take(), [format!("i calls {one}"), format!("i reply {one}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_layer_stops_early_and_no_other_instance_is_asked() {
    let watch = Watch("i", Arc::default());
    let refuse = layer(|_, _, _| Box::pin(async { Err(Status::new(16, "who are you").into()) }));
    let client = pingpong(&[DEAD, "127.0.0.1:2"], Transport::Framed).instance_layer(watch.clone());
    let client = client.instance_layer(refuse).build().unwrap();
    let err = within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 16 desc = who are you");
    assert_eq!(watch.take(), ["i calls 127.0.0.1:1", "i failure 127.0.0.1:1"]);

    let answer = layer(|cx, args, _| {
        Box::pin(async move {
            if !args.is_streaming() {
                return Ok(Reply::Message(Box::new(response("cached"))));
            }
            let (stream, mut far) = Stream::pair::<Response, Request>(&cx);
            tokio::spawn(async move {
                far.send(response("cached")).await?;
                far.close().await
            });
            Ok(Reply::Stream(stream))
        })
    });
    let client = TestServiceStreamClient::builder("echo").host_ports([DEAD]).instance_layer(answer).build().unwrap();
    assert_eq!(within(client.echo_unary(request("hi")).into_future()).await.unwrap(), response("cached"));
    let mut stream = within(client.echo().into_future()).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(response("cached")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);

    // The time of a call is over for the next attempt too.
    let slow = layer(|cx, args, next| {
        Box::pin(async move {
            let reply = next.run(&cx, args).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
            reply
        })
    });
    let client = pingpong(&[DEAD, "127.0.0.1:2"], Transport::Framed).instance_layer(watch.clone());
    let client = client.instance_layer(slow).build().unwrap();
    let call = client.echo_ping_pong(request("hi")).timeout(Duration::from_millis(50));
    let err = within(call.into_future()).await.unwrap_err();
    assert!(matches!(err, Error::DeadlineExceeded { .. }), "{err:?}");
    assert_eq!(watch.take(), ["i calls 127.0.0.1:1", "i unreachable 127.0.0.1:1"]);

    // Arguments of another type are the layer's mistake; those that it keeps leave nothing for another attempt.
    let replace =
        layer(|cx, _, next| Box::pin(async move { next.run(&cx, Args::Message(Box::new(request("x")))).await }));
    let client = pingpong(&[DEAD], Transport::Framed).instance_layer(replace).build().unwrap();
    let err = within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap_err().to_string();
    assert!(err.contains("a layer of TestService.EchoPingPong gave Message(Request"), "{err}");
    let keep = layer(|_, args, _| {
        Box::pin(async move {
            std::mem::forget(args);
            Err(Error::CircuitOpen("mine now".into()))
        })
    });
    let client = pingpong(&[DEAD, "127.0.0.1:2"], Transport::Framed).instance_layer(watch.clone());
    let client = client.instance_layer(keep).build().unwrap();
    let err = within(client.echo_ping_pong(request("hi")).into_future()).await.unwrap_err();
    assert_eq!(err.to_string(), "forbidden by circuitbreaker: mine now");
    assert_eq!(watch.take().len(), 2);
}
