//! Servers that answer a call by something else: the call fails with a clear error, its connection is used no more, and the
//! next call is answered.

use std::future::IntoFuture as _;

use thrill::{Error, Payload, Transport};
use thrill_tests::contract::{Request, TestServiceClient};
use thrill_tests::h2peer::{Peer, Port, soon};
use thrill_tests::message::{CALL, EXCEPTION, Layout, Message, Parsed, Protocol, TtHeader, Way};

/// What a server says to the call with this sequence id, and a part of the error that comes of it.
struct Row {
    what: &'static str,
    answer: Box<dyn Fn(i32) -> Vec<u8>>,
    want: &'static str,
}

fn row(what: &'static str, want: &'static str, answer: impl Fn(i32) -> Vec<u8> + 'static) -> Row {
    Row { what, answer: Box::new(answer), want }
}

/// Answers behind a frame or header that tells where they end: only their own call suffers on a shared connection.
fn wrong(way: Way) -> Vec<Row> {
    let changed = move |change: fn(&mut Message)| {
        move |seq_id| {
            let mut message = way.protocol.echoed(seq_id, "hi");
            change(&mut message);
            // The header is true: a concurrent connection goes by it.
            way.wrap(seq_id, &message.put(way.protocol))
        }
    };
    vec![
        row("another sequence id", "out of order sequence response", changed(|it| it.seq_id ^= 1 << 20)),
        row(
            "another method",
            "wrong method name, expect=EchoPingPong, actual=Add",
            changed(|it| it.name = b"Add".to_vec()),
        ),
        row("no method", "wrong method name", changed(|it| it.name.clear())),
        row("a method that is not UTF-8", "wrong method name", changed(|it| it.name = vec![0xff, 0xfe])),
        row("a call", "client side, invalid message type 1", changed(|it| it.kind = CALL)),
        row("a kind that is none", "invalid message type 7", changed(|it| it.kind = 7)),
        row(
            "an exception that says nothing",
            "unknown application exception",
            changed(|it| {
                it.kind = EXCEPTION;
                it.body = vec![0];
            }),
        ),
    ]
}

/// Answers whose struct does not hold what it claims.
fn undecodable(way: Way) -> Vec<Row> {
    let with = move |body: &'static [u8]| {
        move |seq_id| way.put(&Message { body: body.to_vec(), ..way.protocol.echoed(seq_id, "") })
    };
    match way.protocol {
        Protocol::Binary => vec![
            row("a text of 2 GiB", "", with(&[12, 0, 0, 11, 0, 1, 0x7f, 0xff, 0xff, 0xff])),
            row("a text of -1 bytes", "negative length -1", with(&[12, 0, 0, 11, 0, 1, 0xff, 0xff, 0xff, 0xff])),
            row("a field of no type", "unknown data type 99", with(&[99, 0, 0, 0])),
            row("a list of 2 GiB", "", with(&[15, 0, 9, 12, 0x7f, 0xff, 0xff, 0xff, 0])),
        ],
        Protocol::Compact => vec![
            row("a text of 2 GiB", "", with(&[0x0c, 0, 0x18, 0xff, 0xff, 0xff, 0xff, 7])),
            row("a text of -1 bytes", "negative length -1", with(&[0x0c, 0, 0x18, 0xff, 0xff, 0xff, 0xff, 0x0f])),
            row("a field of no type", "unknown data type 14", with(&[0x1e, 0])),
            row("a list of 2 GiB", "", with(&[0x99, 0xfc, 0xff, 0xff, 0xff, 0xff, 7, 0])),
        ],
    }
}

/// Bytes that leave no telling where the next answer begins.
fn garbage(way: Way) -> Vec<Row> {
    let mut rows = vec![
        row("HTTP", "no Thrift message begins with", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        row("zeros", "no Thrift message begins with", |_| vec![0; 40]),
        row("TLS", "no Thrift message begins with", |_| vec![0x15, 3, 1, 0, 2, 2, 0x28, 0]),
        row("a frame of 2 GiB", "is larger than the limit", |_| vec![0x7f, 0xff, 0xff, 0xff, 0x80, 1, 0, 2]),
        row("a frame over the limit", "is larger than the limit", |_| vec![1, 0, 0, 1, 0x80, 1, 0, 2]),
        row("two mesh headers", "no Thrift message begins with", |_| [0xff, 0xaf, 0, 2, 0, 0].repeat(2)),
    ];
    if !way.has_header() {
        return rows;
    }
    let behind = move |change: fn(&mut TtHeader)| {
        move |seq_id| {
            let mut header = way.header(seq_id);
            change(&mut header);
            header.put(&way.payload(&way.protocol.echoed(seq_id, "hi").put(way.protocol)))
        }
    };
    rows.extend([
        row("a TTHeader of 2 GiB", "is larger than the limit", behind(|it| it.length = Some(0x7fff_ffff))),
        row("a TTHeader without header", "invalid header length[0]", behind(|it| it.words = Some(0))),
        row("a TTHeader beyond its frame", "TTHeader contradicts itself", behind(|it| it.words = Some(900))),
        row("an unknown protocol", "unsupported ProtocolID[9]", behind(|it| it.protocol_id = 9)),
        row("an unknown transform", "unknown transform", behind(|it| it.transforms = vec![1])),
        row("an unknown block", "invalid infoIDType[0x7]", behind(|it| it.info = vec![7])),
        row("more keys than there are", "does not end inside the header", behind(|it| it.info = vec![1, 0xff, 0xff])),
        row("no payload", "is no Thrift message", move |seq_id| way.header(seq_id).put(b"")),
        row("a payload that is no message", "is no Thrift message", move |seq_id| way.header(seq_id).put(b"garbage!")),
    ]);
    rows
}

fn client(port: &Port, way: Way) -> TestServiceClient {
    let transport = match way.layout {
        Layout::Buffered => Transport::Buffered,
        Layout::Framed => Transport::Framed,
        Layout::TtHeader => Transport::TtHeader,
        Layout::TtHeaderFramed | Layout::Multiplexed => Transport::TtHeaderFramed,
    };
    let mut builder = TestServiceClient::builder("a.service").host_ports([&port.addr]).transport(transport);
    if way.protocol == Protocol::Compact {
        builder = builder.payload(Payload::Compact);
    }
    if way.layout == Layout::Multiplexed {
        builder = builder.multiplexed(1);
    }
    builder.build().unwrap()
}

/// Makes a call, and answers it.
async fn call(
    client: &TestServiceClient,
    peer: &mut Peer,
    answer: impl FnOnce(i32) -> Vec<u8>,
) -> Result<Option<String>, Error> {
    let request = Request { message: Some("hi".to_owned()) };
    let answering = async {
        let request = peer.parse(Parsed::parse).await.expect("a request");
        peer.write(&answer(request.seq_id)).await;
    };
    let calling = client.echo_ping_pong(request).into_future();
    let (called, ()) = tokio::join!(soon("the call's end", calling), answering);
    called.map(|response| response.message)
}

/// Checks that each answer fails its call, that its connection is then closed, or still used where it `stays`, and that
/// the next call is answered.
async fn check(way: Way, rows: Vec<Row>, stays: bool) {
    let port = Port::bind().await;
    let client = client(&port, way);
    for Row { what, answer, want } in rows {
        let first = {
            let request = client.echo_ping_pong(Request { message: Some("first".to_owned()) }).into_future();
            let serving = async {
                let mut peer = port.accept().await;
                let request = peer.parse(Parsed::parse).await.expect("a request");
                peer.write(&way.echoed(request.seq_id, "first")).await;
                peer
            };
            let (called, peer) = tokio::join!(soon("the first call", request), serving);
            assert_eq!(called.unwrap().message.as_deref(), Some("first"), "{what}, {way:?}");
            peer
        };
        let mut peer = first;
        let err = call(&client, &mut peer, answer).await.unwrap_err().to_string();
        assert!(err.contains(want), "{what}, {way:?}: {err}");
        if stays {
            let next = call(&client, &mut peer, |seq_id| way.echoed(seq_id, "next")).await;
            assert_eq!(next.unwrap().as_deref(), Some("next"), "{what}, {way:?}");
            peer.close().await;
        }
        assert_eq!(peer.rest().await.len(), 0, "{what}, {way:?}: nothing more is asked here");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_the_calls_is_its_error() {
    for way in Way::all() {
        let is_shared = way.layout == Layout::Multiplexed;
        check(way, wrong(way), is_shared).await;
        if way.layout != Layout::Buffered {
            check(way, undecodable(way), is_shared).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_message_ends_its_connection() {
    for way in Way::all() {
        check(way, garbage(way), false).await;
    }
    for way in Way::all().into_iter().filter(|way| way.layout == Layout::Buffered) {
        check(way, undecodable(way), false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_at_any_byte_is_an_error() {
    for way in Way::all() {
        let port = Port::bind().await;
        let client = client(&port, way);
        for len in 0..way.echoed(1, "hi").len() {
            let calling = client.echo_ping_pong(Request::default()).into_future();
            let serving = async {
                let mut peer = port.accept().await;
                let request = peer.parse(Parsed::parse).await.expect("a request");
                // The sequence id of Compact grows with time, and the answer with it.
                peer.write(&way.echoed(request.seq_id, "hi")[..len]).await;
            };
            let (called, ()) = tokio::join!(soon("the call's end", calling), serving);
            let err = called.unwrap_err();
            assert!(matches!(err, Error::ConnectionLost(_)), "{way:?}, {len} bytes: {err:?}");
            assert!(err.to_string().contains(&port.addr), "{way:?}, {len} bytes: {err}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_unasked_ends_a_connection_that_rests() {
    for way in Way::all().into_iter().filter(|way| way.layout != Layout::Multiplexed) {
        let port = Port::bind().await;
        for unasked in [way.echoed(1, "unasked"), b"x".to_vec()] {
            // A client of its own: the last round's would first have to notice that the connection it kept is gone.
            let client = client(&port, way);
            let calling = client.echo_ping_pong(Request::default()).into_future();
            let serving = async {
                let mut peer = port.accept().await;
                let request = peer.parse(Parsed::parse).await.expect("a request");
                peer.write(&[way.echoed(request.seq_id, "asked"), unasked].concat()).await;
                peer
            };
            let (called, mut peer) = tokio::join!(soon("the call's end", calling), serving);
            assert_eq!(called.unwrap().message.as_deref(), Some("asked"), "{way:?}");
            // The next call is made on another connection, and this one is closed by then.
            let calling = client.echo_ping_pong(Request::default()).into_future();
            let serving = async {
                let mut next = port.accept().await;
                let request = next.parse(Parsed::parse).await.expect("a request");
                next.write(&way.echoed(request.seq_id, "next")).await;
            };
            let (called, ()) = tokio::join!(soon("the call's end", calling), serving);
            assert_eq!(called.unwrap().message.as_deref(), Some("next"), "{way:?}");
            assert_eq!(peer.rest().await.len(), 0, "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_belong_to_no_call_are_passed_over() {
    for way in Way::all().into_iter().filter(|way| way.layout == Layout::Multiplexed) {
        let port = Port::bind().await;
        let client = client(&port, way);
        let calling = client.echo_ping_pong(Request::default()).into_future();
        let serving = async {
            let mut peer = port.accept().await;
            let request = peer.parse(Parsed::parse).await.expect("a request");
            let seq_id = request.seq_id;
            let others = [0, -1, seq_id ^ 1, i32::MIN].map(|seq_id| way.echoed(seq_id, "another's")).concat();
            peer.write(&[others, way.echoed(seq_id, "its own"), way.echoed(seq_id, "again")].concat()).await;
            peer
        };
        let (called, mut peer) = tokio::join!(soon("the call's end", calling), serving);
        assert_eq!(called.unwrap().message.as_deref(), Some("its own"), "{way:?}");
        let next = call(&client, &mut peer, |seq_id| way.echoed(seq_id, "next")).await;
        assert_eq!(next.unwrap().as_deref(), Some("next"), "{way:?}");
        // An answer that says nothing of its call is no one's, and so the connection is of no use.
        let framed = Way { layout: Layout::Framed, ..way };
        let err = call(&client, &mut peer, |seq_id| framed.echoed(seq_id, "whose?")).await.unwrap_err().to_string();
        assert!(err.contains("has no TTHeader"), "{err}");
        assert_eq!(peer.rest().await.len(), 0);
    }
}
