//! A list that the program changes.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Discover, Instance};
use crate::error::Result;

/// A list of instances that the program changes while clients use it. Clones share it.
///
/// ```
/// use thrill::discovery::{Instance, List};
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
///
/// let list = List::new(["127.0.0.1:8888"]);
/// let client = EchoClient::builder("echo-server").discover(list.clone()).build()?;
/// list.set([Instance::new("127.0.0.1:8889").with_weight(30), Instance::new("127.0.0.1:8890")]);
/// # drop(client); Ok::<_, thrill::Error>(())
/// ```
#[derive(Debug)]
pub struct List {
    instances: watch::Sender<Vec<Instance>>,
    seen: watch::Receiver<Vec<Instance>>,
}

impl List {
    /// Makes a list.
    pub fn new<I: Into<Instance>>(instances: impl IntoIterator<Item = I>) -> Self {
        let instances = watch::Sender::new(collect(instances));
        Self { seen: unseen(&instances), instances }
    }

    /// Replaces the list. Clients that use it hear of it at once.
    pub fn set<I: Into<Instance>>(&self, instances: impl IntoIterator<Item = I>) {
        self.instances.send_replace(collect(instances));
    }
}

impl Clone for List {
    fn clone(&self) -> Self {
        Self { seen: unseen(&self.instances), instances: self.instances.clone() }
    }
}

fn collect<I: Into<Instance>>(instances: impl IntoIterator<Item = I>) -> Vec<Instance> {
    instances.into_iter().map(Into::into).collect()
}

/// Whoever uses a list begins with what it is then.
fn unseen(instances: &watch::Sender<Vec<Instance>>) -> watch::Receiver<Vec<Instance>> {
    let mut seen = instances.subscribe();
    seen.mark_changed();
    seen
}

#[async_trait]
impl Discover for List {
    async fn next(&mut self, _service: &str) -> Result<Vec<Instance>> {
        // Cannot fail: this list has a sender itself.
        let _ = self.seen.changed().await;
        Ok(self.seen.borrow_and_update().clone())
    }
}
