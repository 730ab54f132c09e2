//! The Thrift Compact protocol, version 1: what clients of Apache Thrift and Volo may speak. Kitex does not.
//!
//! Integers are zigzag varints, doubles little-endian. A field is one byte for its type and how far its id is above the
//! last one's; a bool field's value is in that byte too. A struct ends with a zero byte.

use std::ops::Range;

use bytes::Bytes;

use super::buffer::{Buffer, LINK_MIN};
use super::limits::{Budget, Depth};
use super::{DecodeError, EncodeError, Field, MAX_DEPTH, TType};

/// Writes values into a [`Buffer`], behind what it already holds.
///
/// One writer writes one message: it counts how deep the message nests.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Buffer,
    depth: Depth,
    ids: Ids,
    /// The id of a bool field, whose header waits for the value that it carries.
    pending: Option<i16>,
}

impl<'a> Writer<'a> {
    /// A writer at the end of `buffer`.
    #[inline]
    #[must_use]
    pub fn new(buffer: &'a mut Buffer) -> Self {
        buffer.warm();
        Self { buffer, depth: Depth::new(), ids: Ids::new(), pending: None }
    }

    #[inline]
    fn enter(&mut self) -> Result<(), EncodeError> {
        self.depth = self.depth.enter().ok_or_else(EncodeError::depth)?;
        Ok(())
    }

    /// A field's header. The type is a number of this protocol.
    #[inline]
    fn head(&mut self, id: i16, ctype: u8) -> Short {
        let mut head = Short::new();
        let delta = i32::from(id) - i32::from(self.ids.last);
        self.ids.last = id;
        match u8::try_from(delta) {
            Ok(delta @ 1..=DELTA_MAX) => head.push(delta << 4 | ctype),
            _ => {
                head.push(ctype);
                head.varint(zigzag(id.into()));
            }
        }
        head
    }

    #[inline]
    fn put(&mut self, short: &Short) {
        self.buffer.put(short.as_slice());
    }

    /// Writes a number as it is, without zigzag.
    #[inline]
    pub(super) fn varint(&mut self, v: u64) {
        let mut short = Short::new();
        short.varint(v);
        self.put(&short);
    }

    #[inline]
    fn field_int(&mut self, ttype: TType, id: i16, v: i64) {
        let mut field = self.head(id, ctype(ttype));
        field.varint(zigzag(v));
        self.put(&field);
    }

    /// A string's length, behind what else is its head.
    #[inline]
    fn length(&mut self, mut head: Short, len: usize) -> Result<(), EncodeError> {
        head.varint(length(len)?.into());
        self.put(&head);
        Ok(())
    }
}

impl super::Writer for Writer<'_> {
    #[inline]
    fn begin_struct(&mut self) -> Result<(), EncodeError> {
        self.enter()?;
        self.ids.enter().ok_or_else(EncodeError::depth)
    }

    #[inline]
    fn end_struct(&mut self) {
        self.buffer.put_array([STOP]);
        self.depth = self.depth.leave();
        self.ids.leave();
    }

    #[inline]
    fn field(&mut self, ttype: TType, id: i16) {
        if ttype == TType::Bool {
            self.pending = Some(id);
            return;
        }
        let head = self.head(id, ctype(ttype));
        self.put(&head);
    }

    #[inline]
    fn bool(&mut self, v: bool) {
        match self.pending.take() {
            Some(id) => self.field_bool(id, v),
            None => self.buffer.put_array([bool_ctype(v)]),
        }
    }

    #[inline]
    fn i8(&mut self, v: i8) {
        self.buffer.put_array(v.to_le_bytes());
    }

    #[inline]
    fn i16(&mut self, v: i16) {
        self.varint(zigzag(v.into()));
    }

    #[inline]
    fn i32(&mut self, v: i32) {
        self.varint(zigzag(v.into()));
    }

    #[inline]
    fn i64(&mut self, v: i64) {
        self.varint(zigzag(v));
    }

    #[inline]
    fn double(&mut self, v: f64) {
        self.buffer.put_array(v.to_le_bytes());
    }

    #[inline]
    fn uuid(&mut self, v: [u8; 16]) {
        self.buffer.put_array(v);
    }

    #[inline]
    fn bytes(&mut self, v: &[u8]) -> Result<(), EncodeError> {
        self.length(Short::new(), v.len())?;
        self.buffer.put(v);
        Ok(())
    }

    #[inline]
    fn shared(&mut self, v: &Bytes) -> Result<(), EncodeError> {
        if v.len() < LINK_MIN {
            return self.bytes(v);
        }
        self.length(Short::new(), v.len())?;
        self.buffer.link(v.clone());
        Ok(())
    }

    #[inline]
    fn begin_list(&mut self, element: TType, len: usize) -> Result<(), EncodeError> {
        self.enter()?;
        let mut head = Short::new();
        match u8::try_from(len) {
            Ok(len @ 0..=SHORT_LIST_MAX) => head.push(len << 4 | ctype(element)),
            _ => {
                head.push(LONG_LIST << 4 | ctype(element));
                head.varint(length(len)?.into());
            }
        }
        self.put(&head);
        Ok(())
    }

    #[inline]
    fn begin_map(&mut self, key: TType, value: TType, len: usize) -> Result<(), EncodeError> {
        self.enter()?;
        let mut head = Short::new();
        head.varint(length(len)?.into());
        if len > 0 {
            head.push(ctype(key) << 4 | ctype(value));
        }
        self.put(&head);
        Ok(())
    }

    #[inline]
    fn end_container(&mut self) {
        self.depth = self.depth.leave();
    }

    #[inline]
    fn field_bool(&mut self, id: i16, v: bool) {
        let head = self.head(id, bool_ctype(v));
        self.put(&head);
    }

    #[inline]
    fn field_i8(&mut self, id: i16, v: i8) {
        let mut field = self.head(id, ctype(TType::I8));
        field.extend(v.to_le_bytes());
        self.put(&field);
    }

    #[inline]
    fn field_i16(&mut self, id: i16, v: i16) {
        self.field_int(TType::I16, id, v.into());
    }

    #[inline]
    fn field_i32(&mut self, id: i16, v: i32) {
        self.field_int(TType::I32, id, v.into());
    }

    #[inline]
    fn field_i64(&mut self, id: i16, v: i64) {
        self.field_int(TType::I64, id, v);
    }

    #[inline]
    fn field_double(&mut self, id: i16, v: f64) {
        let mut field = self.head(id, ctype(TType::Double));
        field.extend(v.to_le_bytes());
        self.put(&field);
    }

    #[inline]
    fn field_bytes(&mut self, id: i16, v: &[u8]) -> Result<(), EncodeError> {
        let head = self.head(id, ctype(TType::String));
        self.length(head, v.len())?;
        self.buffer.put(v);
        Ok(())
    }

    #[inline]
    fn field_shared(&mut self, id: i16, v: &Bytes) -> Result<(), EncodeError> {
        if v.len() < LINK_MIN {
            return self.field_bytes(id, v);
        }
        let head = self.head(id, ctype(TType::String));
        self.length(head, v.len())?;
        self.buffer.link(v.clone());
        Ok(())
    }
}

/// Reads values from the bytes of one message.
///
/// Trusts nothing: every length is checked against the bytes left before it is used, and nesting ends at
/// [`MAX_DEPTH`].
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: Depth,
    ids: Ids,
    /// The value of a bool field, which came with its header.
    pending: Option<bool>,
    owner: &'a Bytes,
    /// Where `rest` ends in `owner`.
    end: usize,
    budget: Budget,
}

/// Where a [`Reader`] stands. Good as long as the structs around it are not left.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    rest: &'a [u8],
    depth: Depth,
    last: i16,
    structs: usize,
    pending: Option<bool>,
}

impl<'a> Reader<'a> {
    /// A reader of all of `owner`, with which the values read may share memory.
    #[inline]
    #[must_use]
    pub fn new(owner: &'a Bytes) -> Self {
        Self::over(owner, 0..owner.len())
    }

    /// A reader of one part of `owner`. A range that reaches beyond it holds nothing.
    #[inline]
    #[must_use]
    pub fn over(owner: &'a Bytes, range: Range<usize>) -> Self {
        let end = range.end;
        let rest = owner.get(range).unwrap_or_default();
        let budget = Budget::of_message(rest.len());
        Self { rest, depth: Depth::new(), ids: Ids::new(), pending: None, owner, end, budget }
    }

    /// How many bytes are left.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The offset in the owner.
    #[inline]
    fn at(&self) -> usize {
        self.end - self.rest.len()
    }

    #[inline]
    fn enter(&mut self) -> Result<(), DecodeError> {
        let Some(depth) = self.depth.enter() else { return Err(DecodeError::depth(self.at())) };
        self.depth = depth;
        Ok(())
    }

    #[inline]
    fn take_array<const N: usize>(&mut self, wanted: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(DecodeError::end(wanted, self.at()));
        };
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn take(&mut self, len: usize, wanted: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(DecodeError::end(wanted, self.at()));
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn varint(&mut self, max: usize, wanted: &'static str) -> Result<u64, DecodeError> {
        match varint(self.rest, max) {
            Ok((value, len)) => {
                self.rest = self.rest.get(len..).unwrap_or_default();
                Ok(value)
            }
            Err(BadVarint::Ends) => Err(DecodeError::end(wanted, self.at())),
            Err(BadVarint::TooLong) => Err(DecodeError::varint(self.at(), max)),
        }
    }

    /// A number that fits 32 bits. As Apache Thrift does, what a fifth byte holds beyond them is not looked at.
    #[inline]
    fn int(&mut self, wanted: &'static str) -> Result<i32, DecodeError> {
        let value = self.varint(VARINT_32, wanted)? as u32;
        Ok(unzigzag(value.into()) as i32)
    }

    /// Reads the bytes of a string.
    #[inline]
    fn take_string(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.at();
        let claimed = self.varint(VARINT_32, "the length of a string")? as u32 as i32;
        // A negative length becomes one that no slice has.
        match self.rest.split_at_checked(claimed as u32 as usize) {
            Some((string, rest)) if claimed >= 0 => {
                self.rest = rest;
                Ok(string)
            }
            _ => Err(DecodeError::length(claimed, self.rest.len(), at)),
        }
    }

    /// Checks a count, read at `at`, of elements that take at least `min` bytes each.
    #[inline]
    fn count(&self, claimed: i32, min: usize, at: usize) -> Result<usize, DecodeError> {
        match usize::try_from(claimed) {
            Ok(count) if count.checked_mul(min).is_some_and(|len| len <= self.rest.len()) => Ok(count),
            _ => Err(DecodeError::length(claimed, self.rest.len(), at)),
        }
    }

    fn skip_struct(&mut self) -> Result<(), DecodeError> {
        use super::Reader as _;

        self.begin_struct()?;
        while let Some(field) = self.next_field()? {
            self.skip(field.ttype)?;
        }
        Ok(())
    }

    fn skip_list(&mut self) -> Result<(), DecodeError> {
        use super::Reader as _;

        let (element, count) = self.begin_list()?;
        if let Some(element) = element {
            self.skip_run(&[element], count)?;
        }
        self.end_container();
        Ok(())
    }

    fn skip_map(&mut self) -> Result<(), DecodeError> {
        use super::Reader as _;

        let (types, count) = self.begin_map()?;
        if let Some((key, value)) = types {
            self.skip_run(&[key, value], count)?;
        }
        self.end_container();
        Ok(())
    }

    /// Skips `count` times the given types, at once where all have a fixed size.
    fn skip_run(&mut self, types: &[TType], count: usize) -> Result<(), DecodeError> {
        use super::Reader as _;

        if let Some(len) = types.iter().map(|ttype| fixed_len(*ttype)).sum::<Option<usize>>() {
            self.take(len.saturating_mul(count), "an element")?;
            return Ok(());
        }
        for _ in 0..count {
            for ttype in types {
                self.skip(*ttype)?;
            }
        }
        Ok(())
    }
}

impl<'a> super::Reader for Reader<'a> {
    type Mark = Mark<'a>;

    #[inline]
    fn begin_struct(&mut self) -> Result<(), DecodeError> {
        self.enter()?;
        self.ids.enter().ok_or_else(|| DecodeError::depth(self.at()))
    }

    #[inline]
    fn next_field(&mut self) -> Result<Option<Field>, DecodeError> {
        let [byte] = self.take_array("a field or the end of a struct")?;
        if byte == STOP {
            self.depth = self.depth.leave();
            self.ids.leave();
            return Ok(None);
        }
        let ttype = known(byte & 0xf, self.at() - 1)?;
        let id = match byte >> 4 {
            0 => self.int("the id of a field")? as i16,
            // Ids are the peer's, so one that overflows is just another unknown one.
            delta => self.ids.last.wrapping_add(delta.into()),
        };
        self.ids.last = id;
        if ttype == TType::Bool {
            self.pending = Some(byte & 0xf == TRUE);
        }
        Ok(Some(Field { id, ttype }))
    }

    #[inline]
    fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.pending.take() {
            Some(value) => Ok(value),
            None => Ok(self.take_array("a bool")? == [TRUE]),
        }
    }

    #[inline]
    fn i8(&mut self) -> Result<i8, DecodeError> {
        self.take_array("an i8").map(i8::from_le_bytes)
    }

    #[inline]
    fn i16(&mut self) -> Result<i16, DecodeError> {
        self.int("an i16").map(|value| value as i16)
    }

    #[inline]
    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.int("an i32")
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.varint(VARINT_64, "an i64").map(unzigzag)
    }

    #[inline]
    fn double(&mut self) -> Result<f64, DecodeError> {
        self.take_array("a double").map(f64::from_le_bytes)
    }

    #[inline]
    fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        self.take_array("a uuid")
    }

    #[inline]
    fn bytes(&mut self) -> Result<&[u8], DecodeError> {
        self.take_string()
    }

    #[inline]
    fn shared(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.take_string()?.len();
        let end = self.at();
        Ok(self.owner.slice(end - len..end))
    }

    #[inline]
    fn begin_list(&mut self) -> Result<(Option<TType>, usize), DecodeError> {
        self.enter()?;
        let at = self.at();
        let [head] = self.take_array("the header of a list")?;
        let (claimed, count_at) = match head >> 4 {
            LONG_LIST => (self.varint(VARINT_32, "a count of elements")? as u32 as i32, at + 1),
            count => (count.into(), at),
        };
        if head & 0xf == STOP && claimed == 0 {
            return Ok((None, 0));
        }
        let element = known(head & 0xf, at)?;
        Ok((Some(element), self.count(claimed, min_len(element), count_at)?))
    }

    #[inline]
    fn begin_map(&mut self) -> Result<(Option<(TType, TType)>, usize), DecodeError> {
        self.enter()?;
        let at = self.at();
        let claimed = self.varint(VARINT_32, "a count of elements")? as u32 as i32;
        if claimed == 0 {
            return Ok((None, 0));
        }
        let types_at = self.at();
        let [types] = self.take_array("the types of a map")?;
        let (key, value) = (known(types >> 4, types_at)?, known(types & 0xf, types_at)?);
        Ok((Some((key, value)), self.count(claimed, min_len(key) + min_len(value), at)?))
    }

    #[inline]
    fn end_container(&mut self) {
        self.depth = self.depth.leave();
    }

    #[inline(never)]
    fn skip(&mut self, ttype: TType) -> Result<(), DecodeError> {
        match ttype {
            TType::Bool => self.bool().map(drop),
            TType::I16 | TType::I32 => self.varint(VARINT_32, "a value").map(drop),
            TType::I64 => self.varint(VARINT_64, "a value").map(drop),
            TType::I8 | TType::Double | TType::Uuid => self.take(min_len(ttype), "a value").map(drop),
            TType::String => self.take_string().map(drop),
            TType::Struct => self.skip_struct(),
            TType::List | TType::Set => self.skip_list(),
            TType::Map => self.skip_map(),
        }
    }

    #[inline]
    fn mark(&self) -> Mark<'a> {
        let Ids { last, len: structs, .. } = self.ids;
        Mark { rest: self.rest, depth: self.depth, last, structs, pending: self.pending }
    }

    #[inline]
    fn rewind(&mut self, mark: Mark<'a>) {
        (self.rest, self.depth, self.pending) = (mark.rest, mark.depth, mark.pending);
        (self.ids.last, self.ids.len) = (mark.last, mark.structs);
    }

    #[inline]
    fn charge(&mut self, count: usize, size: usize) -> Result<(), DecodeError> {
        self.budget.charge(count, size)
    }
}

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

/// A few bytes that are written at once. The longest are a field's header of 4 bytes with a varint of 10.
struct Short {
    bytes: [u8; 16],
    len: usize,
}

impl Short {
    #[inline]
    fn new() -> Self {
        Self { bytes: [0; 16], len: 0 }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.extend([byte]);
    }

    #[inline]
    fn extend<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(free) = self.bytes.get_mut(self.len..self.len + N) {
            free.copy_from_slice(&bytes);
            self.len += N;
        }
    }

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
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

#[inline]
fn length(len: usize) -> Result<u32, EncodeError> {
    match i32::try_from(len) {
        Ok(len) => Ok(len as u32),
        Err(_) => Err(EncodeError::length(len)),
    }
}

/// The type that was read as a number at `at`.
#[inline]
fn known(ctype: u8, at: usize) -> Result<TType, DecodeError> {
    ttype(ctype).ok_or_else(|| DecodeError::unknown_type(ctype, at))
}

/// A bool field's type, or an element's byte.
#[inline]
fn bool_ctype(value: bool) -> u8 {
    if value { TRUE } else { FALSE }
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
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap};

    use bytestring::ByteString;

    use super::*;
    use crate::codec::fuzz::{Random, bytes_of};
    use crate::codec::{Reader as _, Thrift, Value, Writer as _};
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
                0x11, 0x15, 10, 0x29, 0x0c, 0x09, 40, 0x01, 0x0b, 10, 0, 0x01, 0xd7, 4, 0x07, 0xfe, 0xff, 3, 0, 0, 0,
                0, 0, 0, 0, 0, 0,
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
        let chain = |levels| {
            (0..levels).fold(Node::default(), |next, _| Node { next: Some(Box::new(next)), ..Node::default() })
        };
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
}
