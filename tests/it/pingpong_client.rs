//! What a ping-pong client tells of a call that fails, and what becomes of its connection: scripted servers.

use std::future::IntoFuture as _;
use std::time::Duration;

use futures_util::future::join_all;
use thrill::{Call, ClientBuilder, Error, Result, Stage, Transport};
use thrill_tests::contract::{Request, Response, TestServiceClient as Client};
use thrill_tests::h2peer::{Peer, Port, soon};
use thrill_tests::message::ttheader::strings;
use thrill_tests::message::{EXCEPTION, Layout, Message, Parsed, Protocol, TtHeader, Way};

use crate::deadlines::NeverConnects;

/// What a test waits in vain for.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

const LAYOUTS: [Layout; 5] =
    [Layout::Buffered, Layout::Framed, Layout::TtHeader, Layout::TtHeaderFramed, Layout::Multiplexed];

fn builder(addr: &str, layout: Layout) -> ClientBuilder<Client> {
    let builder = Client::builder("a.service").host_ports([addr]);
    match layout {
        Layout::Buffered => builder.transport(Transport::Buffered),
        Layout::Framed => builder.transport(Transport::Framed),
        Layout::TtHeader => builder.transport(Transport::TtHeader),
        Layout::TtHeaderFramed => builder.transport(Transport::TtHeaderFramed),
        Layout::Multiplexed => builder.transport(Transport::TtHeaderFramed).multiplexed(1),
    }
}

fn way(layout: Layout) -> Way {
    Way { layout, protocol: Protocol::Binary }
}

fn say(client: &Client, text: &str) -> Call<Response> {
    client.echo_ping_pong(Request { message: Some(text.to_owned()) })
}

async fn said(call: impl Future<Output = Result<Response>>) -> String {
    soon("an answer", call).await.unwrap().message.unwrap_or_default()
}

/// The next request on a connection.
async fn request(peer: &mut Peer) -> i32 {
    peer.parse(Parsed::parse).await.expect("a request").seq_id
}

/// An answer that also says that the connection is about to end.
fn resetting(way: Way, seq_id: i32, text: &str) -> Vec<u8> {
    let info = strings(&[("crrst", "1")]);
    let message = way.protocol.echoed(seq_id, text).put(way.protocol);
    TtHeader { info, ..way.header(seq_id) }.put(&way.payload(&message))
}

#[tokio::test]
async fn a_deadline_says_what_was_going_on_with_whom() {
    // Long enough to encode what is large.
    const TIME: Duration = Duration::from_secs(1);
    let calls = LAYOUTS.map(async |layout| {
        let port = Port::bind().await;
        let stage = async |call: Call<Response>| match soon("the call's end", call.into_future()).await.unwrap_err() {
            Error::DeadlineExceeded { during, after, peer } => {
                assert_eq!((after, peer.as_deref()), (TIME, Some(port.addr.as_str())), "{layout:?}");
                during
            }
            other => panic!("{layout:?}: {other:?}"),
        };
        let client = builder(&port.addr, layout).connector(NeverConnects).connect_timeout(LONG).build().unwrap();
        assert_eq!(stage(say(&client, "").timeout(TIME)).await, Stage::Connect, "{layout:?}");
        // The server takes the connection, and never reads.
        let client = builder(&port.addr, layout).rpc_timeout(TIME).build().unwrap();
        let large = stage(say(&client, &"x".repeat(16 << 20))).await;
        // Many calls share a multiplexed connection: what its task writes is out of their hands.
        let want = if layout == Layout::Multiplexed { Stage::Read } else { Stage::Write };
        assert_eq!(large, want, "{layout:?}");
        let client = builder(&port.addr, layout).rpc_timeout(TIME).build().unwrap();
        assert_eq!(stage(say(&client, "")).await, Stage::Read, "{layout:?}");
        let passed = say(&client, "").timeout(Duration::ZERO).await.unwrap_err();
        assert!(matches!(passed, Error::DeadlineExceeded { during: Stage::Open, peer: None, .. }), "{passed:?}");
        let text = say(&client, "").await.unwrap_err().to_string();
        let want = format!("(after 1s, during the wait for the reply, peer {})", port.addr);
        assert!(text.ends_with(&want), "{layout:?}: {text}");
    });
    join_all(calls).await;
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_says_how_far_it_came() {
    let fails = |during: Stage, err: Error| {
        let Error::Connect(err) = err else { panic!("{err:?}") };
        assert_eq!((err.during(), err.address()), (during, "nowhere:1"));
        assert!(err.after() >= SHORT, "{:?}", err.after());
        let text = err.to_string();
        assert!(text.starts_with("cannot connect to nowhere:1 for service \"a.service\" (tried for "), "{text}");
        assert!(text.ends_with("no connection within the option `connect_timeout` of 100ms"), "{text}");
        text
    };
    for layout in LAYOUTS {
        let client = builder("nowhere:1", layout).connector(NeverConnects).connect_timeout(SHORT).build().unwrap();
        fails(Stage::Connect, say(&client, "").await.unwrap_err());
    }
    // Two calls share what is made: the second waits for the first.
    for transport in [Transport::Http2, Transport::TtHeader] {
        let builder = Client::builder("a.service").host_ports(["nowhere:1"]).connector(NeverConnects);
        let builder = builder.connection_pool_size(1).connect_timeout(LONG).transport(transport);
        let builder = if transport == Transport::TtHeader { builder.multiplexed(1) } else { builder };
        let client = builder.build().unwrap();
        let mut first = Box::pin(say(&client, "").into_future());
        // It has begun to connect.
        assert!(futures_util::poll!(&mut first).is_pending());
        let text = fails(Stage::Pool, say(&client, "").connect_timeout(SHORT).await.unwrap_err());
        assert!(text.contains(", during the wait for a shared connection): "), "{text}");
        let err = say(&client, "").timeout(SHORT).await.unwrap_err();
        assert!(matches!(err, Error::DeadlineExceeded { during: Stage::Pool, .. }), "{err:?}");
    }
}

#[tokio::test]
async fn a_lost_connection_says_during_what_and_after_how_long() {
    for layout in LAYOUTS {
        let port = Port::bind().await;
        let client = builder(&port.addr, layout).build().unwrap();
        let hanging_up = async {
            let mut peer = port.accept().await;
            request(&mut peer).await;
        };
        let (called, ()) = tokio::join!(say(&client, "").into_future(), hanging_up);
        let Err(Error::ConnectionLost(lost)) = called else { panic!("{layout:?}: {called:?}") };
        assert_eq!((lost.during(), lost.peer()), (Some(Stage::Read), port.addr.as_str()), "{layout:?}");
        let text = Error::ConnectionLost(lost).to_string();
        assert!(text.contains(&format!("connection to {} lost after ", port.addr)), "{layout:?}: {text}");
        assert!(text.contains(", during the wait for the reply: "), "{layout:?}: {text}");
    }
    // More than the buffers between the two hold: the end comes while it is written.
    let port = Port::bind().await;
    let client = builder(&port.addr, Layout::Framed).build().unwrap();
    let large = "x".repeat(64 << 20);
    let (called, ()) = tokio::join!(say(&client, &large).into_future(), async { drop(port.accept().await) });
    let Err(Error::ConnectionLost(lost)) = called else { panic!("{called:?}") };
    assert_eq!(lost.during(), Some(Stage::Write));
}

#[tokio::test]
async fn a_server_that_does_nothing_for_too_long_loses_its_connection() {
    const PAUSE: Duration = Duration::from_secs(1);
    let calls = LAYOUTS.map(async |layout| {
        let port = Port::bind().await;
        let client = builder(&port.addr, layout).read_write_timeout(PAUSE).build().unwrap();
        for text in [String::new(), "x".repeat(16 << 20)] {
            let err = soon("the call's end", say(&client, &text).into_future()).await.unwrap_err();
            let Error::ConnectionLost(lost) = &err else { panic!("{layout:?}: {err:?}") };
            assert!(lost.after().is_some_and(|after| after >= PAUSE), "{layout:?}: {err}");
            assert!(err.to_string().ends_with("for 1s (option `read_write_timeout`)"), "{layout:?}: {err}");
        }
        // One that answers slowly, but does, keeps it; as does one that rests.
        let _unused = (port.accept().await, port.accept().await);
        let mut calling = Box::pin(say(&client, "hi").into_future());
        let (mut peer, way) =
            (tokio::select! { peer = port.accept() => peer, _ = &mut calling => panic!("an answer") }, way(layout));
        let serving = async {
            let seq_id = request(&mut peer).await;
            for piece in way.echoed(seq_id, "slowly").chunks(8) {
                tokio::time::sleep(PAUSE / 8).await;
                peer.write(piece).await;
            }
        };
        let (called, ()) = tokio::join!(calling, serving);
        assert_eq!(called.unwrap().message.as_deref(), Some("slowly"), "{layout:?}");
        tokio::time::sleep(PAUSE * 2).await;
        let serving = async {
            let seq_id = request(&mut peer).await;
            peer.write(&way.echoed(seq_id, "again")).await;
        };
        let (called, ()) = tokio::join!(said(say(&client, "hi").into_future()), serving);
        assert_eq!(called, "again", "{layout:?}");
    });
    join_all(calls).await;
}

#[tokio::test]
async fn a_late_answer_reaches_no_other_call() {
    let calls = LAYOUTS.map(async |layout| {
        let (port, way) = (Port::bind().await, way(layout));
        let client = builder(&port.addr, layout).build().unwrap();
        let (late, mut peer) =
            tokio::join!(say(&client, "first").timeout(Duration::from_secs(1)).into_future(), port.accept());
        assert!(matches!(late, Err(Error::DeadlineExceeded { during: Stage::Read, .. })), "{layout:?}: {late:?}");
        let first = request(&mut peer).await;
        // A connection of one call at a time went with the call; one of many goes on.
        let serving = async {
            let mut next = if layout == Layout::Multiplexed {
                None
            } else {
                // The client may have closed it.
                drop(peer.try_write(&way.echoed(first, "late")).await);
                Some(port.accept().await)
            };
            let next = next.as_mut().unwrap_or(&mut peer);
            let second = request(next).await;
            let early = if layout == Layout::Multiplexed { way.echoed(first, "late") } else { Vec::new() };
            next.write(&[early, way.echoed(second, "its own")].concat()).await;
        };
        let (called, ()) = tokio::join!(said(say(&client, "second").into_future()), serving);
        assert_eq!(called, "its own", "{layout:?}");
    });
    join_all(calls).await;
}

/// Whether the next call takes the connection on which the first was answered so.
async fn is_used_again(layout: Layout, answer: impl Fn(i32) -> Vec<u8>) -> bool {
    let (port, way) = (Port::bind().await, way(layout));
    let client = builder(&port.addr, layout).build().unwrap();
    let answering = async {
        let mut peer = port.accept().await;
        let seq_id = request(&mut peer).await;
        peer.write(&answer(seq_id)).await;
        peer
    };
    let (_, mut first) = tokio::join!(say(&client, "first").into_future(), answering);
    let serving = async {
        // The client closes what it does not use again.
        if let Some(next) = first.parse(Parsed::parse).await {
            first.write(&way.echoed(next.seq_id, "second")).await;
            return true;
        }
        let mut next = port.accept().await;
        let seq_id = request(&mut next).await;
        next.write(&way.echoed(seq_id, "second")).await;
        false
    };
    let (called, again) = tokio::join!(said(say(&client, "second").into_future()), serving);
    assert_eq!(called, "second", "{layout:?}");
    again
}

#[tokio::test]
async fn a_connection_rests_after_an_answer_and_nothing_else() {
    for layout in [Layout::Buffered, Layout::Framed, Layout::TtHeader, Layout::TtHeaderFramed] {
        let way = way(layout);
        assert!(is_used_again(layout, |seq_id| way.echoed(seq_id, "first")).await, "{layout:?}: an answer");
        let exception = |seq_id| {
            let body = [&[0x0b, 0, 1, 0, 0, 0, 1, b'x', 8, 0, 2, 0, 0, 0, 6, 0][..]].concat();
            way.put(&Message { kind: EXCEPTION, body, ..way.protocol.echoed(seq_id, "") })
        };
        assert!(!is_used_again(layout, exception).await, "{layout:?}: an exception");
        assert!(
            !is_used_again(layout, |seq_id| way.echoed(seq_id.wrapping_add(1), "")).await,
            "{layout:?}: another id"
        );
        if way.has_header() {
            assert!(!is_used_again(layout, |seq_id| resetting(way, seq_id, "first")).await, "{layout:?}: crrst");
        }
    }
}

/// Kitex's frame of no call: those that wait are answered where they are, those that come go elsewhere.
#[tokio::test]
async fn a_multiplexed_server_that_stops_is_left_and_answers_what_it_has() {
    const KITEX_STOP: &[u8] =
        b"\x00\x00\x00\x2b\x10\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x01\x00\x01\x00\x05crrst\x00\x011\x00\
        \x80\x01\x00\x02\x00\x00\x00\x04none\x00\x00\x00\x00\x00";
    let way = way(Layout::Multiplexed);
    for in_a_frame_of_its_own in [true, false] {
        let port = Port::bind().await;
        let client = builder(&port.addr, way.layout).build().unwrap();
        let serving = async {
            let mut old = port.accept().await;
            let (first, second) = (request(&mut old).await, request(&mut old).await);
            if in_a_frame_of_its_own {
                old.write(&[KITEX_STOP, &way.echoed(first, "first")].concat()).await;
            } else {
                old.write(&resetting(way, first, "first")).await;
            }
            (old, second)
        };
        let mut waiting = Box::pin(said(say(&client, "second").into_future()));
        let both = async {
            let first = said(say(&client, "first").into_future()).await;
            assert_eq!(first, "first");
        };
        // The first of the two requests is the first call's, since it is polled first.
        let ((), (mut old, second)) = tokio::select! {
            biased;
            both = async { tokio::join!(both, serving) } => both,
            _ = &mut waiting => panic!("it is not answered yet"),
        };
        let serving = async {
            let mut new = port.accept().await;
            let third = request(&mut new).await;
            new.write(&way.echoed(third, "third")).await;
        };
        let (third, ()) = tokio::join!(said(say(&client, "third").into_future()), serving);
        assert_eq!(third, "third");
        old.write(&way.echoed(second, "second")).await;
        assert_eq!(waiting.await, "second");
    }
}

#[tokio::test]
async fn the_connections_that_rest_go_too_when_one_says_that_the_server_is_about_to_end() {
    for layout in [Layout::TtHeader, Layout::TtHeaderFramed] {
        let (way, port) = (way(layout), Port::bind().await);
        let client = builder(&port.addr, layout).build().unwrap();
        let serving = async {
            let (mut one, mut other) = (port.accept().await, port.accept().await);
            for peer in [&mut one, &mut other] {
                let seq_id = request(peer).await;
                peer.write(&way.echoed(seq_id, "first")).await;
            }
            (one, other)
        };
        let calling = join_all([said(say(&client, "a").into_future()), said(say(&client, "b").into_future())]);
        let (answers, (mut one, mut other)) = tokio::join!(calling, serving);
        assert_eq!(answers, ["first", "first"]);
        let serving = async {
            let (is_one, seq_id) = tokio::select! {
                seq_id = request(&mut one) => (true, seq_id),
                seq_id = request(&mut other) => (false, seq_id),
            };
            let used = if is_one { &mut one } else { &mut other };
            used.write(&resetting(way, seq_id, "last")).await;
            assert_eq!((one.rest().await.len(), other.rest().await.len()), (0, 0), "{layout:?}");
        };
        let (answer, ()) = tokio::join!(said(say(&client, "c").into_future()), serving);
        assert_eq!(answer, "last");
    }
}
