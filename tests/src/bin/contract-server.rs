//! Serves the echo contract: `contract-server [--addr 127.0.0.1:0] [--forward HOST:PORT]` prints `listening HOST:PORT` and
//! serves until a signal ends it gracefully. With `--forward` it is a chain: every call goes on to the server there.

use std::sync::Arc;

use thrill::Server;
use thrill_tests::contract::{Counter, CounterServer, TestService, TestServiceServer};
use thrill_tests::forward::Forward;
use thrill_tests::handler::Handler;

fn serving(handler: impl TestService + Counter) -> Server {
    let handler = Arc::new(handler);
    Server::new().add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler))
}

#[tokio::main]
async fn main() -> thrill::Result<()> {
    let args: Vec<_> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg.trim_start_matches('-') == name)?;
        args.get(at + 1).map(String::as_str)
    };
    let server = match value("forward") {
        Some(next) => serving(Forward::to(next)?),
        None => serving(Handler::default()),
    };
    let server = server.bind(value("addr").unwrap_or("127.0.0.1:0")).await?;
    println!("listening {}", server.local_address());
    server.run_until_signal().await
}
