//! Where the instances of a service are.
//!
//! A client has one [`Discover`]: [`host_ports`](crate::StreamClientBuilder::host_ports) for fixed addresses, [`List`] for a
//! list that the program changes, [`Dns`] for the addresses of a name, or one of your own. It answers with whole lists; the
//! client's [`Balance`](crate::balance::Balance) chooses among them for each call and each stream.
//!
//! A new list disturbs nothing: open streams and running calls go on where they are, and the connections to an instance that
//! is gone are closed once nothing runs on them.
//!
//! ```
//! use std::time::Duration;
//! use thrill::async_trait;
//! use thrill::discovery::{Discover, Instance};
//!
//! /// Reads addresses from a file, one a line, whenever it has changed.
//! #[derive(Debug)]
//! struct File {
//!     path: std::path::PathBuf,
//!     last: Option<Vec<Instance>>,
//! }
//!
//! #[async_trait]
//! impl Discover for File {
//!     async fn next(&mut self, _service: &str) -> thrill::Result<Vec<Instance>> {
//!         loop {
//!             if self.last.is_some() {
//!                 tokio::time::sleep(Duration::from_secs(5)).await;
//!             }
//!             let text = tokio::fs::read_to_string(&self.path).await?;
//!             let list = text.lines().map(Instance::from).collect::<Vec<_>>();
//!             if self.last.as_ref() != Some(&list) {
//!                 self.last = Some(list.clone());
//!                 return Ok(list);
//!             }
//!         }
//!     }
//! }
//! ```

mod dns;
mod list;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

pub use dns::Dns;
pub use list::List;

use crate::error::Result;

/// Finds the instances of a service, and hears of their changes.
///
/// A source that is told of changes (a watch of a registry) and one that has to look (DNS, a file) have the same shape: the
/// client asks for the next list, and the source takes its time.
#[async_trait]
pub trait Discover: fmt::Debug + Send + 'static {
    /// The instances of a service: the first call answers with those of now, each later one waits until they have changed.
    ///
    /// The client asks again as soon as it has an answer, in a task that begins with the client's first call. That task ends
    /// with the client, and drops this future wherever it waits.
    ///
    /// # Errors
    /// The instances cannot be found now. The client keeps the last list and asks again after a second; while it has none,
    /// its calls fail with this error.
    async fn next(&mut self, service: &str) -> Result<Vec<Instance>>;
}

/// One process that serves a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// Where it is: `host:port` for TCP.
    pub address: String,
    /// Its share of the calls, relative to those of the others. An instance of weight 0 gets none. Default 10, as Kitex.
    pub weight: u32,
    /// What is known of it, such as `cluster` or `zone`; see [`tag`](crate::StreamClientBuilder::tag).
    pub tags: BTreeMap<String, String>,
}

impl Instance {
    /// The weight of an instance that no one gave another.
    pub const DEFAULT_WEIGHT: u32 = 10;

    /// Makes an instance of the default weight, without tags.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), weight: Self::DEFAULT_WEIGHT, tags: BTreeMap::new() }
    }

    /// The same instance with another weight.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The same instance with one more tag.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

impl<A: Into<String>> From<A> for Instance {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}
