//! The h2 crate on a plain TCP connection.

use load::{Args, Error};

fn main() -> Result<(), Error> {
    let args = Args::parse();
    let name = if args.coalesce > 0 { "raw-h2-coalesced" } else { "raw-h2" };
    h2raw::run(name, args, |tcp| tcp)
}
