//! `string` and `binary`.
//!
//! A string is checked to be UTF-8, `binary` is byte-exact. [`ByteString`] and [`Bytes`] share the memory of the
//! message they came in, however short they are: keep a copy instead where a small field outlives a big message.

use bytes::Bytes;
use bytestring::ByteString;

use super::{DecodeError, EncodeError, Reader, TType, Thrift, Writer};
use crate::schema::Type;

impl Thrift for String {
    const TYPE: TType = TType::String;
    const SCHEMA: Type = Type::String;

    #[inline]
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.bytes(self.as_bytes())
    }

    #[inline]
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        // Checked before it is copied: what is no text costs no allocation.
        std::str::from_utf8(r.bytes()?).map(Self::from).map_err(DecodeError::utf8)
    }

    #[inline]
    fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
        w.field_bytes(id, self.as_bytes())
    }

    #[inline]
    fn decode_elements<R: Reader>(r: &mut R, count: usize) -> Result<Vec<Self>, DecodeError> {
        r.strings(count)
    }
}

impl Thrift for ByteString {
    const TYPE: TType = TType::String;
    const SCHEMA: Type = Type::String;

    #[inline]
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.shared(self.as_bytes())
    }

    #[inline]
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        r.shared()?.try_into().map_err(DecodeError::utf8)
    }

    #[inline]
    fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
        w.field_shared(id, self.as_bytes())
    }
}

impl Thrift for Bytes {
    const TYPE: TType = TType::String;
    const SCHEMA: Type = Type::Binary;

    #[inline]
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.shared(self)
    }

    #[inline]
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        r.shared()
    }

    #[inline]
    fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
        w.field_shared(id, self)
    }
}

impl Thrift for Vec<u8> {
    const TYPE: TType = TType::String;
    const SCHEMA: Type = Type::Binary;

    #[inline]
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.bytes(self)
    }

    #[inline]
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        r.bytes().map(<[u8]>::to_vec)
    }

    #[inline]
    fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
        w.field_bytes(id, self)
    }
}
