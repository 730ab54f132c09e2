//! A tour of ping-pong: services, exceptions, business errors, timeouts, every transport: `cargo run --example pingpong`.

use std::time::Duration;

use thrill::{BizStatusError, Context, Error, Result, Server, Stage, Thrift, Transport};
use tokio::time::sleep;

#[derive(Thrift, Clone, Debug, PartialEq)]
#[thrift(exception)]
pub struct DivisionByZero {
    #[thrift(id = 1, required)]
    pub dividend: i64,
}

#[thrill::service(namespace = "tools")]
pub trait Health {
    async fn uptime(&self) -> Result<String>;
}

/// Its server and client have the methods of [`Health`], too.
#[thrill::service(namespace = "tools")]
pub trait Calculator: Health {
    /// A declared exception is a variant of the error that the macro makes: `DivideError`.
    #[throws(1 => DivisionByZero)]
    async fn divide(&self, cx: &Context, dividend: i64, divisor: i64) -> Result<i64, DivideError>;

    async fn multiply_slowly(&self, a: i64, b: i64) -> Result<i64>;

    /// The caller does not wait.
    #[oneway]
    async fn remember(&self, what: String) -> Result<()>;
}

struct Abacus;

impl Health for Abacus {
    async fn uptime(&self) -> Result<String> {
        Ok("since antiquity".to_owned())
    }
}

impl Calculator for Abacus {
    async fn divide(&self, cx: &Context, dividend: i64, divisor: i64) -> Result<i64, DivideError> {
        println!("  server: {dividend} / {divisor} for {:?}, log id {:?}", cx.caller(), cx.log_id());
        match divisor {
            0 => Err(DivisionByZero { dividend }.into()),
            ..0 => Err(Error::from(BizStatusError::new(451, "no debts here").with_extra("limit", "0")).into()),
            _ => Ok(dividend / divisor),
        }
    }

    async fn multiply_slowly(&self, a: i64, b: i64) -> Result<i64> {
        sleep(Duration::from_millis(200)).await;
        Ok(a * b)
    }

    async fn remember(&self, what: String) -> Result<()> {
        println!("  server: remembers {what:?}");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    // Calls that name no service, as those by Framed, may mean two services here: the fallback takes them.
    let server = Server::new().add(HealthServer::new(Abacus)).add_fallback(CalculatorServer::new(Abacus));
    let server = server.bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();
    let builder = || CalculatorClient::builder("tools").host_ports([addr.as_str()]).caller("example");

    // Framed is the default, as in Kitex; it carries neither who calls nor business errors, which are plain errors then.
    for transport in [Transport::Framed, Transport::TtHeaderFramed, Transport::Http2] {
        println!("{transport:?}:");
        let client = builder().transport(transport).build()?;
        println!("  client: 42 / 6 = {:?}", client.divide(42, 6).log_id("log-1").await);
        for divisor in [0, -1] {
            match client.divide(42, divisor).await {
                Err(DivideError::DivisionByZero(exception)) => println!("  client: declared: {exception}"),
                Err(DivideError::Error(Error::Biz(biz))) => println!("  client: {biz}, extra {:?}", biz.extra()),
                other => println!("  client: {other:?}"),
            }
        }
        client.remember("the milk".to_owned()).await?;
        println!("  client: up {}", client.uptime().await?);
    }

    println!("Timeouts:");
    let hurried = builder().rpc_timeout(Duration::from_millis(50)).build()?;
    match hurried.multiply_slowly(6, 7).await {
        Err(Error::DeadlineExceeded { during: Stage::Read, after, .. }) => println!("  client: no reply in {after:?}"),
        other => println!("  client: {other:?}"),
    }
    println!("  client: {}", hurried.multiply_slowly(6, 7).timeout(Duration::from_secs(5)).await?);

    println!("Three calls at a time on one connection:");
    let client = builder().transport(Transport::TtHeader).multiplexed(1).build()?;
    let calls = tokio::join!(client.multiply_slowly(1, 2), client.multiply_slowly(3, 4), client.multiply_slowly(5, 6));
    println!("  client: {} {} {}", calls.0?, calls.1?, calls.2?);
    server.shutdown().await;
    Ok(())
}
