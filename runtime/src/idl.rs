//! The trait as a `.thrift` file: print it, keep a committed file in step with it, and know what would break peers.
//!
//! ```
//! # use thrill::{BidiStream, Result};
//! /// What is said.
//! #[derive(thrill::Thrift, Debug)]
//! pub struct Message {
//!     #[thrift(id = 1)]
//!     pub text: Option<String>,
//! }
//!
//! #[thrill::service(namespace = "echo", rename_all = "PascalCase")]
//! pub trait Echo {
//!     /// Says it back.
//!     #[streaming(mode = "bidirectional")]
//!     async fn echo(&self, stream: BidiStream<Message, Message>) -> Result<()>;
//! }
//!
//! # fn main() -> Result<()> {
//! assert_eq!(EchoServer::SCHEMA.idl()?, r#"namespace go echo
//!
//! /** What is said. */
//! struct Message {
//!     1: optional string text,
//! }
//!
//! service Echo {
//!     /** Says it back. */
//!     Message Echo(1: Message stream) (streaming.mode = "bidirectional"),
//! }
//! "#);
//! # Ok(()) }
//! ```
//!
//! - [`export`] puts several services into one file.
//! - [`testing::assert_idl`](crate::testing::assert_idl) is the test that keeps a committed file in step.
//! - `#[thrill::service(locked = "echo.lock.thrift")]` refuses to compile what would break peers; [`breaking`] and
//!   [`testing::assert_compatible`](crate::testing::assert_compatible) are the same check as functions.

mod default;
mod export;

pub use export::export;
pub use thrill_idl::breaking::{Change, Rule};

use thrill_idl::breaking::{self as compare, Tables};

use crate::error::{Error, Result};
use crate::schema::Service;

impl Service {
    /// The service as IDL, with every type that it reaches, and the service that it extends.
    ///
    /// # Errors
    /// As [`export`].
    pub fn idl(&self) -> Result<String> {
        export(&[self])
    }
}

/// The changes from a file's IDL to the services of today that break peers; see [`Rule`].
///
/// Services of the file that are not among `services` are not looked at. `#[thrill::service(locked = "…")]` is the same
/// check at compile time.
///
/// ```
/// # use thrill::{Result, idl};
/// # #[derive(thrill::Thrift, Debug)] pub struct User { #[thrift(id = 1)] name: String, #[thrift(id = 2)] age: i64 }
/// #[thrill::service]
/// pub trait Users {
///     async fn me(&self) -> Result<User>;
/// }
///
/// let released = "struct User { 1: string name, 2: i32 age } service Users { User me() }";
/// let breaks = idl::breaking(released, &[UsersServer::SCHEMA])?;
/// assert_eq!(breaks[0].to_string(), "type-changed: field 2 of `User`, `age`, was `i32` and is `i64`");
/// # Ok::<(), thrill::Error>(())
/// ```
///
/// # Errors
/// A text that is not IDL, and what [`export`] cannot write.
pub fn breaking(released: &str, services: &[&Service]) -> Result<Vec<Change>> {
    let old = load("released.thrift", released)?;
    let new = load("exported.thrift", &export(services)?)?;
    let (old, new) = (Tables::of(&old), Tables::of(&new));
    let mut contract = old.contract();
    let own: Vec<_> =
        contract.services.iter().copied().filter(|old| services.iter().any(|new| new.name == old.name)).collect();
    if let Some(missing) = services.iter().find(|new| !own.iter().any(|old| old.name == new.name)) {
        return Err(Error::misuse(format!("the released IDL has no service `{}`", missing.name)));
    }
    contract.services = &own;
    Ok(compare::changes(&contract, &new.contract()))
}

/// The changes between two texts that break peers. A text that is no IDL yet has none.
pub(crate) fn breaking_files(released: &str, exported: &str) -> Vec<Change> {
    match (load("released.thrift", released), load("exported.thrift", exported)) {
        (Ok(released), Ok(exported)) => compare::breaking(&released, &exported),
        _ => Vec::new(),
    }
}

/// Reads IDL, which has no mistakes.
fn load(path: &str, text: &str) -> Result<thrill_idl::Program> {
    let loaded = thrill_idl::load_str(path, text, &thrill_idl::Options::default());
    if loaded.diagnostics.has_errors() {
        return Err(Error::misuse(loaded.diagnostics.render(&loaded.sources).trim_end()));
    }
    Ok(loaded.program)
}
