//! A signature fits its mode; where not, the error says which one does.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Signatures {
    #[streaming(mode = "bidirectional")]
    async fn two_requests(&self, a: BidiStream<Note, Note>, b: Note) -> Result<()>;

    #[streaming(mode = "bidirectional")]
    async fn bidirectional_with_result(&self, stream: BidiStream<Note, Note>) -> Result<Note>;

    #[streaming(mode = "client")]
    async fn no_response(&self, requests: Receiver<Note>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn really_server(&self, req: Note, responses: Sender<Note>) -> Result<()>;

    #[streaming(mode = "server")]
    async fn no_request(&self, responses: Sender<Note>) -> Result<()>;

    #[streaming(mode = "server")]
    async fn optional_request(&self, req: Option<Note>, responses: Sender<Note>) -> Result<()>;

    #[streaming(mode = "server")]
    async fn two_responses(&self, req: Note, responses: Sender<Note>) -> Result<Note>;

    #[streaming(mode = "unary")]
    async fn nothing(&self) -> Result<Note>;

    #[streaming(mode = "unary")]
    async fn two(&self, cx: &Context, a: Note, b: Note) -> Result<Note>;

    async fn really_bidirectional(&self, stream: BidiStream<Note, Note>) -> Result<()>;
}

fn main() {}
