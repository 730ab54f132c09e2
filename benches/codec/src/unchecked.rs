//! pilota's unchecked protocol, the way volo uses it. Unsafe code is what is measured here.
#![allow(unsafe_code)]

use bytes::{Buf, Bytes, BytesMut};
use pilota::thrift::{
    Message, TInputProtocol,
    binary::TBinaryProtocol,
    binary_unsafe::{TBinaryUnsafeInputProtocol, TBinaryUnsafeOutputProtocol},
};

/// Replaces what `out` holds with `value`.
pub(crate) fn encode<T: Message>(value: &T, out: &mut BytesMut) {
    out.clear();
    let size = value.size(&mut TBinaryProtocol::new((), true));
    out.reserve(size);
    // SAFETY: the slice is the capacity of `out`, which outlives the protocol; nothing reads it before it is written.
    // pilota writes `size` bytes, which fit, and `index` says how many of them are there.
    unsafe {
        let buffer = std::slice::from_raw_parts_mut(out.as_mut_ptr(), out.capacity());
        let mut protocol = TBinaryUnsafeOutputProtocol::new(&mut *out, buffer, false);
        value.encode(&mut protocol).expect("a value that encodes");
        let written = protocol.index();
        out.set_len(written);
    }
}

/// Decodes one whole value.
pub(crate) fn decode<T: Message>(mut wire: Bytes) -> T {
    // SAFETY: the bytes are a whole value, so no read goes past their end.
    let mut protocol = unsafe { TBinaryUnsafeInputProtocol::new(&mut wire) };
    let value = T::decode(&mut protocol).expect("a value that decodes");
    let read = protocol.index();
    protocol.buf().advance(read);
    value
}
