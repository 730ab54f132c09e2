//! What a client of HTTP/2 may send, broken at random.

use thrill_tests::h2peer::wire::CANCEL;
use thrill_tests::h2peer::{Frame, PREFACE, Peer, encode_headers, hpack, message, request, say, text};
use tokio::task::JoinSet;

use super::{Dice, ECHO, EVERYTHING, Victim, Witness, assert_alive};

/// What a valid client may send on a connection, after its preface.
fn valid(dice: &mut Dice) -> Vec<u8> {
    const PATHS: [&str; 6] = ["Echo", "EchoClient", "EchoServer", "EchoUnary", "EchoEverything", "Add"];
    let path = format!("/echo.TestService/{}", PATHS[dice.roll(PATHS.len())]);
    let mut out = Frame::Settings(vec![(4, 65_535)]).encode();
    out.extend(encode_headers(1, 0, &hpack::encode(&request(&path)), 20 + dice.roll(200)));
    out.extend(Frame::data(1, say("hello")).encode());
    out.extend(Frame::Window { stream: 0, size: 1 << 20 }.encode());
    out.extend(Frame::Ping(*b"8 bytes!").encode());
    out.extend(Frame::headers(3, &request(ECHO)).encode());
    out.extend(Frame::last(1, say("more")).encode());
    out.extend(Frame::last(3, [say("a"), message(&text("b"))].concat()).encode());
    out.extend(Frame::reset(3, CANCEL).encode());
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_broken_connections_all_end_and_nobody_notices() {
    const CONNECTIONS: u64 = 3000;
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut running = JoinSet::new();
    for seed in 1..=CONNECTIONS {
        let addr = victim.addr.clone();
        if running.len() >= 16 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(async move {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut bytes = valid(&mut dice);
            // The preface is spared three times in four, so that what is behind it is read.
            let with_preface = dice.roll(4) == 0;
            if with_preface {
                bytes.splice(0..0, PREFACE.iter().copied());
            }
            dice.mutate(&mut bytes);
            if !with_preface {
                bytes.splice(0..0, PREFACE.iter().copied());
            }
            let mut peer = Peer::dial(&addr).await;
            peer.flood(&bytes).await;
            peer.close().await;
            tokio::time::timeout(thrill_tests::h2peer::TIME, peer.rest())
                .await
                .unwrap_or_else(|_| panic!("seed {seed}: the connection does not end: {bytes:?}"));
        });
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
    victim.assert_within("broken connections", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_broken_messages_are_all_answered_on_one_connection() {
    const STREAMS: usize = 3000;
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let mut dice = Dice(7);
    let everything = everything();
    for batch in 0..STREAMS / 50 {
        let mut streams = Vec::new();
        for _ in 0..50 {
            let is_echo = dice.roll(3) == 0;
            let mut data = if is_echo { [say("a"), say("b")].concat() } else { message(&everything) };
            dice.mutate(&mut data);
            data.truncate(16_000);
            let path = if is_echo { ECHO } else { EVERYTHING };
            streams.push(peer.call(&request(path), &data).await);
        }
        for stream in streams {
            let status = peer.answer(stream).await.status();
            let known = ["0 ", "7 ", "8 ", "13 "].iter().any(|code| status.starts_with(code));
            assert!(known, "batch {batch}: {status}");
        }
    }
    assert_alive(&mut peer).await;
    victim.assert_within("broken messages", 64);
    witness.unharmed().await;
}

/// A message of all types, and some fields that nobody knows.
fn everything() -> Vec<u8> {
    let mut out = Vec::new();
    let mut field = |ttype: u8, id: u8, rest: &[u8]| out.extend([&[ttype, 0, id][..], rest].concat());
    field(2, 1, &[1]);
    field(3, 2, &[7]);
    field(6, 3, &[0, 7]);
    field(8, 4, &[0, 0, 0, 7]);
    field(10, 5, &[0, 0, 0, 0, 0, 0, 0, 7]);
    field(4, 6, &1.5f64.to_be_bytes());
    field(11, 7, b"\0\0\0\x05hello");
    field(11, 8, b"\0\0\0\x03\0\xff\x01");
    field(15, 9, b"\x08\0\0\0\x02\0\0\0\x01\0\0\0\x02");
    field(14, 10, b"\x0b\0\0\0\x01\0\0\0\x01a");
    field(13, 11, b"\x0b\x0a\0\0\0\x01\0\0\0\x01k\0\0\0\0\0\0\0\x07");
    field(13, 12, b"\x08\x0f\0\0\0\x01\0\0\0\x05\x0c\0\0\0\x01\x08\0\x01\0\0\0\x07\0");
    field(12, 13, b"\x08\0\x01\0\0\0\x07\x0b\0\x02\0\0\0\x01l\0");
    field(12, 14, b"\x0a\0\x02\0\0\0\0\0\0\0\x07\0");
    field(8, 15, b"\0\0\0\x02");
    field(11, 16, b"\0\0\0\x03yes");
    field(15, 18, b"\x0d\0\0\0\x01\x0b\x0e\0\0\0\x01\0\0\0\x01k\x06\0\0\0\x01\0\x01");
    field(12, 99, b"\x0f\0\x01\x02\0\0\0\x03\x01\0\x01\x0d\0\x02\x03\x0b\0\0\0\x01\x05\0\0\0\x01x\0");
    out.push(0);
    out
}
