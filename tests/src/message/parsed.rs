//! A ping-pong message, read byte by byte.

use std::collections::BTreeMap;

use super::{EXCEPTION, Layout, Protocol, REPLY, Way};

/// A message of those that tests ask for, and of their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// How it came. One of a concurrent connection is like any TTHeaderFramed.
    pub way: Way,
    /// The header's sequence id, where there is one.
    pub header_seq_id: Option<i32>,
    /// What else the header says.
    pub keys: Keys,
    /// What it is for.
    pub kind: u8,
    /// The method.
    pub name: Vec<u8>,
    /// Which request this is, or answers.
    pub seq_id: i32,
    /// What it holds.
    pub body: Vec<Field>,
}

/// The values in a TTHeader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// By number.
    pub ints: BTreeMap<u16, String>,
    /// By name.
    pub strings: BTreeMap<String, String>,
    /// In a block of its own.
    pub acl_token: Option<String>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number.
    pub id: i16,
    /// What it holds.
    pub value: Value,
}

/// What fields hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number of 32 bits.
    Number(i32),
    /// Fields.
    Struct(Vec<Field>),
}

impl Parsed {
    /// Reads the message that `bytes` begin with, and its length; `None` where they do not hold all of it.
    ///
    /// # Panics
    /// Bytes that are none of those messages.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head: [u8; 14] = *bytes.first_chunk()?;
        if head[4..6] != [0x10, 0] {
            return Self::parse_message(bytes, None);
        }
        let [l0, l1, l2, l3, _, _, _, _, s0, s1, s2, s3, w0, w1] = head;
        let end = 4 + index(u32::from_be_bytes([l0, l1, l2, l3]));
        let start = 14 + 4 * usize::from(u16::from_be_bytes([w0, w1]));
        let payload = bytes.get(start..end)?;
        let (message, len) = Self::parse_message(payload, Some(i32::from_be_bytes([s0, s1, s2, s3])))?;
        assert_eq!(len, payload.len(), "a message fills its TTHeader");
        let keys = Keys::parse(&bytes[16..start]).unwrap_or_else(|| panic!("broken keys: {:?}", &bytes[16..start]));
        Some((Self { keys, ..message }, end))
    }

    fn parse_message(bytes: &[u8], header_seq_id: Option<i32>) -> Option<(Self, usize)> {
        let len = u32::from_be_bytes(*bytes.first_chunk()?);
        let is_framed = len < 1 << 31;
        let message = if is_framed { bytes.get(4..4 + index(len))? } else { bytes };
        let layout = match (header_seq_id, is_framed) {
            (None, false) => Layout::Buffered,
            (None, true) => Layout::Framed,
            (Some(_), false) => Layout::TtHeader,
            (Some(_), true) => Layout::TtHeaderFramed,
        };
        let protocol = if message[0] == 0x82 { Protocol::Compact } else { Protocol::Binary };
        let mut bytes = Bytes { protocol, rest: message };
        let [_, second] = [bytes.byte()?, bytes.byte()?];
        let (kind, seq_id, name) = match protocol {
            Protocol::Compact => (second >> 5, bytes.varint()? as i32, bytes.counted()?),
            Protocol::Binary => {
                let [_, kind] = [bytes.byte()?, bytes.byte()?];
                let name = bytes.counted()?;
                (kind, bytes.number()?, name)
            }
        };
        let (name, body) = (name.to_vec(), bytes.fields()?);
        let (left, way) = (bytes.rest.len(), Way { layout, protocol });
        assert!(!is_framed || left == 0, "a message fills its frame");
        let len = message.len() - left + if is_framed { 4 } else { 0 };
        let keys = Keys::default();
        Some((Self { way, header_seq_id, keys, kind, name, seq_id, body }, len))
    }

    /// An answer in short: `exception 7 text`, `reply text`, `reply` for what holds no text.
    #[must_use]
    pub fn describe(&self) -> String {
        match (self.kind, &self.body[..]) {
            (EXCEPTION, [Field { id: 1, value: Value::Text(text) }, Field { id: 2, value: Value::Number(kind) }]) => {
                format!("exception {kind} {text}")
            }
            (REPLY, [Field { id: 0, value: Value::Struct(fields) }]) => match &fields[..] {
                [Field { id: 1, value: Value::Text(text) }] => format!("reply {text}"),
                _ => "reply".to_owned(),
            },
            (REPLY, [Field { id: 0, value: Value::Text(text) }]) => format!("reply {text}"),
            (REPLY, []) => "reply".to_owned(),
            (kind, body) => format!("a message of kind {kind}: {body:?}"),
        }
    }
}

impl Keys {
    /// Reads a header's blocks.
    fn parse(info: &[u8]) -> Option<Self> {
        let mut keys = Self::default();
        let mut info = Bytes { protocol: Protocol::Binary, rest: info };
        while !info.rest.is_empty() {
            match info.byte()? {
                0x00 => {}
                0x01 => {
                    for _ in 0..info.short()? {
                        let name = info.short_text()?;
                        keys.strings.insert(name, info.short_text()?);
                    }
                }
                0x10 => {
                    for _ in 0..info.short()? {
                        let key = info.short()?;
                        keys.ints.insert(key, info.short_text()?);
                    }
                }
                0x11 => keys.acl_token = Some(info.short_text()?),
                other => panic!("no block of these headers: {other:#x}"),
            }
        }
        Some(keys)
    }
}

/// Bytes that are read from their beginning.
struct Bytes<'a> {
    protocol: Protocol,
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn short_text(&mut self) -> Option<String> {
        let len = self.short()?;
        let (text, rest) = self.rest.split_at_checked(usize::from(len))?;
        self.rest = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        panic!("a varint that does not end");
    }

    fn number(&mut self) -> Option<i32> {
        let (number, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i32::from_be_bytes(*number))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let len = match self.protocol {
            Protocol::Binary => self.number()? as u32,
            Protocol::Compact => self.varint()?,
        };
        let (counted, rest) = self.rest.split_at_checked(index(len))?;
        self.rest = rest;
        Some(counted)
    }

    /// Reads fields to the end of their struct.
    fn fields(&mut self) -> Option<Vec<Field>> {
        let (mut fields, mut last) = (Vec::new(), 0);
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(fields);
            }
            let (ttype, id) = match self.protocol {
                Protocol::Binary => (head, i16::from_be_bytes([self.byte()?, self.byte()?])),
                Protocol::Compact => {
                    let ttype = [(8, 11), (5, 8), (12, 12)].into_iter().find(|(compact, _)| *compact == head & 0xf);
                    let ttype = ttype.unwrap_or_else(|| panic!("no type of these messages: {head:#x}")).1;
                    let id = match head >> 4 {
                        0 => self.zigzag()?.try_into().expect("a field's number has 16 bits"),
                        delta => last + i16::from(delta),
                    };
                    (ttype, id)
                }
            };
            last = id;
            let value = match ttype {
                11 => Value::Text(String::from_utf8_lossy(self.counted()?).into_owned()),
                12 => Value::Struct(self.fields()?),
                8 if self.protocol == Protocol::Binary => Value::Number(self.number()?),
                8 => Value::Number(self.zigzag()?),
                _ => panic!("no type of these messages: {ttype}"),
            };
            fields.push(Field { id, value });
        }
    }

    fn zigzag(&mut self) -> Option<i32> {
        let number = self.varint()?;
        Some((number >> 1) as i32 ^ -((number & 1) as i32))
    }
}

fn index(len: u32) -> usize {
    usize::try_from(len).expect("32 bits are a usize")
}
