//! Arguments that claim more than they hold.

use thrill_tests::message::{CALL, Layout, Message, Protocol, Way};

use super::super::lies::lies;
use super::{Kitex, Row, check, refused};

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_depths_that_arguments_claim_reserve_nothing() {
    let mut rows = Vec::new();
    for way in Way::all() {
        for (what, lie) in lies(way.protocol) {
            let begin: &[u8] = if way.protocol == Protocol::Binary { &[12, 0, 1] } else { &[0x1c] };
            let name = b"EverythingPingPong".to_vec();
            let message = Message { kind: CALL, name, seq_id: 7, body: [begin, &lie].concat() };
            // Where nothing says how long a message is, what it claims does: there is no telling where the next one begins.
            let want = if way.layout == Layout::Buffered { "closed" } else { refused(way) };
            // Kitex reserves gigabytes.
            rows.push(Row::new(what, way, way.put(&message), want).kitex(Kitex::IsNotAsked));
        }
    }
    check(rows).await;
}
