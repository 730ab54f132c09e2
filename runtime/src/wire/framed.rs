//! The four bytes before a message: how long it is.

use crate::codec::Buffer;
use crate::error::{Error, Result};

/// How many bytes the prefix has.
pub(crate) const PREFIX: usize = 4;

/// Reads the length of the message that follows the prefix. `None`: the prefix is not all there.
///
/// 0 says that the sender does not know: the message ends where its struct ends.
///
/// # Errors
/// A length above `limit`, or above what an `i32` holds, before any of it is buffered.
pub(crate) fn parse(input: &[u8], limit: usize) -> Result<Option<usize>> {
    let Some(prefix) = input.first_chunk::<PREFIX>() else { return Ok(None) };
    let len = u32::from_be_bytes(*prefix) as usize;
    let limit = limit.min(MAX);
    if len > limit {
        return Err(Error::TooLarge { what: RECEIVED, got: len, limit });
    }
    Ok(Some(len))
}

/// The place of a length that is known when what it counts is written: of a frame, and of a TTHeader.
#[derive(Debug)]
#[must_use = "the length is zero until it is closed"]
pub(crate) struct Length {
    /// In the buffer's run.
    at: usize,
    /// Where what it counts begins.
    start: usize,
}

impl Length {
    /// Leaves room for a length at the end of `buffer`. What is appended from here on is counted.
    pub(crate) fn put(buffer: &mut Buffer) -> Self {
        let at = buffer.run_len();
        buffer.put(&[0; PREFIX]);
        Self { at, start: buffer.len() }
    }

    /// Writes the length of what was appended, and tells it.
    ///
    /// # Errors
    /// A length above what an `i32` holds.
    pub(crate) fn close(self, buffer: &mut Buffer) -> Result<usize> {
        let len = buffer.len().saturating_sub(self.start);
        if len > MAX {
            return Err(Error::TooLarge { what: "message", got: len, limit: MAX });
        }
        buffer.patch(self.at, &(len as u32).to_be_bytes());
        Ok(len)
    }
}

/// What is too large, of what comes in.
pub(super) const RECEIVED: &str = "received message (option `max_message_size`)";

/// The longest that may be: Thrift's lengths have a sign.
pub(super) const MAX: usize = i32::MAX as usize;

#[cfg(test)]
mod tests {
    use bytes::{Buf as _, Bytes};

    use super::*;
    use crate::codec::LINK_MIN;

    #[test]
    fn a_length_is_refused_by_its_claim() {
        let rows: &[(&[u8], usize, &str)] = &[
            (&[], 100, "None"),
            (&[0x7f, 0xff, 0xff], 100, "None"),
            (&[0, 0, 0, 0], 100, "Some(0)"),
            (&[0, 0, 0, 100], 100, "Some(100)"),
            (&[0, 0, 0, 101], 100, "of 101 bytes is larger than the limit of 100 bytes"),
            (&[0x7f, 0xff, 0xff, 0xff], 16 << 20, "of 2147483647 bytes is larger"),
            (&[0x7f, 0xff, 0xff, 0xff], usize::MAX, "Some(2147483647)"),
            (&[0x80, 0, 0, 0], usize::MAX, "of 2147483648 bytes is larger than the limit of 2147483647 bytes"),
            (&[0xff, 0xff, 0xff, 0xff], usize::MAX, "of 4294967295 bytes is larger"),
            (&[0, 0, 0, 9, 0x80, 1, 0, 1], 100, "Some(9)"),
        ];
        for (input, limit, want) in rows {
            let got = parse(input, *limit).map_or_else(|err| err.to_string(), |len| format!("{len:?}"));
            assert!(got.ends_with(want) || got.contains(&format!(" {want}")), "{input:02x?}: {got}");
        }
    }

    #[test]
    fn lengths_inside_each_other_count_what_follows() {
        let mut buffer = Buffer::new();
        buffer.put(b"ahead");
        let outer = Length::put(&mut buffer);
        buffer.put(b"ab");
        let inner = Length::put(&mut buffer);
        buffer.link(Bytes::from(vec![7; LINK_MIN]));
        buffer.put(b"c");
        assert_eq!(inner.close(&mut buffer).unwrap(), LINK_MIN + 1);
        assert_eq!(outer.close(&mut buffer).unwrap(), LINK_MIN + 7);
        let mut payload = buffer.take();
        let bytes = payload.copy_to_bytes(payload.remaining());
        assert_eq!(bytes[..15], *b"ahead\0\0\x10\x07ab\0\0\x10\x01");
    }
}
