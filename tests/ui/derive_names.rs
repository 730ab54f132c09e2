//! Names on the wire are used once, and the IDL can spell them.

use thrill::Thrift;

#[derive(Thrift)]
struct Names {
    #[thrift(id = 1)]
    first: bool,
    #[thrift(id = 2, rename = "first")]
    again: bool,
    #[thrift(id = 3, rename = "two words")]
    spaced: bool,
    #[thrift(id = 4, rename = 7)]
    number: bool,
}

#[derive(Thrift)]
#[thrift(rename = "1st")]
enum Renamed {
    One,
    #[thrift(rename = "One")]
    Two,
    #[thrift(unknown)]
    Unknown(i32),
}

fn main() {}
