//! Where a message ends that no length tells the end of: Buffered transport.
//!
//! The bytes are walked as they come, without decoding and without looking at any of them twice.

use super::compact::{self, BadVarint, VARINT_32, VARINT_64};
use super::envelope::{Envelope, Protocol};
use super::limits::MAX_DEPTH;
use super::{DecodeError, TType, binary};
use crate::error::{Error, Result};

/// Finds the end of one message in bytes that are still coming.
///
/// Levels are counted as Kitex counts them here: the message's own struct is one of the [`MAX_DEPTH`], so that 63 may
/// stand inside it.
#[derive(Debug)]
pub(crate) struct Delimiter {
    protocol: Protocol,
    limit: usize,
    state: State,
    /// How many bytes are done with. Beyond those that came while inside a value whose length is known.
    at: usize,
    levels: [Level; MAX_DEPTH],
    depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the struct.
    Envelope,
    /// Inside the struct, or what stands in it.
    Struct,
    /// Behind the struct.
    Whole,
}

/// What holds values, and how many are left.
#[derive(Clone, Copy, Debug)]
enum Level {
    Struct,
    Elements {
        left: u32,
        ttype: TType,
    },
    /// Keys and values are counted each, so that an even number is left before a key.
    Entries {
        left: u32,
        key: TType,
        value: TType,
    },
}

/// What is known of a value from its first bytes.
#[derive(Clone, Copy, Debug)]
enum Begun {
    /// It ends at this offset.
    Until(usize),
    /// It holds others, and they begin at this offset.
    Nested(usize, Level),
}

/// The header of a list, set or map. Without types it is empty.
#[derive(Clone, Copy, Debug)]
struct Head<T> {
    types: Option<T>,
    count: usize,
    /// Where the first element begins.
    start: usize,
}

impl Delimiter {
    /// For a message: an envelope and a struct. A message of more than `limit` bytes is an error.
    pub(crate) fn message(protocol: Protocol, limit: usize) -> Self {
        Self { protocol, limit, state: State::Envelope, at: 0, levels: [Level::Struct; MAX_DEPTH], depth: 0 }
    }

    /// For a struct alone.
    #[cfg(test)]
    pub(crate) fn structure(protocol: Protocol, limit: usize) -> Self {
        Self { state: State::Struct, depth: 1, ..Self::message(protocol, limit) }
    }

    /// Goes on with all bytes that have come so far, from the message's first one; the message's length, once it is
    /// whole. Bytes behind it are not looked at.
    ///
    /// # Errors
    /// Bytes that are no message, or a number in them that takes it beyond a limit, as soon as it is there. No further
    /// bytes can mend that.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>> {
        while self.state != State::Whole {
            // What is not whole takes one more byte at least.
            self.claim(self.at, 1)?;
            // Nothing is to do before the end of a value that reaches beyond the bytes.
            if self.at > bytes.len() || !self.step(bytes)? {
                self.claim(bytes.len(), 1)?;
                return Ok(None);
            }
        }
        Ok(Some(self.at))
    }

    /// Walks over the next thing; `false`: its first bytes are not all there.
    fn step(&mut self, bytes: &[u8]) -> Result<bool> {
        if self.state == State::Envelope {
            let Some((_, end)) = Envelope::parse(self.protocol, bytes)? else { return Ok(false) };
            self.state = State::Struct;
            self.at = end;
            self.push(Level::Struct);
            return Ok(true);
        }
        let begun = match self.top().copied() {
            None | Some(Level::Elements { left: 0, .. } | Level::Entries { left: 0, .. }) => {
                self.pop();
                return Ok(true);
            }
            Some(Level::Struct) if bytes.get(self.at) == Some(&STOP) => {
                self.at += 1;
                self.pop();
                return Ok(true);
            }
            Some(Level::Struct) => self.field(bytes)?,
            Some(Level::Elements { ttype, .. }) => self.value(bytes, self.at, ttype)?,
            Some(Level::Entries { left, key, .. }) if left % 2 == 0 => self.value(bytes, self.at, key)?,
            Some(Level::Entries { value, .. }) => self.value(bytes, self.at, value)?,
        };
        let Some(begun) = begun else { return Ok(false) };
        if let Some(Level::Elements { left, .. } | Level::Entries { left, .. }) = self.top() {
            *left -= 1;
        }
        match begun {
            Begun::Until(end) => self.at = end,
            Begun::Nested(at, level) => {
                self.at = at;
                self.push(level);
            }
        }
        Ok(true)
    }

    fn top(&mut self) -> Option<&mut Level> {
        self.levels.get_mut(self.depth.checked_sub(1)?)
    }

    /// Goes one level down, for which [`Delimiter::room`] has said that there is room.
    fn push(&mut self, level: Level) {
        if let Some(slot) = self.levels.get_mut(self.depth) {
            *slot = level;
            self.depth += 1;
        }
    }

    /// Goes one level up; above the outermost one is the end.
    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 {
            self.state = State::Whole;
        }
    }

    /// Checks that a struct or container at `at` is not one too deep.
    fn room(&self, at: usize) -> Result<()> {
        if self.depth < MAX_DEPTH { Ok(()) } else { Err(DecodeError::depth(at).into()) }
    }

    /// The end of `len` bytes at `at`, unless it is beyond the limit.
    fn claim(&self, at: usize, len: usize) -> Result<usize> {
        let end = at.saturating_add(len);
        if end > self.limit {
            let what = "received message (option `max_message_size`)";
            return Err(Error::TooLarge { what, got: end, limit: self.limit });
        }
        Ok(end)
    }

    /// Reads a field's header and what begins behind it.
    fn field(&self, bytes: &[u8]) -> Result<Option<Begun>> {
        let Some(byte) = bytes.get(self.at).copied() else { return Ok(None) };
        match self.protocol {
            Protocol::Binary => self.value(bytes, self.at + 3, known(binary::ttype(byte), byte, self.at)?),
            Protocol::Compact => {
                let ttype = known(compact::ttype(byte & 0xf), byte & 0xf, self.at)?;
                let id = if byte >> 4 == 0 { varint(bytes, self.at + 1, VARINT_32)? } else { Some((0, self.at + 1)) };
                let Some((_, at)) = id else { return Ok(None) };
                // The header holds the value.
                if ttype == TType::Bool { Ok(Some(Begun::Until(at))) } else { self.value(bytes, at, ttype) }
            }
        }
    }

    /// Reads the first bytes of the value at `at`, as many as it takes to know where it ends or what it holds.
    fn value(&self, bytes: &[u8], at: usize, ttype: TType) -> Result<Option<Begun>> {
        match ttype {
            TType::Struct => {
                self.room(at)?;
                Ok(Some(Begun::Nested(at, Level::Struct)))
            }
            TType::String => {
                let Some((len, start)) = self.count(bytes, at)? else { return Ok(None) };
                Ok(Some(Begun::Until(self.claim(start, len)?)))
            }
            TType::List | TType::Set => self.list(bytes, at),
            TType::Map => self.map(bytes, at),
            _ => match self.protocol {
                Protocol::Binary => Ok(Some(Begun::Until(self.claim(at, binary::min_len(ttype))?))),
                Protocol::Compact => match ttype {
                    TType::I16 | TType::I32 => Ok(varint(bytes, at, VARINT_32)?.map(|(_, end)| Begun::Until(end))),
                    TType::I64 => Ok(varint(bytes, at, VARINT_64)?.map(|(_, end)| Begun::Until(end))),
                    _ => Ok(Some(Begun::Until(self.claim(at, compact::min_len(ttype))?))),
                },
            },
        }
    }

    fn list(&self, bytes: &[u8], at: usize) -> Result<Option<Begun>> {
        self.room(at)?;
        let Some(Head { types: ttype, count, start }) = self.list_head(bytes, at)? else { return Ok(None) };
        let Some(ttype) = ttype else { return Ok(Some(Begun::Until(start))) };
        let end = self.claim(start, count.saturating_mul(self.min_len(ttype)))?;
        let elements = Level::Elements { left: count as u32, ttype };
        Ok(Some(if self.is_fixed(ttype) { Begun::Until(end) } else { Begun::Nested(start, elements) }))
    }

    /// Reads a list's header. An empty one may name no type.
    fn list_head(&self, bytes: &[u8], at: usize) -> Result<Option<Head<TType>>> {
        let Some(byte) = bytes.get(at).copied() else { return Ok(None) };
        let (byte, ttype, count) = match self.protocol {
            Protocol::Binary => (byte, binary::ttype(byte), self.count(bytes, at + 1)?),
            Protocol::Compact => {
                let count = match byte >> 4 {
                    compact::LONG_LIST => self.count(bytes, at + 1)?,
                    count => Some((count.into(), at + 1)),
                };
                (byte & 0xf, compact::ttype(byte & 0xf), count)
            }
        };
        let Some((count, start)) = count else { return Ok(None) };
        let types = if count == 0 && byte == STOP { None } else { Some(known(ttype, byte, at)?) };
        Ok(Some(Head { types, count, start }))
    }

    fn map(&self, bytes: &[u8], at: usize) -> Result<Option<Begun>> {
        self.room(at)?;
        let head = match self.protocol {
            Protocol::Binary => self.binary_map_head(bytes, at)?,
            Protocol::Compact => self.compact_map_head(bytes, at)?,
        };
        let Some(Head { types, count, start }) = head else { return Ok(None) };
        let Some((key, value)) = types else { return Ok(Some(Begun::Until(start))) };
        let end = self.claim(start, count.saturating_mul(self.min_len(key) + self.min_len(value)))?;
        // Twice an `i32` fits a `u32`.
        let entries = Level::Entries { left: 2 * count as u32, key, value };
        let is_fixed = self.is_fixed(key) && self.is_fixed(value);
        Ok(Some(if is_fixed { Begun::Until(end) } else { Begun::Nested(start, entries) }))
    }

    /// Reads a map's header. An empty one may leave out a type.
    fn binary_map_head(&self, bytes: &[u8], at: usize) -> Result<Option<Head<(TType, TType)>>> {
        let Some([key, value]) = bytes.get(at..).and_then(<[u8]>::first_chunk).copied() else { return Ok(None) };
        let Some((count, start)) = self.count(bytes, at + 2)? else { return Ok(None) };
        if count == 0 && (key == STOP || value == STOP) {
            return Ok(Some(Head { types: None, count, start }));
        }
        let types = (known(binary::ttype(key), key, at)?, known(binary::ttype(value), value, at + 1)?);
        Ok(Some(Head { types: Some(types), count, start }))
    }

    /// Reads a map's header. An empty one has no types.
    fn compact_map_head(&self, bytes: &[u8], at: usize) -> Result<Option<Head<(TType, TType)>>> {
        let Some((count, start)) = self.count(bytes, at)? else { return Ok(None) };
        if count == 0 {
            return Ok(Some(Head { types: None, count, start }));
        }
        let Some(byte) = bytes.get(start).copied() else { return Ok(None) };
        let known = |ctype| known(compact::ttype(ctype), ctype, start);
        let types = (known(byte >> 4)?, known(byte & 0xf)?);
        Ok(Some(Head { types: Some(types), count, start: start + 1 }))
    }

    /// Reads a length or a count, and where what it counts begins.
    fn count(&self, bytes: &[u8], at: usize) -> Result<Option<(usize, usize)>> {
        let (claimed, start) = match self.protocol {
            Protocol::Binary => {
                let Some(claimed) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
                (i32::from_be_bytes(*claimed), at + claimed.len())
            }
            Protocol::Compact => {
                let Some((claimed, start)) = varint(bytes, at, VARINT_32)? else { return Ok(None) };
                (claimed as u32 as i32, start)
            }
        };
        let left = bytes.len().saturating_sub(start);
        let count = usize::try_from(claimed).map_err(|_| DecodeError::length(claimed, left, at))?;
        Ok(Some((count, start)))
    }

    fn min_len(&self, ttype: TType) -> usize {
        match self.protocol {
            Protocol::Binary => binary::min_len(ttype),
            Protocol::Compact => compact::min_len(ttype),
        }
    }

    /// Whether every element of the type takes as many bytes as the shortest.
    fn is_fixed(&self, ttype: TType) -> bool {
        match self.protocol {
            Protocol::Binary => binary::fixed_len(ttype).is_some(),
            Protocol::Compact => compact::fixed_len(ttype).is_some(),
        }
    }
}

/// The varint at `at`, and where it ends.
fn varint(bytes: &[u8], at: usize, max: usize) -> Result<Option<(u64, usize)>> {
    match compact::varint(bytes.get(at..).unwrap_or_default(), max) {
        Ok((value, len)) => Ok(Some((value, at + len))),
        Err(BadVarint::Ends) => Ok(None),
        Err(BadVarint::TooLong) => Err(DecodeError::varint(at, max).into()),
    }
}

/// The type that was read as `byte` at `at`.
fn known(ttype: Option<TType>, byte: u8, at: usize) -> Result<TType> {
    ttype.ok_or_else(|| DecodeError::unknown_type(byte, at).into())
}

/// The end of a struct, in both protocols.
const STOP: u8 = compact::STOP;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::codec::envelope::MessageKind;
    use crate::codec::fuzz::{Random, bytes_of};
    use crate::codec::{Buffer, Reader as _, Value};

    const BOTH: [Protocol; 2] = [Protocol::Binary, Protocol::Compact];
    const LIMIT: usize = 1 << 20;

    /// One of every type, alone, in containers, empty and not.
    fn value() -> Value {
        let ints = |ttype: fn(i64) -> Value, element| Value::List {
            element,
            elements: [0, -1, 300, 1 << 40].into_iter().map(ttype).collect(),
        };
        let text = |text: &'static str| Value::Binary(text.into());
        let leaf = || Value::Struct(vec![(1, Value::Bool(true)), (2, Value::I8(7))]);
        Value::Struct(vec![
            (1, Value::Bool(true)),
            (2, Value::Bool(false)),
            (3, Value::I8(0)),
            (4, Value::I16(-300)),
            (50, Value::I32(70_000)),
            (51, Value::I64(i64::MIN)),
            (52, Value::Double(0.5)),
            (53, text("")),
            (54, text("a text with zeros \0\0\0 in it")),
            (55, Value::Uuid([0; 16])),
            (-1, leaf()),
            (0, Value::Struct(vec![])),
            (1, ints(|v| Value::I16(v as i16), TType::I16)),
            (2, ints(|v| Value::I32(v as i32), TType::I32)),
            (3, ints(Value::I64, TType::I64)),
            (4, ints(|v| Value::Bool(v == 0), TType::Bool)),
            (5, Value::List { element: TType::Double, elements: vec![Value::Double(0.0); 20] }),
            (6, Value::List { element: TType::Struct, elements: vec![leaf(); 20] }),
            (7, Value::List { element: TType::String, elements: vec![text("ab"), text("")] }),
            (8, Value::Set { element: TType::Uuid, elements: vec![Value::Uuid([1; 16])] }),
            (9, Value::Set { element: TType::List, elements: vec![ints(Value::I64, TType::I64); 2] }),
            (10, Value::List { element: TType::Map, elements: vec![] }),
            (11, Value::Map { key: TType::I8, value: TType::Bool, entries: vec![(Value::I8(1), Value::Bool(true))] }),
            (12, Value::Map { key: TType::String, value: TType::I8, entries: vec![(text("k"), Value::I8(0)); 3] }),
            (13, Value::Map { key: TType::Struct, value: TType::Struct, entries: vec![(leaf(), leaf()); 2] }),
            (14, Value::Map { key: TType::String, value: TType::String, entries: vec![] }),
        ])
    }

    fn message(protocol: Protocol, value: &Value) -> Vec<u8> {
        let mut buffer = Buffer::new();
        let envelope = Envelope { name: b"basePing", kind: MessageKind::Call, seq_id: 300 };
        envelope.put(protocol, &mut buffer).unwrap();
        match protocol {
            Protocol::Binary => value.encode(&mut binary::Writer::new(&mut buffer)).unwrap(),
            Protocol::Compact => value.encode(&mut compact::Writer::new(&mut buffer)).unwrap(),
        }
        bytes_of(&mut buffer)
    }

    fn structure(protocol: Protocol, bytes: &[u8]) -> Result<Option<usize>> {
        Delimiter::structure(protocol, LIMIT).advance(bytes)
    }

    #[test]
    fn a_message_ends_at_its_end_however_its_bytes_come() {
        for protocol in BOTH {
            let message = message(protocol, &value());
            let more = [&message[..], &message].concat();
            for step in 1..=more.len() {
                let mut delimiter = Delimiter::message(protocol, LIMIT);
                let mut have = 0;
                let found = loop {
                    have = (have + step).min(more.len());
                    match delimiter.advance(&more[..have]).unwrap() {
                        Some(len) => break len,
                        None => assert!(have < message.len(), "{protocol:?}: not found in {have} bytes"),
                    }
                };
                assert_eq!(found, message.len(), "{protocol:?} in steps of {step}");
                assert!(have >= message.len());
                assert_eq!(delimiter.advance(&more).unwrap(), Some(found), "and stays found");
            }
            for len in 0..message.len() {
                assert_eq!(Delimiter::message(protocol, LIMIT).advance(&message[..len]).unwrap(), None);
            }
        }
    }

    #[test]
    fn the_smallest_messages_end() {
        let rows: &[(Protocol, &[u8])] = &[
            (Protocol::Binary, &[0x80, 1, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 0, 0]),
            (Protocol::Compact, &[0x82, 0x21, 0, 1, b'a', 0]),
        ];
        for (protocol, bytes) in rows {
            assert_eq!(Delimiter::message(*protocol, bytes.len()).advance(bytes).unwrap(), Some(bytes.len()));
            let err = Delimiter::message(*protocol, bytes.len() - 1).advance(bytes).unwrap_err();
            assert!(matches!(err, Error::TooLarge { .. }), "{err}");
        }
    }

    #[test]
    fn a_lie_is_an_error_as_soon_as_it_is_there() {
        use Protocol::{Binary, Compact};
        let rows: &[(Protocol, &[u8], &str)] = &[
            (Binary, &[1], "unknown data type 1 at offset 0"),
            (Binary, &[17], "unknown data type 17 at offset 0"),
            (Binary, &[11, 0, 9, 0xff, 0xff, 0xff, 0xff], "negative length -1 at offset 3"),
            (Binary, &[11, 0, 9, 0x80, 0, 0, 0], "negative length -2147483648 at offset 3"),
            (Binary, &[11, 0, 9, 0x7f, 0xff, 0xff, 0xff], "of 2147483654 bytes is larger than the limit of 1048576"),
            (Binary, &[11, 0, 9, 0, 0x0f, 0xff, 0xf9], "of 1048577 bytes is larger"),
            (Binary, &[15, 0, 9, 2, 0x7f, 0xff, 0xff, 0xff], "of 2147483655 bytes is larger"),
            (Binary, &[15, 0, 9, 10, 0, 2, 0, 0], "of 1048584 bytes is larger"),
            (Binary, &[15, 0, 9, 12, 0xff, 0xff, 0xff, 0xff], "negative length -1 at offset 4"),
            (Binary, &[14, 0, 9, 12, 0x7f, 0xff, 0xff, 0xff], "of 2147483655 bytes is larger"),
            (Binary, &[13, 0, 9, 12, 12, 0x7f, 0xff, 0xff, 0xff], "of 4294967303 bytes is larger"),
            (Binary, &[13, 0, 9, 2, 2, 0x80, 0, 0, 0], "negative length -2147483648 at offset 5"),
            (Binary, &[15, 0, 9, 0, 0, 0, 0, 1], "unknown data type 0 at offset 3"),
            (Binary, &[15, 0, 9, 1, 0, 0, 0, 0], "unknown data type 1 at offset 3"),
            (Binary, &[13, 0, 9, 0, 0, 0, 0, 0, 1], "unknown data type 0 at offset 3"),
            (Binary, &[13, 0, 9, 3, 99, 0, 0, 0, 1], "unknown data type 99 at offset 4"),
            (Compact, &[0x10], "unknown data type 0 at offset 0"),
            (Compact, &[0x1e], "unknown data type 14 at offset 0"),
            (Compact, &[0x05, 0x80, 0x80, 0x80, 0x80, 0x80], "does not end within"),
            (Compact, &[0x15, 0x80, 0x80, 0x80, 0x80, 0x80], "does not end within"),
            (
                Compact,
                &[0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x80],
                "varint at offset 1 does not end within 10",
            ),
            (Compact, &[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f], "negative length -1 at offset 1"),
            (Compact, &[0x18, 0xff, 0xff, 0xff, 0xff, 0x07], "of 2147483653 bytes is larger"),
            (Compact, &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07], "of 2147483654 bytes is larger"),
            (Compact, &[0x19, 0xf7, 0x80, 0x80, 0x08], "of 1048581 bytes is larger"),
            (Compact, &[0x1a, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f], "negative length -1 at offset 2"),
            (Compact, &[0x1b, 0xff, 0xff, 0xff, 0xff, 0x0f], "negative length -1 at offset 1"),
            (Compact, &[0x1b, 0xff, 0xff, 0xff, 0xff, 0x07, 0x11], "of 4294967301 bytes is larger"),
            (Compact, &[0x19, 0x10], "unknown data type 0 at offset 1"),
            (Compact, &[0x19, 0xf0, 1], "unknown data type 0 at offset 1"),
            (Compact, &[0x1b, 1, 0x03], "unknown data type 0 at offset 2"),
            (Compact, &[0x1b, 1, 0x3f], "unknown data type 15 at offset 2"),
        ];
        for (protocol, bytes, want) in rows {
            let err = structure(*protocol, bytes).unwrap_err().to_string();
            assert!(err.contains(want), "{bytes:02x?}: {err}");
            let before = &bytes[..bytes.len() - 1];
            assert_eq!(structure(*protocol, before).unwrap(), None, "{before:02x?} is not yet one");
            let mut delimiter = Delimiter::structure(*protocol, LIMIT);
            assert!((0..bytes.len()).all(|len| delimiter.advance(&bytes[..len]).is_ok()));
            assert!(delimiter.advance(bytes).is_err() && delimiter.advance(bytes).is_err(), "again and again");
        }
        let rows: &[(Protocol, &[u8], &str)] = &[
            (Binary, &[0x80, 1, 0, 9], "invalid message type 9"),
            (Binary, &[0x80, 1, 0, 1, 0x7f, 0xff, 0xff, 0xff], "received method name of 2147483647 bytes"),
            (Binary, &[0x00], "does not begin with 80 01"),
            (Compact, &[0x82, 0x22], "version 2 of Thrift Compact"),
        ];
        for (protocol, bytes, want) in rows {
            let err = Delimiter::message(*protocol, LIMIT).advance(bytes).unwrap_err().to_string();
            assert!(err.contains(want), "{bytes:02x?}: {err}");
        }
    }

    #[test]
    fn what_is_not_whole_at_the_limit_is_too_large() {
        for protocol in BOTH {
            let message = message(protocol, &value());
            for limit in 0..message.len() {
                let mut delimiter = Delimiter::message(protocol, limit);
                let err = (0..=limit + 3).find_map(|len| delimiter.advance(&message[..len.min(message.len())]).err());
                assert!(matches!(err, Some(Error::TooLarge { .. })), "{protocol:?}, limit {limit}: {err:?}");
            }
            assert!(Delimiter::message(protocol, message.len()).advance(&message).unwrap().is_some());
        }
    }

    #[test]
    fn the_message_itself_is_one_of_64_levels() {
        /// The field's header, a level's head, the innermost value, a level's foot.
        type Row = (Protocol, &'static [u8], &'static [u8], &'static [u8], &'static [u8]);
        let rows: &[Row] = &[
            (Protocol::Binary, &[12, 0, 1], &[12, 0, 1], &[0], &[0]),
            (Protocol::Binary, &[15, 0, 1], &[15, 0, 0, 0, 1], &[3, 0, 0, 0, 0], &[]),
            (Protocol::Binary, &[13, 0, 1], &[3, 13, 0, 0, 0, 1, 7], &[3, 3, 0, 0, 0, 0], &[]),
            (Protocol::Binary, &[13, 0, 1], &[13, 3, 0, 0, 0, 1], &[3, 3, 0, 0, 0, 0], &[7]),
            (Protocol::Compact, &[0x1c], &[0x1c], &[0], &[0]),
            (Protocol::Compact, &[0x19], &[0x19], &[0x03], &[]),
            (Protocol::Compact, &[0x1b], &[1, 0x3b, 7], &[0], &[]),
            (Protocol::Compact, &[0x1b], &[1, 0xb3], &[0], &[7]),
        ];
        for (protocol, field, head, innermost, foot) in rows {
            let nested = |levels: usize| {
                [field, &head.repeat(levels - 1)[..], innermost, &foot.repeat(levels - 1), &[0]].concat()
            };
            let most = nested(MAX_DEPTH - 1);
            assert_eq!(structure(*protocol, &most).unwrap(), Some(most.len()), "{protocol:?} {field:?}");
            for levels in [MAX_DEPTH, 10_000] {
                let err = structure(*protocol, &nested(levels)).unwrap_err().to_string();
                assert!(err.starts_with("depth limit exceeded"), "{err}");
            }
        }
        // Levels are given back.
        let siblings = Value::Struct(vec![(1, value()); 200]);
        let bytes = message(Protocol::Compact, &siblings);
        assert_eq!(Delimiter::message(Protocol::Compact, LIMIT).advance(&bytes).unwrap(), Some(bytes.len()));
    }

    #[test]
    fn no_byte_is_looked_at_twice() {
        // A message of this size would not end in minutes, byte by byte, if each began again.
        let elements = vec![Value::I32(1); 500_000];
        let bytes =
            message(Protocol::Compact, &Value::Struct(vec![(1, Value::List { element: TType::I32, elements })]));
        let mut delimiter = Delimiter::message(Protocol::Compact, LIMIT);
        assert!((0..bytes.len()).all(|len| delimiter.advance(&bytes[..len]).unwrap().is_none()));
        assert_eq!(delimiter.advance(&bytes).unwrap(), Some(bytes.len()));
    }

    #[test]
    fn a_delimiter_finds_the_end_that_a_reader_finds() {
        let mut random = Random::new();
        let (mut whole, mut cut, mut bad) = (0, 0, 0);
        for round in 0..30_000 {
            let protocol = BOTH[round % 2];
            let mut bytes = message(protocol, &value());
            for _ in 0..=random.below(3) {
                random.mutate(&mut bytes);
            }
            let bytes = Bytes::from(bytes);
            let at_once = Delimiter::message(protocol, LIMIT).advance(&bytes);
            let read = Envelope::parse_whole(protocol, &bytes).and_then(|(_, at)| {
                let left = match protocol {
                    Protocol::Binary => {
                        let mut r = binary::Reader::over(&bytes, at..bytes.len());
                        r.skip(TType::Struct).map(|()| r.remaining())
                    }
                    Protocol::Compact => {
                        let mut r = compact::Reader::over(&bytes, at..bytes.len());
                        r.skip(TType::Struct).map(|()| r.remaining())
                    }
                };
                Ok(bytes.len() - left?)
            });
            match &at_once {
                Ok(Some(len)) => {
                    whole += 1;
                    assert_eq!(read.ok(), Some(*len), "{protocol:?} {bytes:02x?}");
                }
                Ok(None) => {
                    cut += 1;
                    assert!(read.is_err(), "{protocol:?} {bytes:02x?}");
                }
                Err(err) => {
                    bad += 1;
                    assert!(read.is_err(), "{protocol:?} {err} {bytes:02x?}");
                }
            }
            let (mut delimiter, mut have) = (Delimiter::message(protocol, LIMIT), 0);
            let in_steps = loop {
                have = (have + 1 + random.below(40)).min(bytes.len());
                match delimiter.advance(&bytes[..have]) {
                    Ok(None) if have < bytes.len() => {}
                    found => break found,
                }
            };
            assert_eq!(at_once.ok(), in_steps.ok(), "{protocol:?} {bytes:02x?}");
        }
        assert!(whole > 1_000 && cut > 1_000 && bad > 1_000, "{whole} whole, {cut} cut, {bad} bad");
    }
}
