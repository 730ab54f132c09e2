//! A server that takes on only so much, by limits that change while it runs.
//!
//! `cargo run --example limits`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use thrill::{Context, Limiter, Limits, Permit, Receiver, Result, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Number {
    #[thrift(id = 1)]
    pub value: i64,
}

#[thrill::service]
pub trait Adder {
    async fn double(&self, value: i64) -> Result<i64>;

    async fn audit(&self) -> Result<i64>;

    #[streaming(mode = "client")]
    async fn sum(&self, numbers: Receiver<Number>) -> Result<Number>;
}

struct Handler;

impl Adder for Handler {
    async fn double(&self, value: i64) -> Result<i64> {
        Ok(2 * value)
    }

    async fn audit(&self) -> Result<i64> {
        Ok(0)
    }

    async fn sum(&self, mut numbers: Receiver<Number>) -> Result<Number> {
        let mut value = 0;
        while let Some(number) = numbers.recv().await? {
            value += number.value;
        }
        Ok(Number { value })
    }
}

/// A limit of one's own.
struct NoAudits;

impl Limiter for NoAudits {
    fn call(&self, cx: &Context) -> Result<Permit, String> {
        if cx.method() == "audit" { Err("no audits today".to_owned()) } else { Ok(Permit::new()) }
    }
}

/// How so many calls end.
async fn count(client: &AdderClient, calls: i64) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for value in 0..calls {
        let end = client.double(value).await.map_or_else(|err| err.to_string(), |_| "answered".to_owned());
        *ends.entry(end).or_default() += 1;
    }
    ends
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new()
        .add(AdderServer::new(Handler))
        .limits(Limits::default().with_max_qps(50))
        .limiter(NoAudits)
        .on_limit(|refused| println!("  server: {:?}: {}", refused.limit, refused.reason))
        .bind("127.0.0.1:0")
        .await?
        .spawn();
    let handle = server.handle();
    let addr = server.local_address().to_string();
    let client = AdderClient::builder("adder").host_ports([&addr]).build()?;
    let streams = AdderStreamClient::builder("adder").host_ports([&addr]).build()?;

    println!("50 calls a second, and 53 come at once:");
    println!("  client: {:?}", count(&client, 53).await);

    println!("no more than one stream or call at a time, since now:");
    handle.set_limits(Limits::default().with_max_concurrent_calls(1));
    let mut sum = streams.sum().await?;
    sum.send(Number { value: 1 }).await?;
    while handle.concurrent_calls() == 0 {
        tokio::task::yield_now().await;
    }
    println!("  client: {}", streams.sum().await?.close_and_recv().await.unwrap_err());
    println!("  client: the first has {}", sum.close_and_recv().await?.value);

    println!("20 messages a second in each stream, and 25 come at once:");
    handle.set_limits(Limits::default().with_max_stream_messages_per_second(20));
    let (begin, mut sum) = (Instant::now(), streams.sum().await?);
    for value in 1..=25 {
        sum.send(Number { value }).await?;
    }
    let sum = sum.close_and_recv().await?.value;
    // None is lost: they are read slowly.
    println!("  client: {sum}, after more than 200 ms: {}", begin.elapsed() > Duration::from_millis(200));

    println!("a limit of one's own:");
    println!("  client: {}", client.audit().await.unwrap_err());
    server.shutdown().await;
    Ok(())
}
