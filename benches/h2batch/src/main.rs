//! The h2 crate on connections whose streams share their writes.

use h2batch::Batch;
use load::{Args, Error};

fn main() -> Result<(), Error> {
    h2raw::run("raw-h2-batched", Args::parse(), Batch::new)
}
