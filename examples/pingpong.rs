//! Ping-pong calls beside streams, on one port and over every transport: `cargo run --example pingpong`.

use thrill::{Context, Error, Result, Server, Thrift, Transport};

#[derive(Thrift, Clone, Debug, PartialEq)]
#[thrift(exception)]
pub struct DivisionByZero {
    #[thrift(id = 1, required)]
    pub dividend: i64,
}

#[thrill::service(namespace = "calculator")]
pub trait Calculator {
    /// A declared exception is a variant of the error that the macro makes: `DivideError`.
    #[throws(1 => DivisionByZero)]
    async fn divide(&self, cx: &Context, dividend: i64, divisor: i64) -> Result<i64, DivideError>;

    /// The caller does not wait.
    #[oneway]
    async fn remember(&self, what: String) -> Result<()>;
}

struct Abacus;

impl Calculator for Abacus {
    async fn divide(&self, cx: &Context, dividend: i64, divisor: i64) -> Result<i64, DivideError> {
        println!("  server: {dividend} / {divisor} for {:?}, tenant {:?}", cx.caller(), cx.persistent("TENANT"));
        match divisor {
            0 => Err(DivisionByZero { dividend }.into()),
            -1 => Err(Error::new("negative numbers are for tomorrow").into()),
            _ => Ok(dividend / divisor),
        }
    }

    async fn remember(&self, what: String) -> Result<()> {
        println!("  server: remembers {what:?}");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new().add(CalculatorServer::new(Abacus)).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();

    // Framed is the default, as in Kitex; only a TTHeader carries who calls, metainfo and business errors.
    for transport in [Transport::Framed, Transport::TtHeaderFramed, Transport::Http2] {
        println!("{transport:?}:");
        let builder = CalculatorClient::builder("calculator").host_ports([addr.as_str()]).caller("example");
        let client = builder.transport(transport).build()?;
        println!("  client: 42 / 6 = {:?}", client.divide(42, 6).persistent("TENANT", "t-1").await);
        match client.divide(42, 0).await {
            Err(DivideError::DivisionByZero(exception)) => println!("  client: declared: {exception}"),
            other => println!("  client: {other:?}"),
        }
        match client.divide(42, -1).await {
            Err(DivideError::Error(err)) => println!("  client: not declared: {err}"),
            other => println!("  client: {other:?}"),
        }
        client.remember("the milk".to_owned()).await?;
    }
    server.shutdown().await;
    Ok(())
}
