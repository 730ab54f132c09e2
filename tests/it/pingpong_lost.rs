//! What the handler of a ping-pong call hears of its caller, while it waits for something.

use std::future::IntoFuture as _;
use std::sync::Arc;

use thrill::{Cancelled, ClientBuilder, Context, Error, Payload, Result, Running, Server, Transport};
use thrill_tests::contract::TestServiceServer;
use thrill_tests::h2peer::Peer;
use thrill_tests::handler::Handler;
use thrill_tests::message::{Layout, Parsed, Protocol, Way};
use tokio::sync::{Semaphore, mpsc};

use crate::public_api::{at_once, within};

#[thrill::service]
trait Wait {
    async fn wait(&self, cx: &Context, text: String) -> Result<String>;

    #[oneway]
    async fn tell(&self, cx: &Context, text: String) -> Result<()>;
}

/// Waits until it is let go or cancelled, and tells which; with a service behind it, by a call of that.
#[derive(Clone)]
struct Waiter {
    said: mpsc::UnboundedSender<String>,
    causes: mpsc::UnboundedSender<Error>,
    gate: Arc<Semaphore>,
    behind: Option<WaitClient>,
}

impl Waiter {
    fn say(&self, text: &str) {
        // A test that has ended does not listen.
        let _ = self.said.send(text.to_owned());
    }
}

impl Wait for Waiter {
    async fn wait(&self, cx: &Context, text: String) -> Result<String> {
        if let Some(behind) = &self.behind {
            let answer = behind.wait(text).context(cx).await;
            let _ = self.causes.send(answer.as_ref().err().cloned().unwrap_or_else(|| "it answered".into()));
            return answer;
        }
        self.say("waiting");
        tokio::select! {
            cause = cx.cancelled() => {
                let _ = self.causes.send(cause.clone());
                Err(cause)
            }
            _ = self.gate.acquire() => Ok(text),
        }
    }

    async fn tell(&self, cx: &Context, text: String) -> Result<()> {
        self.say("waiting");
        let _permit = self.gate.acquire().await;
        self.say(if cx.is_cancelled() { "cancelled" } else { &text });
        Ok(())
    }
}

struct Served {
    running: Running,
    said: mpsc::UnboundedReceiver<String>,
    causes: mpsc::UnboundedReceiver<Error>,
    gate: Arc<Semaphore>,
}

impl Served {
    async fn new(behind: Option<WaitClient>) -> Self {
        let ((say, said), (cause, causes)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let gate = Arc::new(Semaphore::new(0));
        let waiter = Waiter { said: say, causes: cause, gate: Arc::clone(&gate), behind };
        let running = Server::new().add(WaitServer::new(waiter)).bind("127.0.0.1:0").await.unwrap().spawn();
        Self { running, said, causes, gate }
    }

    fn client(&self) -> ClientBuilder<WaitClient> {
        WaitClient::builder("wait").host_ports([self.running.local_address().to_string()])
    }

    async fn heard(&mut self) -> String {
        within(self.said.recv()).await.unwrap()
    }

    async fn cause(&mut self) -> Error {
        at_once(self.causes.recv()).await.unwrap()
    }
}

type Set = fn(ClientBuilder<WaitClient>) -> ClientBuilder<WaitClient>;

const KINDS: [(&str, Set); 7] = [
    ("buffered", |client| client.transport(Transport::Buffered)),
    ("framed", |client| client.transport(Transport::Framed)),
    ("compact", |client| client.transport(Transport::Framed).payload(Payload::Compact)),
    ("short", |client| client.short_connection()),
    ("ttheader", |client| client.transport(Transport::TtHeader)),
    ("ttheader framed", |client| client.transport(Transport::TtHeaderFramed)),
    ("multiplexed", |client| client.transport(Transport::TtHeader).multiplexed(1)),
];

#[track_caller]
fn assert_lost(kind: &str, cause: &Error) {
    let Error::Cancelled(cancelled) = cause else { panic!("{kind}: {cause:?}") };
    assert!(matches!(&**cancelled, Cancelled::ConnectionLost { .. }), "{kind}: {cancelled:?}");
    let text = "rpc error: code = 1 desc = transport: connection EOF [triggered by remote service]";
    assert_eq!(cause.to_string(), text, "{kind}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_hears_that_its_callers_connection_is_gone() {
    for (kind, set) in KINDS {
        let mut served = Served::new(None).await;
        let client = set(served.client()).build().unwrap();
        tokio::select! {
            answer = client.wait("q".to_owned()) => panic!("{kind}: {answer:?}"),
            heard = served.heard() => assert_eq!(heard, "waiting", "{kind}"),
        }
        // A multiplexed connection stays as long as there is a client.
        drop(client);
        assert_lost(kind, &served.cause().await);
        at_once(served.running.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_such_a_handler_makes_ends_with_the_same_cause() {
    for (kind, set) in KINDS {
        let mut behind = Served::new(None).await;
        let mut front = Served::new(Some(set(behind.client()).build().unwrap())).await;
        let client = set(front.client()).build().unwrap();
        tokio::select! {
            answer = client.wait("q".to_owned()) => panic!("{kind}: {answer:?}"),
            heard = behind.heard() => assert_eq!(heard, "waiting", "{kind}"),
        }
        drop(client);
        let Error::Cancelled(cancelled) = front.cause().await else { panic!("{kind}: it is cancelled") };
        let Cancelled::Cascade { cause } = &*cancelled else { panic!("{kind}: {cancelled:?}") };
        assert_lost(kind, cause);
        at_once(front.running.shutdown()).await;
        behind.gate.add_permits(1);
        at_once(behind.running.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_oneway_calls_handler_does_not_mind_its_caller() {
    for (kind, set) in KINDS {
        let mut served = Served::new(None).await;
        let client = set(served.client()).build().unwrap();
        within(client.tell("fine".to_owned()).into_future()).await.unwrap();
        assert_eq!(served.heard().await, "waiting", "{kind}");
        drop(client);
        // Another connection is opened and closed meanwhile, which the server hears of later than of the first.
        let other = set(served.client()).build().unwrap();
        tokio::select! {
            answer = other.wait("q".to_owned()) => panic!("{kind}: {answer:?}"),
            heard = served.heard() => assert_eq!(heard, "waiting", "{kind}"),
        }
        drop(other);
        assert_lost(kind, &served.cause().await);
        served.gate.add_permits(1);
        assert_eq!(served.heard().await, "fine", "{kind}");
        at_once(served.running.shutdown()).await;
    }
}

#[tokio::test]
async fn a_client_that_closes_its_direction_alone_still_gets_its_answer() {
    let server =
        Server::new().add(TestServiceServer::new(Handler::default())).bind("127.0.0.1:0").await.unwrap().spawn();
    for layout in [Layout::Buffered, Layout::Framed, Layout::TtHeader, Layout::TtHeaderFramed, Layout::Multiplexed] {
        let way = Way { layout, protocol: Protocol::Binary };
        let mut peer = Peer::dial(&server.local_address().to_string()).await;
        peer.write(&way.echo(1, "!sleep 30")).await;
        peer.close().await;
        assert_eq!(peer.parse(Parsed::parse).await.expect("an answer").seq_id, 1, "{way:?}");
        assert_eq!(peer.rest().await.len(), 0, "{way:?}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_comes_while_a_handler_waits_is_the_next_request() {
    let server =
        Server::new().add(TestServiceServer::new(Handler::default())).bind("127.0.0.1:0").await.unwrap().spawn();
    for layout in [Layout::Buffered, Layout::Framed, Layout::TtHeader, Layout::TtHeaderFramed] {
        let way = Way { layout, protocol: Protocol::Binary };
        let mut peer = Peer::dial(&server.local_address().to_string()).await;
        // In pieces of every size, from a byte to more than is read ahead.
        let next = way.echo(2, &"x".repeat(500));
        for cut in [1, 7, 63, 64, 65, 200, next.len() - 1] {
            peer.write(&way.echo(1, "!sleep 20")).await;
            tokio::task::yield_now().await;
            peer.write(&next[..cut]).await;
            assert_eq!(peer.parse(Parsed::parse).await.expect("an answer").seq_id, 1, "{way:?}");
            peer.write(&next[cut..]).await;
            assert_eq!(peer.parse(Parsed::parse).await.expect("an answer").seq_id, 2, "{way:?} {cut}");
        }
    }
    server.shutdown().await;
}
