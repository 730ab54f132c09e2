//! Keys and values of a TTHeader, in wire form: no map is built to write or read them.

use std::fmt;

use bytes::Bytes;

use super::{INFO_INTS, INFO_STRINGS, VALUE_MAX, too_large};
use crate::error::Result;

/// Values by number.
pub(crate) type Ints = Block<INFO_INTS>;

/// Values by name.
pub(crate) type Strings = Block<INFO_STRINGS>;

/// The pairs of one kind of info block, told by its id.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Block<const ID: u8>(Pairs);

impl<const ID: u8> Block<ID> {
    pub(super) const fn new() -> Self {
        Self(Pairs::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.count == 0
    }

    /// How many pairs there are, and their bytes.
    pub(super) fn pairs(&self) -> (usize, &[u8]) {
        (self.0.count, self.0.bytes.as_slice())
    }
}

impl Ints {
    /// Appends a value. What is sent is written by a [`Writer`](super::Writer).
    ///
    /// # Errors
    /// A value beyond 65,535 bytes.
    #[cfg(test)]
    pub(crate) fn push(&mut self, key: u16, value: impl AsRef<[u8]>) -> Result<()> {
        let value = value.as_ref();
        let len = length(value).ok_or_else(|| too_large("TTHeader value", value.len(), VALUE_MAX))?;
        self.0.push(key.to_be_bytes(), &[], len, value);
        Ok(())
    }

    /// All values, in the order of the wire: of a key that comes twice the last one counts. Raw bytes: text, unless a Volo
    /// peer wrote [`key::MSG_TYPE`](super::key::MSG_TYPE).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut rest = self.0.bytes.as_slice();
        std::iter::from_fn(move || Some((number(&mut rest)?, counted(&mut rest)?)))
    }

    /// Reads a block behind its id; `None`: it does not end inside `rest`.
    pub(super) fn parse(&mut self, frame: &Bytes, rest: &mut &[u8]) -> Option<()> {
        self.0.parse(frame, rest, |rest| number(rest).map(drop))
    }
}

impl fmt::Debug for Ints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (key, String::from_utf8_lossy(value)))).finish()
    }
}

impl Strings {
    /// Appends a value.
    ///
    /// # Errors
    /// A name or value beyond 65,535 bytes.
    pub(crate) fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let (name, value) = (name.as_ref(), value.as_ref());
        let name_len = name_length("", name)?;
        let len = length(value).ok_or_else(|| too_large("TTHeader value", value.len(), VALUE_MAX))?;
        self.0.push(name_len, name, len, value);
        Ok(())
    }

    /// The value of a name, the last one where there are several.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.iter().filter(|(it, _)| *it == name.as_bytes()).map(|(_, value)| value).last()
    }

    /// All names and values, in the order of the wire: of a name that comes twice the last value counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.0.bytes.as_slice();
        std::iter::from_fn(move || Some((counted(&mut rest)?, counted(&mut rest)?)))
    }

    /// Reads a block behind its id; `None`: it does not end inside `rest`.
    pub(super) fn parse(&mut self, frame: &Bytes, rest: &mut &[u8]) -> Option<()> {
        self.0.parse(frame, rest, |rest| counted(rest).map(drop))
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// Keys and values as they stand in a block, behind their number.
#[derive(Clone, Default, PartialEq, Eq)]
struct Pairs {
    count: usize,
    bytes: Memory,
}

/// The bytes of pairs.
#[derive(Clone, Default)]
struct Memory {
    /// As they were put.
    own: Vec<u8>,
    /// As they came, in their frame; none are this side's own then.
    shared: Bytes,
}

impl Memory {
    const fn new() -> Self {
        Self { own: Vec::new(), shared: Bytes::new() }
    }

    fn as_slice(&self) -> &[u8] {
        if self.shared.is_empty() { &self.own } else { &self.shared }
    }

    /// To be written to.
    fn own(&mut self) -> &mut Vec<u8> {
        if !self.shared.is_empty() {
            self.own = std::mem::take(&mut self.shared).to_vec();
        }
        &mut self.own
    }
}

impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Memory {}

/// The first memory of pairs, in bytes: what a call usually says of itself.
const FIRST: usize = 128;

impl Pairs {
    const fn new() -> Self {
        Self { count: 0, bytes: Memory::new() }
    }

    /// Appends a pair: its head, the rest of its key, and its value behind its length.
    fn push(&mut self, head: [u8; 2], key: &[u8], len: [u8; 2], value: &[u8]) {
        let bytes = self.bytes.own();
        if bytes.capacity() == 0 {
            bytes.reserve(FIRST);
        }
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&len);
        bytes.extend_from_slice(value);
        self.count += 1;
    }

    /// Appends the pairs of a frame's block, once all of them are known to be there.
    fn parse(&mut self, frame: &Bytes, rest: &mut &[u8], key: impl Fn(&mut &[u8]) -> Option<()>) -> Option<()> {
        let count = number(rest)?;
        let block = *rest;
        for _ in 0..count {
            key(rest)?;
            counted(rest)?;
        }
        let block = block.get(..block.len() - rest.len())?;
        if self.count == 0 {
            self.bytes = Memory { own: Vec::new(), shared: frame.slice_ref(block) };
        } else {
            self.bytes.own().extend_from_slice(block);
        }
        self.count += usize::from(count);
        Some(())
    }
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    let (number, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u16::from_be_bytes(*number))
}

/// Reads bytes behind their number.
pub(super) fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)?;
    let (bytes, tail) = rest.split_at_checked(len.into())?;
    *rest = tail;
    Some(bytes)
}

/// The number of bytes before them; `None`: they are too many.
pub(super) fn length(bytes: &[u8]) -> Option<[u8; 2]> {
    u16::try_from(bytes.len()).ok().map(u16::to_be_bytes)
}

/// The number of bytes of a name that is put together of two parts.
///
/// # Errors
/// Too many bytes.
pub(super) fn name_length(prefix: &str, name: &[u8]) -> Result<[u8; 2]> {
    let len = prefix.len() + name.len();
    u16::try_from(len).map(u16::to_be_bytes).map_err(|_| too_large("TTHeader key", len, VALUE_MAX))
}
