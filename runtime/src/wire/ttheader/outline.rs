//! What the first 16 bytes of a frame tell, before the rest of it is there.

use std::ops::Range;

use super::{HEADER_AT, MAGIC, too_large};
use crate::error::{Error, Result};
use crate::wire::framed::{MAX, RECEIVED};

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
