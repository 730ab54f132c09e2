//! Bad input in the protocols of one message there and one back.

mod content;
mod envelopes;
mod fuzz;
mod lengths;
mod mesh;
mod multiplexed;
mod ttheader;
mod unfinished;
mod unread;
mod unwritable;

use thrill_tests::h2peer::Peer;
use thrill_tests::message::{Layout, Parsed, Protocol, Way};
use thrill_tests::peer::{PeerServer, kitex_peer};

use super::{Victim, Witness};

/// Bytes that a client sends on a connection, and what comes of them: first `exception N`, `reply`, or nothing; then
/// `closed`, or `kept` where the next call is answered.
struct Row {
    what: String,
    way: Way,
    bytes: Vec<u8>,
    want: &'static str,
    kitex: Kitex,
}

/// What Kitex makes of the same bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kitex {
    /// The same.
    Agrees,
    /// Something else.
    Differs(&'static str),
    /// It waits for more, until its timeout; or suffers: its server is not asked.
    IsNotAsked,
}

impl Row {
    /// What both sides should agree on.
    fn new(what: impl Into<String>, way: Way, bytes: impl Into<Vec<u8>>, want: &'static str) -> Self {
        Self { what: what.into(), way, bytes: bytes.into(), want, kitex: Kitex::Agrees }
    }

    fn kitex(self, kitex: Kitex) -> Self {
        Self { kitex, ..self }
    }
}

/// What ends the call ends its connection, unless others share it.
fn refused(way: Way) -> &'static str {
    if way.layout == Layout::Multiplexed { "exception 7, kept" } else { "exception 7, closed" }
}

/// Checks a table against a server, and against Kitex's where there is one.
async fn check(rows: Vec<Row>) {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut wrong = Vec::new();
    for Row { what, way, bytes, want, .. } in &rows {
        let got = reaction(&victim.addr, *way, bytes).await;
        wrong.extend((got != *want).then(|| format!("{what}, {way:?}: {got}, not {want}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    victim.assert_within("all of the table", 64);
    witness.unharmed().await;

    let Some(peer) = kitex_peer("what Kitex makes of bad input") else { return };
    let kitex = PeerServer::start(&peer, &["server"]).await.unwrap();
    // Kitex has no Compact, and its server runs the calls of a connection one after another.
    let is_known = |way: &Way| way.protocol == Protocol::Binary && way.layout != Layout::Multiplexed;
    for Row { what, way, bytes, want, kitex: its } in rows.iter().filter(|row| is_known(&row.way)) {
        let want = match its {
            Kitex::Agrees => want,
            Kitex::Differs(other) => other,
            Kitex::IsNotAsked => continue,
        };
        let got = reaction(&kitex.addr, *way, bytes).await;
        wrong.extend((got != *want).then(|| format!("Kitex: {what}, {way:?}: {got}, not {want}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What comes of bytes, as [`Row`] has it.
async fn reaction(addr: &str, way: Way, bytes: &[u8]) -> String {
    let mut peer = Peer::dial(addr).await;
    // A server may close before it has read all.
    let _ = peer.try_write(bytes).await;
    let Some(reply) = peer.parse(Parsed::parse).await else { return "closed".to_owned() };
    let said = reply.describe();
    let short = said.split(' ').take(if said.starts_with("exception") { 2 } else { 1 }).collect::<Vec<_>>().join(" ");
    let _ = peer.try_write(&way.echo(77, "alive")).await;
    match peer.parse(Parsed::parse).await {
        Some(reply) => {
            assert_eq!((reply.describe().as_str(), reply.seq_id), ("reply alive", 77), "the connection goes on");
            format!("{short}, kept")
        }
        None => format!("{short}, closed"),
    }
}
