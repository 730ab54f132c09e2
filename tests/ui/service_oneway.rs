//! Nobody waits for a one-way method.

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
trait OneWay {
    #[oneway]
    #[streaming(mode = "server")]
    async fn stream(&self, req: Note, responses: Sender<Note>) -> Result<()>;

    #[oneway]
    #[streaming(mode = "unary")]
    async fn unary(&self, req: Note) -> Result<()>;

    #[oneway]
    async fn answered(&self, req: Note) -> Result<Note>;

    #[oneway]
    #[throws(1 => Lost)]
    async fn throwing(&self, req: Note) -> Result<(), ThrowingError>;

    #[oneway]
    #[oneway]
    async fn twice(&self, req: Note) -> Result<()>;

    #[oneway(now)]
    async fn argument(&self, req: Note) -> Result<()>;
}

fn main() {}
