//! The addresses of a name.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::lookup_host;

use super::{Discover, Instance};
use crate::error::{Error, Result};

type Lookup = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// Every address that a name resolves to, looked up again every few seconds.
///
/// It asks the system's resolver, which knows the hosts file, search domains and caches of the machine, and takes neither SRV
/// records nor the time to live of an answer into account. [`Dns::resolve_with`] takes another resolver.
///
/// ```
/// use thrill::discovery::Dns;
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
///
/// let client = EchoClient::builder("echo-server").discover(Dns::new("echo.internal:8888")).build()?;
/// # drop(client); Ok::<_, thrill::Error>(())
/// ```
pub struct Dns {
    target: String,
    every: Duration,
    lookup: Lookup,
    last: Vec<SocketAddr>,
}

impl Dns {
    /// Makes a source of the addresses of `host:port`.
    pub fn new(target: impl Into<String>) -> Self {
        let lookup = |target| async move { Ok(lookup_host::<String>(target).await?.collect()) };
        Self { target: target.into(), every: REFRESH, lookup: boxed(lookup), last: Vec::new() }
    }

    /// Sets how long an answer is good. Default 5 s, as Kitex's cache of instances.
    #[must_use]
    pub fn refresh_every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Asks another resolver than the system's. It is given the `host:port` as it was written.
    #[must_use]
    pub fn resolve_with<F, Run>(mut self, lookup: F) -> Self
    where
        F: Fn(String) -> Run + Send + Sync + 'static,
        Run: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.lookup = boxed(lookup);
        self
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let target = &self.target;
        let cannot = |why: &dyn fmt::Display| Error::new(format!("cannot resolve {target:?}: {why}"));
        let mut addresses = (self.lookup)(target.clone()).await.map_err(|err| cannot(&err))?;
        if addresses.is_empty() {
            return Err(cannot(&"the name has no address"));
        }
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }
}

/// How long an answer is good.
const REFRESH: Duration = Duration::from_secs(5);

fn boxed<F, Run>(lookup: F) -> Lookup
where
    F: Fn(String) -> Run + Send + Sync + 'static,
    Run: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
{
    Box::new(move |target| Box::pin(lookup(target)))
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("target", &self.target).field("every", &self.every).finish_non_exhaustive()
    }
}

#[async_trait]
impl Discover for Dns {
    async fn next(&mut self, _service: &str) -> Result<Vec<Instance>> {
        loop {
            if !self.last.is_empty() {
                tokio::time::sleep(self.every).await;
            }
            let addresses = self.addresses().await?;
            if addresses != self.last {
                self.last = addresses;
                return Ok(self.last.iter().map(|address| Instance::new(address.to_string())).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::context::lock;

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_and_only_changes_are_told() {
        let answers = ["1.1.1.1:1 1.1.1.2:1", "1.1.1.2:1 1.1.1.1:1 1.1.1.1:1", "", "1.1.1.2:1"];
        let left = Arc::new(Mutex::new(answers.into_iter()));
        let mut dns = Dns::new("name:1").resolve_with(move |target| {
            assert_eq!(target, "name:1");
            let answer = lock(&left).next().unwrap_or_default();
            async move { Ok(answer.split_whitespace().map(|addr| addr.parse().unwrap()).collect()) }
        });
        let addresses = |list: Vec<Instance>| list.into_iter().map(|it| it.address).collect::<Vec<_>>();
        let begin = tokio::time::Instant::now();
        assert_eq!(addresses(dns.next("s").await.unwrap()), ["1.1.1.1:1", "1.1.1.2:1"]);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let err = dns.next("s").await.unwrap_err().to_string();
        assert!(err.contains("cannot resolve \"name:1\": the name has no address"), "{err}");
        assert_eq!(begin.elapsed(), 2 * REFRESH);
        assert_eq!(addresses(dns.next("s").await.unwrap()), ["1.1.1.2:1"]);
        assert_eq!(begin.elapsed(), 3 * REFRESH);
    }
}
