//! What the spec writes, what peers may claim, and what comes back.

use bytes::Bytes;

use super::*;
use crate::codec::fuzz::{Random, bytes_of};

fn put(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut buffer = Buffer::new();
    let frame = header.put(&mut buffer).unwrap();
    buffer.put(payload);
    frame.close(&mut buffer).unwrap();
    bytes_of(&mut buffer)
}

fn parse(bytes: &[u8]) -> Result<Option<(Header, Range<usize>)>> {
    parse_within(bytes, &Limits::default())
}

/// The header of a frame that is there as a whole.
fn parse_within(bytes: &[u8], limits: &Limits) -> Result<Option<(Header, Range<usize>)>> {
    match Outline::parse(bytes, limits)? {
        Some(outline) if bytes.len() >= outline.payload.end => Header::parse(&Bytes::copy_from_slice(bytes), limits),
        _ => Ok(None),
    }
}

/// The value of a key, the last one where there are several.
fn value(ints: &Ints, key: u16) -> Option<&[u8]> {
    ints.iter().filter(|(it, _)| *it == key).map(|(_, value)| value).last()
}

fn header(seq_id: i32, strings: &[(&str, &str)], ints: &[(u16, &str)]) -> Header {
    let mut header = Header { seq_id, ..Header::default() };
    strings.iter().for_each(|(name, value)| header.strings.push(name, value).unwrap());
    ints.iter().for_each(|(key, value)| header.ints.push(*key, value).unwrap());
    header
}

fn stream(seq_id: i32, strings: &[(&str, &str)], ints: &[(u16, &str)]) -> Header {
    Header { flags: STREAMING, protocol_id: ProtocolId::ThriftStruct, ..header(seq_id, strings, ints) }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn frames_have_the_bytes_of_the_spec() {
    let method = (key::TO_METHOD, "Bidi");
    let rows: &[(Header, &str, &str)] = &[
        (
            header(1, &[], &[]),
            "0000001c 80010001 00000008 6261736550696e67 00000001 0b000100000000 00",
            "0000002e 1000 0000 00000001 0001 00000000",
        ),
        (
            header(0, &[("crrst", "1")], &[]),
            "80010002 00000004 6e6f6e65 00000000 00",
            "0000002b 1000 0000 00000000 0004 0000 010001 0005 6372727374 0001 31 00",
        ),
        (
            stream(1, &[(SERVICE, "EchoService")], &[(key::FRAME_TYPE, "2"), method]),
            "",
            "00000032 1000 0002 00000001 000a 10 00 01 0001 0003 69736e 000b 4563686f53657276696365
             10 0002 001b 0001 32 0009 0004 42696469 00",
        ),
        (
            stream(1, &[], &[(key::FRAME_TYPE, "3"), method]),
            "0b 0001 00000002 6869 00",
            "00000028 10000002 00000001 0005 1000 10 0002 001b 0001 33 0009 0004 42696469 0000",
        ),
        (
            stream(1, &[("h1", "v1")], &[(key::FRAME_TYPE, "2"), method]),
            "",
            "0000002a 10000002 00000001 0008 1000 01 0001 0002 6831 0002 7631
             10 0002 001b 0001 32 0009 0004 42696469 000000",
        ),
        (
            Header { flags: OUT_OF_ORDER, acl_token: Some(b"t".to_vec()), ..header(-1, &[], &[(22, "")]) },
            "ff",
            "0000001b 1000 0001 ffffffff 0004 0000 11 0001 74 10 0001 0016 0000 000000",
        ),
    ];
    for (header, payload, head) in rows {
        let payload = hex(payload);
        let bytes = put(header, &payload);
        assert_eq!(bytes, [&hex(head)[..], &payload].concat(), "{header:?}");
        let more = [&bytes[..], &bytes].concat();
        let (parsed, range) = parse(&more).unwrap().unwrap();
        assert_eq!((&parsed, &more[range.clone()], range.end), (header, &payload[..], bytes.len()));
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]).unwrap(), None, "cut at {len}");
        }
        let outline = Outline::parse(&bytes[..16], &Limits::default()).unwrap().unwrap();
        assert_eq!((outline.seq_id, outline.flags, outline.payload), (header.seq_id, header.flags, range));
    }
}

/// A frame with these info blocks and no payload.
fn frame(info: &[u8]) -> Vec<u8> {
    let words = u8::try_from((2 + info.len()).div_ceil(4)).unwrap();
    let mut bytes = [&[0, 0, 0, 10 + 4 * words, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, words, 0, 0], info].concat();
    bytes.resize(14 + 4 * usize::from(words), 0);
    bytes
}

#[test]
fn info_blocks_come_in_any_order_and_more_than_once() {
    let strings = |value: u8| [1, 0, 1, 0, 1, b'k', 0, 1, value];
    let ints = |value: u8| [0x10, 0, 1, 0, 9, 0, 1, value];
    let token = |value: u8| [0x11, 0, 1, value];
    let rows: &[&[u8]] = &[
        &[&strings(b'v')[..], &ints(2), &token(b't')].concat(),
        &[&token(b't')[..], &ints(2), &strings(b'v')].concat(),
        &[&[0, 0, 0][..], &ints(2), &[0], &strings(b'v'), &[0; 9], &token(b't'), &[0]].concat(),
        &[&strings(b'x')[..], &ints(1), &token(b'x'), &token(b't'), &strings(b'v'), &ints(2)].concat(),
        &[&[1, 0, 2, 0, 1, b'k', 0, 1, b'x', 0, 1, b'k', 0, 1, b'v'][..], &ints(2), &token(b't')].concat(),
        &[&[1, 0, 0, 0x10, 0, 0][..], &strings(b'v'), &ints(2), &token(b't')].concat(),
    ];
    for info in rows {
        let (header, payload) = parse(&frame(info)).unwrap().unwrap();
        assert_eq!(header.strings.value("k"), Some(&b"v"[..]), "{info:02x?}");
        assert_eq!(value(&header.ints, key::TO_METHOD), Some(&[2][..]), "{info:02x?}");
        assert_eq!(header.acl_token.as_deref(), Some(&b"t"[..]), "{info:02x?}");
        assert!(payload.is_empty());
        // What was repeated is one block when it is written.
        let again = put(&header, &[]);
        assert_eq!(parse(&again).unwrap().unwrap().0, header);
    }
    let (header, _) = parse(&frame(&[])).unwrap().unwrap();
    assert_eq!(header, Header { seq_id: 1, ..Header::default() });
    assert_eq!((header.ints.iter().count(), header.strings.iter().count()), (0, 0));
    assert_eq!((value(&header.ints, 9), header.strings.value("k")), (None, None));
}

#[test]
fn a_lie_is_an_error_before_the_frame_is_there() {
    let rows: &[(&[u8], &str)] = &[
        (&[0xff, 0xff, 0xff, 0xff], "received message (option `max_message_size`) of 4294967299 bytes is larger"),
        (&[0x80, 0, 0, 0], "of 2147483652 bytes is larger"),
        (&[0x7f, 0xff, 0xff, 0xff], "of 2147483651 bytes is larger"),
        (&[1, 1, 0, 0], "of 16842756 bytes is larger than the limit of 16842752"),
        (&[0, 0, 0, 0x1c, 0x11, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "is no TTHeader"),
        (&[0, 0, 0, 0x1c, 0x10, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "is no TTHeader"),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "invalid header length[0]"),
        (&[0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "a header up to offset 18 in a frame of 4 bytes"),
        (&[0, 0, 0, 13, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "a header up to offset 18 in a frame of 17 bytes"),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 5, 0, 0], "a header up to offset 34 in a frame of 32 bytes"),
        (
            &[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0x40, 1, 0, 0],
            "received TTHeader of 65540 bytes is larger than the limit of 65536",
        ),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0], "received TTHeader of 262140 bytes is larger"),
        (&[1, 0, 0, 14, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "None"),
        (
            &[1, 0, 0, 15, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0],
            "of 16777217 bytes is larger than the limit of 16777216",
        ),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0], "unsupported ProtocolID[1]"),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 5, 0], "unsupported ProtocolID[5]"),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0], "unsupported ProtocolID[255]"),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1], "unknown transform: the TTHeader names 1"),
        (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 255], "unknown transform: the TTHeader names 255"),
    ];
    for (bytes, want) in rows {
        let got = parse(bytes).map_or_else(|err| err.to_string(), |header| format!("{header:?}"));
        assert!(got.contains(want), "{bytes:02x?}: {got}");
        assert_eq!(parse(&bytes[..bytes.len() - 1]).ok(), Some(None), "{bytes:02x?}");
    }
    for id in [0, 2, 3, 4, 0x10, 0x11] {
        let mut bytes = frame(&[]);
        bytes[14] = id;
        assert_eq!(parse(&bytes).unwrap().unwrap().0.protocol_id as u8, id);
    }
}

#[test]
fn a_lie_in_a_block_is_an_error() {
    let rows: &[(&[u8], &str)] = &[
        (&[2], "invalid infoIDType[0x2]"),
        (&[0, 0xff], "invalid infoIDType[0xff]"),
        (&[0x12, 0, 0], "invalid infoIDType[0x12]"),
        (&[1, 0], "info block 0x1 does not end inside"),
        (&[1, 0, 1], "info block 0x1 does not end inside"),
        (&[1, 0, 1, 0, 0, 0, 0], "None"),
        (&[1, 0xff, 0xff, 0, 0], "info block 0x1 does not end inside"),
        (&[1, 0, 1, 0xff, 0xff, b'k', 0, 0], "info block 0x1 does not end inside"),
        (&[1, 0, 1, 0, 1, b'k', 0xff, 0xff, 0, 0], "info block 0x1 does not end inside"),
        (&[1, 0, 1, 0, 1, b'k', 0, 5, b'v', 0], "info block 0x1 does not end inside"),
        (&[0x10, 0xff, 0xff, 0, 0], "info block 0x10 does not end inside"),
        (&[0x10, 0, 1, 0, 9, 0, 3, b'v', 0, 0], "None"),
        (&[0x10, 0, 1, 0, 9, 0, 4, b'v', 0, 0], "info block 0x10 does not end inside"),
        (&[0x10, 0, 2, 0, 9, 0, 1, b'v', 0, 0], "info block 0x10 does not end inside"),
        (&[0x11, 0xff, 0xff], "info block 0x11 does not end inside"),
        (&[0x11, 0, 4, b't', 0, 0], "info block 0x11 does not end inside"),
    ];
    for (info, want) in rows {
        let bytes = frame(info);
        let got = parse(&bytes).map_or_else(|err| err.to_string(), |_| "None".to_owned());
        assert!(got.contains(want), "{info:02x?}: {got}");
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let long = vec![b'x'; 65_536];
    let mut header = Header::default();
    let want = "of 65536 bytes is larger than the limit of 65535 bytes";
    for err in [
        header.ints.push(1, &long).unwrap_err(),
        header.strings.push("k", &long).unwrap_err(),
        header.strings.push(&long, "v").unwrap_err(),
    ] {
        assert!(err.to_string().ends_with(want), "{err}");
    }
    assert_eq!((header.ints.iter().count(), header.strings.iter().count()), (0, 0));

    let mut buffer = Buffer::new();
    let token = Header { acl_token: Some(long.clone()), ..Header::default() };
    assert!(token.put(&mut buffer).unwrap_err().to_string().ends_with(want));
    for _ in 0..4 {
        header.strings.push("k", &long[1..]).unwrap();
    }
    let err = header.put(&mut buffer).unwrap_err().to_string();
    assert_eq!(err, "TTHeader of 262165 bytes is larger than the limit of 262140 bytes");
    assert!(buffer.is_empty());

    // The longest of all comes back, where the limit lets it.
    let mut header = Header { seq_id: i32::MIN, ..Header::default() };
    header.strings.push(&long[1..], &long[1..]).unwrap();
    header.ints.push(u16::MAX, &long[1..]).unwrap();
    header.ints.push(u16::MAX, &long[..65_514]).unwrap();
    let bytes = put(&header, b"payload");
    let limits = Limits { header: 262_140, ..Limits::default() };
    let (parsed, payload) = parse_within(&bytes, &limits).unwrap().unwrap();
    assert_eq!((&parsed, &bytes[payload]), (&header, &b"payload"[..]));
    assert!(parse(&bytes).unwrap_err().to_string().starts_with("received TTHeader of 262140 bytes"));
}

#[test]
fn values_are_raw_bytes_and_the_last_one_counts() {
    let mut header = Header::default();
    header.ints.push(key::MSG_TYPE, [2]).unwrap();
    header.ints.push(key::MSG_TYPE, "2").unwrap();
    header.strings.push("RPC_PERSIST_k", [0xff]).unwrap();
    header.strings.push("", "").unwrap();
    assert_eq!(value(&header.ints, key::MSG_TYPE), Some(&b"2"[..]));
    assert_eq!(header.ints.iter().collect::<Vec<_>>(), [(22, &[2][..]), (22, b"2")]);
    assert_eq!(header.strings.value("RPC_PERSIST_k"), Some(&[0xff][..]));
    assert_eq!(header.strings.iter().collect::<Vec<_>>(), [(&b"RPC_PERSIST_k"[..], &[0xff][..]), (b"", b"")]);
    assert!(format!("{header:?}").contains(r#"strings: {"RPC_PERSIST_k": "�", "": ""}"#), "{header:?}");
}

#[test]
fn a_mesh_header_is_read() {
    let limits = Limits { header: 64, ..Limits::default() };
    let rows: &[(&[u8], &str)] = &[
        (&[0xff, 0xaf, 0, 2, 0, 0, 0x80, 1], r#"Some(({}, 6))"#),
        (&[0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 1, b'v'], r#"Some(({"k": "v"}, 12))"#),
        (&[0xff, 0xaf, 0, 9, 0, 1, 0, 1, b'k', 0, 1, b'v', 9], r#"Some(({"k": "v"}, 13))"#),
        (&[0xff, 0xaf, 0], "None"),
        (&[0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 1], "None"),
        (&[0xff, 0xae, 0, 2, 0, 0], "has no mesh header"),
        (&[0xff, 0xaf, 0, 65], "received mesh header of 65 bytes is larger than the limit of 64"),
        (&[0xff, 0xaf, 0, 0], "do not fit its 0 bytes"),
        (&[0xff, 0xaf, 0, 2, 0xff, 0xff], "do not fit its 2 bytes"),
        (&[0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 2, b'v', b'v'], "do not fit its 8 bytes"),
    ];
    for (bytes, want) in rows {
        let got = parse_mesh(bytes, &limits).map_or_else(|err| err.to_string(), |mesh| format!("{mesh:?}"));
        assert!(got.contains(want), "{bytes:02x?}: {got}");
    }
}

#[test]
fn random_bytes_never_panic_and_a_header_read_can_be_written() {
    let seeds = [
        put(&header(1, &[], &[]), b"payload"),
        put(&header(7, &[(SERVICE, "Echo"), ("RPC_PERSIST_a", "b")], &[(1, "framed"), (9, "echo"), (22, "1")]), b""),
        put(&Header { acl_token: Some(vec![1; 9]), ..stream(3, &[("a", "")], &[(27, "2")]) }, b"p"),
    ];
    let mut random = Random::new();
    let (mut good, mut bad) = (0, 0);
    for round in 0..40_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        (0..=random.below(3)).for_each(|_| random.mutate(&mut bytes));
        // Half of them with lengths that are right, to get to the blocks.
        if round % 2 == 0 && bytes.len() > 4 {
            let len = u32::try_from(bytes.len() - 4).unwrap();
            bytes[..4].copy_from_slice(&len.to_be_bytes());
        }
        match parse(&bytes) {
            Ok(Some((header, payload))) => {
                good += 1;
                assert!(payload.end <= bytes.len());
                let again = put(&header, &bytes[payload]);
                assert_eq!(parse(&again).unwrap().unwrap().0, header);
            }
            Ok(None) => {}
            Err(_) => bad += 1,
        }
        let _ = parse_mesh(&bytes, &Limits::default());
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
}

#[test]
fn a_header_is_written_in_its_blocks_as_it_is_put() {
    let mut header = Header { flags: 2, seq_id: -7, acl_token: Some(b"token".to_vec()), ..Header::default() };
    header.strings.push("isn", "Echo").unwrap();
    header.strings.push("RPC_PERSIST_KEY", "value").unwrap();
    header.ints.push(key::TO_METHOD, "echo").unwrap();
    header.ints.push(key::MSG_TYPE, "1").unwrap();

    let mut buffer = Buffer::new();
    buffer.put(b"before");
    let mut writer = Writer::new(&mut buffer, 2, -7, ProtocolId::Binary);
    writer.token(b"token").unwrap();
    writer.string("", b"isn", b"Echo").unwrap();
    writer.string("RPC_PERSIST_", b"KEY", b"value").unwrap();
    writer.int(key::TO_METHOD, "echo").unwrap();
    writer.int(key::MSG_TYPE, "1").unwrap();
    let frame = writer.finish().unwrap();
    buffer.put(b"payload");
    frame.close(&mut buffer).unwrap();
    assert_eq!(bytes_of(&mut buffer), [b"before", &*put(&header, b"payload")].concat());

    let long = vec![b'x'; 65_536];
    let mut writer = Writer::new(&mut buffer, 0, 0, ProtocolId::Binary);
    let want = "of 65536 bytes is larger than the limit of 65535 bytes";
    for err in [
        writer.token(&long),
        writer.int(1, &long),
        writer.string("", &long, b"v"),
        writer.string("", b"k", &long),
        writer.string("RPC_PERSIST_", &long[12..], b"v"),
    ] {
        assert!(err.unwrap_err().to_string().ends_with(want));
    }
}
