//! Lists, sets, maps, and the pointers that are transparent.
//!
//! A container whose elements are of another type than the declared one is an element mismatch, for which
//! [`Reader::value`] skips the field; Kitex would misread the bytes. What an empty container says about its elements
//! does not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::limits::capacity;
use super::{DecodeError, EncodeError, Reader, TType, Thrift, Writer};
use crate::schema::Type;

impl<T: Thrift> Thrift for Vec<T> {
    const TYPE: TType = TType::List;
    const SCHEMA: Type = Type::List(&T::SCHEMA);

    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        w.begin_list(T::TYPE, self.len())?;
        T::encode_elements(self, w)?;
        w.end_container();
        Ok(())
    }

    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let (element, count) = r.begin_list()?;
        check::<T>(element, count)?;
        r.charge(count, size_of::<T>())?;
        let elements = T::decode_elements(r, count)?;
        r.end_container();
        Ok(elements)
    }
}

impl<T: Thrift + Eq + Hash, S: BuildHasher + Default> Thrift for HashSet<T, S> {
    const TYPE: TType = TType::Set;
    const SCHEMA: Type = Type::Set(&T::SCHEMA);

    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        encode_set(self.iter(), w)
    }

    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let new = |count| Self::with_capacity_and_hasher(capacity::<T>(count), S::default());
        decode_set(r, new, |set, element| {
            set.insert(element);
        })
    }
}

impl<T: Thrift + Ord> Thrift for BTreeSet<T> {
    const TYPE: TType = TType::Set;
    const SCHEMA: Type = Type::Set(&T::SCHEMA);

    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        encode_set(self.iter(), w)
    }

    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let elements = decode_set(r, |count| Vec::with_capacity(capacity::<T>(count)), Vec::push)?;
        Ok(elements.into_iter().collect())
    }
}

/// Of entries with equal keys the last one wins.
impl<K: Thrift + Eq + Hash, V: Thrift, S: BuildHasher + Default> Thrift for HashMap<K, V, S> {
    const TYPE: TType = TType::Map;
    const SCHEMA: Type = Type::Map(&K::SCHEMA, &V::SCHEMA);

    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        encode_map(self.iter(), w)
    }

    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        let new = |count| Self::with_capacity_and_hasher(capacity::<(K, V)>(count), S::default());
        decode_map(r, new, |map, key, value| {
            map.insert(key, value);
        })
    }
}

/// Of entries with equal keys the last one wins.
impl<K: Thrift + Ord, V: Thrift> Thrift for BTreeMap<K, V> {
    const TYPE: TType = TType::Map;
    const SCHEMA: Type = Type::Map(&K::SCHEMA, &V::SCHEMA);

    fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
        encode_map(self.iter(), w)
    }

    fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
        // Sorted and built in one go: half the time of one by one where the peer's map is sorted too.
        let new = |count| Vec::with_capacity(capacity::<(K, V)>(count));
        let entries = decode_map(r, new, |entries, key, value| entries.push((key, value)))?;
        Ok(entries.into_iter().collect())
    }
}

macro_rules! transparent {
    ($pointer:ident) => {
        impl<T: Thrift> Thrift for $pointer<T> {
            const TYPE: TType = T::TYPE;
            const SCHEMA: Type = T::SCHEMA;

            #[inline]
            fn encode<W: Writer>(&self, w: &mut W) -> Result<(), EncodeError> {
                T::encode(self, w)
            }

            #[inline]
            fn decode<R: Reader>(r: &mut R) -> Result<Self, DecodeError> {
                r.charge(1, size_of::<T>())?;
                T::decode(r).map(Self::new)
            }

            #[inline]
            fn encode_field<W: Writer>(&self, w: &mut W, id: i16) -> Result<(), EncodeError> {
                T::encode_field(self, w, id)
            }
        }
    };
}

transparent!(Box);
transparent!(Arc);

fn encode_set<'a, T: Thrift + 'a, W: Writer>(
    elements: impl ExactSizeIterator<Item = &'a T>,
    w: &mut W,
) -> Result<(), EncodeError> {
    w.begin_set(T::TYPE, elements.len())?;
    for element in elements {
        element.encode(w)?;
    }
    w.end_container();
    Ok(())
}

fn encode_map<'a, K: Thrift + 'a, V: Thrift + 'a, W: Writer>(
    entries: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    w: &mut W,
) -> Result<(), EncodeError> {
    w.begin_map(K::TYPE, V::TYPE, entries.len())?;
    for (key, value) in entries {
        key.encode(w)?;
        value.encode(w)?;
    }
    w.end_container();
    Ok(())
}

fn decode_set<C, T: Thrift, R: Reader>(
    r: &mut R,
    new: impl FnOnce(usize) -> C,
    insert: impl Fn(&mut C, T),
) -> Result<C, DecodeError> {
    let (element, count) = r.begin_set()?;
    check::<T>(element, count)?;
    r.charge(count, size_of::<T>())?;
    let mut set = new(count);
    for _ in 0..count {
        insert(&mut set, T::decode(r)?);
    }
    r.end_container();
    Ok(set)
}

fn decode_map<C, K: Thrift, V: Thrift, R: Reader>(
    r: &mut R,
    new: impl FnOnce(usize) -> C,
    insert: impl Fn(&mut C, K, V),
) -> Result<C, DecodeError> {
    let (types, count) = r.begin_map()?;
    let (key, value) = types.unzip();
    check::<K>(key, count)?;
    check::<V>(value, count)?;
    r.charge(count, size_of::<(K, V)>())?;
    let mut map = new(count);
    for _ in 0..count {
        insert(&mut map, K::decode(r)?, V::decode(r)?);
    }
    r.end_container();
    Ok(map)
}

/// Whether the elements are of the declared type.
#[inline]
fn check<T: Thrift>(element: Option<TType>, count: usize) -> Result<(), DecodeError> {
    match element {
        Some(element) if element != T::TYPE && count > 0 => Err(DecodeError::element_mismatch(T::TYPE, element)),
        _ => Ok(()),
    }
}
