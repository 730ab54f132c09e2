//! How many connections there are, when they are made, and how long they last.
//!
//! `cargo run --example connections`

use std::time::{Duration, Instant};

use thrill::{Context, Keepalive, KeepaliveEnforcement, Result, Server, Transport, WarmUp};

#[thrill::service]
pub trait Clock {
    /// From where the caller's connection comes.
    async fn port(&self, cx: &Context) -> Result<String>;
}

struct Handler;

impl Clock for Handler {
    async fn port(&self, cx: &Context) -> Result<String> {
        Ok(cx.peer().map(ToString::to_string).unwrap_or_default())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new()
        .add(ClockServer::new(Handler))
        // Clients move to servers that came later, and quiet ones go.
        .max_connection_age(Duration::from_secs(3600))
        .max_connection_age_grace(Duration::from_secs(60))
        .max_connection_idle_time(Duration::from_millis(300))
        // They may ask every 10 s whether this server is still there.
        .keepalive_enforcement(KeepaliveEnforcement { min_time: Duration::from_secs(10), without_streams: true })
        .bind("127.0.0.1:0")
        .await?
        .spawn();
    let addr = server.local_address().to_string();
    let builder = || ClockClient::builder("clock").host_ports([&addr]).transport(Transport::Http2);

    // Two connections before the first call; calls go to them in turn.
    let client = builder()
        .connection_pool_size(2)
        .keepalive(Keepalive::frequent())
        .on_close(|| println!("the client is closed"))
        .build_warm(WarmUp { connections: 2, fail_fast: true, ..WarmUp::default() })
        .await?;
    for _ in 0..3 {
        println!("by a connection that was there: {}", client.port().await?);
    }

    let short = builder().short_connection().build()?;
    for _ in 0..2 {
        println!("by a connection of its own: {}", short.port().await?);
    }

    let began = Instant::now();
    while server.handle().connections() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("all of them were idle, and are gone after {} ms", began.elapsed().as_millis() / 100 * 100);
    println!("by a new one: {}", client.port().await?);
    drop(client);
    server.shutdown().await;
    Ok(())
}
