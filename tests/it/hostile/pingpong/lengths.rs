//! Lengths of frames that are not those of their messages.

use thrill_tests::message::{Layout, Protocol, Way, len_32};

use super::{Kitex, Row, check};

const MOST: u32 = 16 << 20;

fn framed(protocol: Protocol) -> Way {
    Way { layout: Layout::Framed, protocol }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_as_long_as_it_says() {
    let mut rows = Vec::new();
    for way in [Protocol::Binary, Protocol::Compact].map(framed) {
        let message = way.protocol.echo(7, "hi").put(way.protocol);
        let mut row = |what: &str, len: u32, want, kitex| {
            let bytes = [&len.to_be_bytes()[..], &message].concat();
            rows.push(Row::new(what, way, bytes, want).kitex(kitex));
        };
        let len = u32::from_be_bytes(len_32(message.len()));
        row("unknown", 0, "reply, kept", Kitex::Agrees);
        // Kitex waits for it.
        row("over the limit", MOST + 1, "closed", Kitex::IsNotAsked);
        row("2 GiB", 0x7fff_ffff, "closed", Kitex::IsNotAsked);
        row("negative", 0x8000_0000, "closed", Kitex::IsNotAsked);
        row("-1", 0xffff_ffff, "closed", Kitex::IsNotAsked);
        row("without the end of the arguments", len - 1, "exception 7, closed", Kitex::Agrees);
        row("without half of the arguments", len - 4, "exception 7, closed", Kitex::Agrees);
        // Kitex does not look at the length before it has read what the message holds.
        row("without the envelope's end", 5, "closed", Kitex::Differs("reply, kept"));
        row("one byte", 1, "closed", Kitex::Differs("reply, kept"));
    }
    check(rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_in_a_ttheader_is_what_the_ttheader_leaves_it() {
    let mut rows = Vec::new();
    for way in Way::with_header().into_iter().filter(|way| way.layout != Layout::TtHeader) {
        let message = way.protocol.echo(7, "hi").put(way.protocol);
        let mut row = |what: &str, len: u32, want, kitex| {
            let payload = [&len.to_be_bytes()[..], &message].concat();
            rows.push(Row::new(what, way, way.header(7).put(&payload), want).kitex(kitex));
        };
        let len = u32::from_be_bytes(len_32(message.len()));
        row("unknown", 0, "reply, kept", Kitex::Agrees);
        row("longer by one", len + 1, "closed", Kitex::IsNotAsked);
        row("2 GiB", 0x7fff_ffff, "closed", Kitex::IsNotAsked);
        row("negative", 0x8000_0000, "closed", Kitex::IsNotAsked);
        row("-1", 0xffff_ffff, "closed", Kitex::IsNotAsked);
        // Kitex goes by this length, and not by the TTHeader's.
        row("shorter by one", len - 1, "closed", Kitex::Differs("exception 7, closed"));
        row("one byte", 1, "closed", Kitex::Differs("reply, kept"));
    }
    check(rows).await;
}
