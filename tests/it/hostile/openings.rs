//! What a connection begins with, and what a client leaves unfinished.

use std::time::Duration;

use thrill_tests::h2peer::wire::{CONTINUATION, END_STREAM, HEADERS};
use thrill_tests::h2peer::{Frame, PREFACE, Peer, frame, hpack, request, say, soon};
use tokio::task::JoinSet;

use super::{ECHO, Witness, assert_alive, short};

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_another_protocol_are_turned_away_without_an_answer() {
    let server = short(Duration::from_secs(60)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let rows: [(&str, &[u8]); 6] = [
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
        ("text", b"hello?\r\n"),
        ("zeros", &[0; 64]),
        ("another preface", b"PRI * XTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("nothing", b""),
    ];
    for (what, bytes) in rows {
        let mut peer = Peer::dial(&addr).await;
        let _ = peer.try_write(bytes).await;
        if bytes.is_empty() {
            peer.close().await;
        }
        assert_eq!(peer.rest().await.len(), 0, "{what}: at once, not after the timeout");
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_preface_behind_its_first_eight_bytes_is_an_http2_error() {
    let server = short(Duration::from_secs(60)).await;
    let addr = server.local_address().to_string();
    for bytes in [&b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n"[..], b"PRI * HT and then something else"] {
        let mut peer = Peer::dial(&addr).await;
        let _ = peer.try_write(bytes).await;
        soon("the end of the connection", peer.rest()).await;
    }
}

/// What a client may leave unfinished, and whether a handler runs by then.
fn unfinished() -> Vec<(&'static str, Vec<u8>)> {
    let begin = [PREFACE, &Frame::Settings(vec![]).encode()].concat();
    let block = hpack::encode(&request(ECHO));
    let after = |bytes: &[u8]| [&begin, bytes].concat();
    let open = Frame::headers(1, &request(ECHO)).encode();
    let data = Frame::data(1, say("hi")).encode();
    vec![
        ("silence", vec![]),
        ("half of what is looked at", b"PRI ".to_vec()),
        ("half a preface", PREFACE[..12].to_vec()),
        ("a preface alone", PREFACE.to_vec()),
        ("half a SETTINGS head", begin[..PREFACE.len() + 4].to_vec()),
        ("half a SETTINGS", [PREFACE, &Frame::Settings(vec![(4, 65_535)]).encode()[..12]].concat()),
        ("half a HEADERS head", after(&open[..5])),
        ("half a HEADERS", after(&open[..30])),
        ("HEADERS without END_HEADERS", after(&frame(HEADERS, END_STREAM, 1, &block))),
        ("CONTINUATION without END_HEADERS", {
            let headers = frame(HEADERS, 0, 1, &block[..10]);
            after(&[headers, frame(CONTINUATION, 0, 1, &block[10..])].concat())
        }),
        ("half a DATA head on an open stream", after(&[&open, &data[..8]].concat())),
        ("half a DATA on an open stream", after(&[&open, &data[..12]].concat())),
        ("a frame that claims 16 MiB", after(&[&open[..], &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_leaves_unfinished_ends_its_connection() {
    let server = short(Duration::from_millis(150)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let mut idle = Peer::client(&addr, &[]).await;
    let open = idle.open(&request(ECHO)).await;
    let mut ends = JoinSet::new();
    for (what, bytes) in unfinished() {
        let mut peer = Peer::dial(&addr).await;
        peer.write(&bytes).await;
        ends.spawn(async move {
            // Answers nothing: an acknowledgement would be a frame.
            peer.rest().await;
            what
        });
    }
    while let Some(end) = ends.join_next().await {
        println!("ended: {}", end.unwrap());
    }
    // By now every timeout has passed, and a connection between two frames does not care.
    idle.send(&Frame::last(open, say("late"))).await;
    assert_eq!(idle.answer(open).await.data, say("late"));
    assert_alive(&mut idle).await;
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_leaves_unfinished_does_not_hold_up_a_shutdown() {
    let mut ends = JoinSet::new();
    for (what, bytes) in unfinished() {
        let server = short(Duration::from_secs(600)).await;
        let mut peer = Peer::dial(&server.local_address().to_string()).await;
        peer.write(&bytes).await;
        // By now the bytes above are read, too.
        assert_alive(&mut Peer::client(&server.local_address().to_string(), &[]).await).await;
        ends.spawn(async move {
            // `exit_wait_time` is 100 ms here.
            let end = tokio::time::timeout(Duration::from_secs(10), server.shutdown()).await;
            drop(peer);
            end.is_err().then_some(what)
        });
    }
    let ends = soon("the ends", ends.join_all()).await;
    let late: Vec<_> = ends.into_iter().flatten().collect();
    assert!(late.is_empty(), "a shutdown waits for a client that left {late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_silent_connections_are_closed_and_nobody_notices() {
    let server = short(Duration::from_millis(300)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let mut ends = JoinSet::new();
    for number in 0..500 {
        let mut peer = Peer::dial(&addr).await;
        peer.write(&PREFACE[..number % PREFACE.len()]).await;
        ends.spawn(async move { peer.rest().await });
    }
    while let Some(end) = soon("the end of a connection", ends.join_next()).await {
        end.unwrap();
    }
    witness.unharmed().await;
}
