//! Structs that claim more than they hold: counts, lengths and depths, in what `Everything` knows and in what it does not.

use thrill_tests::message::Protocol;

/// What is wrong, and the fields that say so. Nothing follows them: where a claim were believed, the rest would be missing.
pub(super) fn lies(protocol: Protocol) -> Vec<(&'static str, Vec<u8>)> {
    match protocol {
        Protocol::Binary => binary(),
        Protocol::Compact => compact(),
    }
}

const DEEP: usize = 100_000;

fn binary() -> Vec<(&'static str, Vec<u8>)> {
    const MOST: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];
    const LEAST: [u8; 4] = [0x80, 0, 0, 0];
    let field = |ttype: u8, id: u8, rest: &[u8]| [&[ttype, 0, id][..], rest].concat();
    let counted = |ttype, id, types: &[u8], count: [u8; 4]| field(ttype, id, &[types, &count].concat());
    vec![
        ("a list of 2^31-1 numbers", counted(15, 9, &[8], MOST)),
        ("a set of 2^31-1 strings", counted(14, 10, &[11], MOST)),
        ("a map of 2^31-1 pairs", counted(13, 11, &[11, 10], MOST)),
        ("a list of 2^31-1 structs", counted(15, 19, &[12], MOST)),
        ("an unknown list of 2^31-1 numbers", counted(15, 99, &[8], MOST)),
        ("an unknown list of 2^31-1 voids", counted(15, 99, &[1], MOST)),
        ("an unknown list of 2^31-1 stops", counted(15, 99, &[0], MOST)),
        ("an unknown list of 2^31-1 booleans", counted(15, 99, &[2], MOST)),
        ("an unknown map of 2^31-1 pairs of nothing", counted(13, 99, &[0, 0], MOST)),
        ("a list of -1 numbers", counted(15, 9, &[8], [0xff; 4])),
        ("a set of -2^31 strings", counted(14, 10, &[11], LEAST)),
        ("a map of -1 pairs", counted(13, 11, &[11, 10], [0xff; 4])),
        ("an unknown list of -1 structs", counted(15, 99, &[12], [0xff; 4])),
        ("a string of 2^31-1 bytes", counted(11, 7, &[], MOST)),
        ("a string of -1 bytes", counted(11, 7, &[], [0xff; 4])),
        ("bytes of 2^31-1", counted(11, 8, &[], MOST)),
        ("bytes of -2^31", counted(11, 8, &[], LEAST)),
        ("an unknown string of -1 bytes", counted(11, 99, &[], [0xff; 4])),
        ("unknown structs, 100,000 deep", [[12, 0, 99].repeat(DEEP), vec![0; DEEP]].concat()),
        ("unknown lists, 100,000 deep", field(15, 99, &[15, 0, 0, 0, 1].repeat(DEEP))),
        ("unknown maps, 100,000 deep", field(13, 99, &[13, 13, 0, 0, 0, 1].repeat(DEEP))),
        ("known structs, 100,000 deep", [15, 0, 19, 12, 0, 0, 0, 1].repeat(DEEP)),
        ("a field of no type", field(0x7f, 1, &[0])),
    ]
}

fn compact() -> Vec<(&'static str, Vec<u8>)> {
    const MOST: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x07];
    const LEAST: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];
    // The number 99 has no delta.
    let unknown = |ctype: u8, rest: &[u8]| [&[ctype, 0xc6, 1][..], rest].concat();
    let after = |head: &[u8], count: &[u8], rest: &[u8]| [head, count, rest].concat();
    vec![
        ("a list of 2^31-1 numbers", after(&[0x99, 0xf5], &MOST, &[])),
        ("a set of 2^31-1 strings", after(&[0xaa, 0xf8], &MOST, &[])),
        ("a map of 2^31-1 pairs", after(&[0xbb], &MOST, &[0x86])),
        ("a list of 2^31-1 structs", after(&[0x09, 0x26, 0xfc], &MOST, &[])),
        ("an unknown list of 2^31-1 numbers", unknown(9, &after(&[0xf5], &MOST, &[]))),
        ("an unknown list of 2^31-1 stops", unknown(9, &after(&[0xf0], &MOST, &[]))),
        ("an unknown list of 2^31-1 booleans", unknown(9, &after(&[0xf1], &MOST, &[]))),
        ("an unknown map of 2^31-1 pairs of nothing", unknown(11, &after(&[], &MOST, &[0]))),
        ("a list of -1 numbers", after(&[0x99, 0xf5], &LEAST, &[])),
        ("a set of -1 strings", after(&[0xaa, 0xf8], &LEAST, &[])),
        ("a map of -1 pairs", after(&[0xbb], &LEAST, &[0x86])),
        ("an unknown list of -1 structs", unknown(9, &after(&[0xfc], &LEAST, &[]))),
        ("a count without end", after(&[0x99, 0xf5], &[0xff; 6], &[])),
        ("a string of 2^31-1 bytes", after(&[0x78], &MOST, &[])),
        ("a string of -1 bytes", after(&[0x78], &LEAST, &[])),
        ("a string whose length has no end", after(&[0x78], &[0x80; 6], &[])),
        ("bytes of 2^31-1", after(&[0x88], &MOST, &[])),
        ("an unknown string of -1 bytes", unknown(8, &LEAST)),
        ("a number of 32 bits without end", after(&[0x45], &[0x80; 6], &[])),
        ("a number of 64 bits without end", after(&[0x56], &[0xff; 11], &[])),
        ("a field's number without end", after(&[0x05], &[0x80; 6], &[])),
        ("unknown structs, 100,000 deep", [[0x0c, 0xc6, 1].repeat(DEEP), vec![0; DEEP]].concat()),
        ("unknown lists, 100,000 deep", unknown(9, &[0x19].repeat(DEEP))),
        ("unknown maps, 100,000 deep", unknown(11, &[1, 0xbb].repeat(DEEP))),
        ("known structs, 100,000 deep", [0x09, 0x26, 0x1c].repeat(DEEP)),
        ("a field of no type", vec![0x1e, 0]),
    ]
}
