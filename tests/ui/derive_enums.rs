//! An enum's values are distinct `i32` literals, and one variant keeps what is unknown.

use thrill::Thrift;

#[derive(Thrift)]
enum Forgetful {
    Calm,
}

const FOUR: i32 = 4;

#[derive(Thrift)]
#[repr(i32)]
enum Mood {
    Calm = 1,
    #[thrift(value = 1)]
    Again = 7,
    #[thrift(value = 2147483648)]
    Large,
    #[thrift(value = -2147483649)]
    Small,
    #[thrift(value = 7, id = 2)]
    Numbered,
    Computed = FOUR,
    #[thrift(unknown)]
    Unknown,
    #[thrift(unknown)]
    Other(i32),
}

#[derive(Thrift)]
enum Aliases {
    #[thrift(alias = "Loud", alias = "very loud", alias)]
    Calm,
    Loud,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift)]
enum Lossy {
    Calm,
    #[thrift(unknown)]
    Unknown(i64),
}

fn main() {}
