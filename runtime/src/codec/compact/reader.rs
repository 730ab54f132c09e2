//! Reading of the Compact protocol.

use std::ops::Range;

use bytes::Bytes;

use super::{BadVarint, Ids, LONG_LIST, STOP, TRUE, VARINT_32, VARINT_64, fixed_len, min_len, ttype, unzigzag, varint};
use crate::codec::limits::{Budget, Depth};
use crate::codec::{DecodeError, Field, TType};

/// Reads values from the bytes of one message.
///
/// Trusts nothing: every length is checked against the bytes left before it is used, and nesting ends at
/// [`MAX_DEPTH`](crate::codec::MAX_DEPTH).
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
        use crate::codec::Reader as _;

        self.begin_struct()?;
        while let Some(field) = self.next_field()? {
            self.skip(field.ttype)?;
        }
        Ok(())
    }

    fn skip_list(&mut self) -> Result<(), DecodeError> {
        use crate::codec::Reader as _;

        let (element, count) = self.begin_list()?;
        if let Some(element) = element {
            self.skip_run(&[element], count)?;
        }
        self.end_container();
        Ok(())
    }

    fn skip_map(&mut self) -> Result<(), DecodeError> {
        use crate::codec::Reader as _;

        let (types, count) = self.begin_map()?;
        if let Some((key, value)) = types {
            self.skip_run(&[key, value], count)?;
        }
        self.end_container();
        Ok(())
    }

    /// Skips `count` times the given types, at once where all have a fixed size.
    fn skip_run(&mut self, types: &[TType], count: usize) -> Result<(), DecodeError> {
        use crate::codec::Reader as _;

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

impl<'a> crate::codec::Reader for Reader<'a> {
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

/// The type that was read as a number at `at`.
#[inline]
fn known(ctype: u8, at: usize) -> Result<TType, DecodeError> {
    ttype(ctype).ok_or_else(|| DecodeError::unknown_type(ctype, at))
}
