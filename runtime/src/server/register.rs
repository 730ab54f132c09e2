//! Tells a registry that a server is there.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Result;

/// A registry in which servers make themselves known to clients.
///
/// ```
/// use thrill::{Register, Registration, Result, async_trait};
///
/// /// Prints what another would write to a registry.
/// struct Console;
///
/// #[async_trait]
/// impl Register for Console {
///     async fn register(&self, it: &Registration) -> Result<()> {
///         println!("+ {} {}", it.service, it.address);
///         Ok(())
///     }
///
///     async fn deregister(&self, it: &Registration) -> Result<()> {
///         println!("- {} {}", it.service, it.address);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Register: Send + Sync + 'static {
    /// Makes a server known. Called once the server takes connections, and again, a second later, after an error. Keeping an
    /// entry alive that expires is the registry's own business, until [`Register::deregister`].
    ///
    /// # Errors
    /// The registry cannot be told now.
    async fn register(&self, registration: &Registration) -> Result<()>;

    /// Takes a server out. Called before its connections are told of the shutdown, so that clients stop coming.
    ///
    /// # Errors
    /// The registry cannot be told; the shutdown goes on.
    async fn deregister(&self, registration: &Registration) -> Result<()>;
}

/// What a registry is told of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The name under which clients look for it.
    pub service: String,
    /// Where clients reach it. Where it was not given, the address on which the server listens; give it where that is
    /// `0.0.0.0`.
    pub address: String,
    /// Its share of the calls. Default 10.
    pub weight: u32,
    /// What else clients may choose it by.
    pub tags: BTreeMap<String, String>,
}

impl Registration {
    /// Makes a registration under a service's name.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), address: String::new(), weight: 10, tags: BTreeMap::new() }
    }

    /// The same with another address than the one on which the server listens.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// The same with another weight.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The same with one more tag.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}
