//! Keys that nobody knows, twice, with a value too many or too few.

use thrill::Thrift;

#[derive(Thrift)]
#[thrift(rename_all = "camelCase")]
struct Keys {
    #[thrift(id = 1, requird)]
    typed_wrong: bool,
    #[thrift(id = 2, optional)]
    unknown: bool,
    #[thrift(id = 3, id = 4)]
    twice: bool,
    #[thrift(id = 5, required = true)]
    value_too_many: bool,
    #[thrift(id = 6, default)]
    value_too_few: bool,
    #[thrift]
    nothing: bool,
    #[thrift(id: 8)]
    colon: bool,
}

#[derive(Thrift)]
#[thrift(exception)]
enum Exception {
    #[thrift(value = 1, id = 1)]
    One(String),
    #[thrift(unknown, rename = "x")]
    Unknown(thrill::UnknownField),
}

fn main() {}
