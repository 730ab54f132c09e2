//! What a client of ping-pong may send, broken at random.

use thrill_tests::h2peer::{Peer, TIME};
use thrill_tests::message::{Parsed, Way};
use tokio::task::JoinSet;

use super::super::{Dice, Victim, Witness};

#[tokio::test(flavor = "multi_thread")]
async fn broken_requests_of_every_protocol_end_and_nobody_notices() {
    const CONNECTIONS: u64 = 6000;
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let ways = Way::all();
    let mut running = JoinSet::new();
    for seed in 1..=CONNECTIONS {
        if running.len() >= 16 {
            running.join_next().await.unwrap().unwrap();
        }
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Each request may come another way.
        let requests = (1..=3).map(|seq_id| ways[dice.roll(ways.len())].echo(seq_id, "some text"));
        let mut bytes = requests.collect::<Vec<_>>().concat();
        dice.mutate(&mut bytes);
        let addr = victim.addr.clone();
        running.spawn(async move {
            let mut peer = Peer::dial(&addr).await;
            peer.flood(&bytes).await;
            peer.close().await;
            // What is said is a message, to the end.
            let end = async { while peer.parse(Parsed::parse).await.is_some() {} };
            let end = tokio::time::timeout(TIME, end).await;
            assert!(end.is_ok(), "seed {seed}: the connection does not end: {bytes:?}");
        });
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
    victim.assert_within("broken requests", 64);
    witness.unharmed().await;
}
