//! What decodes is written and read again as the same, in both protocols.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use thrill::Thrift;
use thrill::codec::{Buffer, Writer, binary, compact};
use thrill_tests::contract::Everything;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(value) = Everything::decode(&mut binary::Reader::new(&bytes)) {
        let written = write(|buffer| encode(&value, binary::Writer::new(buffer)));
        let again = Everything::decode(&mut binary::Reader::new(&written)).expect("what was written is read");
        // Not the bytes, as maps have no order, and not the values, as NaN is not itself.
        assert_eq!(write(|buffer| encode(&again, binary::Writer::new(buffer))).len(), written.len());
    }
    if let Ok(value) = Everything::decode(&mut compact::Reader::new(&bytes)) {
        let written = write(|buffer| encode(&value, compact::Writer::new(buffer)));
        let again = Everything::decode(&mut compact::Reader::new(&written)).expect("what was written is read");
        assert_eq!(write(|buffer| encode(&again, compact::Writer::new(buffer))).len(), written.len());
    }
});

fn encode(value: &Everything, mut writer: impl Writer) {
    value.encode(&mut writer).expect("what was read can be written");
}

fn write(with: impl FnOnce(&mut Buffer)) -> Bytes {
    let mut buffer = Buffer::new();
    with(&mut buffer);
    buffer.take().into_bytes()
}
