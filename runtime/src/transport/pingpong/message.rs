//! A message and what is around it: found in the bytes that came, and put around the bytes that go.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::task::{Context as Task, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::codec::Buffer;
use crate::codec::delimit::Delimiter;
use crate::codec::envelope::{Envelope, MessageKind, Protocol};
use crate::error::{Error, Result};
use crate::wire::detect::{Detected, Inner, detect};
use crate::wire::framed::{self, Length};
use crate::wire::ttheader::{self, Header, Limits, Outline};

/// What is around a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nothing.
    Buffered,
    /// A length.
    Framed,
    /// A TTHeader, with or without a length of its own inside.
    TtHeader { is_framed: bool },
}

/// A message that is there as a whole.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) layout: Layout,
    /// `None` where the layout has none.
    header: Option<Box<Header>>,
    pub(crate) protocol: Protocol,
    pub(crate) bytes: Bytes,
    /// Envelope and struct, in `bytes`.
    pub(crate) range: Range<usize>,
}

impl Message {
    /// Empty where the layout has none.
    pub(crate) fn header(&self) -> &Header {
        static NONE: Header = Header::new();
        self.header.as_deref().unwrap_or(&NONE)
    }

    /// The envelope, and where the struct is in the message's bytes.
    pub(crate) fn envelope(&self) -> Result<(Envelope<'_>, Range<usize>)> {
        let bytes = self.bytes.get(self.range.clone()).unwrap_or_default();
        let (envelope, start) = Envelope::parse_whole(self.protocol, bytes)?;
        Ok((envelope, self.range.start + start..self.range.end))
    }
}

/// What is known of a message whose envelope has come.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) layout: Layout,
    pub(crate) header: Header,
    pub(crate) protocol: Protocol,
    pub(crate) envelope: Envelope<'a>,
}

/// Finds the messages in the bytes of a connection.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: Limits,
    /// How far a message without a length was looked through.
    delimiter: Option<Box<Delimiter>>,
    /// What a mesh header said of the message behind it.
    mesh: Option<Box<Header>>,
    /// How much room the next message is likely to need, by those that came: they had their memory, too.
    usual: usize,
}

/// The most that a message is taken to need, in bytes.
const USUAL_MAX: usize = 96 << 10;

/// How much room there is beyond what is likely to come: a read that fills all of it says nothing of whether there is more, and
/// another has to ask.
const SPARE: usize = 64;

/// How much memory a connection keeps while it waits for a message, in bytes.
const KEPT: usize = 4 << 10;

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, delimiter: None, mesh: None, usual: 0 }
    }

    /// Whether the next message has begun, though none of the bytes that are left belongs to it.
    pub(crate) fn is_inside(&self) -> bool {
        self.mesh.is_some()
    }

    /// Takes the next message off `input`. `None`: it is not all there.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>> {
        match detect(input) {
            // One mesh header stands before a message, and a message without a TTHeader follows it.
            Detected::Mesh | Detected::TtHeader if self.mesh.is_some() => Err(unknown(input)),
            Detected::Undecided => Ok(None),
            Detected::TtHeader => self.next_ttheader(input),
            Detected::Framed(protocol) => self.next_framed(protocol, input),
            Detected::Buffered(protocol) => self.next_buffered(protocol, 0, input),
            Detected::Mesh => {
                let Some((strings, len)) = ttheader::parse_mesh(input, &self.limits)? else { return Ok(None) };
                let _ = input.split_to(len);
                self.mesh = Some(Box::new(Header { strings, ..Header::default() }));
                match detect(input) {
                    Detected::Undecided => Ok(None),
                    Detected::Framed(protocol) => self.next_framed(protocol, input),
                    Detected::Buffered(protocol) => self.next_buffered(protocol, 0, input),
                    _ => Err(unknown(input)),
                }
            }
            Detected::Http2 | Detected::TtStream | Detected::Unknown => Err(unknown(input)),
        }
    }

    /// Reads more of the message that [`Reader::next`] waits for, into `input`, which gets room for `least` bytes at least. 0:
    /// the connection has ended.
    pub(crate) fn poll_read(
        &self,
        io: &mut (impl AsyncRead + Unpin),
        input: &mut BytesMut,
        least: usize,
        task: &mut Task<'_>,
    ) -> Poll<io::Result<usize>> {
        self.reserve(input, least);
        let read = pin!(io.read_buf(input)).poll(task);
        if read.is_pending() && input.is_empty() && input.capacity() > KEPT {
            // Who waits holds no long message's memory; and what comes then finds memory that was just in use, not memory
            // that has left the processor's caches since this connection's last message.
            *input = BytesMut::new();
        }
        read
    }

    /// As [`Reader::poll_read`].
    pub(crate) async fn read(
        &self,
        io: &mut (impl AsyncRead + Unpin),
        input: &mut BytesMut,
        least: usize,
    ) -> io::Result<usize> {
        poll_fn(|task| self.poll_read(io, input, least, task)).await
    }

    /// Makes room in `input` for what the message lacks that [`Reader::next`] waits for, so that few reads bring it; `least`
    /// where nothing says how much that is. A length alone is only a claim: the room is in proportion to what came.
    fn reserve(&self, input: &mut BytesMut, least: usize) {
        const TRUST: usize = 8;
        let room = if input.is_empty() {
            self.usual.max(least)
        } else {
            let most = input.len().saturating_mul(TRUST).max(least);
            self.lacks(input).map_or(least, |lacks| lacks + SPARE).clamp(least, most)
        };
        input.reserve(room);
    }

    /// Takes a message of so many bytes off `input`.
    fn split(&mut self, input: &mut BytesMut, len: usize) -> Bytes {
        // After a long message, it takes some short ones to expect no more.
        self.usual = (len + SPARE).clamp(self.usual - self.usual / 8, USUAL_MAX);
        input.split_to(len).freeze()
    }

    fn lacks(&self, input: &[u8]) -> Option<usize> {
        let end = match detect(input) {
            Detected::Framed(_) => framed::PREFIX + framed::parse(input, self.limits.message).ok()??,
            Detected::TtHeader => Outline::parse(input, &self.limits).ok()??.payload.end,
            _ => return None,
        };
        end.checked_sub(input.len())
    }

    /// What came of the message that [`Reader::next`] waits for, where a length says that more belongs to it. `None`: it
    /// has no length, or what stands before its envelope is not all there.
    pub(crate) fn begun(&mut self, input: &mut BytesMut) -> Option<Message> {
        let bytes = input.split().freeze();
        match detect(&bytes) {
            Detected::Framed(protocol) => {
                let range = begun_frame(&bytes, 0)?;
                let header = self.mesh.take();
                Some(Message { layout: Layout::Framed, header, protocol, bytes, range })
            }
            Detected::TtHeader => {
                let (header, payload) = Header::parse(&bytes, &self.limits).ok()??;
                let (is_framed, protocol, range) = match detect(bytes.get(payload.start..)?) {
                    Detected::Buffered(protocol) => (false, protocol, payload.start..bytes.len()),
                    Detected::Framed(protocol) => (true, protocol, begun_frame(&bytes, payload.start)?),
                    _ => return None,
                };
                let header = Some(Box::new(header));
                Some(Message { layout: Layout::TtHeader { is_framed }, header, protocol, bytes, range })
            }
            _ => None,
        }
    }

    /// Which method the message is of that [`Reader::next`] waits for. `None`: that has not come, or it is a multiplexed one, which
    /// is answered when all of it has come.
    pub(crate) fn named<'a>(&self, input: &'a [u8]) -> Option<Named<'a>> {
        let (layout, header, message) = match detect(input) {
            Detected::TtHeader => {
                let outline = Outline::parse(input, &self.limits).ok()??;
                let start = outline.payload.start;
                let header = Header::of(&outline, &Bytes::copy_from_slice(input.get(..start)?)).ok()?;
                (Layout::TtHeader { is_framed: false }, header, input.get(start..)?)
            }
            _ => {
                let header = self.mesh.as_deref().cloned().unwrap_or_default();
                (Layout::Buffered, header, input)
            }
        };
        if header.flags & ttheader::OUT_OF_ORDER != 0 {
            return None;
        }
        let (layout, protocol, message) = match (detect(message), layout) {
            (Detected::Buffered(protocol), layout) => (layout, protocol, message),
            (Detected::Framed(protocol), Layout::Buffered) => {
                (Layout::Framed, protocol, message.get(framed::PREFIX..)?)
            }
            (Detected::Framed(protocol), _) => {
                (Layout::TtHeader { is_framed: true }, protocol, message.get(framed::PREFIX..)?)
            }
            _ => return None,
        };
        let (envelope, _) = Envelope::parse_whole(protocol, message).ok()?;
        Some(Named { layout, header, protocol, envelope })
    }

    fn next_ttheader(&mut self, input: &mut BytesMut) -> Result<Option<Message>> {
        let Some(outline) = Outline::parse(input, &self.limits)? else { return Ok(None) };
        if input.len() < outline.payload.end {
            return Ok(None);
        }
        let bytes = self.split(input, outline.payload.end);
        let header = Header::of(&outline, &bytes)?;
        let payload = outline.payload;
        let start = payload.start;
        let inner = Inner::parse(bytes.get(payload).unwrap_or_default())?;
        let range = start + inner.message.start..start + inner.message.end;
        let layout = Layout::TtHeader { is_framed: inner.is_framed };
        Ok(Some(Message { layout, header: Some(Box::new(header)), protocol: inner.protocol, bytes, range }))
    }

    fn next_framed(&mut self, protocol: Protocol, input: &mut BytesMut) -> Result<Option<Message>> {
        let len = match framed::parse(input, self.limits.message)? {
            None => return Ok(None),
            // The sender does not know: the message ends where its struct does.
            Some(0) => return self.next_buffered(protocol, framed::PREFIX, input),
            Some(len) => len,
        };
        if input.len() < framed::PREFIX + len {
            return Ok(None);
        }
        let bytes = self.split(input, framed::PREFIX + len);
        let range = framed::PREFIX..bytes.len();
        let header = self.mesh.take();
        Ok(Some(Message { layout: Layout::Framed, header, protocol, bytes, range }))
    }

    /// A message that begins at `start` and says nothing of its length.
    fn next_buffered(&mut self, protocol: Protocol, start: usize, input: &mut BytesMut) -> Result<Option<Message>> {
        let limit = self.limits.message;
        let delimiter = self.delimiter.get_or_insert_with(|| Box::new(Delimiter::message(protocol, limit)));
        let Some(len) = delimiter.advance(input.get(start..).unwrap_or_default())? else { return Ok(None) };
        self.delimiter = None;
        let bytes = self.split(input, start + len);
        let layout = if start == 0 { Layout::Buffered } else { Layout::Framed };
        let header = self.mesh.take();
        Ok(Some(Message { layout, header, protocol, range: start..bytes.len(), bytes }))
    }
}

/// Where a message is whose length stands at `at`; `None` where that is 0, which says nothing.
fn begun_frame(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let len = framed::parse(bytes.get(at..)?, usize::MAX).ok()??;
    (len > 0).then_some(at + framed::PREFIX..bytes.len())
}

fn unknown(input: &[u8]) -> Error {
    let seen = input.get(..input.len().min(8)).unwrap_or_default().escape_ascii();
    Error::protocol(format!("invalid payload: no Thrift message begins with \"{seen}\""))
}

/// More than the heads of a TTHeader, a frame and an envelope take, in bytes.
pub(crate) const HEADS: usize = 48;

/// What stands before a struct, with the lengths that are known once that is there.
#[must_use = "the lengths are zero until they are closed"]
pub(crate) struct Heads {
    around: Option<Length>,
    frame: Option<Length>,
}

impl Heads {
    /// Writes what stands before a struct: around the message, and its envelope. `header` writes a TTHeader.
    pub(crate) fn put(
        layout: Layout,
        header: impl FnOnce(&mut Buffer) -> Result<Length>,
        protocol: Protocol,
        envelope: &Envelope<'_>,
        buffer: &mut Buffer,
    ) -> Result<Self> {
        let around = match layout {
            Layout::TtHeader { .. } => Some(header(buffer)?),
            Layout::Framed | Layout::Buffered => None,
        };
        let is_framed = matches!(layout, Layout::Framed | Layout::TtHeader { is_framed: true });
        let frame = is_framed.then(|| Length::put(buffer));
        envelope.put(protocol, buffer)?;
        Ok(Self { around, frame })
    }

    /// Writes the lengths: the struct is there.
    pub(crate) fn close(self, buffer: &mut Buffer) -> Result<()> {
        for length in [self.frame, self.around].into_iter().flatten() {
            length.close(buffer)?;
        }
        Ok(())
    }
}

/// Whether a string of a TTHeader may be metadata: no name that the protocol uses itself.
pub(crate) fn is_metadata(name: &str) -> bool {
    const RESERVED: [&str; 7] =
        [ttheader::SERVICE, ttheader::CONNECTION_RESET, "rip", "crc32c", "biz-status", "biz-message", "biz-extra"];
    !RESERVED.contains(&name)
}

/// The kind as TTHeader writes it, in its value [`ttheader::key::MSG_TYPE`].
pub(crate) fn kind_text(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Call => "1",
        MessageKind::Reply => "2",
        MessageKind::Exception => "3",
        MessageKind::Oneway => "4",
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    /// A framed message of so many bytes.
    fn framed(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[..4].copy_from_slice(&(len as u32 - 4).to_be_bytes());
        bytes[4..6].copy_from_slice(&[0x80, 1]);
        bytes
    }

    #[tokio::test]
    async fn who_waits_holds_no_long_messages_memory_and_takes_as_much_when_the_next_comes() {
        const LONG: usize = 64 << 10;
        let (mut far, mut io) = duplex(2 * LONG);
        let (mut reader, mut input) = (Reader::new(Limits::default()), BytesMut::new());
        // The length of the messages that come one after another, and in how many reads each comes.
        let rows = [(100, 1), (LONG, 3), (LONG, 1), (100, 1), (LONG, 2), (LONG, 1), (2000, 1), (900, 1)];
        for (len, want) in rows {
            let mut task = Task::from_waker(Waker::noop());
            assert!(reader.poll_read(&mut io, &mut input, 1000, &mut task).is_pending());
            assert!(input.capacity() <= KEPT, "{}", input.capacity());
            far.write_all(&framed(len)).await.unwrap();
            let mut reads = 0;
            let message = loop {
                if let Some(message) = reader.next(&mut input).unwrap() {
                    break message;
                }
                assert!(reader.read(&mut io, &mut input, 1000).await.unwrap() > 0);
                reads += 1;
            };
            assert_eq!((message.bytes.len(), reads), (len, want));
        }
        // What a peer sent makes it worth no more than so much.
        far.shutdown().await.unwrap();
        assert!(input.is_empty() && reader.usual <= USUAL_MAX);
    }
}
