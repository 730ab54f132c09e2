//! What layers cost: a call, and a message of a stream, with none, with one and with eight that do nothing.
//!
//! `thrill-layers [--seconds S]`
//!
//! All clients and servers share one thread and no socket, so that little else is measured. The rows take turns, round by round,
//! and a row's ratio is the median of its ratios to the first row of the same round. `none, once more` is the first row again: what
//! its ratio differs from 1 is what cannot be told from noise.

use std::time::{Duration, Instant};

use thrill::middleware::{
    AnyMessage, Args, Layer, MetaHandler, Next, RecvLayer, RecvNext, Reply, SendLayer, SendNext,
};
use thrill::{
    BidiStream, ClientBuilder, Context, Result, Server, StreamClientBuilder, Thrift, Transport, testing::MemoryConnect,
};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
struct Note {
    #[thrift(id = 1)]
    text: String,
}

#[thrill::service]
trait Echo {
    async fn ask(&self, note: Note) -> Result<Note>;

    #[streaming(mode = "bidirectional")]
    async fn talk(&self, stream: BidiStream<Note, Note>) -> Result<()>;
}

struct Handler;

impl Echo for Handler {
    async fn ask(&self, note: Note) -> Result<Note> {
        Ok(note)
    }

    async fn talk(&self, mut stream: BidiStream<Note, Note>) -> Result<()> {
        while let Some(note) = stream.recv().await? {
            stream.send(note).await?;
        }
        Ok(())
    }
}

/// Does nothing.
struct Idle;

#[thrill::async_trait]
impl Layer for Idle {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        next.run(cx, args).await
    }
}

#[thrill::async_trait]
impl SendLayer for Idle {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        next.run(cx, message).await
    }
}

#[thrill::async_trait]
impl RecvLayer for Idle {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        next.run(cx).await
    }
}

impl MetaHandler for Idle {}

/// How many calls or messages a row makes in its turn.
const BATCH: usize = 2_000;

/// How many messages are under way at a time.
const WINDOW: usize = 50;

type Of<C> = fn(C) -> C;
type Calls = ClientBuilder<EchoClient>;
type Streams = StreamClientBuilder<EchoStreamClient>;

fn times<C>(count: usize, client: C, add: Of<C>) -> C {
    (0..count).fold(client, |client, _| add(client))
}

const CALLS: [(&str, Of<Calls>); 6] = [
    ("none", |client| client),
    ("none, once more", |client| client),
    ("1 layer", |client| client.layer(Idle)),
    ("8 layers", |client| times(8, client, |client| client.layer(Idle))),
    ("1 instance layer", |client| client.instance_layer(Idle)),
    ("1 meta handler", |client| client.meta_handler(Idle)),
];

const STREAMS: [(&str, Of<Streams>); 6] = [
    ("none", |client| client),
    ("none, once more", |client| client),
    ("8 layers around the opening, none around messages", |client| times(8, client, |client| client.layer(Idle))),
    ("1 send layer", |client| client.send_layer(Idle)),
    ("1 send and 1 recv layer", |client| client.send_layer(Idle).recv_layer(Idle)),
    ("8 send and 8 recv layers", |client| times(8, client, |client| client.send_layer(Idle).recv_layer(Idle))),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let seconds = match (args.next().as_deref(), args.next()) {
        (None, _) => 20.0,
        (Some("--seconds"), Some(seconds)) => seconds.parse().map_err(|_| "--seconds needs a number")?,
        _ => return Err("usage: thrill-layers [--seconds S]".into()),
    };
    let time = Duration::from_secs_f64(seconds / 2.0);
    let (listener, connector) = thrill::testing::memory();
    let server = Server::new().add(EchoServer::new(Handler)).listen(listener)?.spawn();
    calls(&connector, time).await?;
    streams(&connector, time).await?;
    server.shutdown().await;
    Ok(())
}

async fn calls(connector: &MemoryConnect, time: Duration) -> Result<()> {
    let mut clients = Vec::new();
    for (name, set) in CALLS {
        let client = EchoClient::builder("echo").host_ports(["memory"]).connector(connector.clone());
        clients.push((name, set(client.transport(Transport::TtHeaderFramed)).build()?));
    }
    let mut rows = Rows::new(CALLS.map(|(name, _)| name));
    let begin = Instant::now();
    while begin.elapsed() < time || !rows.is_warm() {
        for at in rows.turn() {
            let (_, client) = &clients[at];
            let begin = Instant::now();
            for _ in 0..BATCH {
                client.ask(note()).await?;
            }
            rows.count(at, begin.elapsed());
        }
    }
    rows.print("a ping-pong call: layers of its client");
    Ok(())
}

async fn streams(connector: &MemoryConnect, time: Duration) -> Result<()> {
    let mut streams = Vec::new();
    for (name, set) in STREAMS {
        let client = EchoStreamClient::builder("echo").host_ports(["memory"]).connector(connector.clone());
        streams.push((name, set(client).build()?.talk().await?));
    }
    let mut rows = Rows::new(STREAMS.map(|(name, _)| name));
    let begin = Instant::now();
    while begin.elapsed() < time || !rows.is_warm() {
        for at in rows.turn() {
            let (_, stream) = &mut streams[at];
            let begin = Instant::now();
            for _ in 0..BATCH / WINDOW {
                for _ in 0..WINDOW {
                    stream.send(note()).await?;
                }
                for _ in 0..WINDOW {
                    stream.recv().await?;
                }
            }
            rows.count(at, begin.elapsed());
        }
    }
    rows.print("a message sent and one received: layers of the stream's client");
    Ok(())
}

fn note() -> Note {
    Note { text: "0123456789abcdef0123456789abcdef".to_owned() }
}

/// What each row took, round by round.
struct Rows {
    names: Vec<&'static str>,
    rounds: Vec<Vec<Duration>>,
}

impl Rows {
    /// Rounds that are not counted.
    const WARM: usize = 3;

    fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self { names: names.into_iter().collect(), rounds: Vec::new() }
    }

    fn is_warm(&self) -> bool {
        self.rounds.len() > 2 * Self::WARM
    }

    /// The order of the next round: each begins with another row.
    fn turn(&mut self) -> impl Iterator<Item = usize> + use<> {
        let (count, first) = (self.names.len(), self.rounds.len());
        self.rounds.push(vec![Duration::ZERO; count]);
        (0..count).map(move |at| (first + at) % count)
    }

    fn count(&mut self, at: usize, took: Duration) {
        if let Some(round) = self.rounds.last_mut() {
            round[at] = took;
        }
    }

    fn print(&self, what: &str) {
        let rounds = &self.rounds[Self::WARM..];
        let median = |of: &dyn Fn(&Vec<Duration>) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        println!("| {what} | ns | ratio |\n|---|---|---|");
        for (at, name) in self.names.iter().enumerate() {
            let ns = median(&|round| round[at].as_secs_f64() * 1e9 / BATCH as f64);
            let ratio = median(&|round| round[at].as_secs_f64() / round[0].as_secs_f64());
            println!("| {name} | {ns:.0} | {ratio:.3} |");
        }
        println!("\n{} rounds of {BATCH}\n", rounds.len());
    }
}
