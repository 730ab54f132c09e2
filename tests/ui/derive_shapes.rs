//! What a struct can be: named fields, no generics.

use thrill::Thrift;

#[derive(Thrift)]
struct Tuple(i32, String);

#[derive(Thrift)]
union Rust {
    a: i32,
}

#[derive(Thrift)]
struct Generic<'a, T: Copy> {
    #[thrift(id = 1)]
    value: &'a T,
}

#[derive(Thrift)]
enum Maybe<T> {
    #[thrift(id = 1)]
    Value(T),
    #[thrift(unknown)]
    Unknown(thrill::UnknownField),
}

fn main() {}
