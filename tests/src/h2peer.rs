//! A scripted peer of raw HTTP/2: sends what a test says, frame by frame or byte by byte, and shows every frame that comes
//! back. It keeps no rules, so that a test can break them.
//!
//! Everything that waits gives up after [`TIME`] by a panic: a test that hangs is a test that fails.

pub mod hpack;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub use hpack::Field;

/// How long anything may take.
pub const TIME: Duration = Duration::from_secs(20);

/// What a client says first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest frame that needs no permission.
pub const MAX_FRAME: usize = 16_384;

/// Frame types, flags and settings (RFC 9113, 6).
#[allow(missing_docs)]
pub mod wire {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;

    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;

    pub const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub const MAX_FRAME_SIZE: u16 = 0x5;

    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const INTERNAL_ERROR: u32 = 2;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// A frame; a HEADERS with its CONTINUATIONs is one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Frame {
    Headers { stream: u32, fields: Vec<Field>, end: bool },
    Data { stream: u32, bytes: Bytes, end: bool },
    Reset { stream: u32, code: u32 },
    Settings(Vec<(u16, u32)>),
    SettingsAck,
    Ping([u8; 8]),
    Pong([u8; 8]),
    GoAway { last: u32, code: u32, debug: Bytes },
    Window { stream: u32, size: u32 },
    Other { kind: u8, flags: u8, stream: u32, bytes: Bytes },
}

impl Frame {
    /// HEADERS.
    #[must_use]
    pub fn headers(stream: u32, fields: &[Field]) -> Self {
        Self::Headers { stream, fields: fields.to_vec(), end: false }
    }

    /// HEADERS with END_STREAM.
    #[must_use]
    pub fn trailers(stream: u32, fields: &[Field]) -> Self {
        Self::Headers { stream, fields: fields.to_vec(), end: true }
    }

    /// DATA.
    pub fn data(stream: u32, bytes: impl Into<Bytes>) -> Self {
        Self::Data { stream, bytes: bytes.into(), end: false }
    }

    /// DATA with END_STREAM.
    pub fn last(stream: u32, bytes: impl Into<Bytes>) -> Self {
        Self::Data { stream, bytes: bytes.into(), end: true }
    }

    /// RST_STREAM.
    #[must_use]
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::Reset { stream, code }
    }

    /// The stream that it is about; 0 for the connection.
    #[must_use]
    pub fn stream(&self) -> u32 {
        match self {
            Self::Headers { stream, .. }
            | Self::Data { stream, .. }
            | Self::Reset { stream, .. }
            | Self::Window { stream, .. }
            | Self::Other { stream, .. } => *stream,
            Self::Settings(_) | Self::SettingsAck | Self::Ping(_) | Self::Pong(_) | Self::GoAway { .. } => 0,
        }
    }

    /// Whether it says that its sender is done with the stream.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Headers { end: true, .. } | Self::Data { end: true, .. } | Self::Reset { .. })
    }

    /// Its bytes; a header block is cut at [`MAX_FRAME`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let end_stream = |end: &bool| if *end { wire::END_STREAM } else { 0 };
        match self {
            Self::Headers { stream, fields, end } => {
                encode_headers(*stream, end_stream(end), &hpack::encode(fields), MAX_FRAME)
            }
            Self::Data { stream, bytes, end } => frame(wire::DATA, end_stream(end), *stream, bytes),
            Self::Reset { stream, code } => frame(wire::RST_STREAM, 0, *stream, &code.to_be_bytes()),
            Self::Settings(values) => {
                let each = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
                frame(wire::SETTINGS, 0, 0, &values.iter().flat_map(each).collect::<Vec<_>>())
            }
            Self::SettingsAck => frame(wire::SETTINGS, wire::ACK, 0, &[]),
            Self::Ping(data) => frame(wire::PING, 0, 0, data),
            Self::Pong(data) => frame(wire::PING, wire::ACK, 0, data),
            Self::GoAway { last, code, debug } => {
                frame(wire::GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &code.to_be_bytes(), debug].concat())
            }
            Self::Window { stream, size } => frame(wire::WINDOW_UPDATE, 0, *stream, &size.to_be_bytes()),
            Self::Other { kind, flags, stream, bytes } => frame(*kind, *flags, *stream, bytes),
        }
    }
}

/// The bytes of any frame.
///
/// # Panics
/// A payload of 16 MiB or more, whose length has no wire form.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).ok().filter(|len| *len < 1 << 24).expect("a frame's length has 24 bits");
    [&len.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The bytes of a HEADERS, and of the CONTINUATIONs that it takes where a frame holds `cut` bytes.
#[must_use]
pub fn encode_headers(stream: u32, flags: u8, block: &[u8], cut: usize) -> Vec<u8> {
    let (head, mut rest) = block.split_at(cut.min(block.len()));
    let ends = |rest: &[u8]| if rest.is_empty() { wire::END_HEADERS } else { 0 };
    let mut out = frame(wire::HEADERS, flags | ends(rest), stream, head);
    while !rest.is_empty() {
        let (next, tail) = rest.split_at(cut.min(rest.len()));
        out.extend(frame(wire::CONTINUATION, ends(tail), stream, next));
        rest = tail;
    }
    out
}

/// Header fields from literals.
#[must_use]
pub fn fields(list: &[(&str, &str)]) -> Vec<Field> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The request headers of a Kitex client for a path.
#[must_use]
pub fn request(path: &str) -> Vec<Field> {
    fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "dest.svc_name"),
        ("content-type", "application/grpc+thrift"),
        ("user-agent", "kitex/v0.16.3"),
        ("te", "trailers"),
    ])
}

/// The request headers with one set to this value; none is taken out.
#[must_use]
pub fn with(mut fields: Vec<Field>, name: &str, value: impl Into<Option<&'static str>>) -> Vec<Field> {
    let at = fields.iter().position(|(known, _)| known == name);
    match (at, value.into()) {
        (Some(at), Some(value)) => value.clone_into(&mut fields[at].1),
        (Some(at), None) => drop(fields.remove(at)),
        (None, Some(value)) => fields.push((name.to_owned(), value.to_owned())),
        (None, None) => {}
    }
    fields
}

/// The value of a field, the first where there are several.
#[must_use]
pub fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A message behind its gRPC prefix.
///
/// # Panics
/// A payload of 4 GiB or more.
#[must_use]
pub fn message(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a message's length has 32 bits");
    [&[0][..], &len.to_be_bytes(), payload].concat()
}

/// The Thrift struct `{1: string}`.
///
/// # Panics
/// A text of 4 GiB or more.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).expect("a string's length has 32 bits");
    [&[0x0b, 0, 1][..], &len.to_be_bytes(), text.as_bytes(), &[0]].concat()
}

/// The message `{1: string}`, as streaming methods send it.
#[must_use]
pub fn say(said: &str) -> Vec<u8> {
    message(&text(said))
}

/// The message `{1: {1: string}}`, as unary methods send their arguments.
#[must_use]
pub fn ask(said: &str) -> Vec<u8> {
    message(&[&[0x0c, 0, 1][..], &text(said), &[0]].concat())
}

/// The message `{0: {1: string}}`, as unary methods answer.
#[must_use]
pub fn reply(said: &str) -> Vec<u8> {
    message(&[&[0x0c, 0, 0][..], &text(said), &[0]].concat())
}

/// Waits for something, [`TIME`] at most.
///
/// # Panics
/// It took longer.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIME, future).await.unwrap_or_else(|_| panic!("{what}: not within {TIME:?}"))
}

/// Where a scripted server waits for clients.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    /// `127.0.0.1` and the port.
    pub addr: String,
}

impl Port {
    /// Takes a port that is free.
    ///
    /// # Panics
    /// There is none.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound port has an address").to_string();
        Self { listener, addr }
    }

    /// Takes the next connection, and reads no byte of it.
    ///
    /// # Panics
    /// None came.
    pub async fn accept(&self) -> Peer {
        let accepted = soon("a connection", self.listener.accept()).await;
        Peer::over(accepted.expect("accept works").0)
    }

    /// Takes the next connection, reads the client's preface, and sends these settings.
    ///
    /// # Panics
    /// None came, or its first bytes are no preface.
    pub async fn serve(&self, settings: &[(u16, u32)]) -> Peer {
        let mut peer = self.accept().await;
        let preface = peer.take(PREFACE.len()).await;
        assert_eq!(preface, PREFACE, "the client's preface");
        peer.send(&Frame::Settings(settings.to_vec())).await;
        peer
    }
}

/// One connection.
#[derive(Debug)]
pub struct Peer {
    io: TcpStream,
    unread: BytesMut,
    /// Frames that came before what was waited for.
    kept: VecDeque<Frame>,
    hpack: hpack::Decoder,
    next_stream: u32,
}

impl Peer {
    fn over(io: TcpStream) -> Self {
        io.set_nodelay(true).expect("TCP has no delay");
        Self { io, unread: BytesMut::new(), kept: VecDeque::new(), hpack: hpack::Decoder::default(), next_stream: 1 }
    }

    /// Connects, and says nothing.
    ///
    /// # Panics
    /// Nobody listens.
    pub async fn dial(addr: &str) -> Self {
        let io = soon("a connection", TcpStream::connect(addr)).await;
        Self::over(io.unwrap_or_else(|err| panic!("cannot connect to {addr}: {err}")))
    }

    /// Connects as a client of HTTP/2 with these settings.
    pub async fn client(addr: &str, settings: &[(u16, u32)]) -> Self {
        let mut peer = Self::dial(addr).await;
        peer.write(&[PREFACE, &Frame::Settings(settings.to_vec()).encode()].concat()).await;
        peer
    }

    /// The number of the next stream that a client opens.
    pub fn fresh(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }

    /// Opens a stream with these headers; answers its number.
    pub async fn open(&mut self, fields: &[Field]) -> u32 {
        let stream = self.fresh();
        self.send(&Frame::headers(stream, fields)).await;
        stream
    }

    /// Opens a stream, sends this data and closes; answers its number.
    pub async fn call(&mut self, fields: &[Field], data: &[u8]) -> u32 {
        let stream = self.fresh();
        let frames = [Frame::headers(stream, fields), Frame::last(stream, data.to_vec())];
        self.write(&frames.iter().flat_map(Frame::encode).collect::<Vec<_>>()).await;
        stream
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &Frame) {
        self.write(&frame.encode()).await;
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// The connection is closed.
    pub async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.unwrap_or_else(|err| panic!("cannot write to the peer: {err}"));
    }

    /// Sends bytes to a peer that may have closed the connection, or may not read.
    ///
    /// # Errors
    /// It has, or does not.
    pub async fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        soon("room to write", self.io.write_all(bytes)).await
    }

    /// Sends bytes, and keeps what comes meanwhile for later, so that neither side waits for the other; `false` where the
    /// peer closed before it had taken them all.
    pub async fn flood(&mut self, bytes: &[u8]) -> bool {
        let (mut reader, mut writer) = self.io.split();
        let unread = &mut self.unread;
        let mut writing = pin!(writer.write_all(bytes));
        let flooding = async {
            loop {
                tokio::select! {
                    end = &mut writing => return end.is_ok(),
                    read = reader.read_buf(unread) => if !read.is_ok_and(|count| count > 0) {
                        return false;
                    },
                }
            }
        };
        soon("a flood", flooding).await
    }

    /// Sends the same bytes again and again, and reads nothing, until the peer takes none for a `pause` or closes, or has
    /// taken `most`; answers how many it took. The last frame may be cut.
    pub async fn pour(&mut self, bytes: &[u8], most: usize, pause: Duration) -> usize {
        let mut taken = 0;
        while taken < most {
            match tokio::time::timeout(pause, self.io.write(&bytes[taken % bytes.len()..])).await {
                Ok(Ok(count)) => taken += count,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        taken
    }

    /// Closes the sending direction of the connection.
    pub async fn close(&mut self) {
        // A peer that is gone already has seen the end, too.
        let _ = self.io.shutdown().await;
    }

    /// Reads so many bytes.
    ///
    /// # Panics
    /// The connection ended before.
    pub async fn take(&mut self, count: usize) -> Bytes {
        while self.unread.len() < count {
            assert!(self.fill().await, "the connection ended after {:?}", self.unread);
        }
        self.unread.split_to(count).freeze()
    }

    /// Reads what there is; `false` at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = soon("the peer's next bytes", self.io.read_buf(&mut self.unread)).await;
        // A reset is an end.
        read.is_ok_and(|count| count > 0)
    }

    /// Reads what `parse` finds at the beginning of the bytes that are not read yet, with its length; `None` where the
    /// connection ends instead.
    ///
    /// # Panics
    /// The connection ended inside of it.
    pub async fn parse<T>(&mut self, parse: impl Fn(&[u8]) -> Option<(T, usize)>) -> Option<T> {
        loop {
            if let Some((found, len)) = parse(&self.unread) {
                self.unread.advance(len);
                return Some(found);
            }
            if !self.fill().await {
                assert!(self.unread.is_empty(), "the connection ended after {:?}", self.unread);
                return None;
            }
        }
    }

    /// Reads to the end of the connection, and answers all bytes.
    pub async fn rest(&mut self) -> Bytes {
        while self.fill().await {}
        self.unread.split().freeze()
    }

    /// The next frame, whatever it is; `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        match self.kept.pop_front() {
            Some(frame) => Some(frame),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Option<Frame> {
        let Raw { kind, flags, stream, mut bytes } = self.read_raw().await?;
        let end = flags & wire::END_STREAM != 0;
        let number = |bytes: &mut Bytes| bytes.try_get_u32().expect("a frame of the length that its type has");
        Some(match kind {
            wire::HEADERS => {
                let mut block = strip(flags, bytes).to_vec();
                let mut flags = flags;
                while flags & wire::END_HEADERS == 0 {
                    let more = self.read_raw().await.expect("CONTINUATION follows HEADERS without END_HEADERS");
                    assert_eq!((more.kind, more.stream), (wire::CONTINUATION, stream), "only CONTINUATION may follow");
                    flags = more.flags;
                    block.extend_from_slice(&more.bytes);
                }
                let fields = self.hpack.decode(&block).unwrap_or_else(|| panic!("no header block: {block:?}"));
                Frame::Headers { stream, fields, end }
            }
            wire::DATA => Frame::Data { stream, bytes: strip(flags, bytes), end },
            wire::RST_STREAM => Frame::Reset { stream, code: number(&mut bytes) },
            wire::SETTINGS if flags & wire::ACK != 0 => Frame::SettingsAck,
            wire::SETTINGS => {
                let value = |mut pair: &[u8]| (pair.get_u16(), pair.get_u32());
                Frame::Settings(bytes.chunks_exact(6).map(value).collect())
            }
            wire::PING => {
                let data = bytes.first_chunk().copied().expect("a PING has eight bytes");
                if flags & wire::ACK == 0 { Frame::Ping(data) } else { Frame::Pong(data) }
            }
            wire::GOAWAY => Frame::GoAway { last: number(&mut bytes), code: number(&mut bytes), debug: bytes },
            wire::WINDOW_UPDATE => Frame::Window { stream, size: number(&mut bytes) },
            _ => Frame::Other { kind, flags, stream, bytes },
        })
    }

    async fn read_raw(&mut self) -> Option<Raw> {
        loop {
            if let Some(&[a, b, c, kind, flags, stream @ ..]) = self.unread.first_chunk::<9>() {
                let len = usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("24 bits are a usize");
                if self.unread.len() >= 9 + len {
                    self.unread.advance(9);
                    let bytes = self.unread.split_to(len).freeze();
                    return Some(Raw { kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1), bytes });
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next frame that says something to a test: answers SETTINGS and PING, and passes over what else keeps a
    /// connection going.
    pub async fn event(&mut self) -> Option<Frame> {
        match self.kept.pop_front() {
            Some(frame) => Some(frame),
            None => self.read_event().await,
        }
    }

    async fn read_event(&mut self) -> Option<Frame> {
        loop {
            let answer = match self.read().await? {
                Frame::Settings(_) => Frame::SettingsAck,
                Frame::Ping(data) => Frame::Pong(data),
                Frame::SettingsAck | Frame::Window { .. } => continue,
                frame => return Some(frame),
            };
            // Where the peer has closed already, what it said is still to be read.
            let _ = self.try_write(&answer.encode()).await;
        }
    }

    /// The next event of a stream; others are kept for later. Stream 0 is the connection: its GOAWAY.
    ///
    /// # Panics
    /// The connection ended before.
    pub async fn on(&mut self, stream: u32) -> Frame {
        if let Some(at) = self.kept.iter().position(|frame| frame.stream() == stream) {
            return self.kept.remove(at).expect("it is there");
        }
        loop {
            let Some(frame) = self.read_event().await else {
                panic!("the connection ended; stream {stream} was waited for, and there is {:?}", self.kept)
            };
            if frame.stream() == stream {
                return frame;
            }
            self.kept.push_back(frame);
        }
    }

    /// All events of a stream until the peer is done with it.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        let mut answer = Answer::default();
        loop {
            let frame = self.on(stream).await;
            let is_end = frame.is_end();
            match frame {
                Frame::Headers { fields, end: true, .. } => answer.trailer = Some(fields),
                Frame::Headers { fields, .. } => answer.header = Some(fields),
                Frame::Data { bytes, .. } => answer.data.extend_from_slice(&bytes),
                Frame::Reset { code, .. } => answer.reset = Some(code),
                _ => {}
            }
            if is_end {
                return answer;
            }
        }
    }

    /// Everything that the peer had said when it answered a PING: what is not among it was not sent.
    ///
    /// # Panics
    /// The connection ended before.
    pub async fn fence(&mut self) -> Vec<Frame> {
        const DATA: [u8; 8] = *b"a fence!";
        self.send(&Frame::Ping(DATA)).await;
        let mut seen: Vec<_> = self.kept.drain(..).collect();
        loop {
            match self.read_event().await {
                Some(Frame::Pong(DATA)) => return seen,
                Some(frame) => seen.push(frame),
                None => panic!("the connection ended before it answered a PING; it said {seen:?}"),
            }
        }
    }

    /// Reads to the end of the connection; answers the events.
    pub async fn end(&mut self) -> Vec<Frame> {
        let mut seen: Vec<_> = self.kept.drain(..).collect();
        while let Some(frame) = self.read_event().await {
            seen.push(frame);
        }
        seen
    }
}

/// A frame as it is on the wire.
struct Raw {
    kind: u8,
    flags: u8,
    stream: u32,
    bytes: Bytes,
}

/// Takes padding and priority off.
fn strip(flags: u8, mut bytes: Bytes) -> Bytes {
    if flags & wire::PADDED != 0 {
        let padding = usize::from(bytes.get_u8());
        bytes.truncate(bytes.len() - padding);
    }
    if flags & wire::PRIORITY != 0 {
        bytes.advance(5);
    }
    bytes
}

/// How a stream was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The first HEADERS, where there was one before the trailers.
    pub header: Option<Vec<Field>>,
    /// The bytes of all DATA.
    pub data: Vec<u8>,
    /// The HEADERS that ended the stream.
    pub trailer: Option<Vec<Field>>,
    /// The code of the RST_STREAM that ended it.
    pub reset: Option<u32>,
}

impl Answer {
    /// A trailer's value; a trailer that is not there is no value.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        value(self.trailer.as_deref()?, name)
    }

    /// The end in short: `13 text`, `reset 2`.
    #[must_use]
    pub fn status(&self) -> String {
        match (self.reset, self.trailer("grpc-status"), self.trailer("grpc-message")) {
            (Some(code), ..) => format!("reset {code}"),
            (None, Some(status), Some(message)) => format!("{status} {message}"),
            (None, ..) => format!("no status: {self:?}"),
        }
    }
}
