//! Raw h2: what HTTP/2 yields when nothing is encoded or decoded.
//!
//! Messages are framed as in gRPC, `[0][length u32][payload]`, but never parsed: the server echoes each DATA frame as
//! it comes and the client counts bytes. The windows are hyper's defaults. With [`Args::coalesce`] the senders that do
//! not wait for an answer put that many bytes of messages into one DATA frame.

use std::{future::poll_fn, sync::Arc, time::Instant};

use bytes::{BufMut, Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
    server::{self, SendResponse},
};
use http::{HeaderMap, HeaderValue, Request, Response};
use load::{Args, Ask, Error, Mode, Scenario, Window, Worker, drive, stopped};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// Serves or loads, with `wrap` between h2 and each TCP connection.
pub fn run<IO>(name: &str, args: &'static Args, wrap: fn(TcpStream) -> IO) -> Result<(), Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let runtime = args.runtime();
    if args.mode == Mode::Server {
        return runtime.block_on(serve(args, wrap));
    }
    let clients = runtime.block_on(connect(args, wrap))?;
    drive(&runtime, name, args, args.conns, move |stream, worker| {
        work(args, clients[stream % clients.len()].clone(), worker)
    })
}

async fn serve<IO>(args: &Args, wrap: fn(TcpStream) -> IO) -> Result<(), Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let listener = TcpListener::bind(&args.addr).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut connection = server::Builder::new()
                .initial_window_size(1 << 20)
                .initial_connection_window_size(1 << 20)
                .max_concurrent_streams(4096)
                .data_frame_budget(DATA_FRAME_BUDGET)
                .handshake::<_, Bytes>(wrap(tcp))
                .await?;
            while let Some(accepted) = connection.accept().await {
                let (request, respond) = accepted?;
                tokio::spawn(handle(request, respond));
            }
            Ok::<_, h2::Error>(())
        });
    }
}

/// `/echo`, `/server/MESSAGES:SIZE/COALESCE` or `/client`.
async fn handle(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), Error> {
    let (head, mut recv) = request.into_parts();
    let mut send = respond.send_response(Response::new(()), false)?;
    let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    match path[..] {
        ["echo"] => {
            while let Some(data) = read(&mut recv).await? {
                if !data.is_empty() {
                    write(&mut send, data, false).await?;
                }
            }
        }
        ["server", ask, coalesce] => {
            let Ask { messages: total, size } = Ask::parse(ask);
            let per_frame = per_frame(coalesce.parse()?, size);
            let chunk = messages(size, per_frame);
            let mut sent = 0;
            while sent < total {
                let n = per_frame.min(total - sent);
                write(&mut send, chunk.slice(..n * (size + PREFIX)), false).await?;
                sent += n;
            }
        }
        _ => {
            let mut bytes = 0;
            while let Some(data) = read(&mut recv).await? {
                bytes += data.len() as u64;
            }
            write(&mut send, bytes.to_be_bytes().to_vec().into(), false).await?;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    send.send_trailers(trailers)?;
    Ok(())
}

async fn connect<IO>(args: &Args, wrap: fn(TcpStream) -> IO) -> Result<Vec<SendRequest<Bytes>>, Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut clients = vec![];
    for _ in 0..args.conns {
        let tcp = TcpStream::connect(&args.addr).await?;
        tcp.set_nodelay(true)?;
        let (client, connection) = client::Builder::new()
            .initial_window_size(2 << 20)
            .initial_connection_window_size(5 << 20)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake::<_, Bytes>(wrap(tcp))
            .await?;
        tokio::spawn(connection);
        clients.push(client);
    }
    Ok(clients)
}

async fn work(args: &Args, client: SendRequest<Bytes>, worker: Arc<Worker>) -> Result<(), Error> {
    let wire = args.size + PREFIX;
    let message = messages(args.size, 1);
    let per_frame = per_frame(args.coalesce, args.size);
    let chunk = messages(args.size, per_frame);
    match args.scenario {
        Scenario::Pingpong | Scenario::OpenClose => {
            let start = Instant::now();
            let unary = args.scenario == Scenario::Pingpong;
            let (response, mut send) = open(&client, "/echo", false).await?;
            write(&mut send, message, unary).await?;
            let mut recv = response.await?.into_body();
            read_exact(&mut recv, wire).await?;
            if !unary {
                send.send_data(Bytes::new(), true)?;
            }
            drain(&mut recv).await?;
            worker.round_trip(start);
        }
        Scenario::BidiPingpong => {
            let (response, mut send) = open(&client, "/echo", false).await?;
            let mut recv = response.await?.into_body();
            while !stopped() {
                let start = Instant::now();
                write(&mut send, message.clone(), false).await?;
                read_exact(&mut recv, wire).await?;
                worker.round_trip(start);
            }
            send.send_data(Bytes::new(), true)?;
            drain(&mut recv).await?;
        }
        Scenario::BidiPipelined => {
            let (response, mut send) = open(&client, "/echo", false).await?;
            let mut recv = response.await?.into_body();
            let (window, receiver) = Window::new(args.window.max(4 * per_frame));
            tokio::spawn(async move {
                let mut sent = 0;
                while window.may_send(sent).await && write(&mut send, chunk.clone(), false).await.is_ok() {
                    sent += per_frame as i64;
                }
                // The stream may be gone already, which the receiver reports.
                let _ = send.send_data(Bytes::new(), true);
            });
            let (mut bytes, mut messages) = (0, 0);
            while let Some(data) = read(&mut recv).await? {
                bytes += data.len();
                while messages < bytes / wire {
                    messages += 1;
                    receiver.received(messages as i64);
                    worker.count(1);
                }
            }
        }
        Scenario::ServerStream => {
            let path = format!("/server/{}/{}", Ask::new(args), args.coalesce);
            let (response, _send) = open(&client, &path, true).await?;
            let mut recv = response.await?.into_body();
            let (mut bytes, mut messages) = (0, 0);
            while let Some(data) = read(&mut recv).await? {
                bytes += data.len();
                worker.count(bytes / wire - messages);
                messages = bytes / wire;
            }
            if messages != args.batch {
                return Err("wrong count".into());
            }
        }
        Scenario::ClientStream => {
            let (response, mut send) = open(&client, "/client", false).await?;
            let mut sent = 0;
            while sent < args.batch {
                let n = per_frame.min(args.batch - sent);
                write(&mut send, chunk.slice(..n * wire), false).await?;
                sent += n;
                worker.count(n);
            }
            send.send_data(Bytes::new(), true)?;
            let mut recv = response.await?.into_body();
            let bytes = read(&mut recv).await?.ok_or("no answer")?;
            if bytes[..] != ((args.batch * wire) as u64).to_be_bytes() {
                return Err("wrong count".into());
            }
            drain(&mut recv).await?;
        }
    }
    Ok(())
}

async fn open(
    client: &SendRequest<Bytes>,
    path: &str,
    end: bool,
) -> Result<(ResponseFuture, SendStream<Bytes>), Error> {
    let mut client = client.clone().ready().await?;
    let request = Request::post(format!("http://perf{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    Ok(client.send_request(request, end)?)
}

/// As hyper does: waits for some capacity, then hands over the whole chunk.
async fn write(send: &mut SendStream<Bytes>, data: Bytes, end: bool) -> Result<(), Error> {
    if !data.is_empty() {
        send.reserve_capacity(1);
        while send.capacity() == 0 {
            poll_fn(|cx| send.poll_capacity(cx)).await.ok_or("closed")??;
        }
    }
    send.send_data(data, end)?;
    Ok(())
}

async fn read(recv: &mut RecvStream) -> Result<Option<Bytes>, Error> {
    let Some(data) = recv.data().await else {
        return Ok(None);
    };
    let data = data?;
    recv.flow_control().release_capacity(data.len())?;
    Ok(Some(data))
}

/// Reads until `len` bytes have come.
async fn read_exact(recv: &mut RecvStream, len: usize) -> Result<(), Error> {
    let mut got = 0;
    while got < len {
        got += read(recv).await?.ok_or("ended early")?.len();
    }
    Ok(())
}

async fn drain(recv: &mut RecvStream) -> Result<(), Error> {
    while read(recv).await?.is_some() {}
    recv.trailers().await?;
    Ok(())
}

fn per_frame(coalesce: usize, size: usize) -> usize {
    (coalesce / (size + PREFIX)).max(1)
}

fn messages(size: usize, count: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(count * (size + PREFIX));
    for _ in 0..count {
        bytes.put_u8(0);
        bytes.put_u32(size as u32);
        bytes.put_bytes(b'x', size);
    }
    bytes.freeze()
}

/// Bytes before each message in gRPC.
const PREFIX: usize = 5;

/// h2 since 0.4.16 closes a connection with ENHANCE_YOUR_CALM when many small DATA frames wait unread.
const DATA_FRAME_BUDGET: usize = 1 << 30;
