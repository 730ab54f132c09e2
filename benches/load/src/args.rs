//! The command line that all benchmark binaries share.

use std::{
    env,
    fmt::{self, Display, Formatter},
    process,
    str::FromStr,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

/// What one process is to do.
#[derive(Clone, Debug)]
pub struct Args {
    /// The side of the connection.
    pub mode: Mode,
    /// Where the server listens, `IP:PORT`.
    pub addr: String,
    /// What each stream does.
    pub scenario: Scenario,
    /// Connections that the streams share.
    pub conns: usize,
    /// Streams, or callers, at a time.
    pub streams: usize,
    /// Bytes of the string in each message.
    pub size: usize,
    /// How long is measured.
    pub seconds: Duration,
    /// How long runs before that.
    pub warm: Duration,
    /// Messages of one stream in `server-stream` and `client-stream`.
    pub batch: usize,
    /// Messages that a pipelined sender may be ahead of its receiver.
    pub window: usize,
    /// Worker threads; 0: one for each CPU allowed.
    pub threads: usize,
    /// Most bytes that the raw HTTP/2 peers put into one DATA frame; 0: one message each.
    pub coalesce: usize,
    /// The server's process, whose CPU time and memory are read.
    pub server_pid: Option<u32>,
    /// Which of its protocols a peer with several is to speak.
    pub proto: String,
}

/// The side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Serves until it is killed.
    Server,
    /// Loads the server and prints one JSON line.
    Client,
}

/// What each stream does; one message is counted where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Unary calls one after the other; each reply counts.
    Pingpong,
    /// Send one, wait for its echo, on one stream for the whole run; each echo counts.
    BidiPingpong,
    /// Send and receive at the same time, [`Args::window`] apart; each echo counts.
    BidiPipelined,
    /// Ask for [`Args::batch`] messages, take them, open the next stream; each message received counts.
    ServerStream,
    /// Send [`Args::batch`] messages, check the server's count, open the next stream; each message sent counts.
    ClientStream,
    /// Open a stream, echo one message, close it to its end; each stream counts.
    OpenClose,
}

impl Args {
    /// Reads the command line, or ends the process with the usage.
    pub fn parse() -> &'static Self {
        let mut words = env::args();
        let program = words.next().unwrap_or_default();
        match Self::from_words(words) {
            // Every task of the process reads them until it ends.
            Ok(args) => Box::leak(Box::new(args)),
            Err(why) => {
                eprintln!("{program}: {why}\nusage: {program} {USAGE}");
                process::exit(2);
            }
        }
    }

    /// Builds the tokio runtime that [`Self::threads`] asks for.
    pub fn runtime(&self) -> Runtime {
        let mut builder = Builder::new_multi_thread();
        if self.threads > 0 {
            builder.worker_threads(self.threads);
        }
        builder.enable_all().build().expect("a tokio runtime")
    }

    fn from_words(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mode = match words.next().as_deref() {
            Some("server") => Mode::Server,
            Some("client") => Mode::Client,
            _ => return Err("the first argument is the side".into()),
        };
        let mut args = Self::new(mode);
        let mut window = 0;
        while let Some(flag) = words.next() {
            let Some(value) = words.next() else {
                return Err(format!("{flag} has no value"));
            };
            match flag.as_str() {
                "--addr" => args.addr = value,
                "--scenario" => args.scenario = parse(&flag, &value)?,
                "--conns" => args.conns = parse(&flag, &value)?,
                "--streams" => args.streams = parse(&flag, &value)?,
                "--size" => args.size = parse(&flag, &value)?,
                "--seconds" => args.seconds = seconds(&flag, &value)?,
                "--warm" => args.warm = seconds(&flag, &value)?,
                "--batch" => args.batch = parse(&flag, &value)?,
                "--window" => window = parse(&flag, &value)?,
                "--threads" => args.threads = parse(&flag, &value)?,
                "--coalesce" => args.coalesce = parse(&flag, &value)?,
                "--server-pid" => args.server_pid = Some(parse(&flag, &value)?),
                "--proto" => args.proto = value,
                _ => return Err(format!("unknown flag {flag}")),
            }
        }
        args.window = match window {
            0 => (WINDOW_BYTES / args.size.max(1)).clamp(16, 1024),
            messages => messages,
        };
        Ok(args)
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            addr: "127.0.0.1:9000".into(),
            scenario: Scenario::Pingpong,
            conns: 1,
            streams: 1,
            size: 64,
            seconds: Duration::from_secs(5),
            warm: Duration::from_secs(1),
            batch: 1000,
            window: 0,
            threads: 0,
            coalesce: 0,
            server_pid: None,
            proto: String::new(),
        }
    }
}

impl Scenario {
    const ALL: [(&'static str, Self); 6] = [
        ("pingpong", Self::Pingpong),
        ("bidi-pingpong", Self::BidiPingpong),
        ("bidi-pipelined", Self::BidiPipelined),
        ("server-stream", Self::ServerStream),
        ("client-stream", Self::ClientStream),
        ("open-close", Self::OpenClose),
    ];
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == word);
        found.map(|(_, scenario)| scenario).ok_or_else(|| format!("unknown scenario {word}"))
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.into_iter().find(|(_, scenario)| scenario == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

fn parse<T: FromStr<Err: Display>>(flag: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|err| format!("{flag} {value}: {err}"))
}

fn seconds(flag: &str, value: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(parse(flag, value)?).map_err(|err| format!("{flag} {value}: {err}"))
}

/// Worth of messages in flight on a pipelined stream unless `--window` says otherwise.
const WINDOW_BYTES: usize = 256 << 10;

const USAGE: &str = "server|client [--addr IP:PORT] [--threads N] [--proto NAME]
  client: [--scenario pingpong|bidi-pingpong|bidi-pipelined|server-stream|client-stream|open-close] [--conns N]
          [--streams N] [--size BYTES] [--seconds S] [--warm S] [--batch N] [--window N] [--coalesce BYTES]
          [--server-pid PID]";
