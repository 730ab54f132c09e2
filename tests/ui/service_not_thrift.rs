//! A type without a Thrift form, at the type.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

#[derive(Debug, Default)]
struct Plain;

#[derive(Thrift)]
struct Note {}

#[derive(Thrift, Clone, Debug)]
struct Fine {}

#[thrill::service]
trait PingPong {
    async fn argument(&self, plain: Plain) -> Result<()>;
}
#[thrill::service]
trait PingPong2 {
    async fn result(&self) -> Result<Plain>;
}

#[thrill::service]
trait Streams {
    #[streaming(mode = "bidirectional")]
    async fn stream(&self, stream: BidiStream<Fine, Plain>) -> Result<()>;
}

#[thrill::service]
trait Debugless {
    #[streaming(mode = "bidirectional")]
    async fn stream(&self, stream: BidiStream<Note, Fine>) -> Result<()>;
}

fn main() {}
