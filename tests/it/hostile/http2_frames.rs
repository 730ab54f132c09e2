//! Frames that break HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use thrill::Server;
use thrill_tests::contract::TestServiceServer;
use thrill_tests::h2peer::wire::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, PADDED, PING, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use thrill_tests::h2peer::{Frame, Peer, frame, hpack, request, say};
use thrill_tests::handler::Handler;

use super::{ECHO, Victim, Witness, assert_alive, short};

/// What comes of bytes on a connection with an open stream 1: `goaway N`, `reset N of stream 1`, `passed over`.
async fn reaction(addr: &str, bytes: &[u8]) -> String {
    let mut peer = Peer::client(addr, &[]).await;
    let bystander = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(bystander, say("before"))).await;
    while !matches!(peer.on(bystander).await, Frame::Data { .. }) {}
    // Stream 3 is the one to break; it has not ended.
    let broken = peer.open(&request(ECHO)).await;
    peer.fence().await;
    let _ = peer.try_write(bytes).await;
    let probe = peer.fresh() + 20;
    let _ = peer.try_write(&Frame::trailers(probe, &request(ECHO)).encode()).await;
    let mut seen = "passed over".to_owned();
    loop {
        match peer.event().await {
            Some(Frame::GoAway { code, .. }) => {
                peer.end().await;
                return format!("goaway {code}");
            }
            Some(Frame::Reset { stream, code }) if stream == broken => seen = format!("reset {code}"),
            Some(Frame::Headers { stream, end: true, .. }) if stream == probe => break,
            Some(_) => {}
            None => return "closed".to_owned(),
        }
    }
    peer.send(&Frame::last(bystander, say("after"))).await;
    assert_eq!(peer.answer(bystander).await.data, say("after"), "{seen}: the other stream goes on");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_http2_end_their_stream_or_their_connection() {
    let server = short(Duration::from_secs(60)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let settings = |id: u16, value: u32| Frame::Settings(vec![(id, value)]).encode();
    let window = |stream, size| Frame::Window { stream, size }.encode();
    let large = vec![0; (128 << 10) + 1];
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("PING of five bytes", frame(PING, 0, 0, b"short"), "goaway"),
        ("PING on a stream", frame(PING, 0, 3, b"12345678"), "goaway"),
        ("SETTINGS of seven bytes", frame(SETTINGS, 0, 0, &[0; 7]), "goaway"),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 3, &[]), "goaway"),
        ("an acknowledgement with settings", frame(SETTINGS, 1, 0, &[0; 6]), "goaway"),
        ("a window setting over the limit", settings(4, 1 << 31), "goaway"),
        ("a frame size setting below the limit", settings(5, 1000), "goaway"),
        ("a push setting that is no flag", settings(2, 2), "goaway"),
        ("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), "goaway"),
        ("a window update of zero", window(0, 0), "goaway"),
        ("a connection window over the limit", window(0, u32::MAX >> 1), "goaway"),
        ("a window update of a stream that nobody opened", window(101, 1), "goaway"),
        ("a stream's window over the limit", window(3, u32::MAX >> 1), "reset 3"),
        ("RST_STREAM of three bytes", frame(RST_STREAM, 0, 3, &[0; 3]), "goaway"),
        ("RST_STREAM of a stream that nobody opened", Frame::reset(101, CANCEL).encode(), "goaway"),
        ("RST_STREAM of the connection", Frame::reset(0, CANCEL).encode(), "goaway"),
        ("GOAWAY of five bytes", frame(GOAWAY, 0, 0, &[0; 5]), "goaway"),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 3, &[0, 0, 0, 2]), "goaway"),
        ("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 3, &[]), "goaway"),
        (
            "another frame within a header block",
            { [frame(HEADERS, 0, 5, &hpack::encode(&request(ECHO))), frame(PING, 0, 0, b"12345678")].concat() },
            "goaway",
        ),
        (
            "CONTINUATION of another stream",
            {
                let headers = frame(HEADERS, 0, 5, &hpack::encode(&request(ECHO)));
                [headers, frame(CONTINUATION, END_HEADERS, 7, &[])].concat()
            },
            "goaway",
        ),
        ("HEADERS of no stream", frame(HEADERS, END_HEADERS, 0, &hpack::encode(&request(ECHO))), "goaway"),
        ("no index of a header table", frame(HEADERS, END_HEADERS, 5, &[0xff, 0x80, 0x01]), "goaway"),
        ("index zero", frame(HEADERS, END_HEADERS, 5, &[0x80]), "goaway"),
        ("a header table over the limit", frame(HEADERS, END_HEADERS, 5, &[0x3f, 0xe1, 0xff, 0xff, 0x07]), "goaway"),
        ("a header string longer than its block", frame(HEADERS, END_HEADERS, 5, &[0, 0x7f, 0x80]), "goaway"),
        ("a wrong Huffman code", frame(HEADERS, END_HEADERS, 5, &[0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]), "goaway"),
        ("DATA of no stream", frame(DATA, 0, 0, b"x"), "goaway"),
        ("DATA of a stream that nobody opened", frame(DATA, 0, 101, b"x"), "goaway"),
        ("padding longer than its frame", frame(DATA, PADDED, 3, &[9, 0]), "goaway"),
        (
            "DATA after END_STREAM",
            [Frame::last(3, say("a")).encode(), Frame::data(3, say("b")).encode()].concat(),
            "any",
        ),
        ("a frame over the limit", frame(DATA, 0, 3, &large), "goaway"),
        (
            "HEADERS that depend on themselves",
            {
                let priority = [&[0, 0, 0, 5, 16][..], &hpack::encode(&request(ECHO))].concat();
                frame(HEADERS, END_HEADERS | 0x20, 5, &priority)
            },
            "any",
        ),
        ("a frame of a type that nobody knows", frame(0xbe, 0xff, 3, b"what?"), "passed over"),
        ("an unknown setting", settings(0xbeef, 7), "passed over"),
        ("PRIORITY", frame(2, 0, 3, &[0, 0, 0, 1, 16]), "passed over"),
        ("DATA with padding", frame(DATA, PADDED, 3, &[&[3][..], &say("hi"), &[0; 3]].concat()), "passed over"),
    ];
    for (what, bytes, want) in rows {
        let got = reaction(&addr, &bytes).await;
        let is_expected = match want {
            "any" => got != "closed",
            "goaway" => got.starts_with("goaway"),
            other => got == other,
        };
        assert!(is_expected, "{what}: got {got}, want {want}");
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_the_limit_are_refused_and_the_others_go_on() {
    let handler = Arc::new(Handler::default());
    let server = Server::new().max_concurrent_streams(10).add(TestServiceServer::from_arc(handler));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let mut peer = Peer::client(&server.local_address().to_string(), &[]).await;
    // The limit counts once the client has acknowledged it.
    peer.fence().await;
    let mut streams = Vec::new();
    for _ in 0..15 {
        streams.push(peer.open(&request(ECHO)).await);
    }
    for refused in &streams[10..] {
        assert_eq!(peer.on(*refused).await, Frame::reset(*refused, 7), "REFUSED_STREAM");
    }
    for stream in &streams[..10] {
        peer.send(&Frame::last(*stream, say("on"))).await;
        assert_eq!(peer.answer(*stream).await.data, say("on"));
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_over_the_window_is_a_flow_control_error_and_costs_no_more_than_the_window() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let stream = peer.open(&request(ECHO)).await;
    // The handler sleeps, so that nothing is read.
    peer.send(&Frame::data(stream, say("!sleep 60000"))).await;
    let flood = Frame::data(stream, vec![0; 16_384]).encode().repeat(128);
    let mut ended = false;
    for _ in 0..32 {
        if !peer.flood(&flood).await {
            ended = true;
            break;
        }
    }
    let seen = if ended { peer.end().await } else { peer.fence().await };
    let is_refused =
        seen.iter().any(|frame| matches!(frame, Frame::Reset { code: 3, .. } | Frame::GoAway { code: 3, .. }));
    assert!(is_refused, "FLOW_CONTROL_ERROR: {seen:?}");
    victim.assert_within("64 MiB over a window of 1 MiB", 48);
    witness.unharmed().await;
}
