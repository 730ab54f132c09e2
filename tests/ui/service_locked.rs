//! What breaks peers that were built with a locked file does not compile.

use thrill::{BidiStream, Receiver, Result, Sender, Thrift, UnknownField};

#[derive(Thrift, Debug, Default)]
struct Message {
    #[thrift(id = 1)]
    text: Option<String>,
    #[thrift(id = 2)]
    size: i64,
    #[thrift(id = 4)]
    moved: bool,
    #[thrift(id = 5, required)]
    added: i32,
    #[thrift(id = 7)]
    part: Option<Box<Part>>,
    #[thrift(id = 8)]
    kind: Vec<Kind>,
    #[thrift(id = 9)]
    tone: Option<Tone>,
    #[thrift(id = 10)]
    replies: std::collections::BTreeMap<String, Message>,
}

#[derive(Thrift, Debug)]
enum Part {
    #[thrift(id = 1)]
    Text(String),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

#[derive(Thrift, Debug, Default)]
struct Kind {
    #[thrift(id = 1)]
    text: String,
}

#[derive(Thrift, Clone, Copy, Debug)]
enum Tone {
    Loud,
    Calm,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift, Debug)]
#[thrift(exception)]
struct Lost {}

/// Every rule but that of the service's name.
#[thrill::service(namespace = "demo.moved", locked = "ui/locked.thrift")]
trait Chat {
    #[streaming(mode = "server")]
    async fn join(&self, req: Message, responses: Sender<Message>) -> Result<()>;

    #[streaming(mode = "bidirectional")]
    async fn talk(&self, stream: BidiStream<Message, Message>) -> Result<()>;

    async fn notify(&self) -> Result<()>;

    async fn count(&self, of: i64) -> Result<i64>;

    async fn find(&self) -> Result<i32>;

    #[throws(1 => Lost)]
    async fn forget(&self) -> Result<(), ForgetError>;
}

#[thrill::service(locked = "ui/locked.thrift")]
trait Renamed {
    #[streaming(mode = "client")]
    async fn join(&self, requests: Receiver<Message>) -> Result<Message>;
}

#[thrill::service(locked = "ui/nowhere.thrift")]
trait Nowhere {
    async fn get(&self) -> Result<i8>;
}

#[thrill::service(locked = "ui/locked_mistakes.thrift")]
trait Mistakes {
    async fn get(&self) -> Result<i8>;
}

/// One mistake, one error: what is broken here is not compared.
#[thrill::service(locked = "ui/locked.thrift", name = "Chat")]
trait Broken {
    async fn get(&self, what: &str) -> Result<i8>;
}

fn main() {}
