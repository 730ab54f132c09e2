//! Names that are taken, in Rust or on the wire.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service(rename_all = "PascalCase")]
trait Names {
    async fn builder(&self) -> Result<()>;

    #[streaming(mode = "client")]
    async fn clone(&self, requests: Receiver<Note>) -> Result<Note>;

    async fn get_note(&self) -> Result<()>;

    #[method(name = "GetNote")]
    async fn other(&self) -> Result<()>;
}

fn main() {}
