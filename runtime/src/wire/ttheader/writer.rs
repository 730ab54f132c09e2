//! Writes a header right before its payload, without memory of its own.

use super::framed::{Length, PREFIX};
use super::pairs::{Strings, length, name_length};
use super::{HEADER_AT, INFO_ACL_TOKEN, INFO_AT, INFO_INTS, INFO_STRINGS, MAGIC, ProtocolId, VALUE_MAX, too_large};
use crate::codec::Buffer;
use crate::error::Result;

/// A header that is being written. Kitex's order is the token, the values by name, and those by number.
#[must_use = "the header is not whole before it is finished"]
pub(crate) struct Writer<'a> {
    buffer: &'a mut Buffer,
    frame: Length,
    /// Where the frame begins in the buffer's run.
    start: usize,
    block: Option<Block>,
}

/// The block whose pairs are being written.
struct Block {
    id: u8,
    /// Where in the buffer's run it says how many there are.
    at: usize,
    count: usize,
}

impl<'a> Writer<'a> {
    /// Begins a header at the end of `buffer`.
    pub(crate) fn new(buffer: &'a mut Buffer, flags: u16, seq_id: i32, protocol_id: ProtocolId) -> Self {
        let start = buffer.run_len();
        let frame = Length::put(buffer);
        let ([m0, m1], [f0, f1], [s0, s1, s2, s3]) = (MAGIC, flags.to_be_bytes(), seq_id.to_be_bytes());
        buffer.put(&[m0, m1, f0, f1, s0, s1, s2, s3, 0, 0, protocol_id as u8, 0]);
        Self { buffer, frame, start, block: None }
    }

    /// Writes the ACL token.
    ///
    /// # Errors
    /// A token beyond 65,535 bytes.
    pub(crate) fn token(&mut self, token: &[u8]) -> Result<()> {
        let [high, low] = length(token).ok_or_else(|| too_large("ACL token", token.len(), VALUE_MAX))?;
        self.end_block();
        self.buffer.put(&[INFO_ACL_TOKEN, high, low]);
        self.buffer.put(token);
        Ok(())
    }

    /// Writes a value by its name, which is put together of two parts.
    ///
    /// # Errors
    /// A name or value beyond 65,535 bytes.
    pub(crate) fn string(&mut self, prefix: &str, name: &[u8], value: &[u8]) -> Result<()> {
        let name_len = name_length(prefix, name)?;
        let len = length(value).ok_or_else(|| too_large("TTHeader value", value.len(), VALUE_MAX))?;
        self.add(INFO_STRINGS, 1);
        self.buffer.put(&name_len);
        self.buffer.put(prefix.as_bytes());
        self.buffer.put(name);
        self.buffer.put(&len);
        self.buffer.put(value);
        Ok(())
    }

    /// Writes a value by its number.
    ///
    /// # Errors
    /// A value beyond 65,535 bytes.
    pub(crate) fn int(&mut self, key: u16, value: impl AsRef<[u8]>) -> Result<()> {
        let value = value.as_ref();
        let [v0, v1] = length(value).ok_or_else(|| too_large("TTHeader value", value.len(), VALUE_MAX))?;
        let [k0, k1] = key.to_be_bytes();
        self.add(INFO_INTS, 1);
        self.buffer.put(&[k0, k1, v0, v1]);
        self.buffer.put(value);
        Ok(())
    }

    /// Writes values by name that are in wire form already.
    pub(crate) fn strings(&mut self, strings: &Strings) {
        self.pairs(INFO_STRINGS, strings.pairs());
    }

    /// Writes pairs that are in wire form already.
    pub(super) fn pairs(&mut self, id: u8, (count, bytes): (usize, &[u8])) {
        if count > 0 {
            self.add(id, count);
            self.buffer.put(bytes);
        }
    }

    /// Adds so many pairs to the block of an id, which begins where it is not the last.
    fn add(&mut self, id: u8, count: usize) {
        match &mut self.block {
            Some(block) if block.id == id => block.count += count,
            _ => {
                self.end_block();
                self.block = Some(Block { id, at: self.buffer.run_len() + 1, count });
                self.buffer.put(&[id, 0, 0]);
            }
        }
    }

    fn end_block(&mut self) {
        if let Some(Block { at, count, .. }) = self.block.take() {
            // A pair takes 4 bytes, so that a header cannot hold more pairs than a `u16` counts.
            self.buffer.patch(at, &(count as u16).to_be_bytes());
        }
    }

    /// Ends the header. What is appended from here on is its payload, until the length is closed.
    ///
    /// # Errors
    /// A header beyond 262,140 bytes.
    pub(crate) fn finish(mut self) -> Result<Length> {
        const WORDS_AT: usize = HEADER_AT - 2;
        self.end_block();
        let Self { buffer, frame, start, .. } = self;
        let len = buffer.run_len() - start - HEADER_AT;
        let words = len.div_ceil(4);
        let Ok(count) = u16::try_from(words) else {
            return Err(too_large("TTHeader", len, 4 * usize::from(u16::MAX)));
        };
        buffer.put([0; 3].get(..4 * words - len).unwrap_or_default());
        buffer.patch(start + WORDS_AT, &count.to_be_bytes());
        Ok(frame)
    }
}

const _: () = assert!(PREFIX + 12 == INFO_AT);
