//! A method is `async fn m(&self, ..)` without generics and body.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Methods {
    async fn no_self(note: Note) -> Result<Note>;

    async fn exclusive(&mut self, note: Note) -> Result<Note>;

    async fn by_value(self, note: Note) -> Result<Note>;

    async fn typed(self: &Self, note: Note) -> Result<Note>;

    async fn lifetime<'a>(&'a self, note: Note) -> Result<Note>;

    fn blocking(&self, note: Note) -> Result<Note>;

    async fn generic<T: Send>(&self, note: T) -> Result<Note>;

    async fn bounded(&self, note: Note) -> Result<Note>
    where
        Self: Sized;

    async unsafe fn careful(&self, note: Note) -> Result<Note>;

    async fn default(&self, note: Note) -> Result<Note> {
        Ok(note)
    }
}

fn main() {}
