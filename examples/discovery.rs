//! A registry of one's own: servers make themselves known in it, and clients hear of every change. And DNS.
//!
//! `cargo run --example discovery`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thrill::discovery::{Discover, Dns, Instance};
use thrill::{Register, Registration, Result, Running, Server, async_trait};
use tokio::sync::watch;

#[thrill::service]
pub trait Who {
    async fn are_you(&self) -> Result<String>;
}

struct Named(&'static str);

impl Who for Named {
    async fn are_you(&self) -> Result<String> {
        Ok(self.0.to_owned())
    }
}

/// All instances, by service and address. Another would keep them in Consul, etcd or Nacos.
type Instances = BTreeMap<(String, String), Instance>;

/// What servers tell.
#[derive(Clone)]
struct Registry(Arc<watch::Sender<Instances>>);

#[async_trait]
impl Register for Registry {
    async fn register(&self, it: &Registration) -> Result<()> {
        println!("registry: + {} of weight {}", it.service, it.weight);
        let instance = Instance::new(&it.address).with_weight(it.weight);
        self.0.send_modify(|all| drop(all.insert((it.service.clone(), it.address.clone()), instance)));
        Ok(())
    }

    async fn deregister(&self, it: &Registration) -> Result<()> {
        println!("registry: - {} of weight {}", it.service, it.weight);
        self.0.send_modify(|all| drop(all.remove(&(it.service.clone(), it.address.clone()))));
        Ok(())
    }
}

/// What clients hear.
#[derive(Debug)]
struct Follow(watch::Receiver<Instances>);

#[async_trait]
impl Discover for Follow {
    async fn next(&mut self, service: &str) -> Result<Vec<Instance>> {
        // Of what was there before, the first call hears at once.
        self.0.changed().await.map_err(|_| "the registry is gone")?;
        let all = self.0.borrow_and_update();
        Ok(all.iter().filter(|((of, _), _)| of == service).map(|(_, instance)| instance.clone()).collect())
    }
}

impl Registry {
    fn follow(&self) -> Follow {
        let mut changes = self.0.subscribe();
        changes.mark_changed();
        Follow(changes)
    }

    async fn serve(&self, name: &'static str, weight: u32) -> Result<Running> {
        let server = Server::new().add(WhoServer::new(Named(name)));
        let server = server.register(self.clone(), Registration::new("who").with_weight(weight));
        Ok(server.bind("127.0.0.1:0").await?.spawn())
    }
}

/// Who answers so many calls.
async fn count(client: &WhoClient, calls: usize) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        *counts.entry(client.are_you().await?).or_default() += 1;
    }
    Ok(counts)
}

#[tokio::main]
async fn main() -> Result<()> {
    let registry = Registry(Arc::new(watch::channel(Instances::new()).0));
    let client = WhoClient::builder("who").discover(registry.follow()).build()?;

    let a = registry.serve("a", 10).await?;
    let b = registry.serve("b", 30).await?;
    // Two servers that have just begun are known in a moment.
    tokio::time::sleep(Duration::from_millis(50)).await;
    println!("client:   {:?}", count(&client, 40).await?);

    // One goes: it is taken out first, and then ends. No call fails.
    b.shutdown().await;
    println!("client:   {:?}", count(&client, 40).await?);

    // Another comes.
    let c = registry.serve("c", 10).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    println!("client:   {:?}", count(&client, 40).await?);

    // A name instead of a registry, looked up again every 5 s.
    let port = a.local_address().to_string().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap_or_default();
    let by_name = WhoClient::builder("who").discover(Dns::new(format!("localhost:{port}"))).build()?;
    println!("by DNS:   {:?}", count(&by_name, 10).await?);

    a.shutdown().await;
    c.shutdown().await;
    Ok(())
}
