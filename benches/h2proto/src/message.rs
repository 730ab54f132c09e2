//! The one message, in the Thrift binary protocol behind a gRPC prefix.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use load::Error;

/// `struct { 1: optional string message }`; the string is a reference to the bytes it came in.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) message: Option<Bytes>,
}

impl Message {
    pub(crate) fn new(text: impl Into<Bytes>) -> Self {
        Self { message: Some(text.into()) }
    }

    /// Appends the message with its prefix.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        let len = self.message.as_ref().map_or(1, |text| text.len() + 8);
        out.reserve(PREFIX + len);
        out.put_u8(0);
        out.put_u32(len as u32);
        if let Some(text) = &self.message {
            out.put_u8(STRING);
            out.put_i16(1);
            out.put_u32(text.len() as u32);
            out.put_slice(text);
        }
        out.put_u8(STOP);
    }

    /// Reads one message, without its prefix. The text is checked to be UTF-8.
    pub(crate) fn decode(mut wire: Bytes) -> Result<Self, Error> {
        let mut message = None;
        loop {
            match wire.try_get_u8()? {
                STOP => return Ok(Self { message }),
                STRING => {
                    let id = wire.try_get_i16()?;
                    let len = wire.try_get_u32()? as usize;
                    if len > wire.len() {
                        return Err("short string".into());
                    }
                    let text = wire.split_to(len);
                    std::str::from_utf8(&text)?;
                    if id == 1 {
                        message = Some(text);
                    }
                }
                other => return Err(format!("unexpected field type {other}").into()),
            }
        }
    }
}

/// Bytes before each message: a flag and the length.
pub(crate) const PREFIX: usize = 5;

const STOP: u8 = 0;
const STRING: u8 = 11;
