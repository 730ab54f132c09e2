//! A circuit breaker: calls of a method that mostly fails are not made, until it works again.
//!
//! `cargo run --example breaker`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thrill::breaker::{BreakerConfig, CircuitBreaker, CircuitState};
use thrill::{BizStatusError, Error, Result, Server};
use tokio::time::sleep;

#[thrill::service]
pub trait Shop {
    async fn price(&self, item: String) -> Result<i64>;
}

/// Has a database that may be away.
struct Corner {
    is_away: Arc<AtomicBool>,
}

impl Shop for Corner {
    async fn price(&self, item: String) -> Result<i64> {
        match item.as_str() {
            _ if self.is_away.load(Ordering::Relaxed) => Err(Error::new("the database is away")),
            "tea" => Ok(4),
            // The call works, and its answer is no: no failure to a breaker.
            _ => Err(BizStatusError::new(404, "not for sale").into()),
        }
    }
}

/// How so many calls end.
async fn count(client: &ShopClient, item: &str, calls: usize) -> BTreeMap<&'static str, usize> {
    let mut ends = BTreeMap::new();
    for _ in 0..calls {
        let end = match client.price(item.to_owned()).await {
            Ok(_) => "answered",
            Err(Error::CircuitOpen(_)) => "not made",
            Err(Error::Biz(_)) => "answered no",
            Err(_) => "failed",
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

#[tokio::main]
async fn main() -> Result<()> {
    let is_away = Arc::new(AtomicBool::new(false));
    let shop = Corner { is_away: Arc::clone(&is_away) };
    let server = Server::new().add(ShopServer::new(shop)).bind("127.0.0.1:0").await?.spawn();

    let breaker = CircuitBreaker::new()
        .on_change(|it| println!("breaker: {} {:?} -> {:?} ({})", it.scope, it.from, it.to, it.counts));
    let mut config = BreakerConfig::new(0.5, 20);
    // 5 s and 200 ms by default.
    (config.cool_off, config.probe_interval) = (Duration::from_millis(300), Duration::from_millis(20));
    breaker.set_config(config);
    let client = ShopClient::builder("shop")
        .host_ports([server.local_address().to_string()])
        .transport(thrill::Transport::TtHeader)
        .circuit_breaker(breaker.clone())
        .build()?;

    println!("healthy: {:?}", count(&client, "tea", 20).await);
    println!("healthy: {:?}", count(&client, "coal", 20).await);
    is_away.store(true, Ordering::Relaxed);
    println!("sick:    {:?}", count(&client, "tea", 100).await);
    is_away.store(false, Ordering::Relaxed);
    println!("well:    {:?}, as long as the circuit cools off", count(&client, "tea", 10).await);
    while breaker.method_state("shop", "price") != CircuitState::Closed {
        sleep(Duration::from_millis(50)).await;
        println!("probe:   {:?}", count(&client, "tea", 1).await);
    }
    println!("well:    {:?}", count(&client, "tea", 20).await);
    server.shutdown().await;
    Ok(())
}
