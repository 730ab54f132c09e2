//! What a ping-pong message has before its struct: the method's name, the kind of message and a sequence id.

use std::borrow::Cow;
use std::fmt;

use super::compact::{self, BadVarint, VARINT_32};
use super::{Buffer, DecodeError, EncodeError, Reader, TType, Thrift, Writer};
use crate::error::{Error, Result};
use crate::schema::{Field, Ref, Requiredness, Struct, StructKind, Type};

/// Which payload protocol a message is in. Each message tells by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// [`binary`](super::binary), strict: what Kitex speaks.
    Binary,
    /// [`compact`]: what some clients of Apache Thrift and Volo speak.
    Compact,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum MessageKind {
    /// A request. Kitex answers by the method and not by the kind: a oneway method gets no reply to this either.
    Call = 1,
    /// A result, or a declared exception.
    Reply = 2,
    /// An [`ApplicationException`].
    Exception = 3,
    /// A request that wants no reply.
    Oneway = 4,
}

/// The envelope of a message; the struct follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    /// The method's name. A peer's need not be UTF-8, and may be empty: Volo sends such exceptions.
    pub(crate) name: &'a [u8],
    /// What the message is for.
    pub(crate) kind: MessageKind,
    /// Which request a reply belongs to. Any number; negative ones and 0 too.
    pub(crate) seq_id: i32,
}

impl<'a> Envelope<'a> {
    /// The name for a person to read.
    pub(crate) fn name_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name)
    }

    /// Writes the envelope; the struct is to follow.
    ///
    /// # Errors
    /// A name whose length does not fit an `i32`.
    pub(crate) fn put(&self, protocol: Protocol, buffer: &mut Buffer) -> Result<(), EncodeError> {
        let kind = self.kind as u8;
        match protocol {
            Protocol::Binary => {
                let [high, low] = BINARY;
                let mut w = super::binary::Writer::new(buffer);
                w.i32(i32::from_be_bytes([high, low, 0, kind]));
                w.bytes(self.name)?;
                w.i32(self.seq_id);
            }
            Protocol::Compact => {
                let mut w = compact::Writer::new(buffer);
                w.i8(COMPACT as i8);
                w.i8((kind << 5 | COMPACT_VERSION) as i8);
                w.varint((self.seq_id as u32).into());
                w.bytes(self.name)?;
            }
        }
        Ok(())
    }

    /// Reads the envelope that `bytes` begin with, and where the struct begins. `None`: `bytes` do not hold all of it.
    ///
    /// # Errors
    /// Bytes that are no envelope, as early as that shows: the old form that is not strict, another version, a kind that
    /// is none, a name that is longer than [`MAX_NAME`].
    pub(crate) fn parse(protocol: Protocol, bytes: &'a [u8]) -> Result<Option<(Self, usize)>> {
        match protocol {
            Protocol::Binary => parse_binary(bytes),
            Protocol::Compact => parse_compact(bytes),
        }
    }

    /// As [`Envelope::parse`], of a message that is there as a whole.
    ///
    /// # Errors
    /// As [`Envelope::parse`], or bytes that end inside the envelope.
    pub(crate) fn parse_whole(protocol: Protocol, bytes: &'a [u8]) -> Result<(Self, usize)> {
        let envelope = Self::parse(protocol, bytes)?;
        Ok(envelope.ok_or_else(|| DecodeError::end("the rest of a message's envelope", bytes.len()))?)
    }
}

fn parse_binary(bytes: &[u8]) -> Result<Option<(Envelope<'_>, usize)>> {
    if !common_prefix(bytes, &BINARY) {
        return Err(Error::protocol("message does not begin with 80 01, as one of strict Thrift Binary does"));
    }
    // The third byte belongs to the kind: 80 01 01 01 is the kind 257 to Kitex too.
    let Some([_, _, kind @ ..]) = bytes.first_chunk::<4>() else { return Ok(None) };
    let kind = message_kind(u16::from_be_bytes(*kind))?;
    let Some((len, rest)) = bytes.get(4..).and_then(<[u8]>::split_first_chunk) else { return Ok(None) };
    let len = name_len(i32::from_be_bytes(*len), rest.len(), 4)?;
    let Some((name, rest)) = rest.split_at_checked(len) else { return Ok(None) };
    let Some((seq_id, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let envelope = Envelope { name, kind, seq_id: i32::from_be_bytes(*seq_id) };
    Ok(Some((envelope, bytes.len() - rest.len())))
}

fn parse_compact(bytes: &[u8]) -> Result<Option<(Envelope<'_>, usize)>> {
    if !common_prefix(bytes, &[COMPACT]) {
        return Err(Error::protocol("message does not begin with 82, as one of Thrift Compact does"));
    }
    let [_, kind, rest @ ..] = bytes else { return Ok(None) };
    let version = kind & 0x1f;
    if version != COMPACT_VERSION {
        // fbthrift's version 2 has doubles of the other byte order.
        return Err(Error::protocol(format!(
            "version {version} of Thrift Compact is unknown; this side speaks version 1"
        )));
    }
    let kind = message_kind((kind >> 5).into())?;
    let Some((seq_id, rest)) = varint_32(bytes, rest)? else { return Ok(None) };
    let at = bytes.len() - rest.len();
    let Some((len, rest)) = varint_32(bytes, rest)? else { return Ok(None) };
    let len = name_len(len, rest.len(), at)?;
    let Some((name, rest)) = rest.split_at_checked(len) else { return Ok(None) };
    Ok(Some((Envelope { name, kind, seq_id }, bytes.len() - rest.len())))
}

/// A varint and what follows it. `rest` is the end of `bytes`.
fn varint_32<'a>(bytes: &[u8], rest: &'a [u8]) -> Result<Option<(i32, &'a [u8])>> {
    match compact::varint(rest, VARINT_32) {
        Ok((value, len)) => Ok(Some((value as u32 as i32, rest.get(len..).unwrap_or_default()))),
        Err(BadVarint::Ends) => Ok(None),
        Err(BadVarint::TooLong) => Err(DecodeError::varint(bytes.len() - rest.len(), VARINT_32).into()),
    }
}

fn message_kind(number: u16) -> Result<MessageKind> {
    Ok(match number {
        1 => MessageKind::Call,
        2 => MessageKind::Reply,
        3 => MessageKind::Exception,
        4 => MessageKind::Oneway,
        _ => return Err(Error::protocol(format!("invalid message type {number}"))),
    })
}

/// Checks the length of a name, read at `at`: it is only the peer's claim.
fn name_len(claimed: i32, left: usize, at: usize) -> Result<usize> {
    let Ok(len) = usize::try_from(claimed) else { return Err(DecodeError::length(claimed, left, at).into()) };
    if len > MAX_NAME {
        return Err(Error::TooLarge { what: "received method name", got: len, limit: MAX_NAME });
    }
    Ok(len)
}

/// Whether `bytes`, as far as they have come, begin with `prefix`.
fn common_prefix(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(got, want)| got == want)
}

/// The longest name of a method, in bytes.
pub(crate) const MAX_NAME: usize = 4 << 10;

/// The first bytes of a message in strict Thrift Binary.
pub(crate) const BINARY: [u8; 2] = [0x80, 0x01];

/// The first byte of a message in Thrift Compact.
pub(crate) const COMPACT: u8 = 0x82;

/// The version of Thrift Compact: the low five bits of the second byte.
pub(crate) const COMPACT_VERSION: u8 = 1;

/// An error that no method declares: what a message of the kind exception carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationException {
    /// What went wrong: one of the constants here, or any other number.
    pub kind: i32,
    /// The text. An empty one is shown as what the kind means.
    pub message: String,
}

impl ApplicationException {
    /// Nothing is known of the error.
    pub const UNKNOWN: i32 = 0;
    /// The service has no such method.
    pub const UNKNOWN_METHOD: i32 = 1;
    /// The message is of a kind that should not be here.
    pub const INVALID_MESSAGE_TYPE: i32 = 2;
    /// The reply names another method than the request.
    pub const WRONG_METHOD_NAME: i32 = 3;
    /// The reply has another sequence id than the request.
    pub const BAD_SEQUENCE_ID: i32 = 4;
    /// The reply has neither a result nor an exception.
    pub const MISSING_RESULT: i32 = 5;
    /// The handler failed, or panicked.
    pub const INTERNAL_ERROR: i32 = 6;
    /// The bytes are not the message that the schema says.
    pub const PROTOCOL_ERROR: i32 = 7;
    /// The payload was transformed in a way that is not known.
    pub const INVALID_TRANSFORM: i32 = 8;
    /// The payload is in a protocol that is not known.
    pub const INVALID_PROTOCOL: i32 = 9;
    /// The client is of a type that is not served.
    pub const UNSUPPORTED_CLIENT_TYPE: i32 = 10;
    /// The arguments are not valid: pilota's addition.
    pub const VALIDATION_FAILED: i32 = 11;
    /// No service has the name or the method: Kitex's addition.
    pub const UNKNOWN_SERVICE: i32 = 20;
    /// The request names no service: Kitex's addition, which it never sends.
    pub const NO_SERVICE_NAME: i32 = 21;

    /// An exception of a kind, with a text.
    #[must_use]
    pub fn new(kind: i32, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// The message, or what the kind means where there is none: Kitex's texts.
impl fmt::Display for ApplicationException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.message.is_empty() {
            return f.write_str(&self.message);
        }
        f.write_str(match self.kind {
            Self::UNKNOWN => "unknown application exception",
            Self::UNKNOWN_METHOD => "unknown method",
            Self::INVALID_MESSAGE_TYPE => "invalid message type",
            Self::WRONG_METHOD_NAME => "wrong method name",
            Self::BAD_SEQUENCE_ID => "bad sequence ID",
            Self::MISSING_RESULT => "missing result",
            Self::INTERNAL_ERROR => "unknown internal error",
            Self::PROTOCOL_ERROR => "unknown protocol error",
            Self::INVALID_TRANSFORM => "Invalid transform",
            Self::INVALID_PROTOCOL => "Invalid protocol",
            Self::UNSUPPORTED_CLIENT_TYPE => "Unsupported client type",
            kind => return write!(f, "unknown exception type [{kind}]"),
        })
    }
}

impl std::error::Error for ApplicationException {}

impl Thrift for ApplicationException {
    const TYPE: TType = TType::Struct;
    const SCHEMA: Type = Type::Struct(Ref::new(&APPLICATION_EXCEPTION));

    /// Both fields, always and in this order: Kitex's reader fails on others.
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.begin_struct()?;
        w.field_bytes(1, self.message.as_bytes())?;
        w.field_i32(2, self.kind);
        w.end_struct();
        Ok(())
    }

    /// Takes what it can get: an error is not to be lost over a field that is missing or no text.
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let mut exception = Self::default();
        r.begin_struct()?;
        while let Some(field) = r.next_field()? {
            match (field.id, field.ttype) {
                (1, TType::String) => exception.message = String::from_utf8_lossy(r.bytes()?).into_owned(),
                (2, TType::I32) => exception.kind = r.i32()?,
                _ => r.skip(field.ttype)?,
            }
        }
        Ok(exception)
    }
}

static APPLICATION_EXCEPTION: Struct = {
    const fn field(id: i16, name: &'static str, ty: Type) -> Field {
        Field { id, name, ty, requiredness: Requiredness::Default, docs: "", default: None }
    }
    Struct {
        name: "TApplicationException",
        path: "thrill::ApplicationException",
        kind: StructKind::Exception,
        docs: "",
        fields: &[field(1, "message", String::SCHEMA), field(2, "type", i32::SCHEMA)],
    }
};

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::codec::fuzz::{Random, bytes_of};
    use crate::codec::{Value, binary};

    fn put(envelope: Envelope<'_>, protocol: Protocol) -> Vec<u8> {
        let mut buffer = Buffer::new();
        envelope.put(protocol, &mut buffer).unwrap();
        bytes_of(&mut buffer)
    }

    #[test]
    fn envelopes_have_the_bytes_of_the_spec() {
        type Row = (Protocol, MessageKind, &'static [u8], i32, &'static [u8]);
        let rows: &[Row] = &[
            (Protocol::Binary, MessageKind::Call, b"a", 0, &[0x80, 1, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 0]),
            (Protocol::Binary, MessageKind::Reply, b"", -1, &[0x80, 1, 0, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
            (Protocol::Binary, MessageKind::Exception, &[0xff], 1, &[0x80, 1, 0, 3, 0, 0, 0, 1, 0xff, 0, 0, 0, 1]),
            (Protocol::Binary, MessageKind::Oneway, b"a", 300, &[0x80, 1, 0, 4, 0, 0, 0, 1, b'a', 0, 0, 1, 0x2c]),
            (Protocol::Compact, MessageKind::Call, b"a", 0, &[0x82, 0x21, 0, 1, b'a']),
            (Protocol::Compact, MessageKind::Reply, b"", 300, &[0x82, 0x41, 0xac, 2, 0]),
            (Protocol::Compact, MessageKind::Exception, &[0xff], 1, &[0x82, 0x61, 1, 1, 0xff]),
            (
                Protocol::Compact,
                MessageKind::Oneway,
                b"ab",
                -1,
                &[0x82, 0x81, 0xff, 0xff, 0xff, 0xff, 0x0f, 2, b'a', b'b'],
            ),
        ];
        for (protocol, kind, name, seq_id, bytes) in rows {
            let envelope = Envelope { name, kind: *kind, seq_id: *seq_id };
            assert_eq!(put(envelope, *protocol), *bytes);
            let more = [bytes, &[0x0c, 0][..]].concat();
            assert_eq!(Envelope::parse(*protocol, &more).unwrap(), Some((envelope, bytes.len())));
            assert_eq!(Envelope::parse_whole(*protocol, &more).unwrap(), (envelope, bytes.len()));
            for len in 0..bytes.len() {
                assert_eq!(Envelope::parse(*protocol, &bytes[..len]).unwrap(), None, "cut at {len}");
                let err = Envelope::parse_whole(*protocol, &bytes[..len]).unwrap_err().to_string();
                assert_eq!(err, format!("bytes end where the rest of a message's envelope should be, at offset {len}"));
            }
        }
    }

    #[test]
    fn what_is_no_envelope_is_an_error_before_it_is_whole() {
        use Protocol::{Binary, Compact};
        let rows: &[(Protocol, &[u8], &str)] = &[
            (Binary, &[0], "does not begin with 80 01"),
            (Binary, &[0, 0, 0, 1, b'a', 1], "does not begin with 80 01"),
            (Binary, &[0x80, 2], "does not begin with 80 01"),
            (Binary, &[0x82, 0x21], "does not begin with 80 01"),
            (Binary, &[0x80, 1, 0, 0], "invalid message type 0"),
            (Binary, &[0x80, 1, 0, 5], "invalid message type 5"),
            (Binary, &[0x80, 1, 1, 1], "invalid message type 257"),
            (Binary, &[0x80, 1, 0, 1, 0xff, 0xff, 0xff, 0xff], "negative length -1 at offset 4"),
            (Binary, &[0x80, 1, 0, 1, 0x80, 0, 0, 0], "negative length -2147483648 at offset 4"),
            (Binary, &[0x80, 1, 0, 1, 0x7f, 0xff, 0xff, 0xff], "received method name of 2147483647 bytes is larger"),
            (
                Binary,
                &[0x80, 1, 0, 1, 0, 0, 0x10, 1],
                "received method name of 4097 bytes is larger than the limit of 4096",
            ),
            (Compact, &[0x80], "does not begin with 82"),
            (Compact, &[0x82, 0x22], "version 2 of Thrift Compact is unknown"),
            (Compact, &[0x82, 0x01], "invalid message type 0"),
            (Compact, &[0x82, 0xa1], "invalid message type 5"),
            (Compact, &[0x82, 0x21, 0x80, 0x80, 0x80, 0x80, 0x80], "does not end within"),
            (Compact, &[0x82, 0x21, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], "negative length -1 at offset 3"),
            (
                Compact,
                &[0x82, 0x21, 0, 0xff, 0xff, 0xff, 0xff, 0x07],
                "received method name of 2147483647 bytes is larger",
            ),
            (Compact, &[0x82, 0x21, 0, 0x80, 0x80, 0x80, 0x80, 0x80], "does not end within"),
        ];
        for (protocol, bytes, want) in rows {
            let err = Envelope::parse(*protocol, bytes).unwrap_err().to_string();
            assert!(err.contains(want), "{bytes:02x?}: {err}");
        }
        let longest = Envelope { name: &[b'a'; MAX_NAME], kind: MessageKind::Call, seq_id: 1 };
        for protocol in [Binary, Compact] {
            let bytes = put(longest, protocol);
            assert_eq!(Envelope::parse(protocol, &bytes).unwrap(), Some((longest, bytes.len())));
        }
    }

    #[test]
    fn random_bytes_never_panic_and_an_envelope_read_can_be_written() {
        let mut random = Random::new();
        let envelope = Envelope { name: b"basePing", kind: MessageKind::Call, seq_id: 77_777 };
        for round in 0..20_000 {
            let protocol = if round % 2 == 0 { Protocol::Binary } else { Protocol::Compact };
            let mut bytes = put(envelope, protocol);
            (0..=random.below(3)).for_each(|_| random.mutate(&mut bytes));
            if let Ok(Some((envelope, len))) = Envelope::parse(protocol, &bytes) {
                assert!(len <= bytes.len());
                let again = put(envelope, protocol);
                assert_eq!(Envelope::parse(protocol, &again).unwrap(), Some((envelope, again.len())));
            }
        }
    }

    #[test]
    fn exceptions_are_written_as_kitex_reads_them() {
        let exception =
            ApplicationException::new(ApplicationException::UNKNOWN_SERVICE, "unknown service , method nope");
        let mut buffer = Buffer::new();
        let envelope = Envelope { name: b"nope", kind: MessageKind::Exception, seq_id: 77 };
        envelope.put(Protocol::Binary, &mut buffer).unwrap();
        exception.encode(&mut binary::Writer::new(&mut buffer)).unwrap();
        let bytes = bytes_of(&mut buffer);
        // The sample of the spec.
        let want = b"\x80\x01\x00\x03\x00\x00\x00\x04nope\x00\x00\x00\x4d\x0b\x00\x01\x00\x00\x00\x1dunknown service , method nope\x08\x00\x02\x00\x00\x00\x14\x00";
        assert_eq!(bytes, want);

        let bytes = Bytes::from(bytes);
        let (envelope, at) = Envelope::parse_whole(Protocol::Binary, &bytes).unwrap();
        assert_eq!((envelope.name_text().as_ref(), envelope.kind), ("nope", MessageKind::Exception));
        let mut reader = binary::Reader::over(&bytes, at..bytes.len());
        assert_eq!(ApplicationException::decode(&mut reader).unwrap(), exception);

        let mut buffer = Buffer::new();
        exception.encode(&mut compact::Writer::new(&mut buffer)).unwrap();
        let bytes = Bytes::from(bytes_of(&mut buffer));
        assert_eq!(ApplicationException::decode(&mut compact::Reader::new(&bytes)).unwrap(), exception);
    }

    #[test]
    fn exceptions_are_read_from_what_there_is() {
        let text = |text: &'static [u8]| Value::Binary(text.into());
        let rows = [
            (vec![], 0, "unknown application exception"),
            (vec![(2, Value::I32(6))], 6, "unknown internal error"),
            (vec![(2, Value::I32(20)), (1, text(b""))], 20, "unknown exception type [20]"),
            (vec![(2, Value::I32(-5))], -5, "unknown exception type [-5]"),
            (vec![(1, text(b"\xffa"))], 0, "\u{fffd}a"),
            (vec![(1, Value::I32(1)), (2, text(b"x"))], 0, "unknown application exception"),
            (vec![(3, Value::Struct(vec![])), (1, text(b"a")), (9, text(b"b")), (2, Value::I32(7))], 7, "a"),
        ];
        for (fields, kind, want) in rows {
            let mut buffer = Buffer::new();
            Value::Struct(fields).encode(&mut binary::Writer::new(&mut buffer)).unwrap();
            let bytes = Bytes::from(bytes_of(&mut buffer));
            let exception = ApplicationException::decode(&mut binary::Reader::new(&bytes)).unwrap();
            assert_eq!((exception.kind, exception.to_string().as_str()), (kind, want));
        }
    }
}
