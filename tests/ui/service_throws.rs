//! Declared exceptions: where they can be, their ids, and the enum that they make.

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

mod other {
    #[derive(thrill::Thrift, Clone, Debug, Default)]
    #[thrift(exception)]
    pub struct Lost {}

    #[derive(thrill::Thrift, Clone, Debug, Default)]
    #[thrift(exception)]
    pub struct Error {}
}

#[thrill::service]
trait Throws {
    #[streaming(mode = "bidirectional")]
    #[throws(1 => Lost)]
    async fn stream(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[throws(1 => Lost)]
    async fn nameless(&self) -> Result<()>;

    #[throws(1 => Lost)]
    async fn qualified(&self) -> Result<(), self::QualifiedError>;

    #[throws(0 => Lost)]
    async fn zero(&self) -> Result<(), ZeroError>;

    #[throws(1 => Lost, 1 => other::Lost)]
    async fn same(&self) -> Result<(), SameError>;

    #[throws(1 => other::Error)]
    async fn taken(&self) -> Result<(), TakenError>;

    #[throws(1 => Lost)]
    async fn itself(&self) -> Result<(), Lost>;

    #[throws(1 => Lost)]
    async fn client(&self) -> Result<(), ThrowsClient>;

    #[throws(1 => Lost)]
    async fn first(&self) -> Result<(), SharedError>;

    #[throws(2 => Lost)]
    async fn second(&self) -> Result<(), SharedError>;

    #[throws]
    async fn empty(&self) -> Result<(), EmptyError>;

    #[throws(Lost)]
    async fn without_id(&self) -> Result<(), WithoutIdError>;

    #[throws(1 => Lost)]
    #[throws(2 => other::Lost)]
    async fn twice(&self) -> Result<(), TwiceError>;

    #[throws(1 => Gone(Lost), 2 => Gone(other::Lost), 3 => Error(Lost))]
    async fn named(&self) -> Result<(), NamedError>;

    #[throws(#[thrift(nonpositive_id)] 0 => Lost, #[thrift(required)] 1 => Gone(Lost), #[deprecated] 2 => Old(Lost))]
    async fn attributes(&self) -> Result<(), AttributesError>;

    async fn undeclared(&self) -> Result<(), std::fmt::Error2>;
}

fn main() {}
