//! How much a server takes on, and what it says to the rest.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thrill::net::Address;
use thrill::{Code, Context, Error, LimitKind, Limiter, Limits, Permit, Result, Server, Transport};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::public_api::{EdgeStreamClient, Note, Script, assert_error, at_once, within};

/// A ping-pong service whose calls end when the test says so.
#[thrill::service]
trait Gatekeeper {
    async fn enter(&self, text: String) -> Result<String>;

    #[oneway]
    async fn shout(&self, text: String) -> Result<()>;
}

#[derive(Clone)]
struct Door(Arc<Semaphore>);

impl Gatekeeper for Door {
    async fn enter(&self, text: String) -> Result<String> {
        if text == "wait" {
            self.0.acquire().await.map_err(Error::new)?.forget();
        }
        Ok(text)
    }

    async fn shout(&self, _: String) -> Result<()> {
        Ok(())
    }
}

/// What a server refused.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<Vec<(LimitKind, String)>>>);

impl Refusals {
    fn listen(&self, server: Server) -> Server {
        let seen = Arc::clone(&self.0);
        server.on_limit(move |it| seen.lock().unwrap().push((it.limit, it.to_string())))
    }

    fn take(&self) -> Vec<(LimitKind, String)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

const TRANSPORTS: [Transport; 5] =
    [Transport::Buffered, Transport::Framed, Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2];

fn gatekeeper(addr: &str, transport: Transport) -> GatekeeperClient {
    GatekeeperClient::builder("gate").host_ports([addr]).transport(transport).build().unwrap()
}

/// The code of a refusal: over a stream Kitex's 8, for a message its exception of kind 6.
fn code_over(transport: Transport) -> i32 {
    if transport == Transport::Http2 { 8 } else { 6 }
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_rate_are_refused_and_the_connection_is_kept() {
    for transport in TRANSPORTS {
        let (listener, connector) = thrill::testing::memory();
        let refusals = Refusals::default();
        let door = Door(Arc::new(Semaphore::new(0)));
        let server = refusals.listen(Server::new().add(GatekeeperServer::new(door)));
        let server = server.limits(Limits::default().with_max_qps(10)).listen(listener).unwrap().spawn();
        let builder = GatekeeperClient::builder("gate").host_ports(["memory"]).connector(connector);
        let client = builder.transport(transport).connection_pool_size(1).build().unwrap();
        let enter = || within(client.enter("x".into()).into_future());
        for _ in 0..10 {
            enter().await.unwrap();
        }
        let err = enter().await.unwrap_err();
        assert_eq!(err.code(), Code(code_over(transport)), "{transport:?}: {err}");
        assert!(err.to_string().ends_with("request over limit: request too frequent"), "{err}");
        if transport != Transport::Buffered && transport != Transport::Framed {
            // A refusal costs no connection.
            assert_eq!(server.handle().connections(), 1, "{transport:?}");
        }
        let told = refusals.take();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0, LimitKind::Qps);
        assert!(told[0].1.starts_with("request over limit: request too frequent, Gatekeeper.enter, from "), "{told:?}");
        within(client.shout("x".into()).into_future()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(enter().await.is_ok(), "{transport:?}");
        // Changed while it runs.
        server.handle().set_limits(Limits::default());
        for _ in 0..30 {
            enter().await.unwrap();
        }
        server.handle().set_limits(Limits::default().with_max_qps(0));
        assert_error(enter().await, code_over(transport), "request too frequent");
        within(server.shutdown()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn streams_count_when_they_are_opened() {
    let server = Server::new().limits(Limits::default().with_max_qps(3));
    let (served, connector) = Script::new().serve_in_memory(server);
    let builder = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector);
    let client = builder.connection_pool_size(1).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    for number in 0..50 {
        stream.send(Note::of(number.to_string())).await.unwrap();
        assert!(within(stream.recv()).await.unwrap().is_some());
    }
    assert!(client.ask(Note::default()).await.is_ok());
    assert!(within(client.upload().await.unwrap().close_and_recv()).await.is_ok());
    // Per stream, on the connection that all share.
    let text = "rpc error: code = 8 desc = request over limit: request too frequent";
    assert_eq!(within(client.talk().await.unwrap().recv()).await.unwrap_err().to_string(), text);
    assert_eq!(within(client.ask(Note::default()).into_future()).await.unwrap_err().to_string(), text);
    let upload = client.upload().await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap_err().to_string(), text);
    let mut download = client.download(Note::of("3")).await.unwrap();
    assert_eq!(within(download.recv()).await.unwrap_err().to_string(), text);
    // The one that was let in goes on.
    stream.send(Note::of("still")).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("still")));
    drop(stream);
    within(served.running.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_streams_beyond_the_limit_are_refused_until_one_ends() {
    for transport in TRANSPORTS {
        let door = Door(Arc::new(Semaphore::new(0)));
        let refusals = Refusals::default();
        let server = refusals.listen(Server::new().add(GatekeeperServer::new(door.clone())));
        let limits = Limits::default().with_max_concurrent_calls(2);
        let server = server.limits(limits).bind("127.0.0.1:0").await.unwrap().spawn();
        let client = gatekeeper(&server.local_address().to_string(), transport);
        let waiting = [client.clone(), client.clone()].map(|it| tokio::spawn(it.enter("wait".into()).into_future()));
        within(async {
            while server.handle().concurrent_calls() < 2 {
                tokio::task::yield_now().await
            }
        })
        .await;
        let text = "request over limit: too many concurrent calls: 2 run";
        assert_error(within(client.enter("x".into()).into_future()).await, code_over(transport), text);
        assert_eq!(refusals.take().len(), 1);
        server.handle().set_limits(limits.with_max_concurrent_calls(3));
        assert_eq!(within(client.enter("x".into()).into_future()).await.unwrap(), "x");
        server.handle().set_limits(limits);
        assert_error(within(client.enter("x".into()).into_future()).await, code_over(transport), text);
        door.0.add_permits(2);
        for call in waiting {
            assert_eq!(within(call).await.unwrap().unwrap(), "wait");
        }
        within(async {
            while server.handle().concurrent_calls() > 0 {
                tokio::task::yield_now().await
            }
        })
        .await;
        assert_eq!(within(client.enter("x".into()).into_future()).await.unwrap(), "x");
        within(server.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_in_any_way_makes_room() {
    let server = Server::new().limits(Limits::default().with_max_concurrent_calls(1));
    let script = Script::new().upload(|_, _, mut notes| async move {
        while let Some(note) = notes.recv().await? {
            match note.text() {
                "panic" => panic!("as it was told"),
                "fail" => return Err(Error::status(5, "gone")),
                _ => {}
            }
        }
        Ok(Note::default())
    });
    let served = script.serve_with(server, "127.0.0.1:0").await;
    let client = served.client();
    let free = async || {
        let handle = served.running.handle();
        within(async {
            while handle.concurrent_calls() > 0 {
                tokio::task::yield_now().await
            }
        })
        .await;
    };
    for how in ["close", "panic", "fail", "drop", "deadline", "lose"] {
        let client = if how == "lose" { served.client() } else { client.clone() };
        let call = if how == "deadline" { client.upload().timeout(Duration::from_millis(20)) } else { client.upload() };
        let mut upload = call.await.unwrap();
        upload.send(Note::of(how)).await.unwrap();
        match how {
            "drop" => drop(upload),
            "lose" => drop((upload, client)),
            "close" => drop(within(upload.close_and_recv()).await.unwrap()),
            "deadline" => {
                let sending = async {
                    while upload.send(Note::of("x")).await.is_ok() {
                        tokio::task::yield_now().await
                    }
                };
                within(sending).await;
            }
            _ => drop(within(upload.close_and_recv()).await.unwrap_err()),
        }
        free().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let refusals = Refusals::default();
    let server = refusals.listen(Server::new()).limits(Limits::default().with_max_connections(1));
    let served = Script::new().serve_with(server, "127.0.0.1:0").await;
    let first = served.client();
    let mut stream = first.talk().await.unwrap();
    stream.send(Note::of("1")).await.unwrap();
    assert!(within(stream.recv()).await.unwrap().is_some());
    let mut second = TcpStream::connect(&served.addr).await.unwrap();
    assert_eq!(at_once(second.read(&mut [0; 8])).await.unwrap(), 0);
    let told = refusals.take();
    assert_eq!(told[0].0, LimitKind::Connections);
    assert!(told[0].1.starts_with("request over limit: too many connections: 1 are open, from 127.0.0.1:"), "{told:?}");
    assert_error(within(served.client().ask(Note::default()).into_future()).await, 14, "");
    assert_eq!(served.running.handle().connections(), 1);

    served.running.handle().set_limits(Limits::default().with_max_connections(2));
    assert!(within(served.client().ask(Note::default()).into_future()).await.is_ok());
    drop((stream, first));
    within(async {
        while served.running.handle().connections() > 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
}

/// Lets no one in by some address or method, and one at a time by others.
struct House(Arc<Semaphore>);

impl Limiter for House {
    fn connection(&self, peer: &Address) -> Result<Permit, String> {
        match peer {
            Address::Tcp(addr) if addr.ip().is_loopback() => Ok(Permit::new()),
            _ => Err(format!("{peer} is unknown")),
        }
    }

    fn call(&self, cx: &Context) -> Result<Permit, String> {
        if cx.metadata().get("x-guest").is_some() {
            return Err("no guests today".to_owned());
        }
        Arc::clone(&self.0).try_acquire_owned().map(Permit::of).map_err(|_| "one at a time".to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_of_ones_own_is_asked_too_and_gets_its_permits_back() {
    let house = Arc::new(Semaphore::new(1));
    let refusals = Refusals::default();
    let server = refusals.listen(Server::new()).limiter(House(Arc::clone(&house)));
    let served = Script::new().serve_with(server, "127.0.0.1:0").await;
    let client = served.client();
    assert!(within(client.ask(Note::default()).into_future()).await.is_ok());
    let stream = client.talk().await.unwrap();
    within(async {
        while house.available_permits() > 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
    let text = "request over limit: one at a time";
    assert_error(within(client.ask(Note::default()).into_future()).await, 8, text);
    drop(stream);
    within(async {
        while house.available_permits() == 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
    let guest = client.ask(Note::default()).metadata("x-guest", "yes");
    assert_error(within(guest.into_future()).await, 8, "request over limit: no guests today");
    assert!(refusals.take().iter().all(|(limit, _)| *limit == LimitKind::Limiter));

    let (served, connector) = Script::new().serve_in_memory(Server::new().limiter(House(house)));
    let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector).build().unwrap();
    assert_error(within(client.ask(Note::default()).into_future()).await, 14, "");
    assert_eq!(served.running.handle().connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_brings_too_much_is_read_slowly_and_loses_nothing() {
    let rows = [
        (Limits::default().with_max_stream_messages_per_second(10), 40, 1, 3),
        // A note of 1,000 bytes is some 1,008 on the wire; a second's worth comes at once.
        (Limits::default().with_max_stream_bytes_per_second(10_080), 40, 1_000, 3),
        (Limits::default(), 40, 1_000, 0),
    ];
    for (limits, count, size, seconds) in rows {
        let (served, connector) = Script::new().serve_in_memory(Server::new().limits(limits));
        let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector).build().unwrap();
        let begin = tokio::time::Instant::now();
        let mut upload = client.upload().await.unwrap();
        for _ in 0..count {
            upload.send(Note::of_size(size)).await.unwrap();
        }
        let note = tokio::time::timeout(Duration::from_secs(60), upload.close_and_recv()).await.unwrap().unwrap();
        assert_eq!(note, Note::of(count.to_string()));
        let took = begin.elapsed().as_secs_f64();
        assert!((took - f64::from(seconds)).abs() < 0.2, "{limits:?}: {took} s");
        within(served.running.shutdown()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_its_pace_hears_of_its_end() {
    let script = Script::new().talk(|desk, _, mut stream| async move {
        stream.recv().await?;
        desk.say("one");
        desk.say(format!("{:?}", stream.recv().await.is_err()));
        Ok(())
    });
    let limits = Limits::default().with_max_stream_bytes_per_second(10);
    let (mut served, connector) = script.serve_in_memory(Server::new().limits(limits));
    let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of_size(100_000)).await.unwrap();
    assert_eq!(served.heard().await, "one");
    drop(stream);
    assert_eq!(served.heard_at_once().await, "true");
}

#[tokio::test]
async fn a_limit_of_nothing_is_refused_when_the_server_is_made() {
    let rows = [
        (Limits::default().with_max_connections(0), "`max_connections` is 0"),
        (Limits::default().with_max_concurrent_calls(0), "`max_concurrent_calls` is 0"),
        (Limits::default().with_max_qps(0), "`max_qps` is 0"),
        (Limits::default().with_max_stream_messages_per_second(0), "`max_stream_messages_per_second` is 0"),
        (Limits::default().with_max_stream_bytes_per_second(0), "`max_stream_bytes_per_second` is 0"),
    ];
    for (limits, text) in rows {
        let door = Door(Arc::new(Semaphore::new(0)));
        let server = Server::new().add(GatekeeperServer::new(door)).limits(limits);
        assert_error(server.listen(thrill::testing::memory().0), 13, text);
    }
}
