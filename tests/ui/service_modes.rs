//! The four modes, once each.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Modes {
    #[streaming(mode = "duplex")]
    async fn unknown(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming(mode = "bidirectional")]
    #[streaming(mode = "bidirectional")]
    async fn twice(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming(mode = "client", mode = "server")]
    async fn both(&self, stream: Receiver<Note>) -> Result<Note>;

    #[streaming]
    async fn none(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming()]
    async fn empty(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming(mode = bidirectional)]
    async fn unquoted(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming(kind = "client")]
    async fn other_key(&self, stream: Receiver<Note>) -> Result<Note>;
}

fn main() {}
