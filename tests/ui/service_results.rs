//! Every method returns a result.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Results {
    async fn nothing(&self);

    async fn plain(&self, note: Note) -> Note;

    #[streaming(mode = "bidirectional")]
    async fn stream(&self, stream: BidiStream<Note, Note>);

    #[streaming(mode = "client")]
    async fn option(&self, requests: Receiver<Note>) -> Option<Note>;
}

fn main() {}
