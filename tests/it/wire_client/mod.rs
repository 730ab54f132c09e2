//! A client's bytes, read and answered by hand: what the specification of gRPC in Kitex says of clients, row by row.

mod answers;
mod cancellation;
mod connection;
mod goaway;
mod requests;

use std::future::{Future, IntoFuture as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use thrill::{BidiStream, Code, Context, Error, Message, Receiver, Result, Server, Transport};
use thrill_tests::contract::{Request, Response, TestServiceClient as PingPong, TestServiceStreamClient as Client};
use thrill_tests::h2peer::wire::{
    CANCEL, ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, NO_ERROR, PROTOCOL_ERROR,
    REFUSED_STREAM,
};
use thrill_tests::h2peer::{self, Field, Frame, MAX_FRAME, Peer, Port, ask, fields, message, reply, say, soon, value};

type Stream = BidiStream<Response, Request>;

fn connect(port: &Port) -> Client {
    Client::builder("a.service").host_ports([&port.addr]).connection_pool_size(1).build().unwrap()
}

fn words(text: impl Into<String>) -> Request {
    Request { message: Some(text.into()) }
}

/// The stream and the headers of the next request.
pub(super) async fn requested(peer: &mut Peer) -> (u32, Vec<Field>) {
    match peer.event().await {
        Some(Frame::Headers { stream, fields, end: false }) => (stream, fields),
        other => panic!("no request: {other:?}"),
    }
}

/// A server that takes its one connection when it is first needed.
struct Scripted {
    port: Port,
    peer: Option<Peer>,
}

impl Scripted {
    async fn bind() -> Self {
        Self { port: Port::bind().await, peer: None }
    }

    async fn peer(&mut self) -> &mut Peer {
        let peer = match self.peer.take() {
            Some(peer) => peer,
            None => self.port.serve(&[]).await,
        };
        self.peer.insert(peer)
    }
}

/// A stream of a client, and the server that it is open to.
async fn opened(settings: &[(u16, u32)]) -> (Client, Stream, Peer) {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(settings));
    assert_eq!(requested(&mut peer).await.0, 1);
    // The stream may be open before the client has read the settings.
    assert_eq!(peer.fence().await, []);
    (client, stream.unwrap(), peer)
}

/// The headers of an answer.
pub(super) fn head() -> Vec<Field> {
    fields(&[(":status", "200"), ("content-type", "application/grpc+thrift")])
}

/// The trailers of an answer.
pub(super) fn trail(status: &str, message: &str) -> Vec<Field> {
    fields(&[("grpc-status", status), ("grpc-message", message)])
}

pub(super) async fn play(peer: &mut Peer, frames: &[Frame]) {
    peer.write(&frames.iter().flat_map(Frame::encode).collect::<Vec<_>>()).await;
}

/// Receives to the end: the messages, then the end, which must be the same when asked for again.
async fn received<T: Message>(receiver: &mut Receiver<T>) -> (usize, Result<()>) {
    let mut count = 0;
    loop {
        match soon("a message or the end", receiver.recv()).await {
            Ok(Some(_)) => count += 1,
            Ok(None) => {
                assert!(receiver.recv().await.unwrap().is_none());
                return (count, Ok(()));
            }
            Err(err) => {
                let again = receiver.recv().await.unwrap_err();
                assert_eq!(again.to_string(), err.to_string());
                return (count, Err(err));
            }
        }
    }
}

/// How a stream looks to its user that the server answers with these frames: messages, end; and the RST_STREAM that the
/// server sees once the user has dropped the stream.
async fn answered(frames: &[Frame]) -> (usize, Result<()>, Option<u32>) {
    let (_client, stream, mut peer) = opened(&[]).await;
    play(&mut peer, frames).await;
    let (sender, mut receiver) = stream.split();
    let (count, end) = received(&mut receiver).await;
    drop((sender, receiver));
    let reset = loop {
        match peer.event().await {
            Some(Frame::Reset { stream: 1, code }) => break Some(code),
            None => break None,
            Some(_) => {}
        }
    };
    (count, end, reset)
}

/// What a server gets of a stream: the data, and the size of each DATA frame that is not empty. Only DATA ends it.
pub(super) async fn sent(peer: &mut Peer, stream: u32) -> (Vec<u8>, Vec<usize>) {
    let (mut data, mut sizes) = (Vec::new(), Vec::new());
    loop {
        match peer.on(stream).await {
            Frame::Data { bytes, end, .. } => {
                data.extend_from_slice(&bytes);
                sizes.extend((!bytes.is_empty()).then_some(bytes.len()));
                if end {
                    return (data, sizes);
                }
            }
            other => panic!("a client sends HEADERS once, and then DATA: {other:?}"),
        }
    }
}
