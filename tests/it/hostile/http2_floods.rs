//! More than a client has a reason to send over HTTP/2.

use std::time::Duration;

use thrill_tests::h2peer::wire::{CANCEL, CONTINUATION, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, PING};
use thrill_tests::h2peer::{Frame, Peer, encode_headers, fields, frame, hpack, request, say, soon};

use super::{ECHO, Victim, Witness, assert_alive, goaways};

#[tokio::test(flavor = "multi_thread")]
async fn resets_in_bursts_end_the_connection_that_sends_them() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    // What no handler looks at is a flood as well.
    let paths = [ECHO, "/echo.TestService/Unheard"];
    for path in paths.into_iter().cycle().take(20) {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        let mut burst = Vec::new();
        for _ in 0..1000 {
            let stream = peer.fresh();
            burst.extend(Frame::headers(stream, &request(path)).encode());
            burst.extend(Frame::reset(stream, CANCEL).encode());
        }
        peer.flood(&burst).await;
        assert_eq!(goaways(&peer.end().await), [ENHANCE_YOUR_CALM]);
    }
    victim.assert_within("20,000 resets in bursts", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cancels_thousands_of_calls_that_run_is_served() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let bystander = peer.open(&request(ECHO)).await;
    for _ in 0..300 {
        let mut streams = Vec::new();
        for _ in 0..10 {
            let stream = peer.open(&request(ECHO)).await;
            peer.send(&Frame::data(stream, [say("hi"), say("!sleep 10")].concat())).await;
            streams.push(stream);
        }
        // The handlers run, and have more to do.
        for stream in &streams {
            while !matches!(peer.on(*stream).await, Frame::Data { .. }) {}
        }
        for stream in streams {
            peer.send(&Frame::reset(stream, CANCEL)).await;
        }
    }
    peer.send(&Frame::last(bystander, say("still"))).await;
    assert_eq!(peer.answer(bystander).await.data, say("still"));
    assert_alive(&mut peer).await;
    victim.assert_within("3,000 calls that are cancelled", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_blocks_without_end_are_cut_short() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let block = hpack::encode(&request(ECHO));
    let field = hpack::encode(&fields(&[("x-a", "v")])).repeat(100);
    let rows = [
        ("empty CONTINUATIONs", frame(CONTINUATION, 0, 1, &[]).repeat(100_000)),
        ("CONTINUATIONs of one byte", frame(CONTINUATION, 0, 1, &[0]).repeat(100_000)),
        ("CONTINUATIONs of small fields", frame(CONTINUATION, 0, 1, &field).repeat(10_000)),
        ("CONTINUATIONs of 16 KiB", frame(CONTINUATION, 0, 1, &vec![b'v'; 16_384]).repeat(1000)),
    ];
    for (what, flood) in rows {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        peer.write(&frame(HEADERS, 0, 1, &block)).await;
        peer.flood(&flood).await;
        let codes = goaways(&peer.end().await);
        assert!(codes.len() == 1 && codes[0] != NO_ERROR, "{what}: {codes:?}");
    }
    // A small block that stands for a large list: one long field in the table, and a thousand references to it.
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let mut long = hpack::encode(&fields(&[("x-a", &"v".repeat(3000))]));
    long[0] = 0x40;
    let bomb = [block, long, vec![0xbe; 10_000]].concat();
    peer.flood(&encode_headers(1, END_STREAM, &bomb, 16_384)).await;
    let end = soon("the refusal", async {
        loop {
            match peer.event().await {
                Some(Frame::Headers { fields, .. }) => return format!("{fields:?}"),
                Some(Frame::GoAway { code, .. }) => return format!("goaway {code}"),
                None => return "closed".to_owned(),
                Some(_) => {}
            }
        }
    })
    .await;
    assert!(end.contains("431") || end == "goaway 11", "30 MB of header list: {end}");
    victim.assert_within("header blocks without end", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_control_frames_cost_nothing() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let open = Frame::headers(1, &request(ECHO)).encode();
    let rows = [
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("SETTINGS", Frame::Settings(vec![(4, 65_535)]).encode()),
        ("empty SETTINGS", Frame::Settings(vec![]).encode()),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 16])),
        ("unknown frames", frame(0xbe, 0, 1, &[0; 100])),
        ("WINDOW_UPDATE", Frame::Window { stream: 1, size: 1 }.encode()),
    ];
    for (what, bytes) in rows {
        // Once with the answers read, once without.
        let mut peer = Peer::client(&victim.addr, &[]).await;
        peer.write(&open).await;
        if peer.flood(&bytes.repeat(20_000)).await {
            peer.send(&Frame::last(1, say("still"))).await;
            assert_eq!(peer.answer(1).await.data, say("still"), "{what}");
        } else {
            assert_eq!(goaways(&peer.end().await), [ENHANCE_YOUR_CALM], "{what}");
        }
        let mut peer = Peer::client(&victim.addr, &[]).await;
        peer.write(&open).await;
        peer.pour(&bytes.repeat(1000), 8 << 20, Duration::from_millis(300)).await;
        victim.assert_within(what, 64);
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_small_data_frames_that_nobody_reads_are_bounded() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    for (size, is_refused) in [(0, true), (1, false)] {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        let stream = peer.open(&request(ECHO)).await;
        peer.send(&Frame::data(stream, say("!sleep 60000"))).await;
        // 2,000 of them are no attack where they carry something: a talkative client of a slow handler.
        let frames = Frame::data(stream, vec![0; size]).encode().repeat(2000);
        peer.flood(&frames).await;
        if is_refused {
            assert_eq!(goaways(&peer.end().await), [ENHANCE_YOUR_CALM]);
            continue;
        }
        assert_eq!(peer.fence().await, []);
        for _ in 0..100 {
            if !peer.flood(&frames).await {
                break;
            }
        }
        victim.assert_within("200,000 DATA frames of one byte", 64);
    }
    witness.unharmed().await;
}
