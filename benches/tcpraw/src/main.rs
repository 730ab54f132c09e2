//! Raw TCP: the limit that the loopback device sets. A stream is a connection, a message is bytes.
//!
//! Each stream or batch begins with `[task u8][messages u32][size u32]`.

use std::{io, sync::Arc, time::Instant};

use load::{Args, Error, Mode, Scenario, Window, Worker, drive, stopped};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn main() -> io::Result<()> {
    let args = Args::parse();
    let runtime = args.runtime();
    if args.mode == Mode::Server {
        return runtime.block_on(serve(args));
    }
    drive(&runtime, "raw-tcp", args, args.streams, |_, worker| work(args, worker))
}

async fn serve(args: &Args) -> io::Result<()> {
    let listener = TcpListener::bind(&args.addr).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tokio::spawn(handle(tcp));
    }
}

async fn handle(mut tcp: TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut buffer = vec![b'x'; CHUNK];
    loop {
        let task = tcp.read_u8().await?;
        let (messages, size) = (tcp.read_u32().await?, tcp.read_u32().await?);
        let mut left = messages as usize * size as usize;
        match task {
            ECHO => loop {
                let n = tcp.read(&mut buffer).await?;
                if n == 0 {
                    return Ok(());
                }
                tcp.write_all(&buffer[..n]).await?;
            },
            SEND => {
                while left > 0 {
                    let n = left.min(CHUNK);
                    tcp.write_all(&buffer[..n]).await?;
                    left -= n;
                }
            }
            _ => {
                while left > 0 {
                    let n = left.min(CHUNK);
                    left -= tcp.read(&mut buffer[..n]).await?;
                }
                tcp.write_u32(messages).await?;
            }
        }
    }
}

async fn work(args: &Args, worker: Arc<Worker>) -> Result<(), Error> {
    let message = vec![b'x'; args.size];
    let mut buffer = vec![0; CHUNK.max(args.size)];
    match args.scenario {
        Scenario::Pingpong | Scenario::BidiPingpong => {
            let mut tcp = open(args, ECHO).await?;
            while !stopped() {
                let start = Instant::now();
                tcp.write_all(&message).await?;
                tcp.read_exact(&mut buffer[..args.size]).await?;
                worker.round_trip(start);
            }
        }
        Scenario::BidiPipelined => {
            let (mut recv, mut send) = open(args, ECHO).await?.into_split();
            let per_write = (CHUNK / args.size).max(1);
            let chunk = message.repeat(per_write);
            let (window, receiver) = Window::new(args.window.max(4 * per_write));
            tokio::spawn(async move {
                let mut sent = 0;
                while window.may_send(sent).await && send.write_all(&chunk).await.is_ok() {
                    sent += per_write as i64;
                }
            });
            let (mut bytes, mut messages) = (0, 0);
            loop {
                let n = recv.read(&mut buffer).await?;
                if n == 0 {
                    return Ok(());
                }
                bytes += n;
                while messages < bytes / args.size {
                    messages += 1;
                    receiver.received(messages as i64);
                    worker.count(1);
                }
            }
        }
        Scenario::ServerStream => {
            let mut tcp = connect(args).await?;
            while !stopped() {
                begin(&mut tcp, args, SEND).await?;
                let (mut bytes, mut messages) = (0, 0);
                while bytes < args.batch * args.size {
                    bytes += tcp.read(&mut buffer).await?;
                    worker.count(bytes / args.size - messages);
                    messages = bytes / args.size;
                }
            }
        }
        Scenario::ClientStream => {
            let mut tcp = connect(args).await?;
            let per_write = (CHUNK / args.size).max(1);
            let chunk = message.repeat(per_write);
            while !stopped() {
                begin(&mut tcp, args, COUNT).await?;
                let mut sent = 0;
                while sent < args.batch {
                    let n = per_write.min(args.batch - sent);
                    tcp.write_all(&chunk[..n * args.size]).await?;
                    sent += n;
                    worker.count(n);
                }
                if tcp.read_u32().await? as usize != args.batch {
                    return Err("wrong count".into());
                }
            }
        }
        Scenario::OpenClose => {
            let start = Instant::now();
            let mut tcp = open(args, ECHO).await?;
            tcp.write_all(&message).await?;
            tcp.read_exact(&mut buffer[..args.size]).await?;
            // No TIME_WAIT, or the ports would run out.
            tcp.set_zero_linger()?;
            drop(tcp);
            worker.round_trip(start);
        }
    }
    Ok(())
}

async fn connect(args: &Args) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(&args.addr).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

async fn open(args: &Args, task: u8) -> io::Result<TcpStream> {
    let mut tcp = connect(args).await?;
    begin(&mut tcp, args, task).await?;
    Ok(tcp)
}

async fn begin(tcp: &mut TcpStream, args: &Args, task: u8) -> io::Result<()> {
    let mut head = vec![task];
    head.extend((args.batch as u32).to_be_bytes());
    head.extend((args.size as u32).to_be_bytes());
    tcp.write_all(&head).await
}

/// Echo until the client closes.
const ECHO: u8 = 0;
/// Send the messages.
const SEND: u8 = 1;
/// Read the messages and answer how many they were.
const COUNT: u8 = 2;

/// Bytes of one read or write.
const CHUNK: usize = 64 << 10;
