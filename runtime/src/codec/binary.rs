//! The Thrift Binary protocol: what Kitex speaks.
//!
//! All numbers are big-endian. A field is its type, an `i16` id and the value; a struct ends with a zero byte; strings
//! and containers begin with an `i32` length.

use std::ops::Range;

use bytes::Bytes;

use super::buffer::{Buffer, LINK_MIN};
use super::limits::{Budget, Depth, capacity};
use super::{DecodeError, EncodeError, Field, TType};

/// Writes values into a [`Buffer`], behind what it already holds.
///
/// One writer writes one message: it counts how deep the message nests.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Buffer,
    depth: Depth,
}

impl<'a> Writer<'a> {
    /// A writer at the end of `buffer`.
    #[inline]
    #[must_use]
    pub fn new(buffer: &'a mut Buffer) -> Self {
        buffer.warm();
        Self { buffer, depth: Depth::new() }
    }

    #[inline]
    fn enter(&mut self) -> Result<(), EncodeError> {
        self.depth = self.depth.enter().ok_or_else(EncodeError::depth)?;
        Ok(())
    }
}

impl super::Writer for Writer<'_> {
    #[inline]
    fn begin_struct(&mut self) -> Result<(), EncodeError> {
        self.enter()
    }

    #[inline]
    fn end_struct(&mut self) {
        self.buffer.put_array([STOP]);
        self.depth = self.depth.leave();
    }

    #[inline]
    fn field(&mut self, ttype: TType, id: i16) {
        self.buffer.put_array(field(ttype, id));
    }

    #[inline]
    fn bool(&mut self, v: bool) {
        self.buffer.put_array([u8::from(v)]);
    }

    #[inline]
    fn i8(&mut self, v: i8) {
        self.buffer.put_array(v.to_be_bytes());
    }

    #[inline]
    fn i16(&mut self, v: i16) {
        self.buffer.put_array(v.to_be_bytes());
    }

    #[inline]
    fn i32(&mut self, v: i32) {
        self.buffer.put_array(v.to_be_bytes());
    }

    #[inline]
    fn i64(&mut self, v: i64) {
        self.buffer.put_array(v.to_be_bytes());
    }

    #[inline]
    fn double(&mut self, v: f64) {
        self.buffer.put_array(v.to_be_bytes());
    }

    #[inline]
    fn uuid(&mut self, v: [u8; 16]) {
        self.buffer.put_array(v);
    }

    #[inline]
    fn bytes(&mut self, v: &[u8]) -> Result<(), EncodeError> {
        self.buffer.put_with_head(length(v.len())?, v);
        Ok(())
    }

    #[inline]
    fn shared(&mut self, v: &Bytes) -> Result<(), EncodeError> {
        if v.len() < LINK_MIN {
            return self.bytes(v);
        }
        self.buffer.put_array(length(v.len())?);
        self.buffer.link(v.clone());
        Ok(())
    }

    #[inline]
    fn begin_list(&mut self, element: TType, len: usize) -> Result<(), EncodeError> {
        self.enter()?;
        self.buffer.put_array(concat::<1, 4, 5>([element as u8], length(len)?));
        Ok(())
    }

    #[inline]
    fn begin_map(&mut self, key: TType, value: TType, len: usize) -> Result<(), EncodeError> {
        self.enter()?;
        self.buffer.put_array(concat::<2, 4, 6>([key as u8, value as u8], length(len)?));
        Ok(())
    }

    #[inline]
    fn end_container(&mut self) {
        self.depth = self.depth.leave();
    }

    #[inline]
    fn array<T: Copy, const N: usize>(&mut self, values: &[T], to_be: impl Fn(T) -> [u8; N]) -> bool {
        self.buffer.put_arrays(values, to_be);
        true
    }

    #[inline]
    fn field_bool(&mut self, id: i16, v: bool) {
        self.buffer.put_array(concat::<3, 1, 4>(field(TType::Bool, id), [u8::from(v)]));
    }

    #[inline]
    fn field_i8(&mut self, id: i16, v: i8) {
        self.buffer.put_array(concat::<3, 1, 4>(field(TType::I8, id), v.to_be_bytes()));
    }

    #[inline]
    fn field_i16(&mut self, id: i16, v: i16) {
        self.buffer.put_array(concat::<3, 2, 5>(field(TType::I16, id), v.to_be_bytes()));
    }

    #[inline]
    fn field_i32(&mut self, id: i16, v: i32) {
        self.buffer.put_array(concat::<3, 4, 7>(field(TType::I32, id), v.to_be_bytes()));
    }

    #[inline]
    fn field_i64(&mut self, id: i16, v: i64) {
        self.buffer.put_array(concat::<3, 8, 11>(field(TType::I64, id), v.to_be_bytes()));
    }

    #[inline]
    fn field_double(&mut self, id: i16, v: f64) {
        self.buffer.put_array(concat::<3, 8, 11>(field(TType::Double, id), v.to_be_bytes()));
    }

    #[inline]
    fn field_bytes(&mut self, id: i16, v: &[u8]) -> Result<(), EncodeError> {
        let head = concat::<3, 4, 7>(field(TType::String, id), length(v.len())?);
        self.buffer.put_with_head(head, v);
        Ok(())
    }

    #[inline]
    fn field_shared(&mut self, id: i16, v: &Bytes) -> Result<(), EncodeError> {
        if v.len() < LINK_MIN {
            return self.field_bytes(id, v);
        }
        self.field(TType::String, id);
        self.shared(v)
    }
}

/// Reads values from the bytes of one message.
///
/// Trusts nothing: every length is checked against the bytes left before it is used, and nesting ends at
/// [`MAX_DEPTH`](super::MAX_DEPTH).
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: Depth,
    owner: &'a Bytes,
    /// Where `rest` ends in `owner`.
    end: usize,
    budget: Budget,
}

/// Where a [`Reader`] stands.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    rest: &'a [u8],
    depth: Depth,
}

impl<'a> Reader<'a> {
    /// A reader of all of `owner`, with which the values read may share memory.
    #[inline]
    #[must_use]
    pub fn new(owner: &'a Bytes) -> Self {
        let budget = Budget::of_message(owner.len());
        Self { rest: owner, depth: Depth::new(), owner, end: owner.len(), budget }
    }

    /// A reader of one part of `owner`. A range that reaches beyond it holds nothing.
    #[inline]
    #[must_use]
    pub fn over(owner: &'a Bytes, range: Range<usize>) -> Self {
        let end = range.end;
        let rest = owner.get(range).unwrap_or_default();
        Self { rest, depth: Depth::new(), owner, end, budget: Budget::of_message(rest.len()) }
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

    /// Reads the bytes of a string.
    #[inline]
    fn take_string(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = i32::from_be_bytes(self.take_array("the length of a string")?);
        // A negative length becomes one that no slice has.
        match self.rest.split_at_checked(len as u32 as usize) {
            Some((string, rest)) if len >= 0 => {
                self.rest = rest;
                Ok(string)
            }
            _ => Err(self.bad_length(len)),
        }
    }

    /// Reads a count of elements that take at least `min` bytes each.
    #[inline]
    fn count(&mut self, min: usize) -> Result<usize, DecodeError> {
        let claimed = i32::from_be_bytes(self.take_array("a count of elements")?);
        match usize::try_from(claimed) {
            Ok(count) if count.checked_mul(min).is_some_and(|len| len <= self.rest.len()) => Ok(count),
            _ => Err(self.bad_length(claimed)),
        }
    }

    /// Reads the count of a container that left out one of its `types` types: only an empty one may.
    #[cold]
    fn empty(&mut self, types: usize) -> Result<usize, DecodeError> {
        let at = self.at() - types;
        match self.count(1)? {
            0 => Ok(0),
            _ => Err(DecodeError::unknown_type(STOP, at)),
        }
    }

    /// The error for a length that was just read.
    #[cold]
    fn bad_length(&self, claimed: i32) -> DecodeError {
        DecodeError::length(claimed, self.rest.len(), self.at() - size_of::<i32>())
    }

    /// The type that `byte`, which stands `back` bytes behind, is the number of.
    #[inline]
    fn known(&self, byte: u8, back: usize) -> Result<TType, DecodeError> {
        ttype(byte).ok_or_else(|| DecodeError::unknown_type(byte, self.at() - back))
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

        if types.iter().all(|ttype| fixed_len(*ttype).is_some()) {
            // `begin_list` and `begin_map` have checked that the product is not beyond the bytes left.
            let len: usize = types.iter().map(|ttype| min_len(*ttype)).sum();
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
        self.enter()
    }

    #[inline]
    fn next_field(&mut self) -> Result<Option<Field>, DecodeError> {
        let [byte] = self.take_array("a field or the end of a struct")?;
        if byte == STOP {
            self.depth = self.depth.leave();
            return Ok(None);
        }
        let ttype = self.known(byte, 1)?;
        let id = i16::from_be_bytes(self.take_array("the id of a field")?);
        Ok(Some(Field { id, ttype }))
    }

    #[inline]
    fn bool(&mut self) -> Result<bool, DecodeError> {
        // Kitex reads any other byte than 1 as false.
        Ok(self.take_array("a bool")? == [1])
    }

    #[inline]
    fn i8(&mut self) -> Result<i8, DecodeError> {
        self.take_array("an i8").map(i8::from_be_bytes)
    }

    #[inline]
    fn i16(&mut self) -> Result<i16, DecodeError> {
        self.take_array("an i16").map(i16::from_be_bytes)
    }

    #[inline]
    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.take_array("an i32").map(i32::from_be_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.take_array("an i64").map(i64::from_be_bytes)
    }

    #[inline]
    fn double(&mut self) -> Result<f64, DecodeError> {
        self.take_array("a double").map(f64::from_be_bytes)
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
        let [byte] = self.take_array("the element type of a list")?;
        if byte == STOP {
            return self.empty(1).map(|count| (None, count));
        }
        let element = self.known(byte, 1)?;
        Ok((Some(element), self.count(min_len(element))?))
    }

    #[inline]
    fn begin_map(&mut self) -> Result<(Option<(TType, TType)>, usize), DecodeError> {
        self.enter()?;
        let [key, value] = self.take_array("the types of a map")?;
        if key == STOP || value == STOP {
            return self.empty(2).map(|count| (None, count));
        }
        let (key, value) = (self.known(key, 2)?, self.known(value, 1)?);
        Ok((Some((key, value)), self.count(min_len(key) + min_len(value))?))
    }

    #[inline]
    fn end_container(&mut self) {
        self.depth = self.depth.leave();
    }

    #[inline(never)]
    fn skip(&mut self, ttype: TType) -> Result<(), DecodeError> {
        match ttype {
            TType::String => self.take_string().map(drop),
            TType::Struct => self.skip_struct(),
            TType::List | TType::Set => self.skip_list(),
            TType::Map => self.skip_map(),
            fixed => self.take(min_len(fixed), "a value").map(drop),
        }
    }

    #[inline]
    fn mark(&self) -> Mark<'a> {
        Mark { rest: self.rest, depth: self.depth }
    }

    #[inline]
    fn rewind(&mut self, mark: Mark<'a>) {
        (self.rest, self.depth) = (mark.rest, mark.depth);
    }

    #[inline]
    fn charge(&mut self, count: usize, size: usize) -> Result<(), DecodeError> {
        self.budget.charge(count, size)
    }

    #[inline]
    fn array(&mut self, count: usize, width: usize) -> Result<Option<&[u8]>, DecodeError> {
        self.take(count.saturating_mul(width), "an element").map(Some)
    }

    /// Checks many strings at once: short lengths are UTF-8 like the strings around them, and one long check takes a
    /// fraction of many short ones, which are a quarter of the time that a list of short strings takes.
    fn strings(&mut self, count: usize) -> Result<Vec<String>, DecodeError> {
        let mut strings = Vec::with_capacity(capacity::<String>(count));
        let mut tries = AHEAD_TRIES;
        // What is known to be text, from where the reader stands.
        let mut text = "";
        while strings.len() < count {
            let bytes = self.take_string()?;
            let known = text.get(size_of::<i32>()..).unwrap_or_default();
            if let Some((string, ahead)) = known.split_at_checked(bytes.len()) {
                text = ahead;
                strings.push(string.to_owned());
                continue;
            }
            let string = std::str::from_utf8(bytes).map_err(DecodeError::utf8)?;
            strings.push(string.to_owned());
            text = "";
            if tries > 0 {
                // As long as the strings left are, if they are like this one.
                let len = (count - strings.len()).saturating_mul(size_of::<i32>() + bytes.len());
                match std::str::from_utf8(head_of_chars(self.rest, len.min(AHEAD_MAX))) {
                    Ok(ahead) => text = ahead,
                    Err(_) => tries -= 1,
                }
            }
        }
        Ok(strings)
    }
}

/// The first `len` bytes, without those of a last character that may go on behind them.
fn head_of_chars(bytes: &[u8], len: usize) -> &[u8] {
    let Some(head) = bytes.get(..len) else { return bytes };
    // All bytes of a character but the first are below -64.
    let last = head.iter().rposition(|byte| *byte as i8 >= -64);
    head.get(..last.unwrap_or(0)).unwrap_or_default()
}

/// A field's header.
#[inline]
fn field(ttype: TType, id: i16) -> [u8; 3] {
    let [high, low] = id.to_be_bytes();
    [ttype as u8, high, low]
}

#[inline]
fn length(len: usize) -> Result<[u8; 4], EncodeError> {
    match i32::try_from(len) {
        Ok(len) => Ok(len.to_be_bytes()),
        Err(_) => Err(EncodeError::length(len)),
    }
}

/// Both arrays in one, so that they are written at once.
#[inline]
fn concat<const A: usize, const B: usize, const N: usize>(a: [u8; A], b: [u8; B]) -> [u8; N] {
    const { assert!(A + B == N) };
    let mut both = [0; N];
    let (head, tail) = both.split_at_mut(A);
    head.copy_from_slice(&a);
    tail.copy_from_slice(&b);
    both
}

#[inline]
pub(super) fn ttype(byte: u8) -> Option<TType> {
    Some(match byte {
        2 => TType::Bool,
        3 => TType::I8,
        4 => TType::Double,
        6 => TType::I16,
        8 => TType::I32,
        10 => TType::I64,
        11 => TType::String,
        12 => TType::Struct,
        13 => TType::Map,
        14 => TType::Set,
        15 => TType::List,
        16 => TType::Uuid,
        _ => return None,
    })
}

/// How many bytes every value of a type takes; `None` where they differ.
#[inline]
pub(super) fn fixed_len(ttype: TType) -> Option<usize> {
    match ttype {
        TType::String | TType::Struct | TType::Map | TType::Set | TType::List => None,
        fixed => Some(min_len(fixed)),
    }
}

/// How many bytes the shortest value of a type takes. Never zero: each element is paid for in bytes.
#[inline]
pub(super) fn min_len(ttype: TType) -> usize {
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

const STOP: u8 = 0;

/// How many bytes of strings are checked at once.
const AHEAD_MAX: usize = 4 << 10;

/// How often a check of many strings may hit what is none: the bytes before it are then checked again, one by one.
const AHEAD_TRIES: usize = 4;
