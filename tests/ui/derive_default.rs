//! `#[thrift(default)]`, and the default of a union.

use thrill::{Thrift, UnknownField};

#[derive(Thrift)]
#[thrift(default = 7)]
struct Valued {
    #[thrift(id = 1)]
    number: i32,
}

#[derive(Thrift)]
#[thrift(default)]
enum Undecided {
    #[thrift(id = 1)]
    Name(String),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

#[derive(Thrift)]
enum Overdone {
    #[thrift(id = 1, default = String::new())]
    Name(String),
    #[thrift(id = 2, default = 1)]
    Number(i32),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

fn main() {}
