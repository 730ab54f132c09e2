//! The Compact protocol against tables of bytes, and against itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use bytestring::ByteString;

use super::*;
use crate::codec::buffer::LINK_MIN;
use crate::codec::fuzz::{Random, bytes_of};
use crate::codec::{Buffer, DecodeError, EncodeError, Reader as _, Thrift, Value, Writer as _};
use crate::schema::Type;

/// A struct as `#[derive(Thrift)]` would make it: ids that go up, down, far, and bools between them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    flag: bool,
    id: i32,
    next: Option<Box<Self>>,
    children: Vec<Self>,
    flags: Vec<bool>,
    table: BTreeMap<ByteString, bool>,
    far: Option<bool>,
    ratio: f64,
}

impl Thrift for Node {
    const TYPE: TType = TType::Struct;
    const SCHEMA: Type = unreachable!();

    fn encode<W: crate::codec::Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.begin_struct()?;
        self.flag.encode_field(w, 1)?;
        self.id.encode_field(w, 2)?;
        if let Some(next) = &self.next {
            next.encode_field(w, 3)?;
        }
        self.children.encode_field(w, 4)?;
        self.flags.encode_field(w, 20)?;
        self.table.encode_field(w, 5)?;
        if let Some(far) = &self.far {
            far.encode_field(w, -300)?;
        }
        self.ratio.encode_field(w, i16::MAX)?;
        w.end_struct();
        Ok(())
    }

    fn decode<R: crate::codec::Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let mut node = Self::default();
        r.begin_struct()?;
        while let Some(field) = r.next_field()? {
            match field.id {
                1 => bool::fill(r, field, &mut node.flag)?,
                2 => i32::fill(r, field, &mut node.id)?,
                3 => Box::<Self>::fill_some(r, field, &mut node.next)?,
                4 => Vec::<Self>::fill(r, field, &mut node.children)?,
                20 => Vec::<bool>::fill(r, field, &mut node.flags)?,
                5 => BTreeMap::fill(r, field, &mut node.table)?,
                -300 => bool::fill_some(r, field, &mut node.far)?,
                i16::MAX => f64::fill(r, field, &mut node.ratio)?,
                _ => r.skip(field.ttype)?,
            }
        }
        Ok(node)
    }
}

fn node() -> Node {
    let leaf = Node { flag: true, id: -1, far: Some(false), ratio: -0.5, ..Node::default() };
    Node {
        id: 70_000,
        next: Some(Box::new(leaf.clone())),
        children: vec![leaf.clone(); 16],
        flags: vec![true, false, true],
        table: [("a".into(), true), ("ü".into(), false)].into(),
        ..leaf
    }
}

fn encode<T: Thrift>(value: &T) -> Vec<u8> {
    let mut buffer = Buffer::new();
    value.encode(&mut Writer::new(&mut buffer)).unwrap();
    bytes_of(&mut buffer)
}

/// Decodes all of the bytes; what is left over fails the test.
fn decode<T: Thrift>(bytes: &[u8]) -> Result<T, DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&bytes);
    let value = T::decode(&mut reader)?;
    assert_eq!(reader.remaining(), 0, "bytes left of {bytes:02x?}");
    Ok(value)
}

fn decode_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    Value::decode(&mut Reader::new(&bytes), TType::Struct)
}

fn encode_value(value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = Buffer::new();
    value.encode(&mut Writer::new(&mut buffer))?;
    Ok(bytes_of(&mut buffer))
}

fn skip(bytes: &[u8]) -> Result<(), DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    Reader::new(&bytes).skip(TType::Struct)
}

fn check<T: Thrift + PartialEq + std::fmt::Debug>(value: &T, bytes: &[u8]) {
    assert_eq!(encode(value), bytes, "{value:?}");
    assert_eq!(&decode::<T>(bytes).unwrap(), value);
}

#[test]
fn values_have_the_bytes_of_the_spec() {
    check(&true, &[1]);
    check(&false, &[2]);
    check(&-2_i8, &[0xfe]);
    let ints: &[(i32, &[u8])] = &[
        (0, &[0]),
        (-1, &[1]),
        (1, &[2]),
        (63, &[0x7e]),
        (-64, &[0x7f]),
        (64, &[0x80, 1]),
        (300, &[0xd8, 4]),
        (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ];
    for (value, bytes) in ints {
        check(value, bytes);
        check(&i64::from(*value), bytes);
    }
    check(&i16::MAX, &[0xfe, 0xff, 3]);
    check(&i16::MIN, &[0xff, 0xff, 3]);
    check(&i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    check(&i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    check(&-1.5_f64, &[0, 0, 0, 0, 0, 0, 0xf8, 0xbf]);
    check(&String::from("hü"), &[3, b'h', 0xc3, 0xbc]);
    check(&ByteString::from("h"), &[1, b'h']);
    check(&Bytes::from_static(&[0xff]), &[1, 0xff]);
    check(&vec![0xff_u8], &[1, 0xff]);
    check(&vec![7_u8; 128], &[&[0x80, 1][..], &[7; 128]].concat());
    check(&vec![1_i16, -1], &[0x24, 2, 1]);
    check(&vec![0_i8; 14], &[&[0xe3][..], &[0; 14]].concat());
    check(&vec![0_i8; 15], &[&[0xf3, 15][..], &[0; 15]].concat());
    check(&vec![0_i8; 300], &[&[0xf3, 0xac, 2][..], &[0; 300]].concat());
    check(&vec![true, false], &[0x21, 1, 2]);
    check(&vec![0.5_f64], &[0x17, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f]);
    check(&Vec::<Node>::new(), &[0x0c]);
    check(&BTreeSet::from([1_i64, 2]), &[0x26, 2, 4]);
    check(&BTreeMap::from([(1_i8, true)]), &[1, 0x31, 1, 1]);
    check(&HashMap::<i32, i64>::new(), &[0]);
    check(&Box::new(std::sync::Arc::new(7_i8)), &[7]);
    check(
        &Node { flag: true, id: 5, far: Some(true), ..Node::default() },
        // The ids 1, 2, 4, 20, 5, -300, 32767.
        &[
            0x11, 0x15, 10, 0x29, 0x0c, 0x09, 40, 0x01, 0x0b, 10, 0, 0x01, 0xd7, 4, 0x07, 0xfe, 0xff, 3, 0, 0, 0, 0, 0,
            0, 0, 0, 0,
        ],
    );
    #[cfg(feature = "uuid")]
    check(&uuid::Uuid::from_bytes([7; 16]), &[7; 16]);
}

#[test]
fn a_header_tells_how_far_the_id_is() {
    let rows: &[(&[i16], &[u8])] = &[
        (&[1], &[0x13, 9]),
        (&[15], &[0xf3, 9]),
        (&[16], &[0x03, 32, 9]),
        (&[0], &[0x03, 0, 9]),
        (&[-1], &[0x03, 1, 9]),
        (&[-1, 0, 14, 30], &[0x03, 1, 9, 0x13, 9, 0xe3, 9, 0x03, 60, 9]),
        (&[3, 3, 2], &[0x33, 9, 0x03, 6, 9, 0x03, 4, 9]),
        (&[i16::MAX, i16::MIN], &[0x03, 0xfe, 0xff, 3, 9, 0x03, 0xff, 0xff, 3, 9]),
    ];
    for (ids, bytes) in rows {
        let value = Value::Struct(ids.iter().map(|id| (*id, Value::I8(9))).collect());
        let bytes = [bytes, &[0][..]].concat();
        assert_eq!(encode_value(&value).unwrap(), bytes, "{ids:?}");
        assert_eq!(decode_value(&bytes).unwrap(), value);
    }
}

#[test]
fn ids_go_on_behind_a_nested_struct() {
    let inner = |id| Value::Struct(vec![(id, Value::Bool(true))]);
    let list = Value::List { element: TType::Struct, elements: vec![inner(3), inner(4)] };
    let value = Value::Struct(vec![(10, inner(20)), (11, list), (12, Value::Bool(false))]);
    let bytes = [0xac, 0x01, 40, 0, 0x19, 0x2c, 0x31, 0, 0x41, 0, 0x12, 0];
    assert_eq!(encode_value(&value).unwrap(), bytes);
    assert_eq!(decode_value(&bytes).unwrap(), value);
}

#[test]
fn a_field_written_at_once_is_header_and_value() {
    fn check<T: Thrift>(value: &T) {
        for id in [-2, 0, 1, 15, 16, i16::MAX] {
            let (mut whole, mut parts) = (Buffer::new(), Buffer::new());
            value.encode_field(&mut Writer::new(&mut whole), id).unwrap();
            let mut writer = Writer::new(&mut parts);
            writer.field(T::TYPE, id);
            value.encode(&mut writer).unwrap();
            assert_eq!(bytes_of(&mut whole), bytes_of(&mut parts));
        }
    }
    check(&true);
    check(&false);
    check(&1_i8);
    check(&i16::MIN);
    check(&i32::MIN);
    check(&i64::MIN);
    check(&5.0_f64);
    check(&String::from("text"));
    check(&ByteString::from("text"));
    check(&Bytes::from(vec![1; LINK_MIN]));
    check(&vec![1_u8]);
    check(&vec![1_i32]);
    check(&Box::new(true));
}

#[test]
fn a_message_comes_back_as_it_went() {
    let message = node();
    assert_eq!(decode::<Node>(&encode(&message)).unwrap(), message);
    for len in [0, 1, 127, 128, LINK_MIN - 1, LINK_MIN, 3 * LINK_MIN] {
        let blob = Bytes::from(vec![7; len]);
        assert_eq!(decode::<Bytes>(&encode(&blob)).unwrap(), blob);
        let list = vec!["t".repeat(len); 3];
        assert_eq!(decode::<Vec<String>>(&encode(&list)).unwrap(), list);
    }
}

#[test]
fn long_bytes_are_not_copied() {
    let (blob, mut buffer) = (Bytes::from(vec![7; LINK_MIN]), Buffer::new());
    blob.encode_field(&mut Writer::new(&mut buffer), 1).unwrap();
    blob.encode(&mut Writer::new(&mut buffer)).unwrap();
    let segments: Vec<Bytes> = buffer.take().into_iter().collect();
    assert_eq!(segments[0], [0x18, 0x80, 0x20][..]);
    assert!([&segments[1], &segments[3]].iter().all(|segment| segment.as_ptr() == blob.as_ptr()));

    let owner = Bytes::from_static(&[9, 9, 1, b'a', 9]);
    let mut reader = Reader::over(&owner, 2..4);
    assert_eq!(Bytes::decode(&mut reader).unwrap().as_ptr(), owner[3..].as_ptr());
    assert_eq!(reader.remaining(), 0);
    let want = "length 1 at offset 2 claims more than the 0 bytes left can hold";
    assert_eq!(Bytes::decode(&mut Reader::over(&owner, 2..3)).unwrap_err().to_string(), want);
    assert!(bool::decode(&mut Reader::over(&owner, 2..100)).is_err());
}

#[test]
fn what_a_peer_may_send_is_read() {
    let node = |id| Node { id, ..Node::default() };
    let rows: &[(&[u8], Node, &str)] = &[
        (&[0x25, 2, 0x05, 4, 4, 0], node(2), "the last of two fields wins"),
        (&[0x26, 2, 0], node(0), "a field of another type is skipped"),
        (&[0x98, 1, 0xff, 0x05, 4, 4, 0], node(2), "an unknown field is skipped"),
        (&[0x91, 0x05, 4, 4, 0], node(2), "an unknown bool is skipped, which is its header"),
        (&[0x21, 0x05, 4, 4, 0], node(2), "a bool in place of another type too"),
        (&[0x0d, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0], node(0), "uuid, negative id"),
        (&[0x05, 0x84, 0x80, 0x80, 0x80, 0, 4, 0], node(2), "a varint may be longer than it must"),
        (&[0x49, 0x18, 1, b'x', 0x05, 4, 4, 0], node(2), "other elements are skipped"),
        (&[0x49, 0x22, 1, 2, 0x05, 4, 4, 0], node(2), "other elements are skipped, of bool"),
        (&[0x49, 0x00, 0], node(0), "an empty list may name no type"),
        (&[0x49, 0xf0, 0, 0], node(0), "an empty list may name no type, in the long form"),
        (&[0x49, 0x08, 0], node(0), "an empty list may name any type"),
        (&[0x49, 0xfc, 1, 0, 0], Node { children: vec![node(0)], ..node(0) }, "the long form of a short list"),
        (&[0x4a, 0x1c, 0, 0], node(0), "a set is no list"),
        (&[0x9b, 0, 0], node(0), "an empty map is one byte"),
        (&[0x9b, 1, 0x38, 5, 1, b'x', 0], node(0), "an unknown map is skipped"),
        (&[0x9b, 1, 0x12, 1, 2, 0], node(0), "an unknown map of bools is skipped"),
        (&[0xf5, 2, 0x05, 0xfe, 0xff, 3, 2, 0x25, 8, 0], node(0), "an id that overflows is unknown"),
    ];
    for (bytes, want, name) in rows {
        assert_eq!(decode::<Node>(bytes).as_ref(), Ok(want), "{name}");
        assert_eq!(skip(bytes), Ok(()), "{name}");
    }
    // Both numbers of bool may stand for its elements, whose bytes are 1 and anything else.
    assert_eq!(decode::<Vec<bool>>(&[0x32, 1, 2, 0]).unwrap(), [true, false, false]);
    assert_eq!(decode::<Vec<bool>>(&[0x31, 1, 2, 3]).unwrap(), [true, false, false]);
    assert_eq!(decode::<BTreeMap<bool, bool>>(&[1, 0x22, 1, 2]).unwrap(), [(true, false)].into());
    assert_eq!(decode::<i16>(&[0xfe, 0xff, 0x83, 0x80, 0]), Ok(i16::MAX));
}

#[test]
fn what_no_peer_may_send_is_an_error_that_says_why() {
    let rows: &[(&[u8], &str)] = &[
        (&[], "bytes end where a field or the end of a struct should be, at offset 0"),
        (&[0x05], "bytes end where the id of a field should be, at offset 1"),
        (&[0x05, 0x80], "bytes end where the id of a field should be, at offset 1"),
        (&[0x05, 0x80, 0x80, 0x80, 0x80, 0x80, 0], "varint at offset"),
        (&[0x25], "bytes end where an i32 should be, at offset 1"),
        (&[0x25, 0xff, 0xff, 0xff, 0xff], "bytes end where an i32 should be, at offset 1"),
        (&[0x25, 0xff, 0xff, 0xff, 0xff, 0xff], "varint at offset"),
        (
            &[0x96, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80, 0],
            "varint at offset 1 does not end within 10 bytes",
        ),
        (&[0x25, 10], "bytes end where a field or the end of a struct should be, at offset 2"),
        (&[0x1e, 0], "unknown data type 14 at offset 0"),
        (&[0x1f, 0], "unknown data type 15 at offset 0"),
        (&[0x10, 0], "unknown data type 0 at offset 0"),
        (&[0x98, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], "negative length -1 at offset 1"),
        (&[0x98, 0x80, 0x80, 0x80, 0x80, 0x08, 0], "negative length -2147483648 at offset 1"),
        (&[0x98, 2, 0], "length 2 at offset 1 claims more than"),
        (&[0x98, 0xff, 0xff, 0xff, 0xff, 0x07, 0], "length 2147483647 at offset 1 claims more than"),
        (&[0x98, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "varint at offset"),
        (&[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0], "length 2147483647 at offset 2 claims more than"),
        (&[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], "negative length -1 at offset 2"),
        (&[0x49, 0x3c, 0, 0], "length 3 at offset 1 claims more than"),
        (&[0x99, 0x27, 0, 0, 0, 0, 0, 0, 0, 0], "length 2 at offset 1 claims more than"),
        (&[0x9a, 0x1d, 0, 0, 0, 0, 0, 0, 0, 0], "length 1 at offset 1 claims more than"),
        (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x11, 0], "length 2147483647 at offset 1 claims more than"),
        (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x11, 0], "negative length -1 at offset 1"),
        (&[0x9b, 2, 0x33, 0, 0, 0], "length 2 at offset 1 claims more than"),
        // Elements without size would be read for ever.
        (&[0x99, 0x10, 0], "unknown data type 0 at offset 1"),
        (&[0x49, 0xf0, 1, 0], "unknown data type 0 at offset 1"),
        (&[0x99, 0x1e, 0], "unknown data type 14 at offset 1"),
        (&[0x99, 0x0f, 0], "unknown data type 15 at offset 1"),
        (&[0x9b, 1, 0x03, 0, 0], "unknown data type 0 at offset 2"),
        (&[0x9b, 1, 0x30, 0, 0], "unknown data type 0 at offset 2"),
        (&[0x9b, 1, 0x3e, 0, 0], "unknown data type 14 at offset 2"),
    ];
    for (bytes, want) in rows {
        let err = decode::<Node>(bytes).unwrap_err().to_string();
        assert!(err.starts_with(want), "{err} for {bytes:02x?}");
        assert!(decode_value(bytes).is_err(), "{bytes:02x?}");
        assert!(skip(bytes).is_err(), "{bytes:02x?}");
    }
    assert!(decode::<String>(&[2, b'a', 0xff]).unwrap_err().to_string().starts_with("string is not UTF-8"));
    for list in [0xf1, 0xf6, 0xf8].map(|head| [head, 0xff, 0xff, 0xff, 0xff, 0x07]) {
        assert!(decode::<Vec<bool>>(&list).is_err());
        assert!(decode::<Vec<i64>>(&list).is_err());
        assert!(decode::<Vec<String>>(&list).is_err());
        assert!(decode::<BTreeSet<i64>>(&list).is_err());
    }
}

#[test]
fn a_message_cut_short_anywhere_is_an_error() {
    let bytes = encode(&node());
    for len in 0..bytes.len() {
        let cut = &bytes[..len];
        assert!(decode::<Node>(cut).is_err(), "cut at {len}");
        assert!(decode_value(cut).is_err(), "cut at {len}");
        assert!(skip(cut).is_err(), "cut at {len}");
    }
}

#[test]
fn values_nest_64_levels_and_no_more() {
    /// Type, head, innermost value, foot and name of a level.
    type Level = (u8, &'static [u8], &'static [u8], &'static [u8], &'static str);
    let rows: &[Level] = &[
        (0x0c, &[0x1c], &[0], &[0], "structs"),
        (0x09, &[0x19], &[0x03], &[], "lists"),
        (0x0a, &[0x1a], &[0x03], &[], "sets"),
        (0x0b, &[1, 0x3b, 7], &[0], &[], "maps, by value"),
        (0x0b, &[1, 0xb3], &[0], &[7], "maps, by key"),
    ];
    for (ctype, head, innermost, foot, name) in rows {
        let nested = |levels: usize| {
            let (heads, feet) = (head.repeat(levels - 1), foot.repeat(levels - 1));
            // The id 99.
            [&[*ctype, 0xc6, 1][..], &heads, innermost, &feet, &[0]].concat()
        };
        let most = nested(MAX_DEPTH);
        assert_eq!(decode::<Node>(&most), Ok(Node::default()), "{name}");
        assert_eq!(encode_value(&decode_value(&most).unwrap()).unwrap(), most, "{name}");
        for levels in [MAX_DEPTH + 1, 100_000] {
            let deeper = nested(levels);
            let want = "depth limit exceeded";
            assert!(decode::<Node>(&deeper).unwrap_err().to_string().starts_with(want), "{name}");
            assert!(decode_value(&deeper).unwrap_err().to_string().starts_with(want), "{name}");
        }
    }
    let chain =
        |levels| (0..levels).fold(Node::default(), |next, _| Node { next: Some(Box::new(next)), ..Node::default() });
    let most = Node { next: Some(Box::new(chain(MAX_DEPTH - 2))), ..Node::default() };
    assert_eq!(decode::<Node>(&encode(&most)).unwrap(), most);
    let mut buffer = Buffer::new();
    let err = chain(MAX_DEPTH + 1).encode(&mut Writer::new(&mut buffer)).unwrap_err();
    assert!(err.to_string().contains("more than 64 levels"), "{err}");
    let bomb = [[0x3c].repeat(1_000_000), vec![0; 1_000_001]].concat();
    assert!(decode::<Node>(&bomb).unwrap_err().to_string().starts_with("depth limit exceeded"));
}

#[test]
fn what_a_hand_written_type_ends_too_often_ends_nothing() {
    let mut buffer = Buffer::new();
    let mut writer = Writer::new(&mut buffer);
    for _ in 0..300 {
        writer.end_struct();
        writer.end_container();
    }
    let begun = (0..300).take_while(|_| writer.begin_struct().is_ok()).count();
    assert_eq!(begun, MAX_DEPTH + 1);

    let stops = Bytes::from_static(&[0; 300]);
    let mut reader = Reader::new(&stops);
    while reader.next_field().is_ok() {}
    let begun = (0..300).take_while(|_| reader.begin_struct().is_ok()).count();
    assert_eq!(begun, MAX_DEPTH + 1);
}

#[test]
fn a_rewind_forgets_what_was_read_since() {
    // Field 4 is a list of lists, where structs are declared; their own ids are not to be those of the fields behind it.
    let field = [0x19, 0x19, 0x1c, 0x11, 0x12, 0];
    let bytes = [&[0x31][..], &field, &[0x1b, 0, 0xf2, 0]].concat();
    let node = decode::<Node>(&bytes).unwrap();
    assert_eq!(node, Node::default());
    let ids = |value: Value| match value {
        Value::Struct(fields) => fields.into_iter().map(|(id, _)| id).collect::<Vec<_>>(),
        _ => vec![],
    };
    assert_eq!(ids(decode_value(&bytes).unwrap()), [3, 4, 5, 20]);

    // A bool's value is in the header before the mark.
    let owner = Bytes::from_static(&[0x11, 0x12, 0]);
    let mut reader = Reader::new(&owner);
    reader.begin_struct().unwrap();
    reader.next_field().unwrap();
    let mark = reader.mark();
    assert_eq!(reader.bool(), Ok(true));
    assert_eq!(reader.next_field().unwrap().map(|field| field.id), Some(2));
    reader.rewind(mark);
    assert_eq!(reader.bool(), Ok(true));
    assert_eq!(reader.next_field().unwrap().map(|field| field.id), Some(2));
    assert_eq!(reader.bool(), Ok(false));
    assert_eq!(reader.next_field(), Ok(None));
}

#[test]
fn random_bytes_never_panic_and_all_readers_agree() {
    let seeds = [encode(&node()), encode(&Node::default())];
    let mut random = Random::new();
    let (mut good, mut bad) = (0, 0);
    for round in 0..30_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut bytes);
        }
        let owner = Bytes::from(bytes);
        let (mut known, mut unknown, mut skipped) = (Reader::new(&owner), Reader::new(&owner), Reader::new(&owner));
        let message = Node::decode(&mut known);
        let value = Value::decode(&mut unknown, TType::Struct);
        let skip = skipped.skip(TType::Struct);
        assert_eq!(value.is_ok(), skip.is_ok(), "{owner:02x?}");
        match message {
            Ok(message) => {
                good += 1;
                assert!(skip.is_ok(), "{owner:02x?}");
                assert_eq!([known.remaining(), unknown.remaining()], [skipped.remaining(); 2], "{owner:02x?}");
                let written = encode(&message);
                assert_eq!(encode(&decode::<Node>(&written).unwrap()), written);
            }
            Err(_) => bad += 1,
        }
        if let Ok(value) = value {
            let written = encode_value(&value).unwrap();
            assert_eq!(encode_value(&decode_value(&written).unwrap()).unwrap(), written);
        }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad: the mutations are too tame or too wild");
}
