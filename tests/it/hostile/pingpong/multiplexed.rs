//! Concurrent connections: sequence ids that are not unique, and more calls than there is room for.

use std::time::Duration;

use thrill_tests::h2peer::Peer;
use thrill_tests::message::{CALL, Layout, Message, Parsed, Protocol, Way, len_32};

use super::super::{Victim, Witness};

const BOTH: [Protocol; 2] = [Protocol::Binary, Protocol::Compact];

fn way(protocol: Protocol) -> Way {
    Way { layout: Layout::Multiplexed, protocol }
}

async fn answer(peer: &mut Peer) -> (i32, String) {
    let reply = peer.parse(Parsed::parse).await.expect("an answer");
    assert_eq!(reply.header_seq_id, Some(reply.seq_id), "the header has the message's");
    (reply.seq_id, reply.describe())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_sequence_id_are_answered_each() {
    let victim = Victim::start().await;
    for way in BOTH.map(way) {
        let mut peer = Peer::dial(&victim.addr).await;
        let calls = ["!sleep 50", "one", "!sleep 20", "two"].map(|text| way.echo(7, text)).concat();
        peer.write(&calls).await;
        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(answer(&mut peer).await);
        }
        answers.sort();
        let want = ["reply one", "reply slept", "reply slept", "reply two"].map(|text| (7, text.to_owned()));
        assert_eq!(answers, want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_another_sequence_id_than_its_message_counts_for_nothing() {
    let victim = Victim::start().await;
    for way in BOTH.map(way) {
        let mut peer = Peer::dial(&victim.addr).await;
        let message = way.protocol.echo(7, "hi").put(way.protocol);
        peer.write(&way.wrap(99, &message)).await;
        // Kitex's rule: both of the reply's are the message's.
        assert_eq!(answer(&mut peer).await, (7, "reply hi".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_before_garbage_are_answered_and_the_connection_ends() {
    let victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    for way in BOTH.map(way) {
        let no_request = way.put(&Message { kind: 2, ..way.protocol.echo(9, "no") });
        for bad in [b"garbage, garbage".to_vec(), no_request] {
            let mut peer = Peer::dial(&victim.addr).await;
            peer.write(&[way.echo(7, "!sleep 50"), way.echo(8, "quick"), bad].concat()).await;
            let mut answers = [answer(&mut peer).await, answer(&mut peer).await];
            answers.sort();
            assert_eq!(answers, [(7, "reply slept".to_owned()), (8, "reply quick".to_owned())]);
            assert_eq!(peer.rest().await.len(), 0);
        }
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_there_is_room_for_wait_for_it() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let way = way(Protocol::Binary);
    let mut peer = Peer::dial(&victim.addr).await;
    let calls: Vec<_> = (1..=5000).map(|seq_id| way.echo(seq_id, "!sleep 1")).collect();
    assert!(peer.flood(&calls.concat()).await);
    let mut answered = Vec::new();
    for _ in 0..5000 {
        answered.push(answer(&mut peer).await.0);
    }
    answered.sort_unstable();
    assert!(answered.into_iter().eq(1..=5000), "each is answered once");
    victim.assert_within("5,000 calls at a time", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_of_handlers_that_take_their_time_are_bounded() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::dial(&victim.addr).await;
    // `{1: {1: "!sleep 60000", 99: bytes}}`
    let text = b"!sleep 60000";
    let ballast = vec![0; 1 << 20];
    let body =
        [&[12, 0, 1, 11, 0, 1][..], &len_32(text.len()), text, &[11, 0, 99], &len_32(ballast.len()), &ballast, &[0, 0]]
            .concat();
    let call = way(Protocol::Binary).put(&Message { kind: CALL, name: b"EchoPingPong".to_vec(), seq_id: 7, body });
    let taken = peer.pour(&call, 256 << 20, Duration::from_millis(500)).await;
    // What the server has, and what the sockets hold.
    assert!(taken < 64 << 20, "the server took {taken} bytes");
    victim.assert_within("requests of 1 MiB", 64);
    witness.unharmed().await;
}
