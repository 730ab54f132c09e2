//! This project's server and client against others', by the echo contract.

mod apache_clients;
mod apache_servers;
mod volo_clients;
mod volo_servers;

use std::sync::Arc;

use thrill::{Running, Server};
use thrill_tests::contract::{CounterServer, TestServiceServer};
use thrill_tests::handler::Handler;

/// This project's server of the contract.
async fn serve() -> Running {
    let handler = Arc::new(Handler::default());
    let server =
        Server::new().add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}
