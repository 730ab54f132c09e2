//! Requests that end too early: at every byte, by the end of the connection or by silence.

use std::time::Duration;

use thrill_tests::h2peer::Peer;
use thrill_tests::message::{Layout, Parsed, TtHeader, Way};
use tokio::task::JoinSet;

use super::super::{Witness, patient, short};

/// A request of every part that there is: with keys in its header, and a mesh header where there can be one.
fn requests() -> Vec<(Way, Vec<u8>)> {
    let mut requests = Vec::new();
    for way in Way::all() {
        let mut request = way.echo(7, "hi");
        if way.has_header() {
            let info = [1, 0, 1, 0, 1, b'k', 0, 1, b'v', 0x10, 0, 1, 0, 3, 0, 1, b'c', 0x11, 0, 1, b't'];
            let header = TtHeader { info: info.to_vec(), ..way.header(7) };
            request = header.put(&way.payload(&way.protocol.echo(7, "hi").put(way.protocol)));
        } else {
            let mesh = [0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 1, b'v'];
            requests.push((way, [&mesh, &request[..]].concat()));
        }
        requests.push((way, request));
    }
    requests
}

/// Sends what comes before every byte of every request, each on a connection of its own; `before` comes first.
async fn cut_everywhere(addr: &str, before: Option<&str>, is_closed: bool) {
    let mut ends = JoinSet::new();
    for (way, request) in requests() {
        // Between two requests a client may rest.
        for len in usize::from(before.is_some())..request.len() {
            let (addr, cut) = (addr.to_owned(), request[..len].to_vec());
            let before = before.map(|text| way.echo(1, text));
            ends.spawn(async move {
                let mut peer = Peer::dial(&addr).await;
                if let Some(before) = before {
                    peer.write(&before).await;
                    assert_eq!(peer.parse(Parsed::parse).await.unwrap().seq_id, 1);
                }
                peer.write(&cut).await;
                if is_closed {
                    peer.close().await;
                }
                assert_eq!(peer.rest().await.len(), 0, "{way:?}, {len} bytes: no answer to half a request");
            });
            if ends.len() >= 200 {
                ends.join_next().await.unwrap().unwrap();
            }
        }
    }
    while let Some(end) = ends.join_next().await {
        end.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_connection_inside_a_request_is_its_end() {
    let server = short(Duration::from_secs(600)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    for before in [None, Some("first")] {
        cut_everywhere(&addr, before, true).await;
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_inside_a_request_is_the_end_of_its_connection() {
    const SOON: Duration = Duration::from_millis(100);
    // What a connection says first is waited for as long as it takes, where that is not what is cut.
    for (before, detection) in [(None, SOON), (Some("first"), Duration::from_secs(600))] {
        let server = patient(detection, SOON).await;
        let addr = server.local_address().to_string();
        cut_everywhere(&addr, before, false).await;
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_behind_a_claim_is_the_end_of_its_connection() {
    let server = short(Duration::from_millis(100)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let mut ends = JoinSet::new();
    for way in Way::all() {
        // Each claims 16 MiB at most, of which a little comes.
        let message = way.protocol.echo(7, &"x".repeat(100)).put(way.protocol);
        let long = way.echo(7, &"x".repeat(1 << 20));
        let mut rows = vec![long[..200].to_vec()];
        if way.has_header() {
            let claim = TtHeader { length: Some(16 << 20), ..way.header(7) };
            rows.push(claim.put(&message));
            rows.push(TtHeader { words: Some(0x4000), ..claim }.put(&message));
        } else if way.layout == Layout::Framed {
            rows.push([&(16_u32 << 20).to_be_bytes()[..], &message].concat());
        }
        for bytes in rows {
            let addr = addr.clone();
            ends.spawn(async move {
                let mut peer = Peer::dial(&addr).await;
                peer.write(&bytes).await;
                assert_eq!(peer.rest().await.len(), 0, "{way:?}");
            });
        }
    }
    while let Some(end) = ends.join_next().await {
        end.unwrap();
    }
    witness.unharmed().await;
}
