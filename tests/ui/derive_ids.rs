//! Every field has an id of its own, 1 to 32767, or below where that is meant.

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
    #[thrift(id = -1, nonpositive_id)]
    meant: bool,
    #[thrift(id = -1, nonpositive_id)]
    meant_again: bool,
    #[thrift(id = 8, nonpositive_id)]
    positive: bool,
}

fn main() {}
