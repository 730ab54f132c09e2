//! A field that is neither optional nor required needs a value for when it is left out.

use thrill::Thrift;

#[derive(Thrift)]
enum Mood {
    Calm,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift)]
struct Outer {
    #[thrift(id = 1)]
    mood: Mood,
}

fn main() {}
