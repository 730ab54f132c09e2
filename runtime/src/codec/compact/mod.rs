//! The Thrift Compact protocol, version 1: what clients of Apache Thrift and Volo may speak. Kitex does not.
//!
//! Integers are zigzag varints, doubles little-endian. A field is one byte for its type and how far its id is above the
//! last one's; a bool field's value is in that byte too. A struct ends with a zero byte.

mod reader;
mod writer;

pub use self::reader::{Mark, Reader};
pub use self::writer::Writer;
use super::{MAX_DEPTH, TType};

/// The id of the last field: of the struct at hand, and of each around it.
#[derive(Clone, Debug)]
struct Ids {
    last: i16,
    outer: [i16; MAX_DEPTH + 1],
    len: usize,
}

impl Ids {
    #[inline]
    fn new() -> Self {
        Self { last: 0, outer: [0; MAX_DEPTH + 1], len: 0 }
    }

    /// Begins a struct; `None` where there are as many as may be.
    #[inline]
    fn enter(&mut self) -> Option<()> {
        *self.outer.get_mut(self.len)? = self.last;
        self.len += 1;
        self.last = 0;
        Some(())
    }

    /// Ends a struct. One that was not begun, by a hand-written `Thrift`, ends nothing.
    #[inline]
    fn leave(&mut self) {
        self.len = self.len.saturating_sub(1);
        self.last = self.outer.get(self.len).copied().unwrap_or_default();
    }
}

/// Why bytes do not begin with a varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadVarint {
    /// They end before it does.
    Ends,
    /// It is longer than the number that it stands for can be.
    TooLong,
}

/// Reads the varint of at most `max` bytes that `bytes` begin with, and how many bytes it takes.
#[inline]
pub(super) fn varint(bytes: &[u8], max: usize) -> Result<(u64, usize), BadVarint> {
    match bytes {
        [byte @ 0..0x80, ..] => Ok((u64::from(*byte), 1)),
        _ => long_varint(bytes, max),
    }
}

fn long_varint(bytes: &[u8], max: usize) -> Result<(u64, usize), BadVarint> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(max).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(if bytes.len() < max { BadVarint::Ends } else { BadVarint::TooLong })
}

/// Small numbers of both signs to small numbers: 0, -1, 1, -2 become 0, 1, 2, 3.
#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The number that a type has in this protocol.
#[inline]
fn ctype(ttype: TType) -> u8 {
    match ttype {
        TType::Bool => TRUE,
        TType::I8 => 3,
        TType::I16 => 4,
        TType::I32 => 5,
        TType::I64 => 6,
        TType::Double => 7,
        TType::String => 8,
        TType::List => 9,
        TType::Set => 10,
        TType::Map => 11,
        TType::Struct => 12,
        TType::Uuid => 13,
    }
}

/// The type that has this number. The elements of a container may name bool by either of its two.
#[inline]
pub(super) fn ttype(ctype: u8) -> Option<TType> {
    Some(match ctype {
        TRUE | FALSE => TType::Bool,
        3 => TType::I8,
        4 => TType::I16,
        5 => TType::I32,
        6 => TType::I64,
        7 => TType::Double,
        8 => TType::String,
        9 => TType::List,
        10 => TType::Set,
        11 => TType::Map,
        12 => TType::Struct,
        13 => TType::Uuid,
        _ => return None,
    })
}

/// How many bytes every element of a type takes; `None` where they differ.
#[inline]
pub(super) fn fixed_len(ttype: TType) -> Option<usize> {
    match ttype {
        TType::Bool | TType::I8 | TType::Double | TType::Uuid => Some(min_len(ttype)),
        _ => None,
    }
}

/// How many bytes the shortest element of a type takes. Never zero: each element is paid for in bytes.
#[inline]
pub(super) fn min_len(ttype: TType) -> usize {
    match ttype {
        TType::Double => 8,
        TType::Uuid => 16,
        _ => 1,
    }
}

pub(super) const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;

/// How far above the last id a field's id may be to fit the one byte.
const DELTA_MAX: u8 = 15;

/// How many elements a list may have for their number to fit the one byte.
const SHORT_LIST_MAX: u8 = 14;

/// What stands in place of a number that does not fit.
pub(super) const LONG_LIST: u8 = 15;

/// The longest varint of a 32-bit number, in bytes.
pub(super) const VARINT_32: usize = 5;

/// The longest varint of a 64-bit number, in bytes.
pub(super) const VARINT_64: usize = 10;

#[cfg(test)]
mod tests;
