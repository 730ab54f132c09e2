//! Streams carry structs and unions.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[derive(Thrift, Clone, Debug)]
enum Mood {
    Calm,
    #[thrift(unknown)]
    Unknown(i32),
}

#[thrill::service]
trait Messages {
    #[streaming(mode = "bidirectional")]
    async fn numbers(&self, stream: BidiStream<i64, Note>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn moods(&self, requests: Receiver<Mood>) -> Result<Note>;

    #[streaming(mode = "server")]
    async fn lists(&self, req: Note, responses: Sender<Vec<Note>>) -> Result<()>;

    #[streaming(mode = "unary")]
    async fn text(&self, req: Note) -> Result<String>;
}

fn main() {}
