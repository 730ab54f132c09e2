//! What the wire holds, what a hostile peer may put there, and that neither reading nor writing ever panics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use bytestring::ByteString;

use super::fuzz::{Random, bytes_of};
use super::{
    Buffer, DecodeError, EncodeError, LINK_MIN, MAX_DEPTH, Reader, Reply, TType, Thrift, UnknownField, Value, Writer,
    binary,
};
use crate::schema::Type;

/// A struct as `#[derive(Thrift)]` would make it, which unit tests of this crate cannot use.
macro_rules! structure {
    ($name:ident { $($id:literal: $kind:ident $field:ident: $ty:ty,)* }) => {
        #[derive(Clone, Debug, Default, PartialEq)]
        struct $name { $($field: structure!(@type $kind $ty)),* }

        impl Thrift for $name {
            const TYPE: TType = TType::Struct;
            const SCHEMA: Type = unreachable!();

            fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
                w.begin_struct()?;
                $(structure!(@encode $kind self.$field, w, $id);)*
                w.end_struct();
                Ok(())
            }

            fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
                #[allow(unused_mut, reason = "a struct without fields")]
                let mut message = Self::default();
                r.begin_struct()?;
                while let Some(field) = r.next_field()? {
                    match field.id {
                        $($id => structure!(@fill $kind $ty, r, field, message.$field)?,)*
                        _ => r.skip(field.ttype)?,
                    }
                }
                Ok(message)
            }
        }
    };
    (@type optional $ty:ty) => { Option<$ty> };
    (@type default $ty:ty) => { $ty };
    (@encode optional $self:ident.$field:ident, $w:ident, $id:literal) => {
        if let Some(value) = &$self.$field { Thrift::encode_field(value, $w, $id)?; }
    };
    (@encode default $self:ident.$field:ident, $w:ident, $id:literal) => {
        Thrift::encode_field(&$self.$field, $w, $id)?;
    };
    (@fill optional $ty:ty, $r:ident, $f:ident, $slot:expr) => { <$ty as Thrift>::fill_some($r, $f, &mut $slot) };
    (@fill default $ty:ty, $r:ident, $f:ident, $slot:expr) => { <$ty as Thrift>::fill($r, $f, &mut $slot) };
}

structure!(Empty {});
structure!(Node {
    1: default id: i32,
    2: optional next: Box<Node>,
    3: default children: Vec<Node>,
});
structure!(All {
    1: default flag: bool,
    2: default tiny: i8,
    3: default small: i16,
    4: default medium: i32,
    5: default big: i64,
    6: default ratio: f64,
    7: default text: String,
    8: default shared: ByteString,
    9: default blob: Bytes,
    10: default copied: Vec<u8>,
    11: default numbers: Vec<i32>,
    12: default tags: Vec<String>,
    13: default counts: BTreeMap<String, i64>,
    14: default ids: BTreeSet<i16>,
    15: optional node: Box<Node>,
    16: default table: Vec<BTreeMap<i8, Vec<ByteString>>>,
    17: default flags: Vec<bool>,
    18: default empties: Vec<Empty>,
});

fn all() -> All {
    All {
        flag: true,
        tiny: -2,
        small: 300,
        medium: -70_000,
        big: 1 << 40,
        ratio: 0.5,
        text: "grün".into(),
        shared: "水".into(),
        blob: Bytes::from_static(&[0xff, 0]),
        copied: vec![1, 2, 3],
        numbers: (-20..20).collect(),
        tags: ["", "a", "日本語", "a tag that is longer than the others are"].map(String::from).into(),
        counts: [("a".into(), 1), ("b".into(), -1)].into(),
        ids: [-1, 5].into(),
        node: Some(Box::new(Node { id: 1, next: None, children: vec![Node::default(), chain(3)] })),
        table: vec![BTreeMap::new(), [(1, vec!["x".into(), "y".into()]), (2, vec![])].into()],
        flags: vec![true, false],
        empties: vec![Empty {}, Empty {}],
    }
}

/// A node inside a node, `levels` times.
fn chain(levels: usize) -> Node {
    (0..levels).fold(Node::default(), |next, _| Node { next: Some(Box::new(next)), ..Node::default() })
}

fn encode<T: Thrift>(value: &T) -> Vec<u8> {
    let mut buffer = Buffer::new();
    value.encode(&mut binary::Writer::new(&mut buffer)).unwrap();
    bytes_of(&mut buffer)
}

/// Decodes all of the bytes; what is left over fails the test.
fn decode<T: Thrift>(bytes: &[u8]) -> Result<T, DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut reader = binary::Reader::new(&bytes);
    let value = T::decode(&mut reader)?;
    assert_eq!(reader.remaining(), 0, "bytes left of {bytes:02x?}");
    Ok(value)
}

fn check<T: Thrift + PartialEq + std::fmt::Debug>(value: &T, bytes: &[u8]) {
    assert_eq!(encode(value), bytes, "{value:?}");
    assert_eq!(&decode::<T>(bytes).unwrap(), value);
}

#[test]
fn values_have_the_bytes_of_the_spec() {
    check(&true, &[1]);
    check(&-2_i8, &[0xfe]);
    check(&300_i16, &[1, 0x2c]);
    check(&-1_i32, &[0xff; 4]);
    check(&0x0102_0304_0506_0708_i64, &[1, 2, 3, 4, 5, 6, 7, 8]);
    check(&-1.5_f64, &[0xbf, 0xf8, 0, 0, 0, 0, 0, 0]);
    check(&String::from("hü"), &[0, 0, 0, 3, b'h', 0xc3, 0xbc]);
    check(&ByteString::from("h"), &[0, 0, 0, 1, b'h']);
    check(&Bytes::from_static(&[0xff]), &[0, 0, 0, 1, 0xff]);
    check(&vec![0xff_u8], &[0, 0, 0, 1, 0xff]);
    check(&vec![1_i16, -1], &[6, 0, 0, 0, 2, 0, 1, 0xff, 0xff]);
    check(&vec![true, false], &[2, 0, 0, 0, 2, 1, 0]);
    check(&Vec::<Node>::new(), &[12, 0, 0, 0, 0]);
    check(&BTreeSet::from([1_i8, 2]), &[3, 0, 0, 0, 2, 1, 2]);
    check(&BTreeMap::from([(1_i8, true)]), &[3, 2, 0, 0, 0, 1, 1, 1]);
    check(&HashMap::<i8, bool>::from([(1, true)]), &[3, 2, 0, 0, 0, 1, 1, 1]);
    check(&HashMap::<i32, i64>::new(), &[8, 10, 0, 0, 0, 0]);
    check(&Box::new(std::sync::Arc::new(7_i8)), &[7]);
    check(&Empty {}, &[0]);
    check(&Node { id: 5, ..Node::default() }, &[8, 0, 1, 0, 0, 0, 5, 15, 0, 3, 12, 0, 0, 0, 0, 0]);
    #[cfg(feature = "uuid")]
    check(&uuid::Uuid::from_bytes([7; 16]), &[7; 16]);
}

#[test]
fn a_field_written_at_once_is_header_and_value() {
    fn check<T: Thrift>(value: &T) {
        let (mut whole, mut parts) = (Buffer::new(), Buffer::new());
        value.encode_field(&mut binary::Writer::new(&mut whole), -2).unwrap();
        let mut writer = binary::Writer::new(&mut parts);
        writer.field(T::TYPE, -2);
        value.encode(&mut writer).unwrap();
        assert_eq!(bytes_of(&mut whole), bytes_of(&mut parts));
    }
    check(&true);
    check(&1_i8);
    check(&2_i16);
    check(&3_i32);
    check(&4_i64);
    check(&5.0_f64);
    check(&String::from("text"));
    check(&ByteString::from("text"));
    check(&Bytes::from(vec![1; LINK_MIN]));
    check(&vec![1_u8]);
    check(&vec![1_i32]);
    check(&Box::new(6_i64));
}

#[test]
fn a_message_comes_back_as_it_went() {
    let message = all();
    assert_eq!(decode::<All>(&encode(&message)).unwrap(), message);
    for len in [0, 1, 127, LINK_MIN - 1, LINK_MIN, 3 * LINK_MIN] {
        let long = All { text: "t".repeat(len), shared: "s".repeat(len).into(), blob: vec![7; len].into(), ..all() };
        assert_eq!(decode::<All>(&encode(&long)).unwrap(), long);
    }
}

#[test]
fn lists_of_strings_come_back_whatever_is_checked_at_once() {
    let words = ["", "a", "ü", "水水水", "\u{10ffff}"].map(String::from);
    for unit in &words {
        for (count, repeat) in [(1, 1), (3, 500), (2_000, 1), (700, 9), (300, 40), (100, 130)] {
            let list: Vec<String> = (0..count).map(|i| unit.repeat(i * repeat % (repeat + 7))).collect();
            assert_eq!(decode::<Vec<String>>(&encode(&list)).unwrap(), list);
            // A byte of the last string that is no text is found, however far ahead the check is.
            let mut bytes = encode(&list);
            if list.last().is_some_and(|last| !last.is_empty()) {
                *bytes.last_mut().unwrap() = 0xff;
                assert!(decode::<Vec<String>>(&bytes).unwrap_err().to_string().contains("not UTF-8"));
            }
        }
    }
    // A character cut in two by a length is no character, although the bytes of both strings together are.
    let cut = [&[11, 0, 0, 0, 3, 0, 0, 0, 1, b'a', 0, 0, 0, 1, 0xc3, 0, 0, 0, 1, 0xbc][..], &[0; 64]].concat();
    assert!(decode::<Vec<String>>(&cut).unwrap_err().to_string().contains("not UTF-8"));
    // The length 0xc3 and the byte after it make a character, which must not hide that the string begins inside it.
    let mut hidden = [&[11, 0, 0, 0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 0xc3, 0xa9][..], &[b'x'; 0xc2]].concat();
    assert!(decode::<Vec<String>>(&hidden).unwrap_err().to_string().contains("not UTF-8"));
    hidden[14] = b'x';
    assert_eq!(decode::<Vec<String>>(&hidden).unwrap()[1].len(), 0xc3);
}

#[test]
fn what_a_peer_may_send_is_read_as_kitex_reads_it() {
    let node = |id| Node { id, ..Node::default() };
    let rows: &[(&[u8], Node, &str)] = &[
        (&[8, 0, 1, 0, 0, 0, 1, 8, 0, 1, 0, 0, 0, 2, 0], node(2), "the last of two fields wins"),
        (&[10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0], node(0), "a field of another type is skipped"),
        (&[11, 0, 9, 0, 0, 0, 1, 0xff, 8, 0, 1, 0, 0, 0, 2, 0], node(2), "an unknown field is skipped"),
        (&[16, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0], node(0), "uuid, negative id"),
        (&[15, 0, 3, 11, 0, 0, 0, 1, 0, 0, 0, 1, b'x', 8, 0, 1, 0, 0, 0, 2, 0], node(2), "other elements are skipped"),
        (&[15, 0, 3, 0, 0, 0, 0, 0, 0], node(0), "an empty list may name no type"),
        (&[15, 0, 3, 11, 0, 0, 0, 0, 0], node(0), "an empty list may name any type"),
        (&[14, 0, 3, 12, 0, 0, 0, 1, 0, 0], node(0), "a set is no list"),
        (&[13, 0, 9, 0, 0, 0, 0, 0, 0, 0], node(0), "an empty map may name no types"),
        (&[13, 0, 9, 8, 0, 0, 0, 0, 0, 0], node(0), "an empty map may name one type"),
        (&[13, 0, 9, 3, 11, 0, 0, 0, 1, 5, 0, 0, 0, 1, b'x', 0], node(0), "an unknown map is skipped"),
    ];
    for (bytes, want, name) in rows {
        assert_eq!(decode::<Node>(bytes).as_ref(), Ok(want), "{name}");
    }
    assert!(!decode::<bool>(&[2]).unwrap(), "only 1 is true");
    assert_eq!(decode::<Vec<bool>>(&[2, 0, 0, 0, 2, 1, 2]).unwrap(), [true, false]);
    assert_eq!(decode::<BTreeMap<i8, i8>>(&[3, 3, 0, 0, 0, 2, 1, 5, 1, 6]).unwrap(), [(1, 6)].into());
    assert_eq!(decode::<HashMap<i8, i8>>(&[3, 3, 0, 0, 0, 2, 1, 5, 1, 6]).unwrap(), [(1, 6)].into());
    assert_eq!(decode::<BTreeSet<i8>>(&[3, 0, 0, 0, 2, 1, 1]).unwrap(), [1].into());
}

#[test]
fn what_no_peer_may_send_is_an_error_that_says_why() {
    let rows: &[(&[u8], &str)] = &[
        (&[], "bytes end where a field or the end of a struct should be, at offset 0"),
        (&[8], "bytes end where the id of a field should be, at offset 1"),
        (&[8, 0], "bytes end where the id of a field should be, at offset 1"),
        (&[8, 0, 1, 0, 0, 0], "bytes end where an i32 should be, at offset 3"),
        (&[8, 0, 1, 0, 0, 0, 5], "bytes end where a field or the end of a struct should be, at offset 7"),
        (&[1, 0, 1, 0], "unknown data type 1 at offset 0"),
        (&[5, 0, 9, 0], "unknown data type 5 at offset 0"),
        (&[17, 0, 9, 0], "unknown data type 17 at offset 0"),
        (&[0x80, 1, 0, 1], "unknown data type 128 at offset 0"),
        (&[11, 0, 9, 0xff, 0xff, 0xff, 0xff, 0], "negative length -1 at offset 3"),
        (&[11, 0, 9, 0x80, 0, 0, 0, 0], "negative length -2147483648 at offset 3"),
        (&[11, 0, 9, 0, 0, 0, 2, 0], "length 2 at offset 3 claims more than"),
        (&[11, 0, 9, 0x7f, 0xff, 0xff, 0xff, 0], "length 2147483647 at offset 3 claims more than"),
        (&[15, 0, 3, 12, 0x7f, 0xff, 0xff, 0xff, 0], "length 2147483647 at offset 4 claims more than"),
        (&[15, 0, 3, 12, 0xff, 0xff, 0xff, 0xff, 0], "negative length -1 at offset 4"),
        (&[15, 0, 9, 2, 0x7f, 0xff, 0xff, 0xff, 0], "length 2147483647 at offset 4 claims more than"),
        (&[15, 0, 9, 10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0], "length 2 at offset 4 claims more than"),
        (&[14, 0, 9, 16, 0x7f, 0xff, 0xff, 0xff, 0], "length 2147483647 at offset 4 claims more than"),
        (&[13, 0, 9, 2, 2, 0x7f, 0xff, 0xff, 0xff, 0], "length 2147483647 at offset 5 claims more than"),
        (&[13, 0, 9, 12, 12, 0xff, 0xff, 0xff, 0xff, 0], "negative length -1 at offset 5"),
        // Elements without size would be read for ever.
        (&[15, 0, 9, 0, 0, 0, 0, 1, 0], "unknown data type 0 at offset 3"),
        (&[15, 0, 3, 0, 0, 0, 0, 1, 0], "unknown data type 0 at offset 3"),
        (&[15, 0, 9, 1, 0, 0, 0, 1, 0], "unknown data type 1 at offset 3"),
        (&[15, 0, 9, 1, 0, 0, 0, 0, 0], "unknown data type 1 at offset 3"),
        (&[13, 0, 9, 0, 0, 0, 0, 0, 1, 0], "unknown data type 0 at offset 3"),
        (&[13, 0, 9, 3, 99, 0, 0, 0, 1, 1, 1], "unknown data type 99 at offset 4"),
    ];
    for (bytes, want) in rows {
        let err = decode::<Node>(bytes).unwrap_err().to_string();
        assert!(err.starts_with(want), "{err} for {bytes:02x?}");
        assert!(decode_value(bytes).is_err(), "{bytes:02x?}");
        assert!(skip(bytes).is_err(), "{bytes:02x?}");
    }
    let no_text = [0, 0, 0, 2, b'a', 0xff];
    let want = "string is not UTF-8: invalid utf-8 sequence of 1 bytes from index 1; declare the field `binary` if it";
    assert!(decode::<String>(&no_text).unwrap_err().to_string().starts_with(want));
    assert!(decode::<ByteString>(&no_text).unwrap_err().to_string().starts_with(want));
    // Containers that are decoded in one go have the same limits as those that are not.
    for list in [[2, 0x7f, 0xff, 0xff, 0xff], [10, 0x7f, 0xff, 0xff, 0xff], [11, 0x7f, 0xff, 0xff, 0xff]] {
        assert!(decode::<Vec<bool>>(&list).is_err());
        assert!(decode::<Vec<i64>>(&list).is_err());
        assert!(decode::<Vec<String>>(&list).is_err());
        assert!(decode::<BTreeSet<i64>>(&list).is_err());
    }
}

#[test]
fn a_message_cut_short_anywhere_is_an_error() {
    let bytes = encode(&all());
    for len in 0..bytes.len() {
        let cut = &bytes[..len];
        assert!(decode::<All>(cut).is_err(), "cut at {len}");
        assert!(decode_value(cut).is_err(), "cut at {len}");
        assert!(skip(cut).is_err(), "cut at {len}");
    }
}

#[test]
fn unknown_fields_nest_64_levels_and_no_more() {
    /// Puts `levels` of a struct, list or map into each other, as an unknown field of a message.
    fn nested(ttype: u8, header: &[u8], levels: usize, footer: &[u8]) -> Vec<u8> {
        let (headers, footers) = (header.repeat(levels - 1), footer.repeat(levels - 1));
        let innermost: &[u8] = match ttype {
            12 => &[0],
            13 => &[3, 3, 0, 0, 0, 0],
            _ => &[3, 0, 0, 0, 0],
        };
        [&[ttype, 0, 99][..], &headers, innermost, &footers, &[0]].concat()
    }
    let rows: &[(u8, &[u8], &[u8], &str)] = &[
        (12, &[12, 0, 1], &[0], "structs"),
        (15, &[15, 0, 0, 0, 1], &[], "lists"),
        (14, &[14, 0, 0, 0, 1], &[], "sets"),
        (13, &[3, 13, 0, 0, 0, 1, 7], &[], "maps, by value"),
        (13, &[13, 3, 0, 0, 0, 1], &[7], "maps, by key"),
    ];
    for (ttype, header, footer, name) in rows {
        let most = nested(*ttype, header, MAX_DEPTH, footer);
        assert_eq!(decode::<Node>(&most), Ok(Node::default()), "{name}");
        let value = decode_value(&most).unwrap();
        assert_eq!(bytes_of_value(&value).unwrap(), most, "{name}");

        for levels in [MAX_DEPTH + 1, 100_000] {
            let deeper = nested(*ttype, header, levels, footer);
            assert!(decode::<Node>(&deeper).unwrap_err().to_string().starts_with("depth limit exceeded"), "{name}");
            assert!(decode_value(&deeper).unwrap_err().to_string().starts_with("depth limit exceeded"), "{name}");
        }
    }
}

#[test]
fn known_types_nest_64_levels_and_no_more() {
    structure!(Link { 1: optional next: Box<Link>, });
    let chain = |levels| (0..levels).fold(Link::default(), |next, _| Link { next: Some(Box::new(next)) });
    let most = chain(MAX_DEPTH);
    assert_eq!(decode::<Link>(&encode(&most)).unwrap(), most);

    let mut buffer = Buffer::new();
    let err = chain(MAX_DEPTH + 1).encode(&mut binary::Writer::new(&mut buffer)).unwrap_err();
    assert!(err.to_string().contains("more than 64 levels"), "{err}");
    for levels in [MAX_DEPTH + 1, 1_000_000] {
        let bomb = [[12, 0, 1].repeat(levels), vec![0; levels + 1]].concat();
        assert!(decode::<Link>(&bomb).unwrap_err().to_string().starts_with("depth limit exceeded"));
    }
    // A list and a struct each time.
    let bomb = [[15, 0, 3, 12, 0, 0, 0, 1].repeat(100_000), vec![0; 100_001]].concat();
    assert!(decode::<Node>(&bomb).unwrap_err().to_string().starts_with("depth limit exceeded"));
}

#[test]
fn depth_is_given_back_however_a_level_ends() {
    structure!(Deep { 1: default lists: Vec<Vec<Vec<i32>>>, });
    // Each field turns out three levels down to be of another type, and is skipped.
    let field = [15, 0, 1, 15, 0, 0, 0, 1, 15, 0, 0, 0, 1, 11, 0, 0, 0, 1, 0, 0, 0, 0];
    let bytes = [&field.repeat(200)[..], &[0]].concat();
    assert_eq!(decode::<Deep>(&bytes), Ok(Deep::default()));
    let siblings = Node { children: vec![chain(3); 200], ..Node::default() };
    assert_eq!(decode::<Node>(&encode(&siblings)).unwrap(), siblings);
}

#[test]
fn a_result_that_carries_nothing_is_zero() {
    let bytes = Bytes::from_static(&[0]);
    let reply = Reply::<i64, crate::Error>::decode(&mut binary::Reader::new(&bytes)).unwrap();
    assert!(matches!(reply.0, Ok(0)));
    let reply = Reply::<BTreeMap<String, Node>, crate::Error>::decode(&mut binary::Reader::new(&bytes)).unwrap();
    assert!(matches!(reply.0, Ok(map) if map.is_empty()));
}

#[test]
fn a_part_of_the_bytes_is_read_alone() {
    let owner = Bytes::from_static(&[9, 9, 0, 0, 0, 1, b'a', 9]);
    let mut reader = binary::Reader::over(&owner, 2..7);
    assert_eq!(Bytes::decode(&mut reader).unwrap().as_ptr(), owner[6..].as_ptr(), "shares the memory");
    assert_eq!(reader.remaining(), 0);
    let mut reader = binary::Reader::over(&owner, 2..6);
    let want = "length 1 at offset 2 claims more than the 0 bytes left can hold";
    assert_eq!(Bytes::decode(&mut reader).unwrap_err().to_string(), want);
    let mut reader = binary::Reader::over(&owner, 7..100);
    assert!(bool::decode(&mut reader).is_err());
}

#[test]
fn a_value_is_any_message() {
    let bytes = encode(&all());
    let value = decode_value(&bytes).unwrap();
    assert_eq!(bytes_of_value(&value).unwrap(), bytes);

    let uneven = Value::List { element: TType::I32, elements: vec![Value::I32(1), Value::I64(2)] };
    let want = "container of i32 holds a value of type i64; give all elements the declared type";
    assert_eq!(bytes_of_value(&uneven).unwrap_err().to_string(), want);
    let deep = (0..=MAX_DEPTH + 1).fold(Value::I8(1), |value, _| Value::Struct(vec![(1, value)]));
    assert!(bytes_of_value(&deep).is_err());

    let untyped = Value::Map { key: TType::String, value: TType::String, entries: vec![] };
    assert_eq!(decode_value(&[13, 0, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap(), Value::Struct(vec![(1, untyped)]));
}

#[test]
fn an_unknown_variant_is_written_as_it_came() {
    let bytes = Bytes::from_static(&[13, 0, 9, 3, 11, 0, 0, 0, 1, 5, 0, 0, 0, 1, b'x', 0]);
    let mut reader = binary::Reader::new(&bytes);
    reader.begin_struct().unwrap();
    let field = reader.next_field().unwrap().unwrap();
    let unknown = UnknownField::decode(&mut reader, field).unwrap();
    assert_eq!(reader.next_field(), Ok(None));
    let entries = vec![(Value::I8(5), Value::Binary("x".into()))];
    assert_eq!(unknown.value, Value::Map { key: TType::I8, value: TType::String, entries });

    let mut buffer = Buffer::new();
    let mut writer = binary::Writer::new(&mut buffer);
    writer.begin_struct().unwrap();
    unknown.encode(&mut writer).unwrap();
    writer.end_struct();
    assert_eq!(bytes_of(&mut buffer), bytes);
}

#[test]
fn random_bytes_never_panic_and_all_readers_agree() {
    let seeds = [encode(&all()), encode(&chain(5)), encode(&All::default()), encode(&Node::default())];
    let mut random = Random::new();
    let (mut good, mut bad) = (0, 0);
    for round in 0..40_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut bytes);
        }
        let owner = Bytes::from(bytes);
        let (mut known, mut unknown, mut skipped) =
            (binary::Reader::new(&owner), binary::Reader::new(&owner), binary::Reader::new(&owner));
        let message = All::decode(&mut known);
        let value = Value::decode(&mut unknown, TType::Struct);
        let skip = skipped.skip(TType::Struct);
        // Skipping and keeping an unknown value are two walks over the same bytes.
        assert_eq!(value.is_ok(), skip.is_ok(), "{owner:02x?}");
        match message {
            Ok(message) => {
                good += 1;
                assert!(skip.is_ok(), "{owner:02x?}");
                assert_eq!([known.remaining(), unknown.remaining()], [skipped.remaining(); 2], "{owner:02x?}");
                // What was read can be written, and is then read as the same. Bytes are compared, since NaN is not NaN.
                let written = encode(&message);
                assert_eq!(encode(&decode::<All>(&written).unwrap()), written);
            }
            Err(_) => bad += 1,
        }
        if let Ok(value) = value {
            assert!(bytes_of_value(&value).is_ok());
        }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad: the mutations are too tame or too wild");
}

fn decode_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    Value::decode(&mut binary::Reader::new(&bytes), TType::Struct)
}

fn bytes_of_value(value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = Buffer::new();
    value.encode(&mut binary::Writer::new(&mut buffer))?;
    Ok(bytes_of(&mut buffer))
}

fn skip(bytes: &[u8]) -> Result<(), DecodeError> {
    let bytes = Bytes::copy_from_slice(bytes);
    binary::Reader::new(&bytes).skip(TType::Struct)
}
