//! One clear message for each field whose type has no Thrift form, at the type.

use thrill::Thrift;

struct Plain;

#[derive(Thrift)]
struct Outer {
    #[thrift(id = 1)]
    plain: Option<Plain>,
    #[thrift(id = 2)]
    unsigned: u32,
    #[thrift(id = 3)]
    list: Vec<Plain>,
    #[thrift(id = 4)]
    nested: Vec<Option<String>>,
}

#[derive(Thrift)]
enum Shape {
    #[thrift(id = 1)]
    Plain(Plain),
    #[thrift(unknown)]
    Unknown(thrill::UnknownField),
}

fn main() {}
