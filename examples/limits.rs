//! A server that takes on only so much, a client whose circuit breaker opens when it has enough of that, and an end that loses
//! nothing.
//!
//! `cargo run --example limits`

use std::time::Duration;

use thrill::breaker::{BreakerConfig, CircuitBreaker};
use thrill::{Context, Limits, Receiver, Register, Registration, Result, Server, Thrift, async_trait};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Number {
    #[thrift(id = 1)]
    pub value: i64,
}

#[thrill::service]
pub trait Adder {
    async fn double(&self, value: i64) -> Result<i64>;

    #[streaming(mode = "client")]
    async fn sum(&self, cx: &Context, numbers: Receiver<Number>) -> Result<Number>;
}

struct Handler;

impl Adder for Handler {
    async fn double(&self, value: i64) -> Result<i64> {
        Ok(2 * value)
    }

    async fn sum(&self, _: &Context, mut numbers: Receiver<Number>) -> Result<Number> {
        let mut value = 0;
        while let Some(number) = numbers.recv().await? {
            value += number.value;
        }
        Ok(Number { value })
    }
}

/// A registry that prints what it is told.
struct Console;

#[async_trait]
impl Register for Console {
    async fn register(&self, it: &Registration) -> Result<()> {
        println!("registry: {} is there", it.service);
        Ok(())
    }

    async fn deregister(&self, it: &Registration) -> Result<()> {
        println!("registry: {} is gone", it.service);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new()
        .add(AdderServer::new(Handler))
        .limits(Limits::default().with_max_qps(50))
        .register(Console, Registration::new("adder"))
        .on_stop(|| async { println!("server:   the end begins") })
        .bind("127.0.0.1:0")
        .await?
        .spawn();
    let handle = server.handle();
    let addr = server.local_address().to_string();

    let breaker = CircuitBreaker::new()
        .on_change(|it| println!("breaker:  {} {:?} -> {:?} ({})", it.scope, it.from, it.to, it.counts));
    breaker.set_config(BreakerConfig::new(0.3, 20));
    let client = AdderClient::builder("adder").host_ports([&addr]).circuit_breaker(breaker).build()?;
    let mut refused = std::collections::BTreeMap::<String, usize>::new();
    for value in 0..200 {
        if let Err(err) = client.double(value).await {
            *refused.entry(err.to_string()).or_default() += 1;
        }
    }
    for (text, calls) in refused {
        println!("client:   {calls} times {text:?}");
    }

    // Limits change while the server runs.
    handle.set_limits(Limits::default());
    let streams = AdderStreamClient::builder("adder").host_ports([&addr]).build()?;
    let mut sum = streams.sum().await?;
    sum.send(Number { value: 1 }).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;

    // What was begun is finished.
    let ending = tokio::spawn(server.shutdown());
    for value in 2..=10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        sum.send(Number { value }).await?;
    }
    println!("client:   the sum is {}", sum.close_and_recv().await?.value);
    ending.await.map_err(thrill::Error::new)?;
    println!("server:   gone");
    Ok(())
}
