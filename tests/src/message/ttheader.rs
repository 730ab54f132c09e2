//! TTHeader, true or not.

use super::len_32;

/// A header before a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TtHeader {
    /// What it claims to be followed by; `None` is the truth.
    pub length: Option<u32>,
    /// 1: the connection is concurrent.
    pub flags: u16,
    /// Which request this is, or answers.
    pub seq_id: i32,
    /// What it claims to measure, in words of four bytes; `None` is the truth.
    pub words: Option<u16>,
    /// What the payload claims to be.
    pub protocol_id: u8,
    /// What it claims was done to the payload: a number, and an id for each.
    pub transforms: Vec<u8>,
    /// The blocks of keys and values.
    pub info: Vec<u8>,
}

impl TtHeader {
    /// The header, and a payload behind it.
    ///
    /// # Panics
    /// A header beyond what its words can count.
    #[must_use]
    pub fn put(&self, payload: &[u8]) -> Vec<u8> {
        let number = u8::try_from(self.transforms.len()).expect("no test names 256 transforms");
        let mut counted = [&[self.protocol_id, number][..], &self.transforms, &self.info].concat();
        counted.resize(counted.len().next_multiple_of(4), 0);
        let words = self.words.unwrap_or_else(|| u16::try_from(counted.len() / 4).expect("the header fits its words"));
        let head = [
            &[0x10, 0][..],
            &self.flags.to_be_bytes(),
            &self.seq_id.to_be_bytes(),
            &words.to_be_bytes(),
            &counted,
            payload,
        ]
        .concat();
        let length = self.length.map_or_else(|| len_32(head.len()), u32::to_be_bytes);
        [&length[..], &head].concat()
    }
}

/// A block of values by name.
#[must_use]
pub fn strings(pairs: &[(&str, &str)]) -> Vec<u8> {
    block(0x01, pairs.iter().map(|(name, value)| [counted(name), counted(value)].concat()))
}

/// A block of values by number.
#[must_use]
pub fn ints(pairs: &[(u16, &str)]) -> Vec<u8> {
    block(0x10, pairs.iter().map(|(key, value)| [&key.to_be_bytes()[..], &counted(value)].concat()))
}

fn block(id: u8, pairs: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<u8> {
    let [high, low] = len_16(pairs.len());
    [vec![id, high, low], pairs.collect::<Vec<_>>().concat()].concat()
}

fn counted(text: &str) -> Vec<u8> {
    [&len_16(text.len())[..], text.as_bytes()].concat()
}

fn len_16(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("no test has 65,536 keys, or one of that length").to_be_bytes()
}
