//! For the tests of bytes: numbers that are the same in every run, bytes that are broken by them, and what a buffer holds.

use bytes::Buf as _;

use super::Buffer;

/// The bytes that a buffer holds, taken out of it.
pub(crate) fn bytes_of(buffer: &mut Buffer) -> Vec<u8> {
    let mut payload = buffer.take();
    payload.copy_to_bytes(payload.remaining()).into()
}

/// xorshift64: the same bytes in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }

    /// Changes a byte, a length, or the order, as peers' bugs and attackers do.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len().max(1));
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.next() as u8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => {
                let lengths: [&[u8]; 7] = [
                    &[0xff; 4],
                    &[0x7f, 0xff, 0xff, 0xff],
                    &[0xff, 0xff, 0xff, 0xff, 7],
                    &[0x80, 0, 0, 0],
                    &[0, 0, 0, 1],
                    &[0, 1, 0, 0],
                    &[0; 4],
                ];
                let length = lengths[self.below(lengths.len())];
                bytes.iter_mut().skip(at).zip(length).for_each(|(byte, new)| *byte = *new);
            }
            4 => {
                let part = bytes[at..].iter().copied().take(self.below(64)).collect::<Vec<u8>>();
                let to = self.below(bytes.len().max(1));
                bytes.splice(to..to, part);
            }
            5 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.below(18) as u8),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.next() as u8),
        }
    }
}
