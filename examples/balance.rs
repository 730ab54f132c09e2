//! Three instances of a service, found through a list that changes, and calls spread over them.
//!
//! `cargo run --example balance`

use std::collections::BTreeMap;
use std::time::Duration;

use thrill::balance::{ConsistentHash, LeastLoaded};
use thrill::discovery::{Instance, List};
use thrill::{BidiStream, Result, Running, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Line {
    #[thrift(id = 1)]
    pub text: String,
}

#[thrill::service(namespace = "demo", rename_all = "PascalCase")]
pub trait Shard {
    #[streaming(mode = "unary")]
    async fn name(&self, line: Line) -> Result<Line>;

    #[streaming(mode = "bidirectional")]
    async fn talk(&self, lines: BidiStream<Line, Line>) -> Result<()>;
}

struct Named(&'static str);

impl Shard for Named {
    async fn name(&self, _: Line) -> Result<Line> {
        Ok(Line { text: self.0.to_owned() })
    }

    async fn talk(&self, mut lines: BidiStream<Line, Line>) -> Result<()> {
        while let Some(line) = lines.recv().await? {
            lines.send(Line { text: format!("{}: {}", self.0, line.text) }).await?;
        }
        Ok(())
    }
}

async fn serve(name: &'static str) -> Result<Running> {
    Ok(Server::new().add(ShardServer::new(Named(name))).bind("127.0.0.1:0").await?.spawn())
}

/// Who answers so many calls.
async fn count(client: &ShardStreamClient, calls: usize) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        *counts.entry(client.name(Line::default()).await?.text).or_default() += 1;
    }
    Ok(counts)
}

#[tokio::main]
async fn main() -> Result<()> {
    let (a, b, c) = (serve("a").await?, serve("b").await?, serve("c").await?);
    let at = |server: &Running| Instance::new(server.local_address().to_string());

    // By weight, in turn: the default. A program or a registry changes the list while the client runs.
    let list = List::new([at(&a).with_weight(30), at(&b)]);
    let client = ShardStreamClient::builder("shard").discover(list.clone()).build()?;
    println!("30 to 10:            {:?}", count(&client, 40).await?);
    let mut stream = client.talk().await?;
    list.set([at(&b), at(&c)]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    println!("another list:        {:?}", count(&client, 40).await?);
    stream.send(Line { text: "still here".into() }).await?;
    println!("an open stream:      {:?}", stream.recv().await?.map(|line| line.text));

    // An instance that dies: its calls go to the next one at once.
    c.shutdown().await;
    println!("without c:           {:?}", count(&client, 40).await?);

    // The same key, the same instance.
    let addresses = [&a, &b].map(|server| server.local_address().to_string());
    let by_user =
        ShardStreamClient::builder("shard").host_ports(addresses.clone()).balance(ConsistentHash::new()).build()?;
    for user in ["kim", "lee", "ada", "kim", "lee", "ada"] {
        println!("user {user}:            {}", by_user.name(Line::default()).hash_key(user).await?.text);
    }

    // Streams that stay open count as load.
    let least = ShardStreamClient::builder("shard").host_ports(addresses).balance(LeastLoaded).build()?;
    let busy = least.talk().host_port(a.local_address().to_string()).await?;
    println!("a has a stream open: {:?}", count(&least, 10).await?);
    drop((busy, stream));
    Ok(())
}
