//! Arguments of the attribute.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service(namspace = "a")]
trait Misspelled {}

#[thrill::service(namespace = "a..b", name = "a b", rename_all = "kebab-case", crate = "thrill")]
trait Wrong {}

#[thrill::service(name)]
trait Valueless {
    #[method]
    async fn bare(&self) -> Result<()>;

    #[method(name = "a b", nam = "c")]
    async fn spaced(&self) -> Result<()>;

    #[method(name = "a")]
    #[method(name = "b")]
    async fn twice(&self) -> Result<()>;
}

fn main() {}
