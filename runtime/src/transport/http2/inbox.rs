//! Cuts received DATA into messages.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use h2::FlowControl;

use crate::error::{Error, Result};
use crate::transport::Frame;
use crate::wire::grpc;

/// The bytes of one stream's receiving direction.
///
/// Messages that lie whole within a DATA frame are read where they are; only one that spans frames is copied together.
#[derive(Debug)]
pub(super) struct Inbox {
    /// What came last; messages before `at` are taken.
    chunk: Bytes,
    at: usize,
    /// The longest message that is taken.
    limit: usize,
    /// Bytes taken whose window the peer has not been given back.
    owed: usize,
    /// Once a message has spanned frames.
    cut: Option<Box<Cut>>,
}

/// What there is of a message that spans frames.
#[derive(Debug, Default)]
struct Cut {
    /// Its beginning.
    partial: BytesMut,
    /// What came behind it, once it is whole and in `chunk`.
    later: Bytes,
}

impl Inbox {
    pub(super) fn new(limit: usize) -> Self {
        Self { chunk: Bytes::new(), at: 0, limit, owed: 0, cut: None }
    }

    /// Takes DATA that came, and gives its window back to the peer: not for each small frame, but step by step.
    pub(super) fn take(&mut self, data: Bytes, flow: &mut FlowControl, step: usize) -> Result<()> {
        self.owed += data.len();
        if self.owed >= step {
            // Cannot fail: it releases what was received.
            let _ = flow.release_capacity(std::mem::take(&mut self.owed));
        }
        self.push(data)
    }

    /// Finds the next whole message.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Range<usize>>> {
        match self.next_whole() {
            None if self.at < self.chunk.len() || self.cut.is_some() => self.next_cut(),
            found => Ok(found),
        }
    }

    /// As [`Inbox::next`], where the message lies whole in what came last; nearly all do.
    #[inline]
    pub(super) fn next_whole(&mut self) -> Option<Range<usize>> {
        let (prefix, rest) = self.chunk.get(self.at..)?.split_first_chunk()?;
        let (is_compressed, len) = grpc::split_prefix(*prefix);
        if is_compressed || len > rest.len().min(self.limit) {
            return None;
        }
        let begin = self.at + grpc::PREFIX;
        self.at = begin + len;
        Some(begin..self.at)
    }

    /// Finds a message that spans frames, or lies behind one that did.
    fn next_cut(&mut self) -> Result<Option<Range<usize>>> {
        if let (true, Some(cut)) = (self.at == self.chunk.len(), &mut self.cut) {
            self.chunk = std::mem::take(&mut cut.later);
            self.at = 0;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let whole = whole_len(rest, self.limit)?;
        match whole {
            Some(whole) if whole <= rest.len() => {
                let begin = self.at + grpc::PREFIX;
                self.at += whole;
                Ok(Some(begin..self.at))
            }
            _ => {
                let partial = &mut self.cut.get_or_insert_default().partial;
                partial.reserve(whole.unwrap_or(grpc::PREFIX).min(reservation(rest.len())));
                partial.extend_from_slice(rest);
                self.chunk = Bytes::new();
                self.at = 0;
                Ok(None)
            }
        }
    }

    /// Takes what came. Only called when [`Inbox::next`] found nothing.
    pub(super) fn push(&mut self, mut data: Bytes) -> Result<()> {
        let Some(Cut { partial, later }) = self.cut.as_deref_mut().filter(|cut| !cut.partial.is_empty()) else {
            self.chunk = data;
            self.at = 0;
            return Ok(());
        };
        let lacking = grpc::PREFIX.saturating_sub(partial.len()).min(data.len());
        partial.extend_from_slice(&data.split_to(lacking));
        let Some(whole) = whole_len(partial, self.limit)? else { return Ok(()) };
        let lacking = (whole - partial.len()).min(data.len());
        if partial.capacity() < whole && lacking < whole - partial.len() {
            let grown = reservation(partial.len() + lacking);
            partial.reserve(grown.min(whole) - partial.len());
        }
        partial.extend_from_slice(data.chunk().get(..lacking).unwrap_or_default());
        data.advance(lacking);
        if partial.len() == whole {
            self.chunk = std::mem::take(partial).freeze();
            self.at = 0;
            *later = data;
        }
        Ok(())
    }

    /// The bytes of a message that [`Inbox::next`] found.
    pub(super) fn frame(&self, range: Range<usize>) -> Frame<'_> {
        Frame::new(&self.chunk, range)
    }

    /// The error of a stream that ends inside a message.
    pub(super) fn finish(&self) -> Result<()> {
        match &self.cut {
            Some(cut) if !cut.partial.is_empty() => {
                Err(Error::protocol("unexpected EOF: the stream ended inside a message"))
            }
            _ => Ok(()),
        }
    }
}

/// How much to hold ready for a message of which `have` bytes came: doubling, so that a long message is copied a few times
/// at most and a false claim reserves little.
fn reservation(have: usize) -> usize {
    (have * 2).max(64 << 10)
}

/// The length of the message that begins here, prefix included; `None` until the prefix is there.
fn whole_len(bytes: &[u8], limit: usize) -> Result<Option<usize>> {
    let Some(prefix) = bytes.first_chunk() else { return Ok(None) };
    Ok(Some(grpc::PREFIX + grpc::parse_prefix(*prefix, limit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let message = |body: &[u8]| [&[0, 0, 0, 0, u8::try_from(body.len()).unwrap()][..], body].concat();
        let stream = [message(b"a"), message(b"bcd"), message(&[7; 200]), message(b"e")].concat();
        for step in 1..=stream.len() {
            let mut inbox = Inbox::new(1000);
            let mut got = Vec::new();
            for piece in stream.chunks(step) {
                inbox.push(Bytes::copy_from_slice(piece)).unwrap();
                while let Some(range) = inbox.next().unwrap() {
                    got.push(inbox.chunk.slice(range).to_vec());
                }
            }
            assert_eq!(got, [b"a".to_vec(), b"bcd".to_vec(), vec![7; 200], b"e".to_vec()], "pieces of {step}");
            inbox.finish().unwrap();
        }
    }

    #[test]
    fn a_claim_is_refused_before_its_bytes_come() {
        let mut inbox = Inbox::new(100);
        inbox.push(Bytes::from_static(&[0, 255])).unwrap();
        assert_eq!(inbox.next().unwrap(), None);
        assert!(inbox.finish().is_err());
        let err = inbox.push(Bytes::from_static(&[255, 255, 255, 0])).unwrap_err();
        assert!(err.to_string().contains("4294967295"), "{err}");
    }

    #[test]
    fn a_claim_within_the_limit_reserves_little() {
        let mut inbox = Inbox::new(16 << 20);
        inbox.push(Bytes::from_static(&[0, 0, 255, 255, 255, 1, 2, 3])).unwrap();
        assert_eq!(inbox.next().unwrap(), None);
        inbox.push(Bytes::from_static(&[4])).unwrap();
        assert!(inbox.cut.unwrap().partial.capacity() <= 128 << 10);
    }
}
