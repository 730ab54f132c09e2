//! Mesh headers, which proxies put before a message without a TTHeader.

use thrill_tests::message::{Layout, Way};

use super::{Kitex, Row, check};

/// A mesh header of so many bytes of keys and values.
fn mesh(pairs: &[u8]) -> Vec<u8> {
    let len = u16::try_from(pairs.len()).unwrap();
    [&[0xff, 0xaf][..], &len.to_be_bytes(), pairs].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_header_stands_once_before_a_message() {
    const PAIR: &[u8] = &[0, 1, 0, 1, b'k', 0, 1, b'v'];
    let lies: &[(&str, &[u8])] = &[
        ("more pairs than there are", &[0, 2, 0, 1, b'k', 0, 1, b'v']),
        ("65,535 pairs", &[0xff, 0xff, 0, 1, b'k', 0, 1, b'v']),
        ("a key that is longer than the header", &[0, 1, 0xff, 0xff, b'k', 0, 1, b'v']),
        ("a value that is longer than the header", &[0, 1, 0, 1, b'k', 0xff, 0xff, b'v']),
        ("a key without a value", &[0, 1, 0, 1, b'k']),
        ("half a number", &[0]),
        ("nothing", &[]),
    ];
    let mut rows = Vec::new();
    for way in Way::all().into_iter().filter(|way| !way.has_header()) {
        let echo = way.echo(7, "hi");
        let mut row = |what: &str, bytes: &[&[u8]], want, kitex| {
            rows.push(Row::new(what, way, bytes.concat(), want).kitex(kitex));
        };
        row("one", &[&mesh(PAIR), &echo], "reply, kept", Kitex::Agrees);
        row("one without pairs", &[&mesh(&[0, 0]), &echo], "reply, kept", Kitex::Agrees);
        row("bytes behind its pairs", &[&mesh(&[PAIR, b"more"].concat()), &echo], "reply, kept", Kitex::Agrees);
        for (what, pairs) in lies {
            row(what, &[&mesh(pairs), &echo], "closed", Kitex::Agrees);
        }
        row("two", &[&mesh(PAIR), &mesh(PAIR), &echo], "closed", Kitex::Agrees);
        row("10,000", &[&mesh(PAIR).repeat(10_000), &echo], "closed", Kitex::Agrees);
        row("garbage behind it", &[&mesh(PAIR), b"garbage, garbage"], "closed", Kitex::Agrees);
        row("HTTP/2 behind it", &[&mesh(PAIR), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], "closed", Kitex::Agrees);
        let inside = Way { layout: Layout::TtHeader, ..way }.echo(7, "hi");
        row("a TTHeader behind it", &[&mesh(PAIR), &inside], "closed", Kitex::Agrees);
    }
    check(rows).await;
}
