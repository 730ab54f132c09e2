//! TTHeaders that contradict themselves, or ask for what nobody knows.

use thrill_tests::message::ttheader::{ints, strings};
use thrill_tests::message::{Layout, TtHeader, Way};

use super::{Kitex, Row, check};

/// A call of `EchoPingPong` behind a header that was changed.
fn behind(way: Way, change: impl Fn(&mut TtHeader)) -> Vec<u8> {
    let mut header = way.header(7);
    change(&mut header);
    header.put(&way.payload(&way.protocol.echo(7, "hi").put(way.protocol)))
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_of_a_ttheader_agree() {
    let mut rows = Vec::new();
    for way in Way::with_header() {
        let mut row = |what: &str, change: &dyn Fn(&mut TtHeader), kitex| {
            rows.push(Row::new(what, way, behind(way, change), "closed").kitex(kitex));
        };
        // Kitex goes by the length of a frame inside; where there is none, it waits for as much as the header claims.
        let served = Kitex::Differs("reply, kept");
        let awaited = if way.layout == Layout::TtHeader { Kitex::IsNotAsked } else { served };
        row("length 0", &|it| it.length = Some(0), served);
        row("a length inside the head", &|it| it.length = Some(9), served);
        row("a length inside the header", &|it| it.length = Some(13), served);
        row("a length without payload", &|it| it.length = Some(14), served);
        row("a length inside the payload", &|it| it.length = Some(20), served);
        row("a length over the limit", &|it| it.length = Some((16 << 20) + (64 << 10) + 1), awaited);
        row("a length of 2 GiB", &|it| it.length = Some(0x7fff_ffff), awaited);
        row("a negative length", &|it| it.length = Some(0x8000_0000), awaited);
        row("a length of -1", &|it| it.length = Some(0xffff_ffff), awaited);
        row("no header", &|it| it.words = Some(0), Kitex::Agrees);
        row("a header into the payload", &|it| it.words = Some(2), Kitex::Agrees);
        row("a header beyond the payload", &|it| it.words = Some(1000), Kitex::IsNotAsked);
        row("a header over 64 KiB", &|it| it.words = Some(0x4001), Kitex::IsNotAsked);
        row("a header of 256 KiB", &|it| it.words = Some(0xffff), Kitex::IsNotAsked);
    }
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_a_ttheader_end_inside_it() {
    let blocks: &[(&str, &[u8])] = &[
        ("more strings than there are", &[1, 0, 2, 0, 1, b'k', 0, 1, b'v']),
        ("65,535 strings", &[1, 0xff, 0xff, 0, 1, b'k', 0, 1, b'v']),
        ("65,535 empty strings", &[1, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a key that is longer than the header", &[1, 0, 1, 0xff, 0xff, b'k', 0, 1, b'v']),
        ("a value that is longer than the header", &[1, 0, 1, 0, 1, b'k', 0xff, 0xff, b'v']),
        ("a key without a value", &[1, 0, 1, 0, 1, b'k']),
        ("half a number of strings", &[0, 0, 0, 0, 1, 0]),
        ("a block that only begins", &[0, 0, 0, 0, 0, 0x10]),
        ("65,535 numbers", &[0x10, 0xff, 0xff, 0, 3, 0, 1, b'v']),
        ("a number whose value is longer than the header", &[0x10, 0, 1, 0, 3, 0xff, 0xff, b'v']),
        ("a number without a value", &[0, 0x10, 0, 1, 0, 3]),
        ("a token that is longer than the header", &[0x11, 0xff, 0xff, b't']),
        ("a token without length", &[0, 0, 0, 0, 0, 0x11]),
        ("an unknown block", &[2, 0, 0]),
        ("an unknown block behind a known one", &[1, 0, 1, 0, 1, b'k', 0, 1, b'v', 0xff]),
    ];
    let mut rows = Vec::new();
    for way in Way::with_header() {
        for (what, block) in blocks {
            rows.push(Row::new(*what, way, behind(way, |it| it.info = block.to_vec()), "closed"));
        }
    }
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_ttheader_asks_for_is_known_or_refused() {
    let mut rows = Vec::new();
    for way in Way::with_header() {
        for id in [1, 5, 6, 0x0f, 0x12, 0x7f, 0xff] {
            let bytes = behind(way, |it| it.protocol_id = id);
            rows.push(Row::new(format!("protocol {id:#x}"), way, bytes, "closed"));
        }
        // The payload says what it is in.
        for id in [0, 3, 4, 0x10, 0x11] {
            let bytes = behind(way, |it| it.protocol_id = id);
            rows.push(Row::new(format!("protocol {id:#x}"), way, bytes, "reply, kept"));
        }
        let bytes = behind(way, |it| it.protocol_id = 2);
        rows.push(Row::new("Compact", way, bytes, "reply, kept").kitex(Kitex::Differs("closed")));
        for ids in [&[1_u8][..], &[2, 3], &[0x7f; 7], &[9; 255]] {
            let bytes = behind(way, |it| it.transforms = ids.to_vec());
            let row = Row::new(format!("transforms {ids:?}"), way, bytes, "closed");
            // Kitex reads over them, and takes a payload that was transformed for one that was not.
            rows.push(row.kitex(Kitex::Differs("reply, kept")));
        }
        // Streaming is another protocol, and multiplexing is spoken already where it is.
        for flag in [0x0004, 0x0008, 0x0010, 0x8000] {
            let bytes = behind(way, |it| it.flags |= flag);
            rows.push(Row::new(format!("flag {flag:#x}"), way, bytes, "reply, kept"));
        }
        let bytes = behind(way, |it| it.seq_id = 99);
        if way.layout != Layout::Multiplexed {
            rows.push(Row::new("another sequence id than the message", way, bytes, "reply, kept"));
        }
    }
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_nobody_knows_are_passed_over() {
    let many = vec![("a-key", "a value"); 3000];
    let infos = [
        ("unknown numbers", ints(&[(999, "x"), (0xffff, ""), (27, "1")])),
        ("no numbers", ints(&[])),
        ("numbers twice", [ints(&[(3, "a")]), ints(&[(3, "b")])].concat()),
        ("a timeout that is none", ints(&[(12, "soon")])),
        ("a negative timeout", ints(&[(12, "-5")])),
        ("a timeout beyond all numbers", ints(&[(12, "99999999999999999999999")])),
        ("a long timeout", ints(&[(12, "9223372036854775807")])),
        ("unknown strings", strings(&[("what", "ever"), ("", ""), ("biz-status", "7"), ("crrst", "1")])),
        ("no strings", strings(&[])),
        ("metainfo without a name", strings(&[("RPC_TRANSIT_", "x"), ("RPC_PERSIST_", ""), ("RPC_PERSIST_a", "")])),
        ("names and values that are not UTF-8", vec![1, 0, 1, 0, 2, 0xff, 0xfe, 0, 2, 0x80, 0x81]),
        ("a token", vec![0x11, 0, 2, 0xff, b't']),
        ("a token without text", vec![0x11, 0, 0]),
        ("3,000 strings", strings(&many)),
        ("zeros between blocks", [&[0; 9][..], &ints(&[(3, "a")]), &[0; 5], &strings(&[("a", "b")])].concat()),
    ];
    let mut rows = Vec::new();
    for way in Way::with_header() {
        for (what, info) in &infos {
            rows.push(Row::new(*what, way, behind(way, |it| it.info.clone_from(info)), "reply, kept"));
        }
    }
    check(rows).await;
}
