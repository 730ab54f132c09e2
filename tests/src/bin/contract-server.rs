//! Serves the echo contract: `contract-server [--addr 127.0.0.1:0]` prints `listening HOST:PORT` and serves until it is
//! killed, or until SIGTERM, which ends it gracefully.

use std::sync::Arc;

use thrill::Server;
use thrill_tests::contract::{CounterServer, TestServiceServer};
use thrill_tests::handler::Handler;

#[tokio::main]
async fn main() -> thrill::Result<()> {
    let args: Vec<_> = std::env::args().collect();
    let flag = args.iter().position(|arg| arg == "--addr" || arg == "-addr");
    let addr = flag.and_then(|at| args.get(at + 1)).map_or("127.0.0.1:0", String::as_str);
    let handler = Arc::new(Handler::default());
    let server = Server::new()
        .add(TestServiceServer::from_arc(Arc::clone(&handler)))
        .add(CounterServer::from_arc(handler))
        .bind(addr)
        .await?;
    println!("listening {}", server.local_address());
    let handle = server.handle();
    tokio::spawn(async move {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        terminate.recv().await;
        handle.shutdown();
        std::io::Result::Ok(())
    });
    server.run().await;
    Ok(())
}
