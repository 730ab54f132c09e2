//! Arguments are owned, named values with ids; only the context is a reference.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[thrill::service]
trait Arguments {
    async fn reference(&self, text: &str) -> Result<()>;

    async fn nested(&self, texts: Vec<&'static str>) -> Result<()>;

    async fn opaque(&self, text: impl Into<String>) -> Result<()>;

    async fn late_context(&self, note: Note, cx: &Context) -> Result<()>;

    async fn exclusive_context(&self, cx: &mut Context) -> Result<()>;

    async fn pattern(&self, (a, b): (Note, Note)) -> Result<()>;

    async fn nameless(&self, _: Note) -> Result<()>;

    async fn conditional(&self, #[cfg(unix)] note: Note) -> Result<()>;

    async fn zero(&self, #[thrift(id = 0)] a: i64) -> Result<()>;

    async fn same_id(&self, a: i64, #[thrift(id = 1)] b: i64) -> Result<()>;

    async fn same_name(&self, a: i64, #[thrift(rename = "a")] b: i64) -> Result<()>;

    async fn unknown_key(&self, #[thrift(ident = 1)] a: i64) -> Result<()>;

    async fn both(&self, #[thrift(required)] a: Option<i64>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn left_out(&self, #[thrift(default = Note::default())] requests: Receiver<Note>) -> Result<Note>;
}

fn main() {}
