//! TTHeader: sequence id, flags, and keys with values, before a payload. Of ping-pong messages and of streams alike.
//!
//! ```text
//!  0  u32 LENGTH        bytes that follow it
//!  4  u16 0x1000
//!  6  u16 flags
//!  8  i32 sequence id
//! 12  u16 HEADER_WORDS  bytes from offset 14 to the payload, divided by 4
//! 14  u8  protocol id
//! 15  u8  number of transforms
//! 16  info blocks, zeros up to a multiple of 4, the payload
//! ```

use std::fmt;
use std::ops::Range;

use super::framed::{Length, MAX, RECEIVED};
use crate::codec::Buffer;
use crate::error::{Error, Result};

/// What stands before a payload, apart from its lengths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// [`OUT_OF_ORDER`], [`STREAMING`] and others.
    pub(crate) flags: u16,
    /// Which request a reply belongs to, or which stream a frame does.
    pub(crate) seq_id: i32,
    /// What the sender says of the payload. Kitex says Binary of any; the payload's own first bytes decide.
    pub(crate) protocol_id: ProtocolId,
    /// Values by the numbers in [`key`].
    pub(crate) ints: Ints,
    /// Values by name.
    pub(crate) strings: Strings,
    /// The token that Kitex keeps as the transient metainfo `gdpr-token`.
    pub(crate) acl_token: Option<Vec<u8>>,
}

/// What a payload is, or claims to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ProtocolId {
    /// A message in Thrift Binary; what Kitex always writes, and what ping-pong here writes.
    #[default]
    Binary = 0x00,
    /// A message in Thrift Compact, as Volo and Apache Thrift write it. Kitex refuses it.
    Compact = 0x02,
    /// fbthrift's Compact.
    CompactV2 = 0x03,
    /// Kitex's Protobuf.
    KitexProtobuf = 0x04,
    /// A struct without an envelope, in Thrift Binary: what a stream carries.
    ThriftStruct = 0x10,
    /// A Protobuf message, of a stream.
    ProtobufStruct = 0x11,
}

impl ProtocolId {
    fn parse(byte: u8) -> Result<Self> {
        Ok(match byte {
            0x00 => Self::Binary,
            0x02 => Self::Compact,
            0x03 => Self::CompactV2,
            0x04 => Self::KitexProtobuf,
            0x10 => Self::ThriftStruct,
            0x11 => Self::ProtobufStruct,
            // Kitex's text.
            _ => return Err(Error::protocol(format!("unsupported ProtocolID[{byte}]"))),
        })
    }
}

/// What a peer may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest header, in bytes, without its payload.
    pub(crate) header: usize,
    /// The longest payload, in bytes.
    pub(crate) message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header: 64 << 10, message: 16 << 20 }
    }
}

/// A frame's outline: where its payload stands, which its first 16 bytes tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    /// As [`Header::flags`].
    pub(crate) flags: u16,
    /// As [`Header::seq_id`].
    pub(crate) seq_id: i32,
    /// As [`Header::protocol_id`].
    pub(crate) protocol_id: ProtocolId,
    /// The payload's offsets in the frame, and with its end the frame's.
    pub(crate) payload: Range<usize>,
}

impl Outline {
    /// Reads the outline of the frame that `input` begins with. `None`: its first 16 bytes are not all there.
    ///
    /// # Errors
    /// What is no TTHeader, lengths that contradict each other or break a limit, a protocol id that is not known, and any
    /// transform: none is known. All of them before the frame is buffered.
    pub(crate) fn parse(input: &[u8], limits: &Limits) -> Result<Option<Self>> {
        let Some(length) = input.first_chunk::<4>() else { return Ok(None) };
        let end = 4 + u64::from(u32::from_be_bytes(*length));
        let limit = limits.header.saturating_add(limits.message).min(MAX);
        let end = match usize::try_from(end) {
            Ok(end) if end <= limit => end,
            _ => return Err(too_large(RECEIVED, usize::try_from(end).unwrap_or(usize::MAX), limit)),
        };
        let Some([_, _, _, _, magic @ .., f0, f1, s0, s1, s2, s3, w0, w1, protocol_id, transforms]) =
            input.first_chunk::<16>()
        else {
            return Ok(None);
        };
        if *magic != MAGIC {
            return Err(Error::protocol("frame is no TTHeader: 10 00 does not follow its length"));
        }
        let header = 4 * usize::from(u16::from_be_bytes([*w0, *w1]));
        if header == 0 {
            // Kitex's text.
            return Err(Error::protocol("invalid header length[0]"));
        }
        if header > limits.header {
            return Err(too_large("received TTHeader", header, limits.header));
        }
        let start = HEADER_AT + header;
        let Some(len) = end.checked_sub(start) else {
            let text = format!("TTHeader contradicts itself: a header up to offset {start} in a frame of {end} bytes");
            return Err(Error::protocol(text));
        };
        if len > limits.message {
            return Err(too_large(RECEIVED, len, limits.message));
        }
        let protocol_id = ProtocolId::parse(*protocol_id)?;
        if *transforms != 0 {
            return Err(Error::protocol(format!("unknown transform: the TTHeader names {transforms}, none is known")));
        }
        let (flags, seq_id) = (u16::from_be_bytes([*f0, *f1]), i32::from_be_bytes([*s0, *s1, *s2, *s3]));
        Ok(Some(Self { flags, seq_id, protocol_id, payload: start..end }))
    }
}

impl Header {
    /// Reads the frame that `input` begins with: its header, and where in `input` its payload is; the next frame begins
    /// at the payload's end. `None`: the frame is not all there.
    ///
    /// # Errors
    /// As [`Outline::parse`], and an info block that is not known or does not fit the header.
    pub(crate) fn parse(input: &[u8], limits: &Limits) -> Result<Option<(Self, Range<usize>)>> {
        match Outline::parse(input, limits)? {
            Some(outline) if input.len() >= outline.payload.end => Self::parse_begun(input, limits),
            _ => Ok(None),
        }
    }

    /// As [`Header::parse`], of a frame whose payload need not be there: where it is in the whole frame.
    ///
    /// # Errors
    /// As [`Header::parse`].
    pub(crate) fn parse_begun(input: &[u8], limits: &Limits) -> Result<Option<(Self, Range<usize>)>> {
        let Some(Outline { flags, seq_id, protocol_id, payload }) = Outline::parse(input, limits)? else {
            return Ok(None);
        };
        let Some(info) = input.get(INFO_AT..payload.start) else { return Ok(None) };
        let mut header = Self { flags, seq_id, protocol_id, ..Self::default() };
        header.parse_info(info)?;
        Ok(Some((header, payload)))
    }

    /// Reads the info blocks: any order, repeated ones are merged, zeros may stand between them.
    fn parse_info(&mut self, mut rest: &[u8]) -> Result<()> {
        while let Some((id, tail)) = rest.split_first() {
            rest = tail;
            let whole = match *id {
                INFO_PADDING => Some(()),
                INFO_STRINGS => self.strings.parse(&mut rest),
                INFO_INTS => self.ints.parse(&mut rest),
                INFO_ACL_TOKEN => counted(&mut rest).map(|token| self.acl_token = Some(token.to_vec())),
                // Kitex's text.
                _ => return Err(Error::protocol(format!("invalid infoIDType[{id:#x}]"))),
            };
            if whole.is_none() {
                return Err(Error::protocol(format!("TTHeader's info block {id:#x} does not end inside the header")));
            }
        }
        Ok(())
    }

    /// How many bytes the info blocks take.
    pub(crate) fn len(&self) -> usize {
        let token = self.acl_token.as_ref().map_or(0, |token| 3 + token.len());
        token + self.strings.0.put_len() + self.ints.0.put_len()
    }

    /// Writes the header. What is appended from here on is its payload, until the length is closed.
    ///
    /// # Errors
    /// A header beyond 262,140 bytes, or a token beyond 65,535; nothing is written then.
    pub(crate) fn put(&self, buffer: &mut Buffer) -> Result<Length> {
        let token = match &self.acl_token {
            None => None,
            Some(token) => {
                let len = length(token).ok_or_else(|| too_large("ACL token", token.len(), VALUE_MAX))?;
                Some((len, token))
            }
        };
        let len = INFO_AT - HEADER_AT + self.len();
        let words = len.div_ceil(4);
        let Ok(words) = u16::try_from(words) else {
            return Err(too_large("TTHeader", len, 4 * usize::from(u16::MAX)));
        };
        let ([m0, m1], [f0, f1], [w0, w1]) = (MAGIC, self.flags.to_be_bytes(), words.to_be_bytes());
        let [s0, s1, s2, s3] = self.seq_id.to_be_bytes();

        buffer.reserve(HEADER_AT + 4 * usize::from(words));
        let frame = Length::put(buffer);
        buffer.put(&[m0, m1, f0, f1, s0, s1, s2, s3, w0, w1, self.protocol_id as u8, 0]);
        // In Kitex's order.
        if let Some((len, token)) = token {
            buffer.put(&[INFO_ACL_TOKEN]);
            buffer.put(&len);
            buffer.put(token);
        }
        self.strings.0.put(INFO_STRINGS, buffer);
        self.ints.0.put(INFO_INTS, buffer);
        let padding = 4 * usize::from(words) - len;
        buffer.put([0; 3].get(..padding).unwrap_or_default());
        Ok(frame)
    }
}

/// Values by number, in wire form: no map is built to write or read them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Ints(Pairs);

impl Ints {
    /// Appends a value.
    ///
    /// # Errors
    /// A value beyond 65,535 bytes.
    pub(crate) fn push(&mut self, key: u16, value: impl AsRef<[u8]>) -> Result<()> {
        let value = value.as_ref();
        let len = length(value).ok_or_else(|| too_large("TTHeader value", value.len(), VALUE_MAX))?;
        self.0.push([&key.to_be_bytes(), &len, value]);
        Ok(())
    }

    /// The value of a key, the last one where there are several. Raw bytes: text, unless a Volo peer wrote
    /// [`key::MSG_TYPE`].
    pub(crate) fn value(&self, key: u16) -> Option<&[u8]> {
        self.iter().filter(|(it, _)| *it == key).map(|(_, value)| value).last()
    }

    /// All values, in the order of the wire: of a key that comes twice the last one counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let mut rest = self.0.bytes.as_slice();
        std::iter::from_fn(move || Some((number(&mut rest)?, counted(&mut rest)?)))
    }

    /// Reads a block behind its id; `None`: it does not end inside `rest`.
    fn parse(&mut self, rest: &mut &[u8]) -> Option<()> {
        self.0.parse(rest, |rest| number(rest).map(drop))
    }
}

impl fmt::Debug for Ints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (key, String::from_utf8_lossy(value)))).finish()
    }
}

/// Values by name, in wire form: no map is built to write or read them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Strings(Pairs);

impl Strings {
    /// Appends a value.
    ///
    /// # Errors
    /// A name or value beyond 65,535 bytes.
    pub(crate) fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.push_prefixed("", name, value)
    }

    /// Appends a value whose name is put together of two parts.
    ///
    /// # Errors
    /// As [`Strings::push`].
    pub(crate) fn push_prefixed(
        &mut self,
        prefix: &str,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<()> {
        let (prefix, name, value) = (prefix.as_bytes(), name.as_ref(), value.as_ref());
        let name_len = prefix.len() + name.len();
        let name_prefix = u16::try_from(name_len).ok().map(u16::to_be_bytes);
        let name_prefix = name_prefix.ok_or_else(|| too_large("TTHeader key", name_len, VALUE_MAX))?;
        let len = length(value).ok_or_else(|| too_large("TTHeader value", value.len(), VALUE_MAX))?;
        self.0.push([&name_prefix, prefix, name, &len, value]);
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
    fn parse(&mut self, rest: &mut &[u8]) -> Option<()> {
        self.0.parse(rest, |rest| counted(rest).map(drop))
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
    bytes: Vec<u8>,
}

/// The first memory of pairs, in bytes: what a call usually says of itself.
const FIRST: usize = 128;

impl Pairs {
    fn push<const N: usize>(&mut self, parts: [&[u8]; N]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(FIRST);
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.count += 1;
    }

    /// Appends the pairs of a block, once all of them are known to be there.
    fn parse(&mut self, rest: &mut &[u8], key: impl Fn(&mut &[u8]) -> Option<()>) -> Option<()> {
        let count = number(rest)?;
        let block = *rest;
        for _ in 0..count {
            key(rest)?;
            counted(rest)?;
        }
        self.bytes.extend_from_slice(block.get(..block.len() - rest.len())?);
        self.count += usize::from(count);
        Some(())
    }

    /// How many bytes the block takes; none where it is left out.
    fn put_len(&self) -> usize {
        if self.count == 0 { 0 } else { 3 + self.bytes.len() }
    }

    fn put(&self, id: u8, buffer: &mut Buffer) {
        if self.count == 0 {
            return;
        }
        // A pair takes 4 bytes, so that a header cannot hold more pairs than a `u16` counts.
        let [high, low] = (self.count as u16).to_be_bytes();
        buffer.put(&[id, high, low]);
        buffer.put(&self.bytes);
    }
}

/// Reads the mesh header that `input` begins with: keys and values as [`Header::strings`], and where the Buffered or
/// Framed message behind it begins. `None`: it is not all there.
///
/// Only proxies write it, and no reply has one.
///
/// # Errors
/// What is no mesh header, or one beyond the limit or whose pairs do not fit it.
pub(crate) fn parse_mesh(input: &[u8], limits: &Limits) -> Result<Option<(Strings, usize)>> {
    let Some([magic @ .., s0, s1]) = input.first_chunk::<4>() else { return Ok(None) };
    if *magic != MESH_MAGIC {
        return Err(Error::protocol("message has no mesh header: it does not begin with FF AF"));
    }
    let len = usize::from(u16::from_be_bytes([*s0, *s1]));
    if len > limits.header {
        return Err(too_large("received mesh header", len, limits.header));
    }
    let Some(mut info) = input.get(4..4 + len) else { return Ok(None) };
    let mut strings = Strings::default();
    if strings.parse(&mut info).is_none() {
        return Err(Error::protocol(format!("mesh header's keys and values do not fit its {len} bytes")));
    }
    // What may follow the pairs inside the header is not looked at, as in Kitex.
    Ok(Some((strings, 4 + len)))
}

fn number(rest: &mut &[u8]) -> Option<u16> {
    let (number, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u16::from_be_bytes(*number))
}

/// Reads bytes behind their number.
fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(rest)?;
    let (bytes, tail) = rest.split_at_checked(len.into())?;
    *rest = tail;
    Some(bytes)
}

/// The number of bytes before them; `None`: they are too many.
fn length(bytes: &[u8]) -> Option<[u8; 2]> {
    u16::try_from(bytes.len()).ok().map(u16::to_be_bytes)
}

#[cold]
fn too_large(what: &'static str, got: usize, limit: usize) -> Error {
    Error::TooLarge { what, got, limit }
}

/// What follows the length.
pub(crate) const MAGIC: [u8; 2] = [0x10, 0x00];

/// What a mesh header begins with.
pub(crate) const MESH_MAGIC: [u8; 2] = [0xff, 0xaf];

/// The flag of a multiplexed connection: replies may come in another order.
pub(crate) const OUT_OF_ORDER: u16 = 0x0001;

/// The flag of a stream's frame.
pub(crate) const STREAMING: u16 = 0x0002;

/// The longest key, value or token, in bytes.
const VALUE_MAX: usize = u16::MAX as usize;

/// Where the header begins that HEADER_WORDS counts.
const HEADER_AT: usize = 14;

/// Where the info blocks begin.
const INFO_AT: usize = 16;

const INFO_PADDING: u8 = 0x00;
const INFO_STRINGS: u8 = 0x01;
const INFO_INTS: u8 = 0x10;
const INFO_ACL_TOKEN: u8 = 0x11;

/// The keys of [`Header::ints`].
#[allow(dead_code, reason = "the table is whole, as the peers' is")]
pub(crate) mod key {
    /// The version of the mesh.
    pub(crate) const MESH_VERSION: u16 = 0;
    /// `framed` or `unframed`.
    pub(crate) const TRANSPORT_TYPE: u16 = 1;
    /// The id to find the call in logs by.
    pub(crate) const LOG_ID: u16 = 2;
    /// The caller's name.
    pub(crate) const FROM_SERVICE: u16 = 3;
    /// The caller's cluster.
    pub(crate) const FROM_CLUSTER: u16 = 4;
    /// The caller's data centre.
    pub(crate) const FROM_IDC: u16 = 5;
    /// The callee's name in discovery; [`super::SERVICE`] is the one in the IDL.
    pub(crate) const TO_SERVICE: u16 = 6;
    /// The callee's cluster.
    pub(crate) const TO_CLUSTER: u16 = 7;
    /// The callee's data centre.
    pub(crate) const TO_IDC: u16 = 8;
    /// The method called.
    pub(crate) const TO_METHOD: u16 = 9;
    /// The environment.
    pub(crate) const ENV: u16 = 10;
    /// The address called.
    pub(crate) const DEST_ADDRESS: u16 = 11;
    /// How long the caller waits, in milliseconds.
    pub(crate) const RPC_TIMEOUT: u16 = 12;
    /// How long the caller waits for bytes, in milliseconds.
    pub(crate) const READ_TIMEOUT: u16 = 13;
    /// What a ring hash places the call by.
    pub(crate) const RING_HASH_KEY: u16 = 14;
    /// A tag for placement.
    pub(crate) const DDP_TAG: u16 = 15;
    /// Whether a mesh header is wanted.
    pub(crate) const WITH_MESH_HEADER: u16 = 16;
    /// How long the caller tries to connect, in milliseconds.
    pub(crate) const CONNECT_TIMEOUT: u16 = 17;
    /// The trace that the call belongs to.
    pub(crate) const SPAN_CONTEXT: u16 = 18;
    /// Whether the connection ends with the call.
    pub(crate) const SHORT_CONNECTION: u16 = 19;
    /// The method in whose handler the call is made.
    pub(crate) const FROM_METHOD: u16 = 20;
    /// A tag of load tests.
    pub(crate) const STRESS_TAG: u16 = 21;
    /// The kind of message in digits, or as one raw byte from Volo. Nothing checks it.
    pub(crate) const MSG_TYPE: u16 = 22;
    /// The content type of HTTP.
    pub(crate) const HTTP_CONTENT_TYPE: u16 = 23;
    /// As [`RING_HASH_KEY`], before hashing.
    pub(crate) const RAW_RING_HASH_KEY: u16 = 24;
    /// How the load is balanced.
    pub(crate) const LB_TYPE: u16 = 25;
    /// The shard of a cluster.
    pub(crate) const CLUSTER_SHARD_ID: u16 = 26;
    /// What a stream's frame is: `1` to `5`.
    pub(crate) const FRAME_TYPE: u16 = 27;
}

/// The name in [`Header::strings`] of the service in the IDL, by which a call is routed.
pub(crate) const SERVICE: &str = "isn";

/// The string key of a reply on a connection that is about to end; any value says so.
pub(crate) const CONNECTION_RESET: &str = "crrst";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::fuzz::{Random, bytes_of};

    fn put(header: &Header, payload: &[u8]) -> Vec<u8> {
        let mut buffer = Buffer::new();
        let frame = header.put(&mut buffer).unwrap();
        buffer.put(payload);
        frame.close(&mut buffer).unwrap();
        bytes_of(&mut buffer)
    }

    fn parse(bytes: &[u8]) -> Result<Option<(Header, Range<usize>)>> {
        Header::parse(bytes, &Limits::default())
    }

    fn header(seq_id: i32, strings: &[(&str, &str)], ints: &[(u16, &str)]) -> Header {
        let mut header = Header { seq_id, ..Header::default() };
        strings.iter().for_each(|(name, value)| header.strings.push(name, value).unwrap());
        ints.iter().for_each(|(key, value)| header.ints.push(*key, value).unwrap());
        header
    }

    fn stream(seq_id: i32, strings: &[(&str, &str)], ints: &[(u16, &str)]) -> Header {
        Header { flags: STREAMING, protocol_id: ProtocolId::ThriftStruct, ..header(seq_id, strings, ints) }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn frames_have_the_bytes_of_the_spec() {
        let method = (key::TO_METHOD, "Bidi");
        let rows: &[(Header, &str, &str)] = &[
            (
                header(1, &[], &[]),
                "0000001c 80010001 00000008 6261736550696e67 00000001 0b000100000000 00",
                "0000002e 1000 0000 00000001 0001 00000000",
            ),
            (
                header(0, &[("crrst", "1")], &[]),
                "80010002 00000004 6e6f6e65 00000000 00",
                "0000002b 1000 0000 00000000 0004 0000 010001 0005 6372727374 0001 31 00",
            ),
            (
                stream(1, &[(SERVICE, "EchoService")], &[(key::FRAME_TYPE, "2"), method]),
                "",
                "00000032 1000 0002 00000001 000a 10 00 01 0001 0003 69736e 000b 4563686f53657276696365
                 10 0002 001b 0001 32 0009 0004 42696469 00",
            ),
            (
                stream(1, &[], &[(key::FRAME_TYPE, "3"), method]),
                "0b 0001 00000002 6869 00",
                "00000028 10000002 00000001 0005 1000 10 0002 001b 0001 33 0009 0004 42696469 0000",
            ),
            (
                stream(1, &[("h1", "v1")], &[(key::FRAME_TYPE, "2"), method]),
                "",
                "0000002a 10000002 00000001 0008 1000 01 0001 0002 6831 0002 7631
                 10 0002 001b 0001 32 0009 0004 42696469 000000",
            ),
            (
                Header { flags: OUT_OF_ORDER, acl_token: Some(b"t".to_vec()), ..header(-1, &[], &[(22, "")]) },
                "ff",
                "0000001b 1000 0001 ffffffff 0004 0000 11 0001 74 10 0001 0016 0000 000000",
            ),
        ];
        for (header, payload, head) in rows {
            let payload = hex(payload);
            let bytes = put(header, &payload);
            assert_eq!(bytes, [&hex(head)[..], &payload].concat(), "{header:?}");
            let more = [&bytes[..], &bytes].concat();
            let (parsed, range) = parse(&more).unwrap().unwrap();
            assert_eq!((&parsed, &more[range.clone()], range.end), (header, &payload[..], bytes.len()));
            for len in 0..bytes.len() {
                assert_eq!(parse(&bytes[..len]).unwrap(), None, "cut at {len}");
            }
            let outline = Outline::parse(&bytes[..16], &Limits::default()).unwrap().unwrap();
            assert_eq!((outline.seq_id, outline.flags, outline.payload), (header.seq_id, header.flags, range));
        }
    }

    /// A frame with these info blocks and no payload.
    fn frame(info: &[u8]) -> Vec<u8> {
        let words = u8::try_from((2 + info.len()).div_ceil(4)).unwrap();
        let mut bytes = [&[0, 0, 0, 10 + 4 * words, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, words, 0, 0], info].concat();
        bytes.resize(14 + 4 * usize::from(words), 0);
        bytes
    }

    #[test]
    fn info_blocks_come_in_any_order_and_more_than_once() {
        let strings = |value: u8| [1, 0, 1, 0, 1, b'k', 0, 1, value];
        let ints = |value: u8| [0x10, 0, 1, 0, 9, 0, 1, value];
        let token = |value: u8| [0x11, 0, 1, value];
        let rows: &[&[u8]] = &[
            &[&strings(b'v')[..], &ints(2), &token(b't')].concat(),
            &[&token(b't')[..], &ints(2), &strings(b'v')].concat(),
            &[&[0, 0, 0][..], &ints(2), &[0], &strings(b'v'), &[0; 9], &token(b't'), &[0]].concat(),
            &[&strings(b'x')[..], &ints(1), &token(b'x'), &token(b't'), &strings(b'v'), &ints(2)].concat(),
            &[&[1, 0, 2, 0, 1, b'k', 0, 1, b'x', 0, 1, b'k', 0, 1, b'v'][..], &ints(2), &token(b't')].concat(),
            &[&[1, 0, 0, 0x10, 0, 0][..], &strings(b'v'), &ints(2), &token(b't')].concat(),
        ];
        for info in rows {
            let (header, payload) = parse(&frame(info)).unwrap().unwrap();
            assert_eq!(header.strings.value("k"), Some(&b"v"[..]), "{info:02x?}");
            assert_eq!(header.ints.value(key::TO_METHOD), Some(&[2][..]), "{info:02x?}");
            assert_eq!(header.acl_token.as_deref(), Some(&b"t"[..]), "{info:02x?}");
            assert!(payload.is_empty());
            // What was repeated is one block when it is written.
            let again = put(&header, &[]);
            assert_eq!(parse(&again).unwrap().unwrap().0, header);
        }
        let (header, _) = parse(&frame(&[])).unwrap().unwrap();
        assert_eq!(header, Header { seq_id: 1, ..Header::default() });
        assert_eq!((header.ints.iter().count(), header.strings.iter().count()), (0, 0));
        assert_eq!((header.ints.value(9), header.strings.value("k")), (None, None));
    }

    #[test]
    fn a_lie_is_an_error_before_the_frame_is_there() {
        let rows: &[(&[u8], &str)] = &[
            (&[0xff, 0xff, 0xff, 0xff], "received message (option `max_message_size`) of 4294967299 bytes is larger"),
            (&[0x80, 0, 0, 0], "of 2147483652 bytes is larger"),
            (&[0x7f, 0xff, 0xff, 0xff], "of 2147483651 bytes is larger"),
            (&[1, 1, 0, 0], "of 16842756 bytes is larger than the limit of 16842752"),
            (&[0, 0, 0, 0x1c, 0x11, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "is no TTHeader"),
            (&[0, 0, 0, 0x1c, 0x10, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "is no TTHeader"),
            (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "invalid header length[0]"),
            (&[0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "a header up to offset 18 in a frame of 4 bytes"),
            (&[0, 0, 0, 13, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "a header up to offset 18 in a frame of 17 bytes"),
            (
                &[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 5, 0, 0],
                "a header up to offset 34 in a frame of 32 bytes",
            ),
            (
                &[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0x40, 1, 0, 0],
                "received TTHeader of 65540 bytes is larger than the limit of 65536",
            ),
            (
                &[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0],
                "received TTHeader of 262140 bytes is larger",
            ),
            (&[1, 0, 0, 14, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "None"),
            (
                &[1, 0, 0, 15, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0],
                "of 16777217 bytes is larger than the limit of 16777216",
            ),
            (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0], "unsupported ProtocolID[1]"),
            (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 5, 0], "unsupported ProtocolID[5]"),
            (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0], "unsupported ProtocolID[255]"),
            (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1], "unknown transform: the TTHeader names 1"),
            (&[0, 0, 0, 0x1c, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 255], "unknown transform: the TTHeader names 255"),
        ];
        for (bytes, want) in rows {
            let got = parse(bytes).map_or_else(|err| err.to_string(), |header| format!("{header:?}"));
            assert!(got.contains(want), "{bytes:02x?}: {got}");
            assert_eq!(parse(&bytes[..bytes.len() - 1]).ok(), Some(None), "{bytes:02x?}");
        }
        for id in [0, 2, 3, 4, 0x10, 0x11] {
            let mut bytes = frame(&[]);
            bytes[14] = id;
            assert_eq!(parse(&bytes).unwrap().unwrap().0.protocol_id as u8, id);
        }
    }

    #[test]
    fn a_lie_in_a_block_is_an_error() {
        let rows: &[(&[u8], &str)] = &[
            (&[2], "invalid infoIDType[0x2]"),
            (&[0, 0xff], "invalid infoIDType[0xff]"),
            (&[0x12, 0, 0], "invalid infoIDType[0x12]"),
            (&[1, 0], "info block 0x1 does not end inside"),
            (&[1, 0, 1], "info block 0x1 does not end inside"),
            (&[1, 0, 1, 0, 0, 0, 0], "None"),
            (&[1, 0xff, 0xff, 0, 0], "info block 0x1 does not end inside"),
            (&[1, 0, 1, 0xff, 0xff, b'k', 0, 0], "info block 0x1 does not end inside"),
            (&[1, 0, 1, 0, 1, b'k', 0xff, 0xff, 0, 0], "info block 0x1 does not end inside"),
            (&[1, 0, 1, 0, 1, b'k', 0, 5, b'v', 0], "info block 0x1 does not end inside"),
            (&[0x10, 0xff, 0xff, 0, 0], "info block 0x10 does not end inside"),
            (&[0x10, 0, 1, 0, 9, 0, 3, b'v', 0, 0], "None"),
            (&[0x10, 0, 1, 0, 9, 0, 4, b'v', 0, 0], "info block 0x10 does not end inside"),
            (&[0x10, 0, 2, 0, 9, 0, 1, b'v', 0, 0], "info block 0x10 does not end inside"),
            (&[0x11, 0xff, 0xff], "info block 0x11 does not end inside"),
            (&[0x11, 0, 4, b't', 0, 0], "info block 0x11 does not end inside"),
        ];
        for (info, want) in rows {
            let bytes = frame(info);
            let got = parse(&bytes).map_or_else(|err| err.to_string(), |_| "None".to_owned());
            assert!(got.contains(want), "{info:02x?}: {got}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let long = vec![b'x'; 65_536];
        let mut header = Header::default();
        let want = "of 65536 bytes is larger than the limit of 65535 bytes";
        for err in [
            header.ints.push(1, &long).unwrap_err(),
            header.strings.push("k", &long).unwrap_err(),
            header.strings.push(&long, "v").unwrap_err(),
            header.strings.push_prefixed("RPC_PERSIST_", &long[12..], "v").unwrap_err(),
        ] {
            assert!(err.to_string().ends_with(want), "{err}");
        }
        assert_eq!((header.ints.iter().count(), header.strings.iter().count()), (0, 0));

        let mut buffer = Buffer::new();
        let token = Header { acl_token: Some(long.clone()), ..Header::default() };
        assert!(token.put(&mut buffer).unwrap_err().to_string().ends_with(want));
        for _ in 0..4 {
            header.strings.push("k", &long[1..]).unwrap();
        }
        let err = header.put(&mut buffer).unwrap_err().to_string();
        assert_eq!(err, "TTHeader of 262165 bytes is larger than the limit of 262140 bytes");
        assert!(buffer.is_empty());

        // The longest of all comes back, where the limit lets it.
        let mut header = Header { seq_id: i32::MIN, ..Header::default() };
        header.strings.push(&long[1..], &long[1..]).unwrap();
        header.ints.push(u16::MAX, &long[1..]).unwrap();
        header.ints.push(u16::MAX, &long[..65_514]).unwrap();
        let bytes = put(&header, b"payload");
        let limits = Limits { header: 262_140, ..Limits::default() };
        let (parsed, payload) = Header::parse(&bytes, &limits).unwrap().unwrap();
        assert_eq!((&parsed, &bytes[payload]), (&header, &b"payload"[..]));
        assert!(parse(&bytes).unwrap_err().to_string().starts_with("received TTHeader of 262140 bytes"));
    }

    #[test]
    fn values_are_raw_bytes_and_the_last_one_counts() {
        let mut header = Header::default();
        header.ints.push(key::MSG_TYPE, [2]).unwrap();
        header.ints.push(key::MSG_TYPE, "2").unwrap();
        header.strings.push_prefixed("RPC_PERSIST_", "k", [0xff]).unwrap();
        header.strings.push("", "").unwrap();
        assert_eq!(header.ints.value(key::MSG_TYPE), Some(&b"2"[..]));
        assert_eq!(header.ints.iter().collect::<Vec<_>>(), [(22, &[2][..]), (22, b"2")]);
        assert_eq!(header.strings.value("RPC_PERSIST_k"), Some(&[0xff][..]));
        assert_eq!(header.strings.iter().collect::<Vec<_>>(), [(&b"RPC_PERSIST_k"[..], &[0xff][..]), (b"", b"")]);
        assert!(format!("{header:?}").contains(r#"strings: {"RPC_PERSIST_k": "�", "": ""}"#), "{header:?}");
    }

    #[test]
    fn a_mesh_header_is_read() {
        let limits = Limits { header: 64, ..Limits::default() };
        let rows: &[(&[u8], &str)] = &[
            (&[0xff, 0xaf, 0, 2, 0, 0, 0x80, 1], r#"Some(({}, 6))"#),
            (&[0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 1, b'v'], r#"Some(({"k": "v"}, 12))"#),
            (&[0xff, 0xaf, 0, 9, 0, 1, 0, 1, b'k', 0, 1, b'v', 9], r#"Some(({"k": "v"}, 13))"#),
            (&[0xff, 0xaf, 0], "None"),
            (&[0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 1], "None"),
            (&[0xff, 0xae, 0, 2, 0, 0], "has no mesh header"),
            (&[0xff, 0xaf, 0, 65], "received mesh header of 65 bytes is larger than the limit of 64"),
            (&[0xff, 0xaf, 0, 0], "do not fit its 0 bytes"),
            (&[0xff, 0xaf, 0, 2, 0xff, 0xff], "do not fit its 2 bytes"),
            (&[0xff, 0xaf, 0, 8, 0, 1, 0, 1, b'k', 0, 2, b'v', b'v'], "do not fit its 8 bytes"),
        ];
        for (bytes, want) in rows {
            let got = parse_mesh(bytes, &limits).map_or_else(|err| err.to_string(), |mesh| format!("{mesh:?}"));
            assert!(got.contains(want), "{bytes:02x?}: {got}");
        }
    }

    #[test]
    fn random_bytes_never_panic_and_a_header_read_can_be_written() {
        let seeds = [
            put(&header(1, &[], &[]), b"payload"),
            put(
                &header(7, &[(SERVICE, "Echo"), ("RPC_PERSIST_a", "b")], &[(1, "framed"), (9, "echo"), (22, "1")]),
                b"",
            ),
            put(&Header { acl_token: Some(vec![1; 9]), ..stream(3, &[("a", "")], &[(27, "2")]) }, b"p"),
        ];
        let mut random = Random::new();
        let (mut good, mut bad) = (0, 0);
        for round in 0..40_000 {
            let mut bytes = seeds[round % seeds.len()].clone();
            (0..=random.below(3)).for_each(|_| random.mutate(&mut bytes));
            // Half of them with lengths that are right, to get to the blocks.
            if round % 2 == 0 && bytes.len() > 4 {
                let len = u32::try_from(bytes.len() - 4).unwrap();
                bytes[..4].copy_from_slice(&len.to_be_bytes());
            }
            match parse(&bytes) {
                Ok(Some((header, payload))) => {
                    good += 1;
                    assert!(payload.end <= bytes.len());
                    let again = put(&header, &bytes[payload]);
                    assert_eq!(parse(&again).unwrap().unwrap().0, header);
                }
                Ok(None) => {}
                Err(_) => bad += 1,
            }
            let _ = parse_mesh(&bytes, &Limits::default());
        }
        assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
    }
}
