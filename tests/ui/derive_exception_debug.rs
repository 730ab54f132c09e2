//! An exception is a Rust error, so it has a `Debug` form.

use thrill::Thrift;

#[derive(Thrift)]
#[thrift(exception)]
struct NotFound {
    #[thrift(id = 1)]
    what: String,
}

fn main() {}
