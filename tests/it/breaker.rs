//! Circuit breakers over real calls.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thrill::breaker::{BreakerConfig, CircuitBreaker, CircuitScope, CircuitState, Outcome};
use thrill::discovery::List;
use thrill::{BizStatusError, Code, Context, Error, Origin, Result, Server, Transport};
use tokio::net::TcpListener;
use tokio::time::advance;

use crate::public_api::{EdgeStreamClient, Note, Script, assert_error, within};

/// A ping-pong service.
#[thrill::service]
trait Oracle {
    /// Does what it is told.
    async fn tell(&self, cx: &Context, how: String) -> Result<String>;
}

struct Delphi;

impl Oracle for Delphi {
    async fn tell(&self, cx: &Context, how: String) -> Result<String> {
        match how.as_str() {
            "fail" => Err(Error::new("no")),
            "biz" => Err(BizStatusError::new(1, "no").into()),
            "hang" => Err(cx.cancelled().await),
            _ => Ok(how),
        }
    }
}

/// What a breaker has told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn listen(&self, breaker: CircuitBreaker) -> CircuitBreaker {
        let told = Arc::clone(&self.0);
        breaker.on_change(move |it| {
            told.lock().unwrap().push(format!("{} {:?}->{:?} {}", it.scope, it.from, it.to, it.counts.total()));
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn tell(client: &OracleClient, how: &str) -> Result<String> {
    within(client.tell(how.to_owned()).timeout(Duration::from_secs(1)).into_future()).await
}

#[tokio::test(start_paused = true)]
async fn calls_that_mostly_fail_are_stopped_and_tried_again() {
    for transport in [Transport::Framed, Transport::TtHeaderFramed, Transport::Http2] {
        let (listener, connector) = thrill::testing::memory();
        let server = Server::new().add(OracleServer::new(Delphi)).listen(listener).unwrap().spawn();
        let told = Told::default();
        let breaker = told.listen(CircuitBreaker::new());
        let client = OracleClient::builder("delphi")
            .host_ports(["memory"])
            .connector(connector)
            .transport(transport)
            .circuit_breaker(breaker.clone())
            .build()
            .unwrap();
        for _ in 0..101 {
            tell(&client, "ok").await.unwrap();
        }
        for _ in 0..99 {
            assert_error(tell(&client, "fail").await, if transport == Transport::Http2 { 13 } else { 6 }, "no");
        }
        // A time-out fails too.
        assert_eq!(breaker.method_state("delphi", "tell"), CircuitState::Closed);
        assert_error(tell(&client, "hang").await, 4, "deadline exceeded");
        assert_eq!(
            breaker.method_state("delphi", "tell"),
            CircuitState::Closed,
            "a sample of 201, of which 100 failed"
        );
        assert!(tell(&client, "fail").await.is_err());
        assert_eq!(breaker.method_state("delphi", "tell"), CircuitState::Open);
        let err = tell(&client, "ok").await.unwrap_err();
        assert!(matches!(err, Error::CircuitOpen(_)), "{err:?}");
        assert_eq!((err.code(), err.origin()), (Code::UNAVAILABLE, Origin::User));
        let text = "forbidden by circuitbreaker: service circuitbreak: 50 % of the calls of delphi/tell fail \
                    (successes 101, failures 100, timeouts 1)";
        assert_eq!(err.to_string(), text);
        assert_eq!(told.take(), ["delphi/tell Closed->Open 202"]);

        // Half open: a call in 200 ms.
        advance(Duration::from_secs(5)).await;
        tell(&client, "ok").await.unwrap();
        assert_eq!(breaker.method_state("delphi", "tell"), CircuitState::HalfOpen);
        assert!(matches!(tell(&client, "ok").await, Err(Error::CircuitOpen(_))));
        advance(Duration::from_millis(200)).await;
        assert!(tell(&client, "fail").await.is_err());
        assert_eq!(breaker.method_state("delphi", "tell"), CircuitState::Open);
        advance(Duration::from_secs(5)).await;
        for _ in 0..2 {
            tell(&client, "ok").await.unwrap();
            advance(Duration::from_millis(200)).await;
        }
        assert_eq!(breaker.method_state("delphi", "tell"), CircuitState::Closed);
        let told = told.take().iter().map(|it| it.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>();
        let want = ["Open->HalfOpen", "HalfOpen->Open", "Open->HalfOpen", "HalfOpen->Closed"];
        assert_eq!(told, want.map(|it| format!("delphi/tell {it}")));
        within(server.shutdown()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn business_errors_and_what_this_side_did_do_not_count() {
    let (listener, connector) = thrill::testing::memory();
    let server = Server::new().add(OracleServer::new(Delphi)).listen(listener).unwrap().spawn();
    let breaker = CircuitBreaker::new();
    breaker.set_config(BreakerConfig::new(0.1, 10));
    let client = OracleClient::builder("delphi")
        .host_ports(["memory"])
        .connector(connector)
        .transport(Transport::TtHeaderFramed)
        .circuit_breaker(breaker.clone())
        .build()
        .unwrap();
    for _ in 0..50 {
        assert_error(tell(&client, "biz").await, 13, "biz error: code=1");
        assert_error(client.tell("x".into()).metadata("TE", "x").await, 13, "\"te\"");
        let given_up = tokio::time::timeout(Duration::from_millis(1), client.tell("hang".into()).into_future());
        assert!(given_up.await.is_err());
        assert_error(client.tell("x".into()).timeout(Duration::ZERO).await, 4, "deadline");
    }
    let [(scope, state, counts)] = &breaker.circuits()[..1] else { unreachable!() };
    assert_eq!(*scope, CircuitScope::Method { service: "delphi".into(), method: "tell" });
    assert_eq!((*state, counts.successes, counts.failures + counts.timeouts), (CircuitState::Closed, 50, 0));

    // Unless one says so.
    let strict = CircuitBreaker::new().classify(|_| Outcome::Failed);
    strict.set_config(BreakerConfig::new(0.1, 10));
    let (listener, connector) = thrill::testing::memory();
    let _other = Server::new().add(OracleServer::new(Delphi)).listen(listener).unwrap().spawn();
    let builder = OracleClient::builder("delphi").host_ports(["memory"]).connector(connector);
    let client = builder.transport(Transport::TtHeader).circuit_breaker(strict.clone()).build().unwrap();
    for _ in 0..10 {
        assert_error(tell(&client, "biz").await, 13, "biz error: code=1");
    }
    assert_eq!(strict.method_state("delphi", "tell"), CircuitState::Open);
    within(server.shutdown()).await;
}

#[tokio::test(start_paused = true)]
async fn how_an_open_stream_goes_on_does_not_count() {
    let script =
        Script::new().talk(|_, _, _| async { Err(Error::new("no")) }).ask(|_, _, _| async { Err("no".into()) });
    let (served, connector) = script.serve_in_memory(Server::new());
    let breaker = CircuitBreaker::new();
    breaker.set_config(BreakerConfig::new(0.5, 10));
    let builder = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector);
    let client = builder.circuit_breaker(breaker.clone()).build().unwrap();
    for _ in 0..50 {
        let mut stream = client.talk().await.unwrap();
        assert!(within(stream.recv()).await.is_err());
    }
    assert_eq!(breaker.method_state("edge", "Talk"), CircuitState::Closed);
    // A unary call counts as a whole.
    for _ in 0..10 {
        assert_error(client.ask(Note::default()).await, 13, "no");
    }
    assert_eq!(breaker.method_state("edge", "Ask"), CircuitState::Open);
    // Each method has its own.
    assert!(client.talk().await.is_ok());
    within(served.running.shutdown()).await;
}

/// An address where no one listens.
async fn refusing() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_cannot_be_opened_open_the_circuit_of_their_method() {
    let addr = refusing().await;
    let breaker = CircuitBreaker::new();
    breaker.set_config(BreakerConfig::new(0.5, 10));
    breaker.set_method_config("edge", "Upload", BreakerConfig::disabled());
    breaker.set_instance_config(BreakerConfig::disabled());
    let builder = EdgeStreamClient::builder("edge").host_ports([&addr]);
    let client = builder.circuit_breaker(breaker.clone()).build().unwrap();
    for _ in 0..10 {
        assert_error(client.talk().await, 14, "cannot connect");
    }
    assert_error(client.talk().await, 14, "service circuitbreak: 100 % of the calls of edge/Talk fail");
    for _ in 0..20 {
        assert_error(client.upload().await, 14, "cannot connect");
    }
    // Changed while it runs.
    breaker.set_config(BreakerConfig::disabled());
    assert_error(client.talk().await, 14, "cannot connect");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_be_connected_to_has_a_circuit_of_its_own() {
    let (dead, served) = (refusing().await, Script::new().serve().await);
    let told = Told::default();
    let breaker = told.listen(CircuitBreaker::new());
    breaker.set_instance_config(BreakerConfig::new(0.5, 5));
    let list = List::new([dead.clone()]);
    let builder = EdgeStreamClient::builder("edge").discover(list.clone());
    let client = builder.circuit_breaker(breaker.clone()).build().unwrap();
    for _ in 0..5 {
        assert_error(client.talk().await, 14, "cannot connect");
    }
    let text = format!("instance circuitbreak: 100 % of the connections to {dead} fail");
    assert_error(client.talk().await, 14, &text);
    assert_error(client.talk().host_port(&dead).await, 14, &text);
    assert_eq!(breaker.instance_state(&dead), CircuitState::Open);
    assert_eq!(told.take(), [format!("{dead} Closed->Open 5")]);

    // The others take its calls, and it is forgotten when it is gone.
    list.set([dead.clone(), served.addr.clone()]);
    within(async { while client.talk().await.is_err() {} }).await;
    for _ in 0..10 {
        assert!(client.ask(Note::default()).await.is_ok());
    }
    assert_eq!(breaker.instance_state(&dead), CircuitState::Open);
    list.set([served.addr.clone()]);
    within(async {
        while breaker.instance_state(&dead) != CircuitState::Closed {
            tokio::task::yield_now().await
        }
    })
    .await;
}
