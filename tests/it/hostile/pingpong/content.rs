//! Arguments that claim more than they hold.

use thrill_tests::message::{CALL, Layout, Message, Protocol, Way};

use super::super::Victim;
use super::super::lies::lies;
use super::{Kitex, Row, check, reaction, refused};

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

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_would_take_much_more_memory_than_bytes_are_refused() {
    // A struct of hundreds of bytes, which is 8 bytes on the wire, or 3: two million of them are within the limit of a message.
    const COUNT: u32 = 2_000_000;
    let name = b"EverythingPingPong".to_vec();
    for way in Way::all() {
        let body = match way.protocol {
            Protocol::Binary => {
                let child = [11, 0, 16, 0, 0, 0, 0, 0].repeat(COUNT as usize);
                [&[12, 0, 1, 15, 0, 19, 12][..], &COUNT.to_be_bytes(), &child, &[11, 0, 16, 0, 0, 0, 0, 0, 0]].concat()
            }
            Protocol::Compact => {
                let child = [0x08, 0x20, 0, 0].repeat(COUNT as usize);
                // The fields 19 and 16 by their own numbers, and the count in groups of seven bits.
                [&[0x1c, 0x09, 0x26, 0xfc, 0x80, 0x89, 0x7a][..], &child, &[0x08, 0x20, 0, 0, 0]].concat()
            }
        };
        let request = way.put(&Message { kind: CALL, name: name.clone(), seq_id: 7, body });
        assert!(request.len() < 16 << 20);
        let mut victim = Victim::start().await;
        assert_eq!(reaction(&victim.addr, way, &request).await, refused(way), "{way:?}");
        victim.assert_within("two million small structs", 100);
    }
}
