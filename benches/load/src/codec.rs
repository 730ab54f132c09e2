//! The codec measurement: the values of `idl/codec.thrift`, and a loop that times one operation.
//!
//! The values come as bytes of the binary protocol, which every codec decodes into its own types.

use std::{env, time::Instant};

/// `Small`: four scalar fields.
pub fn small() -> Vec<u8> {
    let mut wire = Wire::default();
    wire.field(I64, 1).i64(1_234_567_890_123);
    wire.field(STRING, 2).string("hello-thrift-42");
    wire.field(BOOL, 3).byte(1);
    wire.field(I32, 4).i32(404);
    wire.stop()
}

/// `Medium`: a field of each kind.
pub fn medium() -> Vec<u8> {
    let mut wire = Wire::default();
    wire.field(BOOL, 1).byte(1);
    wire.field(BYTE, 2).byte(7);
    wire.field(I16, 3).i16(300);
    wire.field(I32, 4).i32(70_000);
    wire.field(I64, 5).i64(1 << 40);
    wire.field(DOUBLE, 6).double(3.25);
    wire.field(STRING, 7).string(&"x".repeat(100));
    wire.field(STRING, 8).string(&"b".repeat(256));
    wire.field(LIST, 9).list(I32, 50);
    (0..50).for_each(|i| wire.i32(i));
    wire.field(LIST, 10).list(STRING, 10);
    (0..10).for_each(|i| wire.string(&format!("tag-{i}")));
    wire.field(MAP, 11).map(STRING, I64, 10);
    for i in 0..10 {
        wire.string(&format!("key-{i}"));
        wire.i64(i);
    }
    wire.field(LIST, 12).list(STRUCT, 10);
    (0..10).for_each(|i| wire.inner(i));
    wire.field(STRUCT, 13).inner(4);
    wire.field(STRING, 14).string("note");
    wire.stop()
}

/// `Large` five times, each with another one of its fields filled.
pub fn large() -> Vec<(&'static str, Vec<u8>)> {
    let numbers: Fill = |wire| {
        wire.list(I64, 10_000);
        (0..10_000).for_each(|i| wire.i64(i));
    };
    let dict: Fill = |wire| {
        wire.map(STRING, STRING, 1000);
        for i in 0..1000 {
            wire.string(&format!("key-{i:06}"));
            wire.string(&format!("value-{i:06}"));
        }
    };
    let strings: Fill = |wire| {
        wire.list(STRING, 1000);
        (0..1000).for_each(|i| wire.string(&format!("a string of some length {i:08}")));
    };
    let inners: Fill = |wire| {
        wire.list(STRUCT, 1000);
        (0..1000).for_each(|i| wire.inner(i));
    };
    let text: Fill = |wire| wire.string(&"x".repeat(65_536));
    vec![
        ("large-list-i64", filled(1, numbers)),
        ("large-map", filled(2, dict)),
        ("large-strings", filled(3, strings)),
        ("large-structs", filled(4, inners)),
        ("large-text-64k", filled(5, text)),
    ]
}

/// Times `operation` for as long as the command line says and prints the JSON line.
///
/// Five rounds; the line has their median and their least.
pub fn measure(codec: &str, value: &str, op: &str, bytes: usize, mut operation: impl FnMut()) {
    let mut round = |times: u64| {
        let start = Instant::now();
        (0..times).for_each(|_| operation());
        start.elapsed().as_secs_f64()
    };
    let mut times = 1;
    let once = loop {
        let seconds = round(times);
        if seconds > 0.02 {
            break seconds / times as f64;
        }
        times *= 4;
    };
    let times = ((seconds() / ROUNDS as f64 / once) as u64).max(1);
    let mut nanos = [(); ROUNDS].map(|()| round(times) * 1e9 / times as f64);
    nanos.sort_by(f64::total_cmp);
    let (median, least) = (nanos[ROUNDS / 2], nanos[0]);
    let megabytes = bytes as f64 / median * 1e3;
    println!(
        "{{\"codec\":\"{codec}\",\"value\":\"{value}\",\"op\":\"{op}\",\"bytes\":{bytes},\"ns_per_op\":{median:.1},\
         \"min_ns\":{least:.1},\"mb_per_s\":{megabytes:.0},\"allocs_per_op\":null}}"
    );
}

/// `--seconds`, for each operation.
fn seconds() -> f64 {
    let given = env::args().skip_while(|word| word != "--seconds").nth(1);
    given.map_or(0.5, |word| word.parse().expect("--seconds is a number"))
}

/// A `Large` whose field `id` is written by `fill`; the others are empty.
fn filled(id: i16, fill: Fill) -> Vec<u8> {
    let empty: [(u8, Fill); 5] = [
        (LIST, |wire| wire.list(I64, 0)),
        (MAP, |wire| wire.map(STRING, STRING, 0)),
        (LIST, |wire| wire.list(STRING, 0)),
        (LIST, |wire| wire.list(STRUCT, 0)),
        (STRING, |wire| wire.string("")),
    ];
    let mut wire = Wire::default();
    for (field, (kind, empty)) in (1..).zip(empty) {
        wire.field(kind, field);
        if field == id { fill(&mut wire) } else { empty(&mut wire) }
    }
    wire.stop()
}

type Fill = fn(&mut Wire);

/// Just enough of the Thrift binary protocol.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Wire {
    fn field(&mut self, kind: u8, id: i16) -> &mut Self {
        self.byte(kind);
        self.i16(id);
        self
    }

    fn list(&mut self, kind: u8, len: i32) {
        self.byte(kind);
        self.i32(len);
    }

    fn map(&mut self, key: u8, value: u8, len: i32) {
        self.byte(key);
        self.byte(value);
        self.i32(len);
    }

    fn inner(&mut self, i: i32) {
        self.field(I32, 1).i32(i);
        self.field(STRING, 2).string(&format!("label-{i}"));
        if i % 2 == 0 {
            self.field(DOUBLE, 3).double(f64::from(i) * 0.5);
        }
        self.byte(STOP);
    }

    fn string(&mut self, text: &str) {
        self.i32(text.len() as i32);
        self.0.extend(text.as_bytes());
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn i16(&mut self, value: i16) {
        self.0.extend(value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    fn double(&mut self, value: f64) {
        self.0.extend(value.to_be_bytes());
    }

    fn stop(mut self) -> Vec<u8> {
        self.byte(STOP);
        self.0
    }
}

const ROUNDS: usize = 5;

const STOP: u8 = 0;
const BOOL: u8 = 2;
const BYTE: u8 = 3;
const DOUBLE: u8 = 4;
const I16: u8 = 6;
const I32: u8 = 8;
const I64: u8 = 10;
const STRING: u8 = 11;
const STRUCT: u8 = 12;
const MAP: u8 = 13;
const LIST: u8 = 15;
