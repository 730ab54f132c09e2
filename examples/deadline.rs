//! Deadlines and cancellation, seen from both sides: `cargo run --example deadline`.

use std::time::{Duration, Instant};

use thrill::{Context, Result, Sender, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Tick {
    #[thrift(id = 1)]
    pub number: i64,
}

#[thrill::service(namespace = "clock")]
pub trait Clock {
    /// Ticks until the client has had enough.
    #[streaming(mode = "server")]
    async fn ticks(&self, cx: &Context, first: Tick, ticks: Sender<Tick>) -> Result<()>;
}

struct Quartz;

impl Clock for Quartz {
    async fn ticks(&self, cx: &Context, first: Tick, mut ticks: Sender<Tick>) -> Result<()> {
        match cx.deadline() {
            Some(at) => println!("  server: the caller waits {:?} more", at.saturating_duration_since(Instant::now())),
            None => println!("  server: the caller waits without a limit"),
        }
        for number in first.number.. {
            tokio::select! {
                cause = cx.cancelled() => {
                    println!("  server: stops, because: {cause}");
                    return Err(cause);
                }
                () = tokio::time::sleep(Duration::from_millis(20)) => ticks.send(Tick { number }).await?,
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new().add(ClockServer::new(Quartz)).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();
    let client = ClockStreamClient::builder("clock").host_ports([addr]).caller("example").build()?;

    println!("a deadline:");
    let mut ticks = client.ticks(Tick { number: 1 }).timeout(Duration::from_millis(90)).await?;
    let end = loop {
        match ticks.recv().await {
            Ok(Some(tick)) => println!("  client: {tick:?}"),
            Ok(None) => break "the server ended it".to_owned(),
            Err(err) => break err.to_string(),
        }
    };
    println!("  client: {end}");

    println!("a dropped stream:");
    let mut ticks = client.ticks(Tick { number: 10 }).await?;
    println!("  client: {:?}, and that is enough", ticks.recv().await?);
    drop(ticks);
    server.shutdown().await;
    Ok(())
}
