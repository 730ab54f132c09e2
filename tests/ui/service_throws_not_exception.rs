//! Only exceptions can be thrown.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Throws {
    #[throws(1 => Note)]
    async fn get(&self) -> Result<(), GetError>;
}

fn main() {}
