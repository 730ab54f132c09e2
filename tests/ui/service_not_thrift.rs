//! One clear message for each type without a Thrift form, at the type.

use thrill::{BidiStream, Result, Thrift};

#[derive(Thrift, Clone, Debug)]
struct Note {}

#[derive(Debug, Default)]
struct Argument;

#[derive(Debug)]
struct Answer;

#[derive(Debug)]
struct Message;

#[derive(Thrift)]
struct Debugless {}

#[thrill::service]
trait Types {
    async fn argument(&self, argument: Argument) -> Result<()>;

    async fn answer(&self) -> Result<Answer>;

    #[streaming(mode = "bidirectional")]
    async fn stream(&self, stream: BidiStream<Note, Message>) -> Result<()>;

    #[streaming(mode = "bidirectional")]
    async fn debugless(&self, stream: BidiStream<Debugless, Note>) -> Result<()>;
}

fn main() {}
