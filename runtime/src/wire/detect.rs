//! What a connection or message speaks, by its first bytes.

use std::ops::Range;

use super::framed;
use super::ttheader::{MAGIC as TTHEADER, MESH_MAGIC, STREAMING};
use crate::codec::envelope::{BINARY, COMPACT, COMPACT_VERSION, Protocol};
use crate::error::{Error, Result};

/// What first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detected {
    /// More of them are needed: they are fewer than [`MOST`].
    Undecided,
    /// A client's HTTP/2 preface.
    Http2,
    /// A TTHeader with the flag [`STREAMING`], after which all of the connection is streaming.
    TtStream,
    /// A TTHeader without it; [`Inner::parse`] tells what its payload is.
    TtHeader,
    /// A mesh header, with a Framed or Buffered message behind it.
    Mesh,
    /// A length and a message.
    Framed(Protocol),
    /// A message.
    Buffered(Protocol),
    /// Nothing that is spoken here.
    Unknown,
}

/// How many bytes decide at most.
pub(crate) const MOST: usize = 8;

/// Tells what a connection speaks, or what its next message is, from the bytes there are, and as soon as they decide.
///
/// The order is Kitex's. A first byte from 80 on cannot begin a length, which has a sign, so that two bytes decide where
/// Kitex waits for eight.
pub(crate) fn detect(bytes: &[u8]) -> Detected {
    match bytes {
        [] => Detected::Undecided,
        [0x80..=0xff, ..] => unprefixed(bytes),
        _ if bytes.iter().zip(HTTP2).all(|(got, want)| got == want) => {
            if bytes.len() < HTTP2.len() {
                Detected::Undecided
            } else {
                Detected::Http2
            }
        }
        [_, _, _, _, message @ ..] => prefixed(message),
        _ => Detected::Undecided,
    }
}

/// What begins with no length.
fn unprefixed(bytes: &[u8]) -> Detected {
    match bytes {
        [first] if [BINARY[0], COMPACT, MESH_MAGIC[0]].contains(first) => Detected::Undecided,
        [first, second, ..] if [*first, *second] == MESH_MAGIC => Detected::Mesh,
        _ => message(bytes).map_or(Detected::Unknown, Detected::Buffered),
    }
}

/// What follows a length.
fn prefixed(bytes: &[u8]) -> Detected {
    match bytes {
        [] => Detected::Undecided,
        [first] if [TTHEADER[0], BINARY[0], COMPACT].contains(first) => Detected::Undecided,
        [m0, m1, rest @ ..] if [*m0, *m1] == TTHEADER => match rest {
            [f0, f1, ..] if u16::from_be_bytes([*f0, *f1]) & STREAMING != 0 => Detected::TtStream,
            [_, _, ..] => Detected::TtHeader,
            _ => Detected::Undecided,
        },
        _ => message(bytes).map_or(Detected::Unknown, Detected::Framed),
    }
}

/// The protocol of the message that `bytes` begin with.
fn message(bytes: &[u8]) -> Option<Protocol> {
    match bytes {
        [first, second, ..] if [*first, *second] == BINARY => Some(Protocol::Binary),
        [COMPACT, version, ..] if version & 0x1f == COMPACT_VERSION => Some(Protocol::Compact),
        _ => None,
    }
}

/// The message in a TTHeader's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// What the message is in. It decides, not the TTHeader's protocol id.
    pub(crate) protocol: Protocol,
    /// Whether it has a length of its own, and the reply is to have one.
    pub(crate) is_framed: bool,
    /// Where in the payload it is.
    pub(crate) message: Range<usize>,
}

impl Inner {
    /// Finds the message in a payload that is there as a whole.
    ///
    /// # Errors
    /// A payload that is no message, or whose own length is not that of the rest. A length of 0 says nothing.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self> {
        let end = payload.len();
        match detect(payload) {
            Detected::Buffered(protocol) => Ok(Self { protocol, is_framed: false, message: 0..end }),
            Detected::Framed(protocol) => {
                let rest = end.saturating_sub(framed::PREFIX);
                let len = framed::parse(payload, usize::MAX)?.unwrap_or_default();
                if len != 0 && len != rest {
                    let text = format!("lengths contradict each other: a frame of {len} bytes in {rest} of a TTHeader");
                    return Err(Error::protocol(text));
                }
                Ok(Self { protocol, is_framed: true, message: framed::PREFIX..end })
            }
            _ => {
                let seen = payload.get(..end.min(2 * MOST)).unwrap_or_default().escape_ascii();
                Err(Error::protocol(format!("payload of a TTHeader is no Thrift message: it begins with \"{seen}\"")))
            }
        }
    }
}

/// The first bytes of HTTP/2's preface: those that Kitex looks at.
const HTTP2: &[u8; 8] = b"PRI * HT";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::fuzz::Random;

    const BINARY_MESSAGE: &[u8] = &[0x80, 1, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 1, 0];
    const COMPACT_MESSAGE: &[u8] = &[0x82, 0x21, 1, 1, b'a', 0];

    #[test]
    fn every_protocol_is_told_by_the_fewest_bytes_that_decide() {
        use Protocol::{Binary, Compact};
        // The bytes, how many of them decide, and what they say.
        let rows: &[(&[u8], usize, Detected)] = &[
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 8, Detected::Http2),
            (b"PRI * HX", 8, Detected::Unknown),
            (b"PRI /", 5, Detected::Unknown),
            (&[0, 0, 0, 0x2e, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1], 8, Detected::TtHeader),
            (&[0, 0, 0, 0x2e, 0x10, 0, 0, 1, 0, 0, 0, 1, 0, 1], 8, Detected::TtHeader),
            (&[0, 0, 0, 0x32, 0x10, 0, 0, 2, 0, 0, 0, 1, 0, 0x0a], 8, Detected::TtStream),
            (&[0, 0, 0, 0x32, 0x10, 0, 0xff, 0xff], 8, Detected::TtStream),
            (b"PRI \x10\0\0\0", 8, Detected::TtHeader),
            (&[0, 0, 0, 9, 0x10, 1, 0, 2], 6, Detected::Unknown),
            (&[0, 0, 0, 14, 0x80, 1, 0, 1], 6, Detected::Framed(Binary)),
            (&[0, 0, 0, 0, 0x80, 1, 0, 1], 6, Detected::Framed(Binary)),
            (&[0x7f, 0xff, 0xff, 0xff, 0x80, 1], 6, Detected::Framed(Binary)),
            (&[0, 0, 0, 6, 0x82, 0x21, 1], 6, Detected::Framed(Compact)),
            (&[0, 0, 0, 6, 0x82, 0x22, 1], 6, Detected::Unknown),
            (&[0, 0, 0, 6, 0x80, 2, 1], 6, Detected::Unknown),
            (&[0, 0, 0, 6, 0x90, 1, 0, 0], 5, Detected::Unknown),
            (BINARY_MESSAGE, 2, Detected::Buffered(Binary)),
            (COMPACT_MESSAGE, 2, Detected::Buffered(Compact)),
            (&[0x82, 0x81], 2, Detected::Buffered(Compact)),
            (&[0x82, 0x22], 2, Detected::Unknown),
            (&[0xff, 0xaf, 0, 2, 0, 0], 2, Detected::Mesh),
            (&[0xff, 0xff, 0xff, 0xff], 2, Detected::Unknown),
            (&[0x80, 0, 0, 0], 2, Detected::Unknown),
            (&[0x81], 1, Detected::Unknown),
            (b"GET / HTTP/1.1\r\n", 5, Detected::Unknown),
            (b"POST / HTTP/1.1\r\n", 5, Detected::Unknown),
            (&[0x16, 3, 1, 2, 0, 1, 0, 1], 5, Detected::Unknown),
            (&[0; 8], 5, Detected::Unknown),
            (b"\r\n\r\n\r\n\r\n", 5, Detected::Unknown),
            // The old form of Binary, without a version.
            (&[0, 0, 0, 1, b'a', 1, 0, 0, 0, 1, 0], 5, Detected::Unknown),
        ];
        for (bytes, decided, want) in rows {
            for len in 0..=bytes.len() {
                let want = if len < *decided { Detected::Undecided } else { *want };
                assert_eq!(detect(&bytes[..len]), want, "{len} of {:?}", bytes.escape_ascii().to_string());
            }
        }
    }

    /// Kitex's rules, on the eight bytes that it waits for, with what this side speaks besides.
    fn kitex(b: [u8; 8]) -> Detected {
        let protocol = |at: usize| match [b[at], b[at + 1]] {
            [0x80, 1] => Some(Protocol::Binary),
            [0x82, second] if second & 0x1f == 1 => Some(Protocol::Compact),
            _ => None,
        };
        if &b == HTTP2 {
            Detected::Http2
        } else if b[4..6] == [0x10, 0] {
            if b[7] & 2 != 0 { Detected::TtStream } else { Detected::TtHeader }
        } else if b[..2] == [0xff, 0xaf] {
            Detected::Mesh
        } else if let Some(protocol) = protocol(0) {
            Detected::Buffered(protocol)
        } else {
            protocol(4).map_or(Detected::Unknown, Detected::Framed)
        }
    }

    #[test]
    fn few_bytes_never_say_other_than_all() {
        let mut random = Random::new();
        let interesting = [0, 1, 2, 0x10, 0x21, 0x41, 0x80, 0x82, 0xff, 0xaf, b'P', b'R', b'I', b' ', b'*', b'H', b'T'];
        for _ in 0..200_000 {
            let mut bytes = *HTTP2;
            for _ in 0..random.below(9) {
                let byte = if random.below(4) == 0 {
                    random.below(256) as u8
                } else {
                    interesting[random.below(interesting.len())]
                };
                bytes[random.below(8)] = byte;
            }
            let all = detect(&bytes);
            assert_ne!(all, Detected::Undecided, "{bytes:02x?}");
            let decided = (0..8).map(|len| detect(&bytes[..len])).find(|it| *it != Detected::Undecided);
            assert!(decided.is_none_or(|it| it == all), "{bytes:02x?}: {decided:?}, {all:?}");
            // A length from 2 GiB on is no frame's here, whatever follows; Kitex would wait for it.
            if bytes[0] < 0x80 || kitex(bytes) == all {
                assert_eq!(kitex(bytes), all, "{bytes:02x?}");
            }
        }
    }

    #[test]
    fn a_payload_is_the_message_in_it() {
        let framed = |len: u8, message: &[u8]| [&[0, 0, 0, len], message].concat();
        let rows: &[(Vec<u8>, &str)] = &[
            (BINARY_MESSAGE.to_vec(), "Binary, false, 0..14"),
            (COMPACT_MESSAGE.to_vec(), "Compact, false, 0..6"),
            (framed(14, BINARY_MESSAGE), "Binary, true, 4..18"),
            (framed(0, BINARY_MESSAGE), "Binary, true, 4..18"),
            (framed(6, COMPACT_MESSAGE), "Compact, true, 4..10"),
            (framed(13, BINARY_MESSAGE), "lengths contradict each other: a frame of 13 bytes in 14"),
            (framed(15, BINARY_MESSAGE), "lengths contradict each other: a frame of 15 bytes in 14"),
            (framed(1, BINARY_MESSAGE), "lengths contradict each other: a frame of 1 bytes in 14"),
            ([&[0x7f, 0xff, 0xff, 0xff], BINARY_MESSAGE].concat(), "a frame of 2147483647 bytes in 14"),
            (vec![], "it begins with \"\""),
            (vec![0x80], "it begins with \"\\x80\""),
            (b"PRI * HTTP/2.0\r\n\r\n".to_vec(), "it begins with \"PRI * HTTP/2.0\\r\\n\""),
            (vec![0, 0, 0, 0x2e, 0x10, 0, 0, 0], "is no Thrift message"),
            (vec![0xff, 0xaf, 0, 2, 0, 0], "is no Thrift message"),
            (vec![0; 20], "is no Thrift message"),
        ];
        for (payload, want) in rows {
            let got = match Inner::parse(payload) {
                Ok(Inner { protocol, is_framed, message }) => format!("{protocol:?}, {is_framed}, {message:?}"),
                Err(err) => err.to_string(),
            };
            assert!(got.contains(want), "{payload:02x?}: {got}");
        }
    }
}
