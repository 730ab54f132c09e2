//! The types of Thrift, read and written as Apache's generated code does it.

use std::collections::{BTreeMap, BTreeSet};

use thrift::protocol::{
    TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier, TOutputProtocol, TSetIdentifier, TType,
};
use thrill::Bytes;

/// A value that is written into messages and read from them.
pub trait Value: Sized {
    /// What a field of this type names.
    const TYPE: TType;

    /// Reads a value.
    ///
    /// # Errors
    /// What is none.
    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self>;

    /// Writes the value.
    ///
    /// # Errors
    /// The connection's.
    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()>;
}

/// Writes a field.
pub(super) fn write_field<T: Value>(o: &mut dyn TOutputProtocol, id: i16, value: &T) -> thrift::Result<()> {
    o.write_field_begin(&TFieldIdentifier { name: None, field_type: T::TYPE, id: Some(id) })?;
    value.write(o)?;
    o.write_field_end()
}

macro_rules! scalars {
    ($($name:ty: $ttype:ident, $read:ident, $write:ident;)*) => {$(
        impl Value for $name {
            const TYPE: TType = TType::$ttype;

            fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
                i.$read()
            }

            fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
                o.$write(*self)
            }
        }
    )*};
}

scalars! {
    bool: Bool, read_bool, write_bool;
    i8: I08, read_i8, write_i8;
    i16: I16, read_i16, write_i16;
    i32: I32, read_i32, write_i32;
    i64: I64, read_i64, write_i64;
    f64: Double, read_double, write_double;
}

impl Value for String {
    const TYPE: TType = TType::String;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        i.read_string()
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        o.write_string(self)
    }
}

impl Value for Bytes {
    const TYPE: TType = TType::String;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        i.read_bytes().map(Self::from)
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        o.write_bytes(self)
    }
}

impl<T: Value> Value for Vec<T> {
    const TYPE: TType = TType::List;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let list = i.read_list_begin()?;
        let elements = (0..list.size).map(|_| T::read(i)).collect::<thrift::Result<_>>()?;
        i.read_list_end()?;
        Ok(elements)
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        o.write_list_begin(&TListIdentifier::new(T::TYPE, count(self.len())))?;
        self.iter().try_for_each(|element| element.write(o))?;
        o.write_list_end()
    }
}

impl<T: Value + Ord> Value for BTreeSet<T> {
    const TYPE: TType = TType::Set;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let set = i.read_set_begin()?;
        let elements = (0..set.size).map(|_| T::read(i)).collect::<thrift::Result<_>>()?;
        i.read_set_end()?;
        Ok(elements)
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        o.write_set_begin(&TSetIdentifier::new(T::TYPE, count(self.len())))?;
        self.iter().try_for_each(|element| element.write(o))?;
        o.write_set_end()
    }
}

impl<K: Value + Ord, V: Value> Value for BTreeMap<K, V> {
    const TYPE: TType = TType::Map;

    fn read(i: &mut dyn TInputProtocol) -> thrift::Result<Self> {
        let map = i.read_map_begin()?;
        let entries = (0..map.size).map(|_| Ok((K::read(i)?, V::read(i)?))).collect::<thrift::Result<_>>()?;
        i.read_map_end()?;
        Ok(entries)
    }

    fn write(&self, o: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        o.write_map_begin(&TMapIdentifier::new(K::TYPE, V::TYPE, count(self.len())))?;
        for (key, value) in self {
            key.write(o)?;
            value.write(o)?;
        }
        o.write_map_end()
    }
}

fn count(len: usize) -> i32 {
    i32::try_from(len).expect("no test has 2^31 elements")
}
