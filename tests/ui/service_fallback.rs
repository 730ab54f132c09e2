//! One mistake gives one error: handlers and callers of the service stay as they are.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[derive(Thrift, Clone, Debug, Default)]
#[thrift(exception)]
pub struct Lost {}

#[thrill::service]
trait Notes {
    #[streaming(mode = "serve")]
    async fn watch(&self, req: Note, responses: Sender<Note>) -> Result<()>;

    #[throws(1 => Lost)]
    async fn get(&self, id: i64) -> Result<Note, GetError>;

    #[throws(0 => Lost)]
    async fn put(&self, note: Note) -> Result<(), PutError>;
}

struct Handler;

impl Notes for Handler {
    async fn watch(&self, _req: Note, _responses: Sender<Note>) -> Result<()> {
        Ok(())
    }

    async fn get(&self, _id: i64) -> Result<Note, GetError> {
        Err(Lost {})?
    }

    async fn put(&self, _note: Note) -> Result<(), PutError> {
        Ok(())
    }
}

fn uses() {
    let _ = NotesServer::new(Handler);
    let _ = NotesStreamClient::builder("notes").build();
    let _ = NotesClient::builder("notes").build().unwrap().get(1);
}

fn main() {}
