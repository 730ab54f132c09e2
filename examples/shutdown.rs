//! A server's life: start and stop hooks, a registry, a signal, and an end that gives streams their time.
//!
//! `cargo run --example shutdown`

use std::time::{Duration, Instant};

use thrill::{Receiver, Register, Registration, Result, Server, Thrift, async_trait};
use tokio::time::sleep;

#[derive(Thrift, Clone, Debug, Default)]
pub struct Number {
    #[thrift(id = 1)]
    pub value: i64,
}

#[thrill::service]
pub trait Adder {
    #[streaming(mode = "client")]
    async fn sum(&self, numbers: Receiver<Number>) -> Result<Number>;
}

struct Handler;

impl Adder for Handler {
    async fn sum(&self, mut numbers: Receiver<Number>) -> Result<Number> {
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

/// Asks this process to end, as Ctrl-C or an orchestrator does.
#[cfg(unix)]
async fn ask_to_end() -> Result<()> {
    println!("signal:   TERM");
    tokio::process::Command::new("sh").arg("-c").arg(format!("kill -TERM {}", std::process::id())).status().await?;
    Ok(())
}

#[cfg(not(unix))]
async fn ask_to_end() -> Result<()> {
    println!("press Ctrl-C");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new()
        .add(AdderServer::new(Handler))
        .register(Console, Registration::new("adder"))
        .on_start(|_| async { println!("hook:     it takes connections") })
        .on_stop(|| async { println!("hook:     it is asked to end") })
        .exit_wait_time(Duration::from_millis(500))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_address().to_string();
    // `Server::serve` does the same with the address to bind.
    let serving = tokio::spawn(server.run_until_signal());

    let client = AdderStreamClient::builder("adder").host_ports([addr]).build()?;
    let (mut quick, mut slow) = (client.sum().await?, client.sum().await?);
    for stream in [&mut quick, &mut slow] {
        stream.send(Number { value: 1 }).await?;
    }
    sleep(Duration::from_millis(50)).await;

    ask_to_end().await?;
    let begin = Instant::now();
    // What has begun goes on, for the exit wait time at most.
    for value in 2..=10 {
        sleep(Duration::from_millis(20)).await;
        quick.send(Number { value }).await?;
    }
    println!("quick:    {}", quick.close_and_recv().await?.value);
    println!("new:      {}", client.sum().await.unwrap_err());
    while slow.send(Number { value: 1 }).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
    println!("slow:     {}", slow.close_and_recv().await.unwrap_err());
    serving.await.map_err(thrill::Error::new)??;
    println!("server:   gone within a second: {}", begin.elapsed() < Duration::from_secs(1));
    Ok(())
}
