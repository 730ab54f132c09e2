//! The Thrift Compact protocol, version 1: what clients of Apache Thrift and Volo may speak. Kitex does not.
//!
//! Integers are zigzag varints, doubles little-endian. A field is one byte for its type and how far its id is above the
//! last one's; a bool field's value is in that byte too. A struct ends with a zero byte.

use std::ops::Range;

use bytes::Bytes;

use super::buffer::{Buffer, LINK_MIN};
use super::limits::Depth;
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
        Self { rest, depth: Depth::new(), ids: Ids::new(), pending: None, owner, end }
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
            Err(BadVarint::TooLong) => Err(too_long(self.at(), max)),
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

/// The error for a varint at `at` that goes on after `max` bytes.
#[cold]
pub(super) fn too_long(at: usize, max: usize) -> DecodeError {
    DecodeError::end("the last byte of a varint", at + max - 1)
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
