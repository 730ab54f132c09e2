//! The reference that a framework on h2 is held against: typed messages over the h2 crate, with the write path alone.
//!
//! Messages are encoded into an outbox of their stream, the connection's task empties the outboxes into one DATA
//! frame each, and [`Batch`] lets streams share a write. There are no options, no middleware, no deadlines, no metadata
//! and no limits, so it is no framework and no model for one: it says what the h2 crate yields when nothing else is in
//! the way.

mod message;
mod outbox;
mod receiver;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{self, ResponseFuture, SendRequest},
    server::{self, SendResponse},
};
use h2batch::Batch;
use http::{HeaderMap, HeaderValue, Request, Response};
use load::{Args, Ask, Error, Mode, Scenario, Window, Worker, drive, stopped};
use tokio::net::{TcpListener, TcpStream};

use message::Message;
use outbox::{Outboxes, Sender};
use receiver::Receiver;

fn main() -> Result<(), Error> {
    let args = Args::parse();
    let runtime = args.runtime();
    if args.mode == Mode::Server {
        return runtime.block_on(serve(args));
    }
    let clients = runtime.block_on(connect(args))?;
    drive(&runtime, "h2proto", args, args.conns, move |stream, worker| {
        work(args, clients[stream % clients.len()].clone(), worker)
    })
}

async fn serve(args: &Args) -> Result<(), Error> {
    let listener = TcpListener::bind(&args.addr).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        tokio::spawn(serve_connection(tcp));
    }
}

async fn serve_connection(tcp: TcpStream) -> Result<(), h2::Error> {
    let mut connection = server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(4096)
        .data_frame_budget(DATA_FRAME_BUDGET)
        .max_send_buffer_size(SEND_BUFFER)
        .handshake::<_, Bytes>(Batch::new(tcp))
        .await?;
    let outboxes = Outboxes::new();
    let mut blocked = vec![];
    poll_fn(|cx| {
        loop {
            outboxes.flush(cx, &mut blocked);
            match ready!(connection.poll_accept(cx)) {
                Some(Ok((request, respond))) => {
                    tokio::spawn(handle(request, respond, outboxes.clone()));
                }
                Some(Err(err)) => return Poll::Ready(Err(err)),
                None => return Poll::Ready(Ok(())),
            }
        }
    })
    .await
}

async fn handle(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    outboxes: Arc<Outboxes>,
) -> Result<(), Error> {
    let (head, recv) = request.into_parts();
    let send = Sender::new(respond.send_response(Response::new(()), false)?, outboxes);
    let mut recv = Receiver::new(recv);
    match head.uri.path() {
        "/echo" => {
            while let Some(message) = recv.recv().await? {
                send.send(&message).await?;
            }
        }
        "/server" => {
            let request = recv.recv().await?.ok_or("no request")?;
            let ask = Ask::parse(std::str::from_utf8(&request.message.unwrap_or_default())?);
            let message = Message::new(vec![b'x'; ask.size]);
            for _ in 0..ask.messages {
                send.send(&message).await?;
            }
        }
        _ => {
            let mut count = 0;
            while recv.recv().await?.is_some() {
                count += 1;
            }
            send.send(&Message::new(count.to_string())).await?;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    send.end(Some(trailers));
    Ok(())
}

#[derive(Clone)]
struct Client {
    h2: SendRequest<Bytes>,
    outboxes: Arc<Outboxes>,
}

async fn connect(args: &Args) -> Result<Vec<Client>, Error> {
    let mut clients = vec![];
    for _ in 0..args.conns {
        let tcp = TcpStream::connect(&args.addr).await?;
        tcp.set_nodelay(true)?;
        let (h2, connection) = client::Builder::new()
            .initial_window_size(2 << 20)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake::<_, Bytes>(Batch::new(tcp))
            .await?;
        let outboxes = Outboxes::new();
        clients.push(Client { h2, outboxes: outboxes.clone() });
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let mut blocked = vec![];
            poll_fn(|cx| {
                outboxes.flush(cx, &mut blocked);
                connection.as_mut().poll(cx)
            })
            .await
        });
    }
    Ok(clients)
}

impl Client {
    async fn open(&self, path: &str) -> Result<(ResponseFuture, Sender), Error> {
        let mut h2 = self.h2.clone().ready().await?;
        let request = Request::post(format!("http://perf{path}"))
            .header("content-type", "application/grpc+thrift")
            .header("te", "trailers")
            .body(())?;
        let (response, send) = h2.send_request(request, false)?;
        Ok((response, Sender::new(send, self.outboxes.clone())))
    }
}

async fn work(args: &Args, client: Client, worker: Arc<Worker>) -> Result<(), Error> {
    let message = Message::new(vec![b'x'; args.size]);
    match args.scenario {
        Scenario::Pingpong | Scenario::OpenClose => {
            let start = Instant::now();
            let unary = args.scenario == Scenario::Pingpong;
            let (response, send) = client.open("/echo").await?;
            send.send(&message).await?;
            if unary {
                send.end(None);
            }
            let mut recv = Receiver::new(response.await?.into_body());
            check(args, recv.recv().await?.as_ref())?;
            if !unary {
                send.end(None);
            }
            while recv.recv().await?.is_some() {}
            worker.round_trip(start);
        }
        Scenario::BidiPingpong => {
            let (response, send) = client.open("/echo").await?;
            // The first message goes with the headers.
            send.send(&message).await?;
            let mut recv = Receiver::new(response.await?.into_body());
            recv.recv().await?;
            while !stopped() {
                let start = Instant::now();
                send.send(&message).await?;
                check(args, recv.recv().await?.as_ref())?;
                worker.round_trip(start);
            }
            send.end(None);
            while recv.recv().await?.is_some() {}
        }
        Scenario::BidiPipelined => {
            let (response, send) = client.open("/echo").await?;
            send.send(&message).await?;
            let mut recv = Receiver::new(response.await?.into_body());
            let (window, receiver) = Window::new(args.window);
            tokio::spawn(async move {
                let mut sent = 1;
                while window.may_send(sent).await && send.send(&message).await.is_ok() {
                    sent += 1;
                }
                send.end(None);
            });
            let mut messages = 0;
            while let Some(message) = recv.recv().await? {
                check(args, Some(&message))?;
                messages += 1;
                receiver.received(messages);
                worker.count(1);
            }
        }
        Scenario::ServerStream => {
            let (response, send) = client.open("/server").await?;
            send.send(&Message::new(Ask::new(args).to_string())).await?;
            send.end(None);
            let mut recv = Receiver::new(response.await?.into_body());
            let mut messages = 0;
            while let Some(message) = recv.recv().await? {
                check(args, Some(&message))?;
                messages += 1;
                worker.count(1);
            }
            if messages != args.batch {
                return Err("wrong count".into());
            }
        }
        Scenario::ClientStream => {
            let (response, send) = client.open("/client").await?;
            for _ in 0..args.batch {
                send.send(&message).await?;
                worker.count(1);
            }
            send.end(None);
            let mut recv = Receiver::new(response.await?.into_body());
            let reply = recv.recv().await?.ok_or("no answer")?;
            if reply.message.as_deref() != Some(args.batch.to_string().as_bytes()) {
                return Err("wrong count".into());
            }
            while recv.recv().await?.is_some() {}
        }
    }
    Ok(())
}

fn check(args: &Args, echo: Option<&Message>) -> Result<(), Error> {
    match echo.and_then(|echo| echo.message.as_ref()) {
        Some(text) if text.len() == args.size => Ok(()),
        _ => Err("wrong message".into()),
    }
}

const CONNECTION_WINDOW: u32 = 16 << 20;
const SEND_BUFFER: usize = 1 << 20;

/// h2 since 0.4.16 closes a connection with ENHANCE_YOUR_CALM when many small DATA frames wait unread.
const DATA_FRAME_BUDGET: usize = 1 << 30;
