//! Envelopes that name no method, are no request, or are none.

use thrill_tests::message::{EXCEPTION, Layout, Message, ONEWAY, Protocol, REPLY, Way};

use super::{Kitex, Row, check, refused};

/// A call of `EchoPingPong`, changed.
fn changed(way: Way, change: impl Fn(&mut Message)) -> Vec<u8> {
    let mut message = way.protocol.echo(7, "hi");
    change(&mut message);
    way.put(&message)
}

/// The call of a method that does not exist.
fn unknown(way: Way) -> &'static str {
    if way.layout == Layout::Multiplexed { "exception 20, kept" } else { "exception 20, closed" }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_request_closes_its_connection() {
    let mut rows = Vec::new();
    for way in Way::all() {
        for (what, kind) in [("a reply", REPLY), ("an exception", EXCEPTION), ("kind 0", 0), ("kind 7", 7)] {
            rows.push(Row::new(what, way, changed(way, |message| message.kind = kind), "closed"));
        }
        // Kitex's own, of which no client sends any.
        let stream = Row::new("kind 5", way, changed(way, |message| message.kind = 5), "closed");
        rows.push(stream.kitex(Kitex::Differs("reply, kept")));
        rows.push(Row::new("no name", way, changed(way, |message| message.name.clear()), "closed"));
        let long = Row::new("a name of 5,000 bytes", way, changed(way, |it| it.name = vec![b'n'; 5000]), "closed");
        rows.push(long.kitex(Kitex::Differs("exception 20, closed")));
    }
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_served_is_answered() {
    let mut rows = Vec::new();
    for way in Way::all() {
        let named = |name: &[u8]| changed(way, |message| message.name = name.to_vec());
        rows.push(Row::new("an unknown method", way, named(b"Nope"), unknown(way)));
        rows.push(Row::new("a name that is not UTF-8", way, named(b"Echo\xff\xfe\x80"), unknown(way)));
        rows.push(Row::new("a name with a service", way, named(b"TestService:EchoPingPong"), unknown(way)));
        rows.push(Row::new("a method that streams", way, named(b"Echo"), "exception 6, kept"));
        rows.push(Row::new("oneway", way, changed(way, |message| message.kind = ONEWAY), "reply, kept"));
        for seq_id in [0, -1, i32::MIN, i32::MAX] {
            rows.push(Row::new(format!("sequence id {seq_id}"), way, way.echo(seq_id, "hi"), "reply, kept"));
        }
        if way.layout != Layout::Buffered {
            let empty = changed(way, |message| message.body.clear());
            let empty = Row::new("no arguments, not even their end", way, empty, refused(way));
            rows.push(empty.kitex(Kitex::Differs("closed")));
            let more = changed(way, |message| message.body.extend_from_slice(b"more"));
            rows.push(Row::new("bytes behind the arguments", way, more, "reply, kept"));
        }
    }
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_that_is_none_closes_its_connection() {
    let binary: &[(&str, &[u8], Kitex)] = &[
        ("a kind of two bytes", &[0x80, 1, 1, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 1, 0], Kitex::Agrees),
        ("version 2", &[0x80, 2, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 1, 0], Kitex::Agrees),
        ("the form without a version", &[0, 0, 0, 1, b'a', 1, 0, 0, 0, 1, 0, 0, 0, 0], Kitex::Agrees),
        ("a name of -1 bytes", &[0x80, 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0], Kitex::Agrees),
        ("a name of 2 GiB", &[0x80, 1, 0, 1, 0x7f, 0xff, 0xff, 0xff, b'a', 0, 0, 0, 1, 0], Kitex::IsNotAsked),
        ("a name longer than the message", &[0x80, 1, 0, 1, 0, 0, 0x20, 0, b'a', 0, 0, 0, 1, 0], Kitex::IsNotAsked),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Kitex::Agrees),
        ("zeros", &[0; 32], Kitex::Agrees),
    ];
    let compact: &[(&str, &[u8])] = &[
        ("version 2", &[0x82, 0x22, 7, 1, b'a', 0, 0, 0, 0, 0]),
        ("version 0", &[0x82, 0x20, 7, 1, b'a', 0, 0, 0, 0, 0]),
        ("a sequence id without end", &[0x82, 0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 1, b'a', 0]),
        ("a name of -1 bytes", &[0x82, 0x21, 7, 0xff, 0xff, 0xff, 0xff, 0x0f, b'a', 0]),
        ("a name of 2 GiB", &[0x82, 0x21, 7, 0xff, 0xff, 0xff, 0xff, 0x07, b'a', 0]),
        ("a name without length", &[0x82, 0x21, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]),
    ];
    let mut rows = Vec::new();
    for way in Way::all() {
        let mut row = |what: &str, bytes, kitex| {
            rows.push(Row::new(what, way, way.wrap(7, bytes), "closed").kitex(kitex));
        };
        match way.protocol {
            Protocol::Binary => binary.iter().for_each(|(what, bytes, kitex)| row(what, bytes, *kitex)),
            Protocol::Compact => compact.iter().for_each(|(what, bytes)| row(what, bytes, Kitex::IsNotAsked)),
        }
    }
    check(rows).await;
}
