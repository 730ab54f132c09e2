//! Where a message ends that no length tells the end of: Buffered transport.
//!
//! The bytes are walked as they come, without decoding and without looking at any of them twice.

use super::compact::{self, BadVarint, VARINT_32, VARINT_64};
use super::envelope::{Envelope, Protocol};
use super::limits::MAX_DEPTH;
use super::{DecodeError, TType};
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
            // Nothing to do before the end of a value that reaches beyond the bytes.
            if self.at > bytes.len() || !self.step(bytes)? {
                return Ok(None);
            }
            // What is not whole takes one more byte at least.
            self.claim(self.at, usize::from(self.state != State::Whole))?;
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
            Protocol::Binary => self.value(bytes, self.at + 3, known(binary_ttype(byte), byte, self.at)?),
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
                Protocol::Binary => Ok(Some(Begun::Until(self.claim(at, binary_min_len(ttype))?))),
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
            Protocol::Binary => (byte, binary_ttype(byte), self.count(bytes, at + 1)?),
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
        let types = (known(binary_ttype(key), key, at)?, known(binary_ttype(value), value, at + 1)?);
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
            Protocol::Binary => binary_min_len(ttype),
            Protocol::Compact => compact::min_len(ttype),
        }
    }

    /// Whether every element of the type takes as many bytes as the shortest.
    fn is_fixed(&self, ttype: TType) -> bool {
        match self.protocol {
            Protocol::Binary => !matches!(
                ttype,
                TType::String | TType::Struct | TType::Map | TType::Set | TType::List
            ),
            Protocol::Compact => compact::fixed_len(ttype).is_some(),
        }
    }
}

/// The varint at `at`, and where it ends.
fn varint(bytes: &[u8], at: usize, max: usize) -> Result<Option<(u64, usize)>> {
    match compact::varint(bytes.get(at..).unwrap_or_default(), max) {
        Ok((value, len)) => Ok(Some((value, at + len))),
        Err(BadVarint::Ends) => Ok(None),
        Err(BadVarint::TooLong) => Err(compact::too_long(at, max).into()),
    }
}

/// The type that was read as `byte` at `at`.
fn known(ttype: Option<TType>, byte: u8, at: usize) -> Result<TType> {
    ttype.ok_or_else(|| DecodeError::unknown_type(byte, at).into())
}

fn binary_ttype(byte: u8) -> Option<TType> {
    const ALL: [TType; 12] = [
        TType::Bool,
        TType::I8,
        TType::Double,
        TType::I16,
        TType::I32,
        TType::I64,
        TType::String,
        TType::Struct,
        TType::Map,
        TType::Set,
        TType::List,
        TType::Uuid,
    ];
    ALL.into_iter().find(|ttype| *ttype as u8 == byte)
}

/// How many bytes the shortest value of a type takes in Binary.
fn binary_min_len(ttype: TType) -> usize {
    match ttype {
        TType::Bool | TType::I8 | TType::Struct => 1,
        TType::I16 => 2,
        TType::I32 | TType::String => 4,
        TType::Set | TType::List => 5,
        TType::Map => 6,
        TType::I64 | TType::Double => 8,
        TType::Uuid => 16,
    }
}

/// The end of a struct, in both protocols.
const STOP: u8 = compact::STOP;
