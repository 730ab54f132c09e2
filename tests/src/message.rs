//! Ping-pong messages, byte by byte, in every layout and protocol: independent of the runtime, and able to lie.

pub mod parsed;
pub mod ttheader;

pub use parsed::Parsed;
pub use ttheader::TtHeader;

/// What is around a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Nothing.
    Buffered,
    /// A length.
    Framed,
    /// A header.
    TtHeader,
    /// A header, and a length inside.
    TtHeaderFramed,
    /// As [`Layout::TtHeaderFramed`], with the flag that makes a connection concurrent.
    Multiplexed,
}

/// What a message is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Strict Thrift Binary.
    Binary,
    /// Thrift Compact, version 1.
    Compact,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// What is around it.
    pub layout: Layout,
    /// What it is written in.
    pub protocol: Protocol,
}

/// What a request is for.
pub const CALL: u8 = 1;
/// What a result is.
pub const REPLY: u8 = 2;
/// What an error is that no method declares.
pub const EXCEPTION: u8 = 3;
/// What a request is for that wants no answer.
pub const ONEWAY: u8 = 4;

/// An envelope and the struct behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One of the constants here, or a lie.
    pub kind: u8,
    /// The method.
    pub name: Vec<u8>,
    /// Which request this is, or answers.
    pub seq_id: i32,
    /// The struct's bytes, its end included.
    pub body: Vec<u8>,
}

impl Way {
    /// Every way there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        use Layout::{Buffered, Framed, Multiplexed, TtHeader, TtHeaderFramed};
        let layouts = [Buffered, Framed, TtHeader, TtHeaderFramed, Multiplexed];
        let ways = |protocol| layouts.map(|layout| Self { layout, protocol });
        [ways(Protocol::Binary), ways(Protocol::Compact)].concat()
    }

    /// Those with a TTHeader.
    #[must_use]
    pub fn with_header() -> Vec<Self> {
        Self::all().into_iter().filter(|way| way.has_header()).collect()
    }

    /// Whether a TTHeader is around the message.
    #[must_use]
    pub fn has_header(self) -> bool {
        !matches!(self.layout, Layout::Buffered | Layout::Framed)
    }

    /// The bytes of a message.
    #[must_use]
    pub fn put(self, message: &Message) -> Vec<u8> {
        self.wrap(message.seq_id, &message.put(self.protocol))
    }

    /// Puts around a message what belongs there.
    #[must_use]
    pub fn wrap(self, seq_id: i32, message: &[u8]) -> Vec<u8> {
        match self.layout {
            Layout::Buffered => message.to_vec(),
            Layout::Framed => framed(message),
            _ => self.header(seq_id).put(&self.payload(message)),
        }
    }

    /// The header that such a message has; empty of keys.
    #[must_use]
    pub fn header(self, seq_id: i32) -> TtHeader {
        TtHeader { flags: u16::from(self.layout == Layout::Multiplexed), seq_id, ..TtHeader::default() }
    }

    /// What a header has behind it.
    #[must_use]
    pub fn payload(self, message: &[u8]) -> Vec<u8> {
        if self.layout == Layout::TtHeader { message.to_vec() } else { framed(message) }
    }

    /// A call of `EchoPingPong` with this text.
    #[must_use]
    pub fn echo(self, seq_id: i32, text: &str) -> Vec<u8> {
        self.put(&self.protocol.echo(seq_id, text))
    }

    /// The answer to [`Way::echo`].
    #[must_use]
    pub fn echoed(self, seq_id: i32, text: &str) -> Vec<u8> {
        self.put(&self.protocol.echoed(seq_id, text))
    }
}

impl Protocol {
    /// A call of `EchoPingPong` with this text.
    #[must_use]
    pub fn echo(self, seq_id: i32, text: &str) -> Message {
        let body = self.said([&[0x0c, 0, 1], &[0x1c]], text);
        Message { kind: CALL, name: b"EchoPingPong".to_vec(), seq_id, body }
    }

    /// The answer to [`Protocol::echo`].
    #[must_use]
    pub fn echoed(self, seq_id: i32, text: &str) -> Message {
        // Compact has no delta for field 0.
        let body = self.said([&[0x0c, 0, 0], &[0x0c, 0]], text);
        Message { kind: REPLY, name: b"EchoPingPong".to_vec(), seq_id, body }
    }

    /// A struct with one field, whose head this is, which is a struct with the text in field 1.
    fn said(self, [binary, compact]: [&[u8]; 2], text: &str) -> Vec<u8> {
        match self {
            Self::Binary => [binary, &[0x0b, 0, 1], &len_32(text.len()), text.as_bytes(), &[0, 0]].concat(),
            Self::Compact => [compact, &[0x18], &varint(text.len()), text.as_bytes(), &[0, 0]].concat(),
        }
    }
}

impl Message {
    /// The message's bytes, without what is around it.
    #[must_use]
    pub fn put(&self, protocol: Protocol) -> Vec<u8> {
        let Self { kind, name, seq_id, body } = self;
        match protocol {
            Protocol::Binary => {
                [&[0x80, 1, 0, *kind][..], &len_32(name.len()), name, &seq_id.to_be_bytes(), body].concat()
            }
            Protocol::Compact => {
                let seq_id = varint(*seq_id as u32 as usize);
                [&[0x82, kind << 5 | 1][..], &seq_id, &varint(name.len()), name, body].concat()
            }
        }
    }
}

/// Bytes behind their number.
#[must_use]
pub fn framed(bytes: &[u8]) -> Vec<u8> {
    [&len_32(bytes.len())[..], bytes].concat()
}

/// A length as Binary and frames have it.
///
/// # Panics
/// A length of 4 GiB.
#[must_use]
pub fn len_32(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("no test sends 4 GiB").to_be_bytes()
}

/// A number as Compact has it.
#[must_use]
pub fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
    out
}
