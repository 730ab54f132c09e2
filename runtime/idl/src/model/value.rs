//! Values of constants and defaults.

use super::{EnumId, StructId};

/// A value of a certain type: what it has in it fits that type and its ranges.
///
/// Lists, sets, maps and structs together nest at most 64 levels deep.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of `bool`.
    Bool(bool),
    /// Of `i8`.
    I8(i8),
    /// Of `i16`.
    I16(i16),
    /// Of `i32`.
    I32(i32),
    /// Of `i64`.
    I64(i64),
    /// Of `double`. It is finite.
    Double(f64),
    /// Of `string`.
    String(String),
    /// Of `binary`.
    Binary(Vec<u8>),
    /// Of `uuid`.
    Uuid([u8; 16]),
    /// Of an enum: the number, which need not have a name.
    Enum(EnumId, i32),
    /// Of a list.
    List(Vec<Self>),
    /// Of a set: no element twice.
    Set(Vec<Self>),
    /// Of a map: no key twice.
    Map(Vec<(Self, Self)>),
    /// Of a struct, union or exception: the fields that are given, by their index in
    /// [`Struct::fields`](super::Struct::fields), in the order of that index. The others have their default, or are not set.
    Struct(StructId, Vec<(usize, Self)>),
}
