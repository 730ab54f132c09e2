//! A server's bytes, read and written by hand: what the specification of gRPC in Kitex says of servers, row by row.

mod answers;
mod ends;
mod lifecycle;
mod metadata;
mod requests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use thrill::{BidiStream, BizStatusError, Context, Error, Metadata, Result, Running, Server, Status};
use thrill_tests::contract::{CounterServer, Request, Response, TestServiceServer};
use thrill_tests::h2peer::wire::{CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR};
use thrill_tests::h2peer::{self, Answer, Field, Frame, Peer, ask, fields, message, reply, request, say, text, with};
use thrill_tests::handler::Handler;
use tokio::sync::mpsc;

/// A service whose handler is the test's.
#[thrill::service(namespace = "a.probe", rename_all = "PascalCase")]
trait Probe {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, cx: &Context, stream: BidiStream<Request, Response>) -> Result<()>;
}

type Talk = BidiStream<Request, Response>;

struct Script<F>(F);

impl<F, Run> Probe for Script<F>
where
    F: Fn(Context, Talk) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<()>> + Send + 'static,
{
    async fn talk(&self, cx: &Context, stream: Talk) -> Result<()> {
        (self.0)(cx.clone(), stream).await
    }
}

const TALK: &str = "/probe.Probe/Talk";
const ECHO: &str = "/echo.TestService/Echo";
const UNARY: &str = "/echo.TestService/EchoUnary";

/// Serves a handler for [`TALK`], and the echo contract.
async fn serve<F, Run>(script: F) -> Running
where
    F: Fn(Context, Talk) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<()>> + Send + 'static,
{
    start(Server::new().add(ProbeServer::new(Script(script)))).await
}

async fn start(server: Server) -> Running {
    let handler = Arc::new(Handler::default());
    let server = server.add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}

/// A connection to a server of the echo contract.
async fn echo_peer() -> Peer {
    dial(&start(Server::new()).await).await
}

async fn dial(server: &Running) -> Peer {
    Peer::client(&server.local_address().to_string(), &[]).await
}

/// Calls with this data, closes, and reads the answer.
async fn call(peer: &mut Peer, path: &str, data: &[u8]) -> Answer {
    let stream = peer.call(&request(path), data).await;
    peer.answer(stream).await
}

/// Opens a stream with these headers, sends one message, closes: how it ends.
async fn outcome(peer: &mut Peer, fields: &[Field]) -> String {
    let stream = peer.call(fields, &say("hi")).await;
    peer.answer(stream).await.status()
}

async fn assert_alive(peer: &mut Peer) {
    let answer = call(peer, ECHO, &say("alive")).await;
    assert_eq!((answer.status(), answer.data), ("0 ".to_owned(), say("alive")), "the connection goes on");
}

fn response(message: &str) -> Response {
    Response { message: Some(message.to_owned()) }
}
