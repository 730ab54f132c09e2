//! Every field has an id of its own, 1 to 32767.

use thrill::Thrift;

#[derive(Thrift)]
struct Ids {
    missing: bool,
    #[thrift(id = 2)]
    first: bool,
    #[thrift(id = 2)]
    again: bool,
    #[thrift(id = 0)]
    zero: bool,
    #[thrift(id = -3)]
    negative: bool,
    #[thrift(id = 32768)]
    large: bool,
    #[thrift(id = "9")]
    text: bool,
}

fn main() {}
