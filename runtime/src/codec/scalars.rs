//! Bools, numbers and UUIDs.

use super::limits::capacity;
use super::{DecodeError, EncodeError, Reader, TType, Thrift, Writer};
use crate::schema::Type;

macro_rules! scalar {
    ($rust:ty, $ttype:ident, $method:ident, $field:ident, $to_be:expr, $from_be:expr) => {
        impl Thrift for $rust {
            const TYPE: TType = TType::$ttype;
            const SCHEMA: Type = Type::$ttype;

            #[inline]
            fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
                w.$method(*self);
                Ok(())
            }

            #[inline]
            fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
                r.$method()
            }

            #[inline]
            fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
                w.$field(id, *self);
                Ok(())
            }

            #[inline]
            fn encode_elements<W: Writer>(elements: &[Self], w: &mut W) -> Result<(), EncodeError> {
                if !w.array(elements, $to_be) {
                    elements.iter().for_each(|element| w.$method(*element));
                }
                Ok(())
            }

            #[inline]
            fn decode_elements<R: Reader>(r: &mut R, count: usize) -> Result<Vec<Self>, DecodeError> {
                if let Some(array) = r.array(count, size_of::<Self>())? {
                    return Ok(from_array(array, $from_be));
                }
                let mut elements = Vec::with_capacity(capacity::<Self>(count));
                for _ in 0..count {
                    elements.push(r.$method()?);
                }
                Ok(elements)
            }
        }
    };
}

scalar!(bool, Bool, bool, field_bool, |v| [u8::from(v)], |[byte]: [u8; 1]| byte == 1);
scalar!(i8, I8, i8, field_i8, i8::to_be_bytes, i8::from_be_bytes);
scalar!(i16, I16, i16, field_i16, i16::to_be_bytes, i16::from_be_bytes);
scalar!(i32, I32, i32, field_i32, i32::to_be_bytes, i32::from_be_bytes);
scalar!(i64, I64, i64, field_i64, i64::to_be_bytes, i64::from_be_bytes);
scalar!(f64, Double, double, field_double, f64::to_be_bytes, f64::from_be_bytes);

/// The Thrift type `uuid`. Kitex does not know it: a Kitex peer refuses the message.
#[cfg(feature = "uuid")]
impl Thrift for uuid::Uuid {
    const TYPE: TType = TType::Uuid;
    const SCHEMA: Type = Type::Uuid;

    #[inline]
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.uuid(self.into_bytes());
        Ok(())
    }

    #[inline]
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        r.uuid().map(Self::from_bytes)
    }
}

/// All numbers of an array. The bytes are there, so that their number is no claim.
#[inline]
fn from_array<T, const N: usize>(array: &[u8], from_be: impl Fn([u8; N]) -> T) -> Vec<T> {
    // A chunk has N bytes, so the zeros are never used.
    array.chunks_exact(N).map(|chunk| from_be(chunk.try_into().unwrap_or([0; N]))).collect()
}
