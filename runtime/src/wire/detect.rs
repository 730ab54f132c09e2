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
        [0x80.., ..] => unprefixed(bytes),
        _ if bytes.iter().zip(HTTP2).all(|(got, want)| got == want) => {
            if bytes.len() < HTTP2.len() { Detected::Undecided } else { Detected::Http2 }
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
                match framed::parse(payload, rest)? {
                    Some(len) if len == 0 || len == rest => {
                        Ok(Self { protocol, is_framed: true, message: framed::PREFIX..end })
                    }
                    len => {
                        let len = len.unwrap_or_default();
                        let text = format!("lengths contradict each other: a frame of {len} bytes in {rest}");
                        Err(Error::protocol(text))
                    }
                }
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
