//! Writing of the Compact protocol.

use bytes::Bytes;

use super::{DELTA_MAX, FALSE, Ids, LONG_LIST, SHORT_LIST_MAX, STOP, TRUE, ctype, zigzag};
use crate::codec::buffer::{Buffer, LINK_MIN};
use crate::codec::limits::Depth;
use crate::codec::{EncodeError, TType};

/// Writes values into a [`Buffer`], behind what it already holds.
///
/// One writer writes one message: it counts how deep the message nests.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Buffer,
    depth: Depth,
    ids: Ids,
    /// The id of a bool field, whose header waits for the value that it carries.
    pending: Option<i16>,
}

impl<'a> Writer<'a> {
    /// A writer at the end of `buffer`.
    #[inline]
    #[must_use]
    pub fn new(buffer: &'a mut Buffer) -> Self {
        buffer.warm();
        Self { buffer, depth: Depth::new(), ids: Ids::new(), pending: None }
    }

    #[inline]
    fn enter(&mut self) -> Result<(), EncodeError> {
        self.depth = self.depth.enter().ok_or_else(EncodeError::depth)?;
        Ok(())
    }

    /// A field's header. The type is a number of this protocol.
    #[inline]
    fn head(&mut self, id: i16, ctype: u8) -> Short {
        let mut head = Short::new();
        let delta = i32::from(id) - i32::from(self.ids.last);
        self.ids.last = id;
        match u8::try_from(delta) {
            Ok(delta @ 1..=DELTA_MAX) => head.push(delta << 4 | ctype),
            _ => {
                head.push(ctype);
                head.varint(zigzag(id.into()));
            }
        }
        head
    }

    #[inline]
    fn put(&mut self, short: &Short) {
        self.buffer.put(short.as_slice());
    }

    /// Writes a number as it is, without zigzag.
    #[inline]
    pub(in crate::codec) fn varint(&mut self, v: u64) {
        let mut short = Short::new();
        short.varint(v);
        self.put(&short);
    }

    #[inline]
    fn field_int(&mut self, ttype: TType, id: i16, v: i64) {
        let mut field = self.head(id, ctype(ttype));
        field.varint(zigzag(v));
        self.put(&field);
    }

    /// A string's length, behind what else is its head.
    #[inline]
    fn length(&mut self, mut head: Short, len: usize) -> Result<(), EncodeError> {
        head.varint(length(len)?.into());
        self.put(&head);
        Ok(())
    }
}

impl crate::codec::Writer for Writer<'_> {
    #[inline]
    fn begin_struct(&mut self) -> Result<(), EncodeError> {
        self.enter()?;
        self.ids.enter().ok_or_else(EncodeError::depth)
    }

    #[inline]
    fn end_struct(&mut self) {
        self.buffer.put_array([STOP]);
        self.depth = self.depth.leave();
        self.ids.leave();
    }

    #[inline]
    fn field(&mut self, ttype: TType, id: i16) {
        if ttype == TType::Bool {
            self.pending = Some(id);
            return;
        }
        let head = self.head(id, ctype(ttype));
        self.put(&head);
    }

    #[inline]
    fn bool(&mut self, v: bool) {
        match self.pending.take() {
            Some(id) => self.field_bool(id, v),
            None => self.buffer.put_array([bool_ctype(v)]),
        }
    }

    #[inline]
    fn i8(&mut self, v: i8) {
        self.buffer.put_array(v.to_le_bytes());
    }

    #[inline]
    fn i16(&mut self, v: i16) {
        self.varint(zigzag(v.into()));
    }

    #[inline]
    fn i32(&mut self, v: i32) {
        self.varint(zigzag(v.into()));
    }

    #[inline]
    fn i64(&mut self, v: i64) {
        self.varint(zigzag(v));
    }

    #[inline]
    fn double(&mut self, v: f64) {
        self.buffer.put_array(v.to_le_bytes());
    }

    #[inline]
    fn uuid(&mut self, v: [u8; 16]) {
        self.buffer.put_array(v);
    }

    #[inline]
    fn bytes(&mut self, v: &[u8]) -> Result<(), EncodeError> {
        self.length(Short::new(), v.len())?;
        self.buffer.put(v);
        Ok(())
    }

    #[inline]
    fn shared(&mut self, v: &Bytes) -> Result<(), EncodeError> {
        if v.len() < LINK_MIN {
            return self.bytes(v);
        }
        self.length(Short::new(), v.len())?;
        self.buffer.link(v.clone());
        Ok(())
    }

    #[inline]
    fn begin_list(&mut self, element: TType, len: usize) -> Result<(), EncodeError> {
        self.enter()?;
        let mut head = Short::new();
        match u8::try_from(len) {
            Ok(len @ 0..=SHORT_LIST_MAX) => head.push(len << 4 | ctype(element)),
            _ => {
                head.push(LONG_LIST << 4 | ctype(element));
                head.varint(length(len)?.into());
            }
        }
        self.put(&head);
        Ok(())
    }

    #[inline]
    fn begin_map(&mut self, key: TType, value: TType, len: usize) -> Result<(), EncodeError> {
        self.enter()?;
        let mut head = Short::new();
        head.varint(length(len)?.into());
        if len > 0 {
            head.push(ctype(key) << 4 | ctype(value));
        }
        self.put(&head);
        Ok(())
    }

    #[inline]
    fn end_container(&mut self) {
        self.depth = self.depth.leave();
    }

    #[inline]
    fn field_bool(&mut self, id: i16, v: bool) {
        let head = self.head(id, bool_ctype(v));
        self.put(&head);
    }

    #[inline]
    fn field_i8(&mut self, id: i16, v: i8) {
        let mut field = self.head(id, ctype(TType::I8));
        field.extend(v.to_le_bytes());
        self.put(&field);
    }

    #[inline]
    fn field_i16(&mut self, id: i16, v: i16) {
        self.field_int(TType::I16, id, v.into());
    }

    #[inline]
    fn field_i32(&mut self, id: i16, v: i32) {
        self.field_int(TType::I32, id, v.into());
    }

    #[inline]
    fn field_i64(&mut self, id: i16, v: i64) {
        self.field_int(TType::I64, id, v);
    }

    #[inline]
    fn field_double(&mut self, id: i16, v: f64) {
        let mut field = self.head(id, ctype(TType::Double));
        field.extend(v.to_le_bytes());
        self.put(&field);
    }

    #[inline]
    fn field_bytes(&mut self, id: i16, v: &[u8]) -> Result<(), EncodeError> {
        let head = self.head(id, ctype(TType::String));
        self.length(head, v.len())?;
        self.buffer.put(v);
        Ok(())
    }

    #[inline]
    fn field_shared(&mut self, id: i16, v: &Bytes) -> Result<(), EncodeError> {
        if v.len() < LINK_MIN {
            return self.field_bytes(id, v);
        }
        let head = self.head(id, ctype(TType::String));
        self.length(head, v.len())?;
        self.buffer.link(v.clone());
        Ok(())
    }
}

/// A few bytes that are written at once. The longest are a field's header of 4 bytes with a varint of 10.
struct Short {
    bytes: [u8; 16],
    len: usize,
}

impl Short {
    #[inline]
    fn new() -> Self {
        Self { bytes: [0; 16], len: 0 }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.extend([byte]);
    }

    #[inline]
    fn extend<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(free) = self.bytes.get_mut(self.len..self.len + N) {
            free.copy_from_slice(&bytes);
            self.len += N;
        }
    }

    #[inline]
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[inline]
fn length(len: usize) -> Result<u32, EncodeError> {
    match i32::try_from(len) {
        Ok(len) => Ok(len as u32),
        Err(_) => Err(EncodeError::length(len)),
    }
}

/// A bool field's type, or an element's byte.
#[inline]
fn bool_ctype(value: bool) -> u8 {
    if value { TRUE } else { FALSE }
}
