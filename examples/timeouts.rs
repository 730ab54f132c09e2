//! Every time that a client can bound, and what it says when it is over: `cargo run --example timeouts`.
//!
//! | what | option | for |
//! | --- | --- | --- |
//! | making a connection | `connect_timeout` | both, client or call |
//! | a call | `rpc_timeout`, `.timeout(…)` on the call | ping-pong |
//! | a whole stream | `timeout`, `.timeout(…)` or `.deadline(…)` on the call | streams |
//! | one `recv`, one `send` | `recv_timeout`, `send_timeout` | streams, client or call |
//! | anything | `call_with_timeout` | any future |

use std::time::Duration;

use thrill::net::{BoxIo, Connect};
use thrill::{BidiStream, Context, Error, Result, Server, StreamTimeout, Thrift, call_with_timeout};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Line {
    #[thrift(id = 1)]
    pub text: String,
}

#[thrill::service(namespace = "slow")]
pub trait Slow {
    /// Sends each line back when it likes.
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, cx: &Context, stream: BidiStream<Line, Line>) -> Result<()>;

    async fn ask(&self, line: Line) -> Result<Line>;
}

const A_WHILE: Duration = Duration::from_millis(100);
const SHORT: Duration = Duration::from_millis(30);

struct Sloth;

impl Slow for Sloth {
    async fn talk(&self, cx: &Context, mut stream: BidiStream<Line, Line>) -> Result<()> {
        while let Some(line) = stream.recv().await? {
            tokio::select! {
                () = tokio::time::sleep(A_WHILE) => stream.send(line).await?,
                cause = cx.cancelled() => {
                    println!("  server: {cause}");
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    async fn ask(&self, line: Line) -> Result<Line> {
        tokio::time::sleep(A_WHILE).await;
        Ok(line)
    }
}

/// Where packets get lost.
#[derive(Debug)]
struct Nowhere;

#[thrill::async_trait]
impl Connect for Nowhere {
    async fn connect(&self, _: &str) -> std::io::Result<BoxIo> {
        std::future::pending().await
    }
}

fn line() -> Line {
    Line { text: "hi".to_owned() }
}

fn tell<T: std::fmt::Debug>(what: &str, result: &Result<T>) {
    match result {
        Ok(value) => println!("  {what}: {value:?}"),
        Err(err) => println!("  {what}: {err}"),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new().add(SlowServer::new(Sloth)).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();
    let client = SlowClient::builder("slow").host_ports([&addr]).rpc_timeout(SHORT).build()?;
    let streams = SlowStreamClient::builder("slow").host_ports([&addr]).caller("example").build()?;

    println!("a ping-pong call, by its client's `rpc_timeout` and by a longer one of its own:");
    tell("call", &client.ask(line()).await);
    tell("call", &client.ask(line()).timeout(10 * A_WHILE).await);

    println!("no connection, since no one answers there:");
    let nowhere = SlowStreamClient::builder("slow").host_ports(["nowhere:1"]).connector(Nowhere);
    tell("open", &nowhere.connect_timeout(SHORT).build()?.talk().await);

    println!("one `recv`: it cancels the stream, and the server hears of it");
    let mut stream = streams.talk().recv_timeout(SHORT).await?;
    stream.send(line()).await?;
    tell("recv", &stream.recv().await);

    println!("one `recv` that leaves the stream alone: the answer still comes");
    let patient = StreamTimeout { timeout: SHORT, disable_cancel_remote: true };
    let mut stream = streams.talk().recv_timeout(patient).await?;
    stream.send(line()).await?;
    loop {
        let received = stream.recv().await;
        tell("recv", &received);
        if !matches!(received, Err(Error::StreamTimeout { .. })) {
            break;
        }
    }

    println!("a whole stream: both sides have the same deadline");
    let mut stream = streams.talk().timeout(3 * A_WHILE / 2).await?;
    for _ in 0..2 {
        stream.send(line()).await?;
        tell("recv", &stream.recv().await);
    }

    println!("any future, here two messages: what was dropped goes on with the next `recv`");
    let mut stream = streams.talk().await?;
    let both = async {
        for _ in 0..2 {
            stream.send(line()).await?;
            stream.recv().await?;
        }
        Ok(())
    };
    tell("both", &call_with_timeout(3 * A_WHILE / 2, both).await);
    tell("recv", &stream.recv().await);
    drop(stream);
    server.shutdown().await;
    Ok(())
}
