//! A supertrait that is none of the standard library's is a service, whose server stands beside it.

mod base {
    pub trait Plain {}

    #[thrill::service]
    pub trait Service {}
}

use base::Service;

#[thrill::service]
trait OfPlain: base::Plain {}

#[thrill::service]
trait OfAlone: Service {}

fn main() {}
