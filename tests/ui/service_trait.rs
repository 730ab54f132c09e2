//! A service has methods only, and no generics.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Generic<T> {
    async fn get(&self, note: Note) -> Result<Note>;
}

#[thrill::service]
trait Bounded
where
    Self: Clone,
{
    async fn get(&self, note: Note) -> Result<Note>;
}

#[thrill::service]
unsafe trait Careful {
    type Item;
    const LIMIT: usize;
    async fn get(&self, note: Note) -> Result<Note>;
}

fn main() {}
