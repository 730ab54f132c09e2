//! What a server does with ping-pong connections: who is slow, who rests, and how it ends: scripted clients.

use std::sync::Arc;
use std::time::Duration;

use thrill::{Running, Server};
use thrill_tests::contract::TestServiceServer;
use thrill_tests::h2peer::{Peer, soon};
use thrill_tests::handler::Handler;
use thrill_tests::message::{Layout, Parsed, Protocol, Way};
use thrill_tests::peer::{PeerServer, kitex_peer};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

const LAYOUTS: [Layout; 5] =
    [Layout::Buffered, Layout::Framed, Layout::TtHeader, Layout::TtHeaderFramed, Layout::Multiplexed];

fn ways() -> impl Iterator<Item = Way> {
    LAYOUTS.into_iter().map(|layout| Way { layout, protocol: Protocol::Binary })
}

async fn serve(set: impl FnOnce(Server) -> Server) -> Running {
    let server = Server::new().add(TestServiceServer::from_arc(Arc::new(Handler::default()))).exit_wait_time(LONG);
    set(server).bind("127.0.0.1:0").await.unwrap().spawn()
}

async fn dial(server: &Running) -> Peer {
    Peer::dial(&server.local_address().to_string()).await
}

async fn answer(peer: &mut Peer) -> Parsed {
    peer.parse(Parsed::parse).await.expect("an answer")
}

/// A shutdown waits for connections, and for much longer than this test does: the server closes this one itself.
#[tokio::test]
async fn a_client_that_takes_nothing_of_a_reply_is_let_go() {
    for way in ways() {
        let server = serve(|server| server.read_write_timeout(SHORT)).await;
        let mut peer = dial(&server).await;
        peer.write(&way.echo(1, "!size 50000000")).await;
        // The reply has begun, so a handler is not what is waited for.
        peer.take(1).await;
        soon(&format!("the server's end, {way:?}"), server.shutdown()).await;
        assert!(peer.rest().await.len() < 50_000_000, "{way:?}");
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_a_reply() {
    for way in ways().filter(|way| matches!(way.layout, Layout::Framed | Layout::Multiplexed)) {
        let server = serve(|server| server.read_write_timeout(SHORT * 10)).await;
        let mut peer = dial(&server).await;
        peer.write(&way.echo(1, "!size 60000000")).await;
        // All of it takes longer than the server waits for a part.
        for _ in 0..24 {
            peer.take(2 << 20).await;
            tokio::time::sleep(SHORT / 2).await;
        }
        peer.take(60_000_000 - (48 << 20)).await;
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_connection_without_calls_is_closed() {
    const IDLE: Duration = Duration::from_millis(500);
    let server = serve(|server| server.max_connection_idle_time(IDLE)).await;
    let rests = ways().map(async |way| {
        let mut peer = dial(&server).await;
        // A call that takes longer is no rest.
        for (seq_id, text) in [(1, "!sleep 1200"), (2, "hi")] {
            peer.write(&way.echo(seq_id, text)).await;
            assert_eq!(answer(&mut peer).await.seq_id, seq_id, "{way:?}");
        }
        assert_eq!(peer.rest().await.len(), 0, "{way:?}");
    });
    futures_util::future::join_all(rests).await;
    server.shutdown().await;
}

/// As Kitex: what runs is answered, with the word that the connection is about to end, and then it ends.
#[tokio::test]
async fn a_shutdown_answers_what_runs_and_says_that_it_is_the_end() {
    for way in ways() {
        let server = serve(|server| server).await;
        let mut peer = dial(&server).await;
        peer.write(&way.echo(1, "hi")).await;
        let before = answer(&mut peer).await;
        assert_eq!(before.keys.strings.get("crrst"), None, "{way:?}");
        peer.write(&way.echo(2, "!sleep 200")).await;
        if way.layout == Layout::Multiplexed {
            // Answered after the one before it was read, which is on its way.
            peer.write(&way.echo(3, "hi")).await;
            assert_eq!(answer(&mut peer).await.seq_id, 3, "{way:?}");
        }
        let stopping = tokio::spawn(server.shutdown());
        let crrst = way.has_header().then_some("1");
        if way.layout == Layout::Multiplexed {
            let stop = answer(&mut peer).await;
            assert_eq!((stop.header_seq_id, stop.seq_id, &stop.name[..]), (Some(0), 0, &b"none"[..]));
            assert_eq!(stop.keys.strings.get("crrst").map(String::as_str), crrst);
        }
        let last = answer(&mut peer).await;
        assert_eq!((last.seq_id, last.describe().as_str()), (2, "reply slept"), "{way:?}");
        assert_eq!(last.keys.strings.get("crrst").map(String::as_str), crrst, "{way:?}");
        assert_eq!(peer.rest().await.len(), 0, "{way:?}");
        soon("the server's end", stopping).await.unwrap();
    }
}

/// What was sent before a client could know of the end is served.
#[tokio::test]
async fn a_request_that_crosses_the_shutdown_is_answered() {
    for way in ways() {
        let server = serve(|server| server).await;
        let mut peer = dial(&server).await;
        peer.write(&way.echo(1, "hi")).await;
        assert_eq!(answer(&mut peer).await.seq_id, 1);
        server.handle().shutdown();
        peer.write(&way.echo(2, "crossing")).await;
        let mut next = answer(&mut peer).await;
        if next.seq_id == 0 {
            next = answer(&mut peer).await;
        }
        assert_eq!((next.seq_id, next.describe().as_str()), (2, "reply crossing"), "{way:?}");
        soon("the server's end", server).await;
    }
}

/// Framed and Buffered have no place for a business error. Kitex's server answers an empty success, which its clients take for the
/// result; here it is an exception, with Kitex's text of such an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_business_error_that_cannot_travel_is_an_exception_that_says_it_once() {
    let server = serve(|server| server).await;
    let addr = server.local_address().to_string();
    let kitex = match kitex_peer("what Kitex makes of a business error without a TTHeader") {
        Some(binary) => Some(PeerServer::start(&binary, &["server"]).await.unwrap()),
        None => None,
    };
    for way in ways().filter(|way| !way.has_header()) {
        let told = async |addr: &str, text| {
            let mut peer = Peer::dial(addr).await;
            peer.write(&way.echo(1, text)).await;
            answer(&mut peer).await.describe()
        };
        assert_eq!(told(&addr, "!biz 404 gone").await, "exception 6 biz error: code=404, msg=gone", "{way:?}");
        assert_eq!(told(&addr, "!error no").await, "exception 6 biz error: no", "{way:?}");
        if let Some(kitex) = &kitex {
            assert_eq!(told(&kitex.addr, "!biz 404 gone").await, "reply", "{way:?}");
            assert_eq!(told(&kitex.addr, "!error no").await, "exception 6 biz error: no", "{way:?}");
        }
    }
}
