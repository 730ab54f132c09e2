//! Requests that end too early: at every byte, by the end of the connection or by silence.

use std::ops::Range;
use std::time::Duration;

use thrill_tests::h2peer::Peer;
use thrill_tests::message::{Layout, Message, ONEWAY, Parsed, Protocol, REPLY, TtHeader, Way};
use thrill_tests::peer::{PeerServer, kitex_peer};
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

/// How many bytes a request has behind its envelope.
fn args_len(way: Way) -> usize {
    way.protocol.echo(7, "hi").body.len()
}

/// What a server says before it closes: a message in short, without the port of the client that it names; or nothing.
async fn last_word(peer: &mut Peer) -> String {
    let answer = peer.parse(Parsed::parse).await;
    assert_eq!(peer.rest().await.len(), 0, "nothing follows {answer:?}");
    let Some(answer) = answer else { return String::new() };
    let crrst = answer.keys.strings.get("crrst").map(String::as_str);
    assert_eq!(crrst, answer.way.has_header().then_some("1"), "a TTHeader says that it is the end");
    answer.describe().trim_end_matches(|it: char| it.is_ascii_digit()).to_owned()
}

/// What is said to silence inside a request.
const TIMEOUT: &str = "exception 7 connection read timeout 127.0.0.1:";

/// Sends what comes before every byte of every request, as long as that is, each on a connection of its own; `before` comes first.
async fn cut_everywhere(addr: &str, before: Option<&str>, cuts: Range<usize>, is_closed: bool) {
    let mut ends = JoinSet::new();
    for (way, request) in requests() {
        // Between two requests a client may rest.
        let cuts = cuts.start.max(usize::from(before.is_some()))..cuts.end.min(request.len());
        for len in cuts {
            let (addr, cut) = (addr.to_owned(), request[..len].to_vec());
            let before = before.map(|text| way.echo(1, text));
            let is_named = request.len() - len <= args_len(way);
            let is_answered = !is_closed && is_named && way.layout != Layout::Buffered;
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
                let want = if is_answered { TIMEOUT } else { "" };
                assert_eq!(last_word(&mut peer).await, want, "{way:?}, {len} bytes");
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
        cut_everywhere(&addr, before, 0..usize::MAX, true).await;
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_inside_a_request_is_the_end_of_its_connection() {
    const SOON: Duration = Duration::from_millis(100);
    const NEVER: Duration = Duration::from_secs(600);
    // More than it takes to tell the protocol.
    const TOLD: usize = 16;
    // What a connection says first is waited for as long as it takes, where that is not what is cut.
    let rows = [(None, 0..TOLD, SOON), (None, TOLD..usize::MAX, NEVER), (Some("first"), 0..usize::MAX, NEVER)];
    for (before, cuts, detection) in rows {
        let server = patient(detection, SOON).await;
        let addr = server.local_address().to_string();
        cut_everywhere(&addr, before, cuts, false).await;
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
        let answer = if way.layout == Layout::Buffered { "" } else { TIMEOUT };
        let mut rows = vec![(long[..200].to_vec(), answer)];
        if way.has_header() {
            let claim = TtHeader { length: Some(16 << 20), ..way.header(7) };
            // The inner length of 100 bytes ends nothing: the header's does.
            rows.push((claim.put(&way.payload(&message)), answer));
            rows.push((TtHeader { words: Some(0x4000), ..claim }.put(&message), ""));
        } else if way.layout == Layout::Framed {
            rows.push(([&(16_u32 << 20).to_be_bytes()[..], &message].concat(), answer));
        }
        for (bytes, want) in rows {
            let addr = addr.clone();
            ends.spawn(async move {
                let mut peer = Peer::dial(&addr).await;
                peer.write(&bytes).await;
                assert_eq!(last_word(&mut peer).await, want, "{way:?}");
            });
        }
    }
    while let Some(end) = ends.join_next().await {
        end.unwrap();
    }
    witness.unharmed().await;
}

/// Requests that stop, and what is said to their silence: Kitex's server is asked, too.
fn stopped() -> Vec<(String, Vec<u8>, &'static str)> {
    let mut rows = Vec::new();
    for layout in [Layout::Buffered, Layout::Framed, Layout::TtHeader, Layout::TtHeaderFramed, Layout::Multiplexed] {
        let way = Way { layout, protocol: Protocol::Binary };
        let echo = way.protocol.echo(7, "hi");
        let named = |name: &str, kind| Message { name: name.into(), kind, ..echo.clone() };
        let mut row = |what: &str, bytes: &[u8], less: usize, want| {
            rows.push((format!("{what}, {layout:?}"), bytes[..bytes.len() - less].to_vec(), want));
        };
        let timeout = if layout == Layout::Buffered { "" } else { TIMEOUT };
        let unknown = "exception 20 unknown service , method Nope";
        let whole = way.put(&echo);
        row("before the envelope's end", &whole, args_len(way) + 1, "");
        row("behind the envelope", &whole, args_len(way), timeout);
        row("before the last byte", &whole, 1, timeout);
        row("not of a call", &way.put(&named("EchoPingPong", REPLY)), 1, "");
        row("without a name", &way.put(&named("", echo.kind)), 1, "");
        row("oneway", &way.put(&named("Notify", ONEWAY)), 1, "");
        row("oneway, not of its kind", &way.put(&named("Notify", echo.kind)), 1, "");
        row("of that kind, not oneway", &way.put(&named("EchoPingPong", ONEWAY)), 1, timeout);
        row("of a stream", &way.put(&named("Echo", echo.kind)), 1, timeout);
        row("of no method", &way.put(&named("Nope", echo.kind)), 1, unknown);
        row("of no method, before the first field", &way.put(&named("Nope", echo.kind)), args_len(way), unknown);
        if layout == Layout::Framed || layout == Layout::TtHeaderFramed {
            let message = echo.put(way.protocol);
            let unsaid = [&[0; 4], &message[..]].concat();
            let unsaid = if way.has_header() { way.header(7).put(&unsaid) } else { unsaid };
            row("whose length says nothing", &unsaid, 1, "");
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_no_method_is_refused_before_its_end() {
    const NEVER: Duration = Duration::from_secs(600);
    let server = patient(NEVER, NEVER).await;
    let addr = server.local_address().to_string();
    for way in Way::all().into_iter().filter(|way| way.layout != Layout::Multiplexed) {
        let echo = way.protocol.echo(7, &"x".repeat(8 << 20));
        let request = way.put(&Message { name: b"Nope".to_vec(), ..echo });
        for pieces in [1, 4] {
            let mut peer = Peer::dial(&addr).await;
            // The name is within these.
            for piece in request[..100].chunks(100 / pieces) {
                peer.write(piece).await;
            }
            let answer = peer.parse(Parsed::parse).await.unwrap();
            assert_eq!(answer.describe(), "exception 20 unknown service , method Nope", "{way:?}");
            // A client that only reads when it has sent all still can, and the connection ends with it.
            peer.write(&request[100..]).await;
            peer.close().await;
            assert_eq!(peer.rest().await.len(), 0, "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_behind_a_methods_name_is_answered_as_kitex_answers_it() {
    let server = short(Duration::from_millis(100)).await;
    let peer = kitex_peer("what Kitex says to silence");
    let kitex = match &peer {
        Some(binary) => Some(PeerServer::start(binary, &["server"]).await.unwrap()),
        None => None,
    };
    let mut ends = JoinSet::new();
    for addr in [Some(server.local_address().to_string()), kitex.as_ref().map(|kitex| kitex.addr.clone())] {
        let Some(addr) = addr else { continue };
        for (what, bytes, want) in stopped() {
            let addr = addr.clone();
            ends.spawn(async move {
                let mut peer = Peer::dial(&addr).await;
                peer.write(&bytes).await;
                assert_eq!(last_word(&mut peer).await, want, "{what}, {addr}");
            });
        }
    }
    while let Some(end) = ends.join_next().await {
        end.unwrap();
    }
}
