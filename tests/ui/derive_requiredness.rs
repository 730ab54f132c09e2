//! A field is optional, required, or neither.

use thrill::Thrift;

#[derive(Thrift)]
struct Requiredness {
    #[thrift(id = 1, required)]
    both: Option<String>,
    #[thrift(id = 2)]
    nested: Option<Option<String>>,
    #[thrift(id = 3, required, default = 7)]
    never_used: i32,
    #[thrift(id = 4, default_requiredness)]
    said_twice: i32,
}

fn main() {}
