//! Encode and decode of the values of `idl/codec.thrift` by the Rust peers: the Apache thrift crate, and pilota with
//! its checked and its unchecked protocol. One thread, the output buffer is reused.

// thrift 0.17.0 --gen rs ../idl/codec.thrift
#[allow(unsafe_code, warnings, clippy::all)]
#[rustfmt::skip]
mod apache;
#[allow(unsafe_code, warnings, clippy::all)]
mod pilota_types {
    include!(concat!(env!("OUT_DIR"), "/pilota.rs"));
}
mod unchecked;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use load::codec;
use pilota::thrift::{Message, binary::TBinaryProtocol};
use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol, TSerializable};

use pilota_types::pilota::codec as types;

fn main() {
    bench::<apache::Small, types::Small>("small", codec::small());
    bench::<apache::Medium, types::Medium>("medium", codec::medium());
    for (name, wire) in codec::large() {
        bench::<apache::Large, types::Large>(name, wire);
    }
}

fn bench<A: TSerializable, P: Message>(name: &str, wire: Vec<u8>) {
    apache_thrift::<A>(name, &wire);
    // pilota decodes long strings as references to its input, hence `Bytes`.
    let wire = Bytes::from(wire);
    let decode = |wire: &Bytes| P::decode(&mut TBinaryProtocol::new(&mut wire.clone(), true)).expect(name);
    let value = decode(&wire);
    let len = wire.len();
    let mut out = BytesMut::with_capacity(len);

    codec::measure("pilota", name, "encode", len, || {
        out.clear();
        // As volo does: the size first, then one reserve.
        let size = value.size(&mut TBinaryProtocol::new((), true));
        out.reserve(size);
        value.encode(&mut TBinaryProtocol::new(&mut out, true)).expect(name);
        assert!(size == len && out.len() == len);
        black_box(&out);
    });
    codec::measure("pilota", name, "decode", len, || {
        black_box(decode(&wire));
    });
    codec::measure("pilota-unsafe", name, "encode", len, || {
        unchecked::encode(&value, &mut out);
        assert!(out.len() == len);
        black_box(&out);
    });
    codec::measure("pilota-unsafe", name, "decode", len, || {
        black_box(unchecked::decode::<P>(wire.clone()));
    });
}

fn apache_thrift<T: TSerializable>(name: &str, wire: &[u8]) {
    let decode = || T::read_from_in_protocol(&mut TBinaryInputProtocol::new(wire, true)).expect(name);
    let value = decode();
    let len = wire.len();
    let mut out = Vec::with_capacity(len);

    codec::measure("apache-thrift-rs", name, "encode", len, || {
        out.clear();
        value.write_to_out_protocol(&mut TBinaryOutputProtocol::new(&mut out, true)).expect(name);
        assert!(out.len() == len);
        black_box(&out);
    });
    codec::measure("apache-thrift-rs", name, "decode", len, || {
        black_box(decode());
    });
}
