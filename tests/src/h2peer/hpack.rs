//! HPACK (RFC 7541): writes literals only, so that a test sees its bytes; reads everything a peer may write.

use std::collections::VecDeque;

/// A header field: name and value.
pub type Field = (String, String);

/// Encodes a header block: each field a literal that no table keeps, without Huffman coding.
#[must_use]
pub fn encode(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            put_len(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// A string's length: an integer with a prefix of seven bits (RFC 7541, 5.1).
fn put_len(out: &mut Vec<u8>, len: usize) {
    let Some(mut rest) = len.checked_sub(0x7f) else { return out.push(len.to_le_bytes()[0]) };
    out.push(0x7f);
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// Decodes the header blocks of one direction.
#[derive(Debug)]
pub struct Decoder {
    dynamic: VecDeque<Field>,
    max_size: usize,
    huffman: Huffman,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { dynamic: VecDeque::new(), max_size: 4096, huffman: Huffman::new() }
    }
}

impl Decoder {
    /// The fields of a header block; `None` where it is no such block. Bytes that are not UTF-8 are replaced.
    pub fn decode(&mut self, mut block: &[u8]) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            let field = match first {
                0x80.. => self.field(int(&mut block, 7)?)?,
                0x40.. => {
                    let field = self.literal(&mut block, 6)?;
                    self.dynamic.push_front(field.clone());
                    self.evict();
                    field
                }
                0x20.. => {
                    self.max_size = int(&mut block, 5)?;
                    self.evict();
                    continue;
                }
                _ => self.literal(&mut block, 4)?,
            };
            fields.push(field);
        }
        Some(fields)
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> Option<Field> {
        let name = match int(block, prefix)? {
            0 => self.string(block)?,
            index => self.field(index)?.0,
        };
        Some((name, self.string(block)?))
    }

    fn string(&self, block: &mut &[u8]) -> Option<String> {
        let is_coded = block.first()? & 0x80 != 0;
        let len = int(block, 7)?;
        let (text, rest) = block.split_at_checked(len)?;
        *block = rest;
        let bytes = if is_coded { self.huffman.decode(text)? } else { text.to_vec() };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn field(&self, index: usize) -> Option<Field> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some((name, value)) => Some(((*name).to_owned(), (*value).to_owned())),
            None => self.dynamic.get(index - STATIC.len()).cloned(),
        }
    }

    /// RFC 7541, 4.1: a field costs its bytes and 32.
    fn evict(&mut self) {
        let cost = |(name, value): &Field| name.len() + value.len() + 32;
        while self.dynamic.iter().map(cost).sum::<usize>() > self.max_size {
            self.dynamic.pop_back();
        }
    }
}

/// RFC 7541, 5.1
fn int(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let mut next = || {
        let (&byte, rest) = block.split_first()?;
        *block = rest;
        Some(usize::from(byte))
    };
    let max = (1 << prefix) - 1;
    let mut value = next()? & max;
    if value < max {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = next()?;
        value += (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The code of RFC 7541, appendix B. It is canonical, so the lengths say it all.
#[derive(Debug)]
struct Huffman {
    /// The symbols, by length and then by value.
    symbols: Vec<u8>,
    /// How many symbols there are of each length.
    counts: [u32; 31],
}

impl Huffman {
    fn new() -> Self {
        let mut symbols: Vec<u8> = (0..=255).collect();
        symbols.sort_by_key(|symbol| LENGTHS[usize::from(*symbol)]);
        let mut counts = [0; 31];
        LENGTHS.iter().for_each(|len| counts[usize::from(*len)] += 1);
        Self { symbols, counts }
    }

    /// `None` where the padding is too long. What it consists of is not looked at.
    fn decode(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (mut code, mut first, mut before, mut len) = (0u32, 0u32, 0u32, 0usize);
        for bit in text.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
            code = code << 1 | u32::from(bit);
            first <<= 1;
            len += 1;
            let count = *self.counts.get(len)?;
            if code - first < count {
                out.push(self.symbols[usize::try_from(before + code - first).ok()?]);
                (code, first, before, len) = (0, 0, 0, 0);
            } else {
                first += count;
                before += count;
            }
        }
        (len < 8).then_some(out)
    }
}

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];

/// RFC 7541, appendix A
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
