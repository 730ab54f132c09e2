//! Encode and decode of the values of `idl/codec.thrift` by thrill, with the two kinds of types that peers have: `thrill`
//! shares the memory of strings and hashes maps with ahash, as pilota; `thrill-string` copies strings and sorts maps, as
//! the Apache crate.

use std::{collections::BTreeMap, collections::HashMap, hint::black_box};

use load::codec;
use thrill::codec::{Buffer, binary};
use thrill::{ByteString, Bytes, Thrift};

macro_rules! types {
    ($module:ident: $text:ty, $blob:ty, $map:ident) => {
        mod $module {
            use super::*;

            #[derive(Thrift)]
            pub(crate) struct Small {
                #[thrift(id = 1)]
                id: i64,
                #[thrift(id = 2)]
                name: $text,
                #[thrift(id = 3)]
                flag: bool,
                #[thrift(id = 4)]
                code: i32,
            }

            #[derive(Thrift, Default)]
            struct Inner {
                #[thrift(id = 1)]
                id: i32,
                #[thrift(id = 2)]
                label: $text,
                #[thrift(id = 3)]
                score: Option<f64>,
            }

            #[derive(Thrift)]
            pub(crate) struct Medium {
                #[thrift(id = 1)]
                flag: bool,
                #[thrift(id = 2)]
                tiny: i8,
                #[thrift(id = 3)]
                small: i16,
                #[thrift(id = 4)]
                medium: i32,
                #[thrift(id = 5)]
                big: i64,
                #[thrift(id = 6)]
                ratio: f64,
                #[thrift(id = 7)]
                text: $text,
                #[thrift(id = 8)]
                blob: $blob,
                #[thrift(id = 9)]
                numbers: Vec<i32>,
                #[thrift(id = 10)]
                tags: Vec<$text>,
                #[thrift(id = 11)]
                counts: $map<$text, i64>,
                #[thrift(id = 12)]
                inners: Vec<Inner>,
                #[thrift(id = 13)]
                inner: Inner,
                #[thrift(id = 14)]
                note: Option<$text>,
            }

            #[derive(Thrift)]
            pub(crate) struct Large {
                #[thrift(id = 1)]
                numbers: Vec<i64>,
                #[thrift(id = 2)]
                dict: $map<$text, $text>,
                #[thrift(id = 3)]
                strings: Vec<$text>,
                #[thrift(id = 4)]
                inners: Vec<Inner>,
                #[thrift(id = 5)]
                text: $text,
            }
        }
    };
}

type Hashed<K, V> = HashMap<K, V, ahash::RandomState>;

types!(shared: ByteString, Bytes, Hashed);
types!(owned: String, Vec<u8>, BTreeMap);

fn main() {
    bench::<shared::Small>("thrill", "small", codec::small());
    bench::<owned::Small>("thrill-string", "small", codec::small());
    bench::<shared::Medium>("thrill", "medium", codec::medium());
    bench::<owned::Medium>("thrill-string", "medium", codec::medium());
    for (name, wire) in codec::large() {
        bench::<shared::Large>("thrill", name, wire.clone());
        bench::<owned::Large>("thrill-string", name, wire);
    }
}

fn bench<T: Thrift>(peer: &str, name: &str, wire: Vec<u8>) {
    let wire = Bytes::from(wire);
    let decode = || thrill::decode::<T>(&wire).expect(name);
    let value = decode();
    let len = wire.len();
    let mut out = Buffer::with_capacity(len);
    codec::measure(peer, name, "encode", len, || {
        out.clear();
        value.encode(&mut binary::Writer::new(&mut out)).expect(name);
        assert!(out.len() == len);
        black_box(&out);
    });
    codec::measure(peer, name, "decode", len, || {
        black_box(decode());
    });
}
