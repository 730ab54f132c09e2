//! Bad input to a server's port. Each ends its own stream or connection by a clear error; another client does not notice,
//! and memory stays bounded.

mod answers;
mod http2_floods;
mod http2_frames;
mod http2_fuzz;
mod http2_messages;
mod lies;
mod openings;
mod pingpong;

use std::future::IntoFuture as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use thrill::{Running, Server};
use thrill_tests::contract::{CounterServer, Request, TestServiceClient, TestServiceServer, TestServiceStreamClient};
use thrill_tests::h2peer::{Frame, Peer, request, say, soon};
use thrill_tests::handler::Handler;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const ECHO: &str = "/echo.TestService/Echo";
const EVERYTHING: &str = "/echo.TestService/EchoEverything";

/// A server of the echo contract in a process of its own, with default options: its memory is its own, and so is its end.
struct Victim {
    addr: String,
    process: Child,
    before: usize,
}

impl Victim {
    async fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_contract-server"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let addr = line.trim().strip_prefix("listening ").unwrap().to_owned();
        let mut victim = Self { addr, process, before: 0 };
        // What a first call allocates once is no growth.
        Witness::start(&victim.addr).await.unharmed().await;
        victim.before = victim.memory();
        victim
    }

    /// Resident memory, in KiB.
    fn memory(&self) -> usize {
        let pid = self.process.id().expect("the server runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Checks that the server runs and has not grown by more than this.
    fn assert_within(&mut self, what: &str, mebibytes: usize) {
        assert_eq!(self.process.try_wait().unwrap(), None, "{what}: the server is gone");
        let grown = self.memory().saturating_sub(self.before) / 1024;
        println!("{what}: {grown} MiB");
        assert!(grown <= mebibytes, "{what}: the server grew by {grown} MiB, over {mebibytes} MiB");
    }
}

/// A server in this process, which may give up early.
async fn short(partial: Duration) -> Running {
    patient(partial, partial).await
}

/// A server in this process, with these timeouts.
async fn patient(detection: Duration, partial: Duration) -> Running {
    let handler = Arc::new(Handler::default());
    let server = Server::new().detection_timeout(detection).partial_timeout(partial);
    let server = server.exit_wait_time(Duration::from_millis(100));
    let server = server.add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}

/// A well-behaved client, which exchanges messages all the time: on a stream, and by calls of one message each.
struct Witness {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Witness {
    async fn start(addr: &str) -> Self {
        let client = TestServiceStreamClient::builder("a.service").host_ports([addr]).connection_pool_size(1);
        let mut stream = client.build().unwrap().echo().await.unwrap();
        let caller = TestServiceClient::builder("a.service").host_ports([addr]).build().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            for count in 0.. {
                let message = Some(count.to_string());
                stream.send(Request { message: message.clone() }).await.unwrap();
                let got = soon("the witness's echo", stream.recv()).await.unwrap().unwrap();
                assert_eq!(got.message, message);
                let call = caller.echo_ping_pong(Request { message: message.clone() }).into_future();
                assert_eq!(soon("the answer to the witness", call).await.unwrap().message, message);
                if stopped.try_recv().is_ok() {
                    break;
                }
            }
            stream.close().await.unwrap();
            assert_eq!(stream.recv().await.unwrap(), None);
        });
        Self { stop, task }
    }

    async fn unharmed(self) {
        // A witness that failed has dropped its receiver; its task says how.
        let _ = self.stop.send(());
        soon("the witness", self.task).await.unwrap();
    }
}

async fn assert_alive(peer: &mut Peer) {
    let stream = peer.call(&request(ECHO), &say("alive")).await;
    let answer = peer.answer(stream).await;
    assert_eq!((answer.status(), answer.data), ("0 ".to_owned(), say("alive")), "the connection goes on");
}

fn goaways(seen: &[Frame]) -> Vec<u32> {
    let code = |frame: &Frame| if let Frame::GoAway { code, .. } = frame { Some(*code) } else { None };
    seen.iter().filter_map(code).collect()
}

/// Deterministic numbers (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % below.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.roll(256).to_le_bytes()[0]
    }

    /// Breaks bytes in one to four places.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            let until = (at + 1 + self.roll(12)).min(bytes.len());
            match self.roll(7) {
                _ if bytes.is_empty() => return,
                0 => bytes[at] ^= 1 << self.roll(8),
                1 => bytes[at] = self.byte(),
                2 => bytes[at] = [0, 0xff, 0x7f, 0x80][self.roll(4)],
                3 => bytes.insert(at, self.byte()),
                4 => drop(bytes.drain(at..until)),
                5 => drop(bytes.splice(at..at, bytes[at..until].to_vec()).count()),
                _ => bytes.truncate(at),
            }
        }
    }
}
