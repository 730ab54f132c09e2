//! DATA frames to messages.

use bytes::{Buf, Bytes, BytesMut};
use h2::RecvStream;
use load::Error;

use crate::message::{Message, PREFIX};

/// The receiving end of a stream. One DATA frame yields all its messages without a copy; only a message that is split
/// over two is put together.
pub(crate) struct Receiver {
    stream: RecvStream,
    data: Bytes,
    joined: BytesMut,
}

impl Receiver {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, data: Bytes::new(), joined: BytesMut::new() }
    }

    /// `None` after the last message.
    pub(crate) async fn recv(&mut self) -> Result<Option<Message>, Error> {
        loop {
            if let Some(&[_, a, b, c, d]) = self.data.first_chunk::<PREFIX>() {
                let len = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.data.len() >= PREFIX + len {
                    self.data.advance(PREFIX);
                    return Message::decode(self.data.split_to(len)).map(Some);
                }
            }
            match self.stream.data().await {
                None if self.data.is_empty() => return Ok(None),
                None => return Err("the stream ended inside a message".into()),
                Some(data) => {
                    let data = data?;
                    self.stream.flow_control().release_capacity(data.len())?;
                    self.append(data);
                }
            }
        }
    }

    fn append(&mut self, data: Bytes) {
        if self.data.is_empty() {
            self.data = data;
        } else {
            self.joined.extend_from_slice(&self.data);
            self.joined.extend_from_slice(&data);
            self.data = self.joined.split().freeze();
        }
    }
}
