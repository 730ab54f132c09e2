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

mod mesh;
mod outline;
mod pairs;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;

use bytes::Bytes;

pub(crate) use self::mesh::parse_mesh;
pub(crate) use self::outline::{Limits, Outline, ProtocolId};
pub(crate) use self::pairs::Strings;
use self::pairs::{Ints, counted};
pub(crate) use self::writer::Writer;
use super::framed::{self, Length};
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

impl Header {
    /// A header that says nothing.
    pub(crate) const fn new() -> Self {
        Self {
            flags: 0,
            seq_id: 0,
            protocol_id: ProtocolId::Binary,
            ints: Ints::new(),
            strings: Strings::new(),
            acl_token: None,
        }
    }

    /// Reads the header of the frame that `input` begins with, and where in the frame its payload is, which need not be there.
    /// `None`: the header is not all there.
    ///
    /// # Errors
    /// As [`Outline::parse`], and an info block that is not known or does not fit the header.
    pub(crate) fn parse(input: &Bytes, limits: &Limits) -> Result<Option<(Self, Range<usize>)>> {
        let Some(outline) = Outline::parse(input, limits)? else { return Ok(None) };
        if input.len() < outline.payload.start {
            return Ok(None);
        }
        Ok(Some((Self::of(&outline, input)?, outline.payload)))
    }

    /// Reads the header of a frame whose outline was read. It shares the frame's memory.
    ///
    /// # Errors
    /// An info block that is not known or does not fit the header.
    pub(crate) fn of(outline: &Outline, frame: &Bytes) -> Result<Self> {
        let Outline { flags, seq_id, protocol_id, .. } = *outline;
        let mut header = Self { flags, seq_id, protocol_id, ..Self::new() };
        header.parse_info(frame, frame.get(INFO_AT..outline.payload.start).unwrap_or_default())?;
        Ok(header)
    }

    /// Reads the info blocks: any order, repeated ones are merged, zeros may stand between them.
    fn parse_info(&mut self, frame: &Bytes, mut rest: &[u8]) -> Result<()> {
        while let Some((id, tail)) = rest.split_first() {
            rest = tail;
            let whole = match *id {
                INFO_PADDING => Some(()),
                INFO_STRINGS => self.strings.parse(frame, &mut rest),
                INFO_INTS => self.ints.parse(frame, &mut rest),
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

    /// Whether there are no values: what a message without a header has.
    pub(crate) fn is_empty(&self) -> bool {
        self.ints.is_empty() && self.strings.is_empty() && self.acl_token.is_none()
    }

    /// Writes the header. What is appended from here on is its payload, until the length is closed.
    ///
    /// # Errors
    /// A header beyond 262,140 bytes, or a token beyond 65,535; nothing is written then.
    pub(crate) fn put(&self, buffer: &mut Buffer) -> Result<Length> {
        let mark = buffer.mark();
        let put = self.try_put(buffer);
        if put.is_err() {
            buffer.rollback(mark);
        }
        put
    }

    fn try_put(&self, buffer: &mut Buffer) -> Result<Length> {
        let mut writer = Writer::new(buffer, self.flags, self.seq_id, self.protocol_id);
        if let Some(token) = &self.acl_token {
            writer.token(token)?;
        }
        writer.strings(&self.strings);
        writer.pairs(INFO_INTS, self.ints.pairs());
        writer.finish()
    }
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
