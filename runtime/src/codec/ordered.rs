//! Doubles, and values that hold them, as keys.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::{DecodeError, EncodeError, Reader, TType, Thrift, Value, Writer};
use crate::schema::Type;

/// A `double` that can be the key of a map or the element of a set.
///
/// The order is that of [`f64::total_cmp`]: a NaN equals itself, and -0.0 is below 0.0.
///
/// ```
/// use std::collections::BTreeSet;
/// use thrill::OrderedF64;
///
/// let set: BTreeSet<OrderedF64> = [2.5, 1.0, 2.5].into_iter().map(OrderedF64).collect();
/// assert_eq!(set.first().copied().map(f64::from), Some(1.0));
/// assert_eq!(set.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct OrderedF64(pub f64);

impl PartialEq for OrderedF64 {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OrderedF64 {}

impl PartialOrd for OrderedF64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderedF64 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for OrderedF64 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Equal in the total order is equal in bits.
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for OrderedF64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<f64> for OrderedF64 {
    fn from(v: f64) -> Self {
        Self(v)
    }
}

impl From<OrderedF64> for f64 {
    fn from(v: OrderedF64) -> Self {
        v.0
    }
}

impl Thrift for OrderedF64 {
    const TYPE: TType = TType::Double;
    const SCHEMA: Type = Type::Double;

    #[inline]
    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.double(self.0);
        Ok(())
    }

    #[inline]
    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        r.double().map(Self)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// First by type, then by value; a double as [`OrderedF64`].
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::I8(a), Self::I8(b)) => a.cmp(b),
            (Self::I16(a), Self::I16(b)) => a.cmp(b),
            (Self::I32(a), Self::I32(b)) => a.cmp(b),
            (Self::I64(a), Self::I64(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::Binary(a), Self::Binary(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Struct(a), Self::Struct(b)) => a.cmp(b),
            (Self::List { element: a, elements: x }, Self::List { element: b, elements: y })
            | (Self::Set { element: a, elements: x }, Self::Set { element: b, elements: y }) => (a, x).cmp(&(b, y)),
            (Self::Map { key: a, value: b, entries: x }, Self::Map { key: c, value: d, entries: y }) => {
                (a, b, x).cmp(&(c, d, y))
            }
            _ => self.ttype().cmp(&other.ttype()),
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ttype().hash(state);
        match self {
            Self::Bool(v) => v.hash(state),
            Self::I8(v) => v.hash(state),
            Self::I16(v) => v.hash(state),
            Self::I32(v) => v.hash(state),
            Self::I64(v) => v.hash(state),
            Self::Double(v) => OrderedF64(*v).hash(state),
            Self::Binary(v) => v.hash(state),
            Self::Uuid(v) => v.hash(state),
            Self::Struct(fields) => fields.hash(state),
            Self::List { element, elements } | Self::Set { element, elements } => (element, elements).hash(state),
            Self::Map { key, value, entries } => (key, value, entries).hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn hashed(value: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn doubles_have_a_total_order() {
        let sorted = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1.0, f64::INFINITY, f64::NAN];
        for (i, a) in sorted.into_iter().enumerate() {
            for (j, b) in sorted.into_iter().enumerate() {
                assert_eq!(OrderedF64(a).cmp(&OrderedF64(b)), i.cmp(&j), "{a} {b}");
                assert_eq!(Value::Double(a).cmp(&Value::Double(b)), i.cmp(&j), "{a} {b}");
                assert_eq!(hashed(&OrderedF64(a)) == hashed(&OrderedF64(b)), i == j, "{a} {b}");
            }
        }
    }

    #[test]
    fn values_are_ordered_by_type_then_by_value() {
        let list = |numbers: &[i8]| Value::List {
            element: TType::I8,
            elements: numbers.iter().copied().map(Value::I8).collect(),
        };
        let sorted = [
            Value::Bool(false),
            Value::Bool(true),
            Value::I8(-1),
            Value::Double(1.0),
            Value::I32(3),
            Value::Binary("a".into()),
            Value::Struct(vec![]),
            Value::Struct(vec![(1, Value::I8(1))]),
            Value::Struct(vec![(2, Value::I8(0))]),
            Value::Map { key: TType::I8, value: TType::I8, entries: vec![] },
            Value::Set { element: TType::I8, elements: vec![] },
            list(&[]),
            list(&[1, 2]),
            list(&[2]),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
                assert_eq!(hashed(a) == hashed(b), i == j, "{a:?} {b:?}");
            }
        }
    }
}
