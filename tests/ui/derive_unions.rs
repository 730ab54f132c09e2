//! A union's variants carry one value each, and one keeps what is unknown.

use thrill::Thrift;

#[derive(Thrift)]
enum Forgetful {
    #[thrift(id = 1)]
    Name(String),
}

#[derive(Thrift)]
enum Shape {
    #[thrift(id = 1)]
    Nothing,
    #[thrift(id = 2)]
    Two(i32, i32),
    #[thrift(id = 3)]
    Named { x: i32 },
    #[thrift(id = 4)]
    Maybe(Option<String>),
    Numberless(i64),
    #[thrift(id = 4)]
    Again(i64),
    #[thrift(unknown)]
    Unknown,
    #[thrift(unknown)]
    Other(thrill::UnknownField),
}

#[derive(Thrift)]
enum Lossy {
    #[thrift(id = 1)]
    Name(String),
    #[thrift(unknown)]
    Unknown(String),
}

fn main() {}
