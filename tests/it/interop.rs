//! Against real Kitex, both ways, by the echo contract. Needs the environment's `KITEX_PEER`.

use std::path::Path;
use std::sync::Arc;

use thrill::{Running, Server};
use thrill_tests::cases;
use thrill_tests::contract::{Counter, CounterServer, TestService, TestServiceServer};
use thrill_tests::forward::Forward;
use thrill_tests::handler::Handler;
use thrill_tests::idl_first;
use thrill_tests::peer::{PeerServer, kitex_peer};

/// The groups that this build speaks.
const GROUPS: &str = "grpc,buffered,framed,ttheader,ttheaderframed,mux,multi";

pub(super) async fn contract_server() -> Running {
    serve(Handler::default()).await
}

async fn serve(handler: impl TestService + Counter) -> Running {
    let handler = Arc::new(handler);
    let server =
        Server::new().add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}

/// The same, made from the IDL.
async fn idl_first_server() -> Running {
    let handler = Arc::new(idl_first::handler::Handler::default());
    let server = Server::new()
        .add(idl_first::contract::TestServiceServer::from_arc(Arc::clone(&handler)))
        .add(idl_first::contract::CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kitex_client_passes_its_cases_against_this_server() {
    kitex_client_passes_against(contract_server().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kitex_client_passes_its_cases_against_a_server_made_from_idl() {
    kitex_client_passes_against(idl_first_server().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_client_passes_the_cases_against_a_server_made_from_idl() {
    let server = idl_first_server().await;
    let addr = server.local_address().to_string();
    assert_eq!(cases::run(&addr, "").await, 0, "cases failed; see the output");
    server.shutdown().await;
}

async fn kitex_client_passes_against(server: Running) {
    let Some(peer) = kitex_peer("the Kitex client's cases against this server") else { return };
    run_kitex_client(&peer, server, GROUPS).await;
}

/// Kitex client → proxy → Kitex server: metainfo, metadata, caller, deadline, cancellation, headers and trailers, business errors
/// and all that a stream carries go through a handler's context and the calls made with it.
#[tokio::test(flavor = "multi_thread")]
async fn the_kitex_client_passes_its_cases_through_a_chain() {
    let Some(peer) = kitex_peer("the Kitex client's cases through a proxy to the Kitex server") else { return };
    let behind = PeerServer::start(&peer, &["server"]).await.unwrap();
    let proxy = serve(Forward::to(&behind.addr).unwrap()).await;
    run_kitex_client(&peer, proxy, CHAIN).await;
}

/// What a call through a proxy must not lose.
const CHAIN: &str = "grpc,ttheader,ttheaderframed,mux,multi";

async fn run_kitex_client(peer: &Path, server: Running, groups: &str) {
    let addr = server.local_address().to_string();
    let client = tokio::process::Command::new(peer).args(["client", "-addr", &addr, "-run", groups]).output();
    let output = client.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the Kitex client failed cases: {said}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_client_passes_the_cases_against_the_kitex_server() {
    let Some(peer) = kitex_peer("this client's cases against the Kitex server") else { return };
    let server = PeerServer::start(&peer, &["server"]).await.unwrap();
    assert_eq!(cases::run(&server.addr, GROUPS).await, 0, "cases failed; see the output");
}

#[tokio::test(flavor = "multi_thread")]
async fn this_client_passes_the_cases_against_this_server() {
    let server = contract_server().await;
    let addr = server.local_address().to_string();
    assert_eq!(cases::run(&addr, "").await, 0, "cases failed; see the output");
    server.shutdown().await;
}
