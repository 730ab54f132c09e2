//! The echo contract: the messages and services of the Kitex peer's `echo.thrift`, written as Rust.

use std::collections::{BTreeMap, BTreeSet};

use thrill::{BidiStream, Bytes, Context, Receiver, Result, Sender, Thrift, UnknownField};

/// A feeling.
#[derive(Thrift, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Mood {
    /// Quiet.
    Calm = 1,
    /// Fast.
    Brisk = 2,
    /// Loud.
    Wild = 5,
    /// What this build does not know.
    #[thrift(unknown)]
    Unknown(i32),
}

/// What a client says.
#[derive(Thrift, Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The text; a command where it begins with `!`.
    #[thrift(id = 1)]
    pub message: Option<String>,
}

/// What a server answers.
#[derive(Thrift, Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The text.
    #[thrift(id = 1)]
    pub message: Option<String>,
}

/// Something was not there.
#[derive(Thrift, Clone, Debug, PartialEq, Eq)]
#[thrift(exception)]
pub struct NotFound {
    /// What.
    #[thrift(id = 1, required)]
    pub what: String,
    /// Its number.
    #[thrift(id = 2)]
    pub code: Option<i32>,
}

/// One of several.
#[derive(Thrift, Clone, Debug, PartialEq)]
pub enum Shape {
    /// By name.
    #[thrift(id = 1)]
    Name(String),
    /// By size.
    #[thrift(id = 2)]
    Area(i64),
    /// What this build does not know.
    #[thrift(unknown)]
    Unknown(UnknownField),
}

/// A struct within.
#[derive(Thrift, Clone, Debug, Default, PartialEq, Eq)]
pub struct Inner {
    /// A number that must be there.
    #[thrift(id = 1, required)]
    pub id: i32,
    /// A name that may be.
    #[thrift(id = 2)]
    pub label: Option<String>,
}

/// Every Thrift type once, with the three kinds of requiredness.
#[derive(Thrift, Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Everything {
    #[thrift(id = 1)]
    pub flag: bool,
    #[thrift(id = 2)]
    pub tiny: i8,
    #[thrift(id = 3)]
    pub small: i16,
    #[thrift(id = 4)]
    pub medium: i32,
    #[thrift(id = 5)]
    pub big: i64,
    #[thrift(id = 6)]
    pub ratio: f64,
    #[thrift(id = 7)]
    pub text: String,
    #[thrift(id = 8)]
    pub blob: Bytes,
    #[thrift(id = 9)]
    pub numbers: Vec<i32>,
    #[thrift(id = 10)]
    pub tags: BTreeSet<String>,
    #[thrift(id = 11)]
    pub counts: BTreeMap<String, i64>,
    #[thrift(id = 12)]
    pub groups: BTreeMap<i32, Vec<Inner>>,
    #[thrift(id = 13)]
    pub inner: Inner,
    #[thrift(id = 14)]
    pub shape: Option<Shape>,
    #[thrift(id = 15)]
    pub mood: Option<Mood>,
    #[thrift(id = 16, required)]
    pub must: String,
    #[thrift(id = 17, default = 7)]
    pub fallback: Option<i32>,
    #[thrift(id = 18)]
    pub nested: Vec<BTreeMap<String, BTreeSet<i16>>>,
    #[thrift(id = 19)]
    #[allow(clippy::use_self, reason = "an IDL names the type")]
    pub children: Option<Vec<Everything>>,
}

/// All kinds of methods.
#[thrill::service(namespace = "echo", rename_all = "PascalCase")]
pub trait TestService {
    /// Sends each message back, until the client closes.
    #[streaming(mode = "bidirectional")]
    async fn echo(&self, cx: &Context, stream: BidiStream<Request, Response>) -> Result<()>;

    /// Replies with all messages, joined by commas.
    #[streaming(mode = "client")]
    async fn echo_client(&self, cx: &Context, requests: Receiver<Request>) -> Result<Response>;

    /// Sends the message three times, or `N` numbers for `!count N`.
    #[streaming(mode = "server")]
    async fn echo_server(&self, cx: &Context, req: Request, responses: Sender<Response>) -> Result<()>;

    /// Sends the message back, over a stream.
    #[streaming(mode = "unary")]
    async fn echo_unary(&self, cx: &Context, req: Request) -> Result<Response>;

    /// Sends the message back.
    async fn echo_ping_pong(&self, cx: &Context, req: Request) -> Result<Response>;

    /// Sends each value back.
    #[streaming(mode = "bidirectional")]
    async fn echo_everything(&self, cx: &Context, stream: BidiStream<Everything, Everything>) -> Result<()>;

    /// Sends the value back.
    #[throws(1 => NotFound)]
    async fn everything_ping_pong(
        &self,
        cx: &Context,
        value: Everything,
    ) -> Result<Everything, EverythingPingPongError>;

    /// Adds.
    #[throws(1 => NotFound)]
    async fn add(&self, cx: &Context, a: i64, b: i64) -> Result<i64, AddError>;

    /// Does nothing.
    async fn nothing(&self, cx: &Context) -> Result<()>;

    /// Counts, without an answer.
    #[oneway]
    async fn notify(&self, cx: &Context, what: String) -> Result<()>;
}

/// A second service on the same port.
#[thrill::service(namespace = "echo", rename_all = "PascalCase")]
pub trait Counter {
    /// Adds to the total and returns it.
    async fn increment(&self, cx: &Context, by: i64) -> Result<i64>;
}
