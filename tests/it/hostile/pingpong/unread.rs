//! Clients that do not read what they asked for.

use std::time::Duration;

use thrill_tests::h2peer::{Peer, soon};
use thrill_tests::message::Way;

use super::super::{Victim, Witness, short};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_gets_no_more() {
    for way in Way::all() {
        let mut victim = Victim::start().await;
        let witness = Witness::start(&victim.addr).await;
        let mut peer = Peer::dial(&victim.addr).await;
        let taken = peer.pour(&way.echo(7, "!size 20000"), 16 << 20, Duration::from_millis(300)).await;
        assert!(taken < 16 << 20, "{way:?}: the server took {taken} bytes");
        victim.assert_within(&format!("replies that nobody reads, {way:?}"), 64);
        witness.unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_client_that_does_not_read_nor_a_handler_that_sleeps_holds_up_a_shutdown() {
    for way in Way::all() {
        for text in ["!size 10000000", "!sleep 60000"] {
            let server = short(Duration::from_secs(600)).await;
            let mut peer = Peer::dial(&server.local_address().to_string()).await;
            // The call before it was answered: this one is read.
            peer.write(&[way.echo(1, "first"), way.echo(2, text)].concat()).await;
            peer.take(1).await;
            soon(&format!("the server's end, {way:?}, {text}"), server.shutdown()).await;
            drop(peer);
        }
    }
}
