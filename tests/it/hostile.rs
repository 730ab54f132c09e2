//! Bad input to a server's port. Each ends its own stream or connection by a clear error; another client does not notice,
//! and memory stays bounded.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use thrill::{Running, Server};
use thrill_tests::contract::{CounterServer, Request, TestServiceServer, TestServiceStreamClient};
use thrill_tests::h2peer::wire::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, NO_ERROR, PADDED, PING,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use thrill_tests::h2peer::{
    Frame, PREFACE, Peer, encode_headers, fields, frame, hpack, message, request, say, soon, text,
};
use thrill_tests::handler::Handler;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

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
    let handler = Arc::new(Handler::default());
    let server = Server::new().detection_timeout(partial).partial_timeout(partial);
    let server = server.exit_wait_time(Duration::from_millis(100));
    let server = server.add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}

/// A well-behaved client on a connection of its own, which exchanges messages all the time.
struct Witness {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Witness {
    async fn start(addr: &str) -> Self {
        let client = TestServiceStreamClient::builder("a.service").host_ports([addr]).connection_pool_size(1);
        let mut stream = client.build().unwrap().echo().await.unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            for count in 0.. {
                let message = Some(count.to_string());
                stream.send(Request { message: message.clone() }).await.unwrap();
                let got = soon("the witness's echo", stream.recv()).await.unwrap().unwrap();
                assert_eq!(got.message, message);
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

// What a connection begins with

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_another_protocol_are_turned_away_without_an_answer() {
    let server = short(Duration::from_secs(60)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let rows: [(&str, &[u8]); 6] = [
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
        ("text", b"hello?\r\n"),
        ("zeros", &[0; 64]),
        ("another preface", b"PRI * XTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("nothing", b""),
    ];
    for (what, bytes) in rows {
        let mut peer = Peer::dial(&addr).await;
        let _ = peer.try_write(bytes).await;
        if bytes.is_empty() {
            peer.close().await;
        }
        assert_eq!(peer.rest().await.len(), 0, "{what}: at once, not after the timeout");
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_preface_behind_its_first_eight_bytes_is_an_http2_error() {
    let server = short(Duration::from_secs(60)).await;
    let addr = server.local_address().to_string();
    for bytes in [&b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n"[..], b"PRI * HT and then something else"] {
        let mut peer = Peer::dial(&addr).await;
        let _ = peer.try_write(bytes).await;
        soon("the end of the connection", peer.rest()).await;
    }
}

/// What a client may leave unfinished, and whether a handler runs by then.
fn unfinished() -> Vec<(&'static str, Vec<u8>)> {
    let begin = [PREFACE, &Frame::Settings(vec![]).encode()].concat();
    let block = hpack::encode(&request(ECHO));
    let after = |bytes: &[u8]| [&begin, bytes].concat();
    let open = Frame::headers(1, &request(ECHO)).encode();
    let data = Frame::data(1, say("hi")).encode();
    vec![
        ("silence", vec![]),
        ("half of what is looked at", b"PRI ".to_vec()),
        ("half a preface", PREFACE[..12].to_vec()),
        ("a preface alone", PREFACE.to_vec()),
        ("half a SETTINGS head", begin[..PREFACE.len() + 4].to_vec()),
        ("half a SETTINGS", [PREFACE, &Frame::Settings(vec![(4, 65_535)]).encode()[..12]].concat()),
        ("half a HEADERS head", after(&open[..5])),
        ("half a HEADERS", after(&open[..30])),
        ("HEADERS without END_HEADERS", after(&frame(HEADERS, END_STREAM, 1, &block))),
        ("CONTINUATION without END_HEADERS", {
            let headers = frame(HEADERS, 0, 1, &block[..10]);
            after(&[headers, frame(CONTINUATION, 0, 1, &block[10..])].concat())
        }),
        ("half a DATA head on an open stream", after(&[&open, &data[..8]].concat())),
        ("half a DATA on an open stream", after(&[&open, &data[..12]].concat())),
        ("a frame that claims 16 MiB", after(&[&open[..], &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_leaves_unfinished_ends_its_connection() {
    let server = short(Duration::from_millis(150)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let mut idle = Peer::client(&addr, &[]).await;
    let open = idle.open(&request(ECHO)).await;
    let mut ends = JoinSet::new();
    for (what, bytes) in unfinished() {
        let mut peer = Peer::dial(&addr).await;
        peer.write(&bytes).await;
        ends.spawn(async move {
            // Answers nothing: an acknowledgement would be a frame.
            peer.rest().await;
            what
        });
    }
    while let Some(end) = ends.join_next().await {
        println!("ended: {}", end.unwrap());
    }
    // By now every timeout has passed, and a connection between two frames does not care.
    idle.send(&Frame::last(open, say("late"))).await;
    assert_eq!(idle.answer(open).await.data, say("late"));
    assert_alive(&mut idle).await;
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_leaves_unfinished_does_not_hold_up_a_shutdown() {
    let mut ends = JoinSet::new();
    for (what, bytes) in unfinished() {
        let server = short(Duration::from_secs(600)).await;
        let mut peer = Peer::dial(&server.local_address().to_string()).await;
        peer.write(&bytes).await;
        // By now the bytes above are read, too.
        assert_alive(&mut Peer::client(&server.local_address().to_string(), &[]).await).await;
        ends.spawn(async move {
            // `exit_wait_time` is 100 ms here.
            let end = tokio::time::timeout(Duration::from_secs(10), server.shutdown()).await;
            drop(peer);
            end.is_err().then_some(what)
        });
    }
    let ends = soon("the ends", ends.join_all()).await;
    let late: Vec<_> = ends.into_iter().flatten().collect();
    assert!(late.is_empty(), "a shutdown waits for a client that left {late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_silent_connections_are_closed_and_nobody_notices() {
    let server = short(Duration::from_millis(300)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let mut ends = JoinSet::new();
    for number in 0..500 {
        let mut peer = Peer::dial(&addr).await;
        peer.write(&PREFACE[..number % PREFACE.len()]).await;
        ends.spawn(async move { peer.rest().await });
    }
    while let Some(end) = soon("the end of a connection", ends.join_next()).await {
        end.unwrap();
    }
    witness.unharmed().await;
}

// Frames that break HTTP/2

/// What comes of bytes on a connection with an open stream 1: `goaway N`, `reset N of stream 1`, `passed over`.
async fn reaction(addr: &str, bytes: &[u8]) -> String {
    let mut peer = Peer::client(addr, &[]).await;
    let bystander = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(bystander, say("before"))).await;
    while !matches!(peer.on(bystander).await, Frame::Data { .. }) {}
    // Stream 3 is the one to break; it has not ended.
    let broken = peer.open(&request(ECHO)).await;
    peer.fence().await;
    let _ = peer.try_write(bytes).await;
    let probe = peer.fresh() + 20;
    let _ = peer.try_write(&Frame::trailers(probe, &request(ECHO)).encode()).await;
    let mut seen = "passed over".to_owned();
    loop {
        match peer.event().await {
            Some(Frame::GoAway { code, .. }) => {
                peer.end().await;
                return format!("goaway {code}");
            }
            Some(Frame::Reset { stream, code }) if stream == broken => seen = format!("reset {code}"),
            Some(Frame::Headers { stream, end: true, .. }) if stream == probe => break,
            Some(_) => {}
            None => return "closed".to_owned(),
        }
    }
    peer.send(&Frame::last(bystander, say("after"))).await;
    assert_eq!(peer.answer(bystander).await.data, say("after"), "{seen}: the other stream goes on");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_http2_end_their_stream_or_their_connection() {
    let server = short(Duration::from_secs(60)).await;
    let addr = server.local_address().to_string();
    let witness = Witness::start(&addr).await;
    let settings = |id: u16, value: u32| Frame::Settings(vec![(id, value)]).encode();
    let window = |stream, size| Frame::Window { stream, size }.encode();
    let large = vec![0; (128 << 10) + 1];
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("PING of five bytes", frame(PING, 0, 0, b"short"), "goaway"),
        ("PING on a stream", frame(PING, 0, 3, b"12345678"), "goaway"),
        ("SETTINGS of seven bytes", frame(SETTINGS, 0, 0, &[0; 7]), "goaway"),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 3, &[]), "goaway"),
        ("an acknowledgement with settings", frame(SETTINGS, 1, 0, &[0; 6]), "goaway"),
        ("a window setting over the limit", settings(4, 1 << 31), "goaway"),
        ("a frame size setting below the limit", settings(5, 1000), "goaway"),
        ("a push setting that is no flag", settings(2, 2), "goaway"),
        ("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), "goaway"),
        ("a window update of zero", window(0, 0), "goaway"),
        ("a connection window over the limit", window(0, u32::MAX >> 1), "goaway"),
        ("a window update of a stream that nobody opened", window(101, 1), "goaway"),
        ("a stream's window over the limit", window(3, u32::MAX >> 1), "reset 3"),
        ("RST_STREAM of three bytes", frame(RST_STREAM, 0, 3, &[0; 3]), "goaway"),
        ("RST_STREAM of a stream that nobody opened", Frame::reset(101, CANCEL).encode(), "goaway"),
        ("RST_STREAM of the connection", Frame::reset(0, CANCEL).encode(), "goaway"),
        ("GOAWAY of five bytes", frame(GOAWAY, 0, 0, &[0; 5]), "goaway"),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 3, &[0, 0, 0, 2]), "goaway"),
        ("CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 3, &[]), "goaway"),
        (
            "another frame within a header block",
            { [frame(HEADERS, 0, 5, &hpack::encode(&request(ECHO))), frame(PING, 0, 0, b"12345678")].concat() },
            "goaway",
        ),
        (
            "CONTINUATION of another stream",
            {
                let headers = frame(HEADERS, 0, 5, &hpack::encode(&request(ECHO)));
                [headers, frame(CONTINUATION, END_HEADERS, 7, &[])].concat()
            },
            "goaway",
        ),
        ("HEADERS of no stream", frame(HEADERS, END_HEADERS, 0, &hpack::encode(&request(ECHO))), "goaway"),
        ("no index of a header table", frame(HEADERS, END_HEADERS, 5, &[0xff, 0x80, 0x01]), "goaway"),
        ("index zero", frame(HEADERS, END_HEADERS, 5, &[0x80]), "goaway"),
        ("a header table over the limit", frame(HEADERS, END_HEADERS, 5, &[0x3f, 0xe1, 0xff, 0xff, 0x07]), "goaway"),
        ("a header string longer than its block", frame(HEADERS, END_HEADERS, 5, &[0, 0x7f, 0x80]), "goaway"),
        ("a wrong Huffman code", frame(HEADERS, END_HEADERS, 5, &[0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]), "goaway"),
        ("DATA of no stream", frame(DATA, 0, 0, b"x"), "goaway"),
        ("DATA of a stream that nobody opened", frame(DATA, 0, 101, b"x"), "goaway"),
        ("padding longer than its frame", frame(DATA, PADDED, 3, &[9, 0]), "goaway"),
        (
            "DATA after END_STREAM",
            [Frame::last(3, say("a")).encode(), Frame::data(3, say("b")).encode()].concat(),
            "any",
        ),
        ("a frame over the limit", frame(DATA, 0, 3, &large), "goaway"),
        (
            "HEADERS that depend on themselves",
            {
                let priority = [&[0, 0, 0, 5, 16][..], &hpack::encode(&request(ECHO))].concat();
                frame(HEADERS, END_HEADERS | 0x20, 5, &priority)
            },
            "any",
        ),
        ("a frame of a type that nobody knows", frame(0xbe, 0xff, 3, b"what?"), "passed over"),
        ("an unknown setting", settings(0xbeef, 7), "passed over"),
        ("PRIORITY", frame(2, 0, 3, &[0, 0, 0, 1, 16]), "passed over"),
        ("DATA with padding", frame(DATA, PADDED, 3, &[&[3][..], &say("hi"), &[0; 3]].concat()), "passed over"),
    ];
    for (what, bytes, want) in rows {
        let got = reaction(&addr, &bytes).await;
        let is_expected = match want {
            "any" => got != "closed",
            "goaway" => got.starts_with("goaway"),
            other => got == other,
        };
        assert!(is_expected, "{what}: got {got}, want {want}");
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_the_limit_are_refused_and_the_others_go_on() {
    let handler = Arc::new(Handler::default());
    let server = Server::new().max_concurrent_streams(10).add(TestServiceServer::from_arc(handler));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let mut peer = Peer::client(&server.local_address().to_string(), &[]).await;
    // The limit counts once the client has acknowledged it.
    peer.fence().await;
    let mut streams = Vec::new();
    for _ in 0..15 {
        streams.push(peer.open(&request(ECHO)).await);
    }
    for refused in &streams[10..] {
        assert_eq!(peer.on(*refused).await, Frame::reset(*refused, 7), "REFUSED_STREAM");
    }
    for stream in &streams[..10] {
        peer.send(&Frame::last(*stream, say("on"))).await;
        assert_eq!(peer.answer(*stream).await.data, say("on"));
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_over_the_window_is_a_flow_control_error_and_costs_no_more_than_the_window() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let stream = peer.open(&request(ECHO)).await;
    // The handler sleeps, so that nothing is read.
    peer.send(&Frame::data(stream, say("!sleep 60000"))).await;
    let flood = Frame::data(stream, vec![0; 16_384]).encode().repeat(128);
    let mut ended = false;
    for _ in 0..32 {
        if !peer.flood(&flood).await {
            ended = true;
            break;
        }
    }
    let seen = if ended { peer.end().await } else { peer.fence().await };
    let is_refused =
        seen.iter().any(|frame| matches!(frame, Frame::Reset { code: 3, .. } | Frame::GoAway { code: 3, .. }));
    assert!(is_refused, "FLOW_CONTROL_ERROR: {seen:?}");
    victim.assert_within("64 MiB over a window of 1 MiB", 48);
    witness.unharmed().await;
}

// Floods

#[tokio::test(flavor = "multi_thread")]
async fn resets_in_bursts_end_the_connection_that_sends_them() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    for _ in 0..20 {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        let mut burst = Vec::new();
        for _ in 0..1000 {
            let stream = peer.fresh();
            burst.extend(Frame::headers(stream, &request(ECHO)).encode());
            burst.extend(Frame::reset(stream, CANCEL).encode());
        }
        peer.flood(&burst).await;
        assert_eq!(goaways(&peer.end().await), [ENHANCE_YOUR_CALM]);
    }
    victim.assert_within("20,000 resets in bursts", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cancels_thousands_of_calls_that_run_is_served() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let bystander = peer.open(&request(ECHO)).await;
    for _ in 0..300 {
        let mut streams = Vec::new();
        for _ in 0..10 {
            let stream = peer.open(&request(ECHO)).await;
            peer.send(&Frame::data(stream, [say("hi"), say("!sleep 10")].concat())).await;
            streams.push(stream);
        }
        // The handlers run, and have more to do.
        for stream in &streams {
            while !matches!(peer.on(*stream).await, Frame::Data { .. }) {}
        }
        for stream in streams {
            peer.send(&Frame::reset(stream, CANCEL)).await;
        }
    }
    peer.send(&Frame::last(bystander, say("still"))).await;
    assert_eq!(peer.answer(bystander).await.data, say("still"));
    assert_alive(&mut peer).await;
    victim.assert_within("3,000 calls that are cancelled", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_blocks_without_end_are_cut_short() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let block = hpack::encode(&request(ECHO));
    let field = hpack::encode(&fields(&[("x-a", "v")])).repeat(100);
    let rows = [
        ("empty CONTINUATIONs", frame(CONTINUATION, 0, 1, &[]).repeat(100_000)),
        ("CONTINUATIONs of one byte", frame(CONTINUATION, 0, 1, &[0]).repeat(100_000)),
        ("CONTINUATIONs of small fields", frame(CONTINUATION, 0, 1, &field).repeat(10_000)),
        ("CONTINUATIONs of 16 KiB", frame(CONTINUATION, 0, 1, &vec![b'v'; 16_384]).repeat(1000)),
    ];
    for (what, flood) in rows {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        peer.write(&frame(HEADERS, 0, 1, &block)).await;
        peer.flood(&flood).await;
        let codes = goaways(&peer.end().await);
        assert!(codes.len() == 1 && codes[0] != NO_ERROR, "{what}: {codes:?}");
    }
    // A small block that stands for a large list: one long field in the table, and a thousand references to it.
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let mut long = hpack::encode(&fields(&[("x-a", &"v".repeat(3000))]));
    long[0] = 0x40;
    let bomb = [block, long, vec![0xbe; 10_000]].concat();
    peer.flood(&encode_headers(1, END_STREAM, &bomb, 16_384)).await;
    let end = soon("the refusal", async {
        loop {
            match peer.event().await {
                Some(Frame::Headers { fields, .. }) => return format!("{fields:?}"),
                Some(Frame::GoAway { code, .. }) => return format!("goaway {code}"),
                None => return "closed".to_owned(),
                Some(_) => {}
            }
        }
    })
    .await;
    assert!(end.contains("431") || end == "goaway 11", "30 MB of header list: {end}");
    victim.assert_within("header blocks without end", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_control_frames_cost_nothing() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let open = Frame::headers(1, &request(ECHO)).encode();
    let rows = [
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("SETTINGS", Frame::Settings(vec![(4, 65_535)]).encode()),
        ("empty SETTINGS", Frame::Settings(vec![]).encode()),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 16])),
        ("unknown frames", frame(0xbe, 0, 1, &[0; 100])),
        ("WINDOW_UPDATE", Frame::Window { stream: 1, size: 1 }.encode()),
    ];
    for (what, bytes) in rows {
        // Once with the answers read, once without.
        let mut peer = Peer::client(&victim.addr, &[]).await;
        peer.write(&open).await;
        if peer.flood(&bytes.repeat(20_000)).await {
            peer.send(&Frame::last(1, say("still"))).await;
            assert_eq!(peer.answer(1).await.data, say("still"), "{what}");
        } else {
            assert_eq!(goaways(&peer.end().await), [ENHANCE_YOUR_CALM], "{what}");
        }
        let mut peer = Peer::client(&victim.addr, &[]).await;
        peer.write(&open).await;
        peer.pour(&bytes.repeat(1000), 8 << 20, Duration::from_millis(300)).await;
        victim.assert_within(what, 64);
    }
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_small_data_frames_that_nobody_reads_are_bounded() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    for (size, is_refused) in [(0, true), (1, false)] {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        let stream = peer.open(&request(ECHO)).await;
        peer.send(&Frame::data(stream, say("!sleep 60000"))).await;
        // 2,000 of them are no attack where they carry something: a talkative client of a slow handler.
        let frames = Frame::data(stream, vec![0; size]).encode().repeat(2000);
        peer.flood(&frames).await;
        if is_refused {
            assert_eq!(goaways(&peer.end().await), [ENHANCE_YOUR_CALM]);
            continue;
        }
        assert_eq!(peer.fence().await, []);
        for _ in 0..100 {
            if !peer.flood(&frames).await {
                break;
            }
        }
        victim.assert_within("200,000 DATA frames of one byte", 64);
    }
    witness.unharmed().await;
}

// Messages

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_are_only_claimed_reserve_nothing() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peers = Vec::new();
    // 1,000 messages of 16 MiB each, of which a few bytes come.
    for _ in 0..2 {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        let mut burst = Vec::new();
        for _ in 0..500 {
            let stream = peer.fresh();
            burst.extend(Frame::headers(stream, &request(ECHO)).encode());
            burst.extend(Frame::data(stream, b"\0\0\xff\xff\xff\x0b\0\x01\0\xff\xff\xff".to_vec()).encode());
        }
        assert!(peer.flood(&burst).await);
        assert_eq!(peer.fence().await, []);
        peers.push(peer);
    }
    victim.assert_within("1,000 claims of 16 MiB", 128);
    assert_alive(&mut peers[0]).await;
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_depths_that_a_message_claims_are_errors_of_its_stream() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let bystander = peer.open(&request(ECHO)).await;
    let most = [0x7f, 0xff, 0xff, 0xff];
    let field = |ttype: u8, id: u8, rest: &[u8]| [&[ttype, 0, id][..], rest].concat();
    let nested = |open: &[u8], depth: usize| [open.repeat(depth), vec![0; depth]].concat();
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("a list of 2^31-1 numbers", field(15, 9, &[&[8][..], &most].concat())),
        ("a set of 2^31-1 strings", field(14, 10, &[&[11][..], &most].concat())),
        ("a map of 2^31-1 pairs", field(13, 11, &[&[11, 10][..], &most].concat())),
        ("a list of 2^31-1 structs", field(15, 19, &[&[12][..], &most].concat())),
        ("an unknown list of 2^31-1 numbers", field(15, 99, &[&[8][..], &most].concat())),
        ("an unknown list of 2^31-1 voids", field(15, 99, &[&[1][..], &most].concat())),
        ("an unknown list of 2^31-1 stops", field(15, 99, &[&[0][..], &most].concat())),
        ("an unknown list of 2^31-1 booleans", field(15, 99, &[&[2][..], &most].concat())),
        ("an unknown map of 2^31-1 pairs of nothing", field(13, 99, &[&[0, 0][..], &most].concat())),
        ("a list of -1 numbers", field(15, 9, &[8, 0xff, 0xff, 0xff, 0xff])),
        ("a string of 2^31-1 bytes", field(11, 7, &most)),
        ("a string of -1 bytes", field(11, 7, &[0xff; 4])),
        ("bytes of 2^31-1", field(11, 8, &most)),
        ("unknown structs, 100,000 deep", nested(&[12, 0, 99], 100_000)),
        ("unknown lists, 100,000 deep", field(15, 99, &[15, 0, 0, 0, 1].repeat(100_000))),
        ("unknown maps, 100,000 deep", field(13, 99, &[13, 13, 0, 0, 0, 1].repeat(100_000))),
        (
            "known structs, 100,000 deep",
            [12, 15, 0, 0, 0][..1].iter().flat_map(|_| [15, 0, 19, 12, 0, 0, 0, 1].repeat(100_000)).collect(),
        ),
        ("a field of no type", field(0x7f, 1, &[0])),
    ];
    for (what, payload) in rows {
        let payload = message(&payload);
        let stream = peer.open(&request(EVERYTHING)).await;
        for piece in payload.chunks(16_384) {
            peer.send(&Frame::data(stream, piece.to_vec())).await;
        }
        peer.send(&Frame::last(stream, &b""[..])).await;
        let answer = peer.answer(stream).await;
        assert!(answer.status().starts_with("7 "), "{what}: {}", answer.status());
    }
    peer.send(&Frame::last(bystander, say("still"))).await;
    assert_eq!(peer.answer(bystander).await.data, say("still"));
    victim.assert_within("counts and depths", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_no_handler_reads_does_not_use_up_the_connections_window() {
    let handler = Arc::new(Handler::default());
    let server = Server::new().initial_window_size(65_535).initial_connection_window_size(131_072);
    let server = server.add(TestServiceServer::from_arc(handler)).bind("127.0.0.1:0").await.unwrap().spawn();
    let client = TestServiceStreamClient::builder("a.service").host_ports([server.local_address().to_string()]);
    let client = client.connection_pool_size(1).build().unwrap();
    for _ in 0..20 {
        let mut stream = client.echo().await.unwrap();
        stream.send(Request { message: Some("!return".to_owned()) }).await.unwrap();
        // It may be over before all of this is sent.
        let _ = stream.send(Request { message: Some("x".repeat(60_000)) }).await;
        assert_eq!(soon("the end", stream.recv()).await.unwrap(), None);
    }
    let mut stream = client.echo().await.unwrap();
    let long = Some("y".repeat(300_000));
    stream.send(Request { message: long.clone() }).await.unwrap();
    assert_eq!(soon("a long message", stream.recv()).await.unwrap().unwrap().message, long);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_does_not_read_leaves_the_connection_to_the_others() {
    let server = short(Duration::from_secs(60)).await;
    let mut peer = Peer::client(&server.local_address().to_string(), &[]).await;
    peer.fence().await;
    for _ in 0..4 {
        let busy = peer.open(&request(ECHO)).await;
        let data = [say("!sleep 60000"), vec![0; 1 << 20]].concat();
        for piece in data[..1 << 20].chunks(16_384) {
            peer.send(&Frame::data(busy, piece.to_vec())).await;
        }
        assert_alive(&mut peer).await;
    }
}

// Peers that do not read

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_costs_a_buffer_and_nobody_elses_time() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let window = u32::MAX >> 1;
    let mut peers = Vec::new();
    for windows in [true, false] {
        // Without windows, the server waits for them; with them, for the socket.
        let mut peer = Peer::client(&victim.addr, &[(4, if windows { window } else { 0 })]).await;
        if windows {
            peer.send(&Frame::Window { stream: 0, size: window - 65_535 }).await;
        }
        for _ in 0..20 {
            peer.call(&request("/echo.TestService/EchoServer"), &say("!count 100000000")).await;
        }
        peers.push(peer);
    }
    // The handlers send all the time that the witness takes.
    for _ in 0..20 {
        Witness::start(&victim.addr).await.unharmed().await;
    }
    victim.assert_within("40 handlers that send to a client that does not read", 128);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_does_not_hold_up_a_shutdown() {
    let handler = Arc::new(Handler::default());
    let server = Server::new().exit_wait_time(Duration::from_millis(100)).add(TestServiceServer::from_arc(handler));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let window = u32::MAX >> 1;
    let mut peer = Peer::client(&server.local_address().to_string(), &[(4, window)]).await;
    peer.send(&Frame::Window { stream: 0, size: window - 65_535 }).await;
    let stream = peer.call(&request("/echo.TestService/EchoServer"), &say("!count 100000000")).await;
    while !matches!(peer.on(stream).await, Frame::Data { .. }) {}
    server.handle().shutdown();
    soon("the server's end", server).await;
}

// Fuzz

/// What a valid client may send on a connection, after its preface.
fn valid(dice: &mut Dice) -> Vec<u8> {
    const PATHS: [&str; 6] = ["Echo", "EchoClient", "EchoServer", "EchoUnary", "EchoEverything", "Add"];
    let path = format!("/echo.TestService/{}", PATHS[dice.roll(PATHS.len())]);
    let mut out = Frame::Settings(vec![(4, 65_535)]).encode();
    out.extend(encode_headers(1, 0, &hpack::encode(&request(&path)), 20 + dice.roll(200)));
    out.extend(Frame::data(1, say("hello")).encode());
    out.extend(Frame::Window { stream: 0, size: 1 << 20 }.encode());
    out.extend(Frame::Ping(*b"8 bytes!").encode());
    out.extend(Frame::headers(3, &request(ECHO)).encode());
    out.extend(Frame::last(1, say("more")).encode());
    out.extend(Frame::last(3, [say("a"), message(&text("b"))].concat()).encode());
    out.extend(Frame::reset(3, CANCEL).encode());
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_broken_connections_all_end_and_nobody_notices() {
    const CONNECTIONS: u64 = 3000;
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut running = JoinSet::new();
    for seed in 1..=CONNECTIONS {
        let addr = victim.addr.clone();
        if running.len() >= 16 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(async move {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut bytes = valid(&mut dice);
            // The preface is spared three times in four, so that what is behind it is read.
            let with_preface = dice.roll(4) == 0;
            if with_preface {
                bytes.splice(0..0, PREFACE.iter().copied());
            }
            dice.mutate(&mut bytes);
            if !with_preface {
                bytes.splice(0..0, PREFACE.iter().copied());
            }
            let mut peer = Peer::dial(&addr).await;
            peer.flood(&bytes).await;
            peer.close().await;
            tokio::time::timeout(thrill_tests::h2peer::TIME, peer.rest())
                .await
                .unwrap_or_else(|_| panic!("seed {seed}: the connection does not end: {bytes:?}"));
        });
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
    victim.assert_within("broken connections", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_broken_messages_are_all_answered_on_one_connection() {
    const STREAMS: usize = 3000;
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let mut dice = Dice(7);
    let everything = everything();
    for batch in 0..STREAMS / 50 {
        let mut streams = Vec::new();
        for _ in 0..50 {
            let is_echo = dice.roll(3) == 0;
            let mut data = if is_echo { [say("a"), say("b")].concat() } else { message(&everything) };
            dice.mutate(&mut data);
            data.truncate(16_000);
            let path = if is_echo { ECHO } else { EVERYTHING };
            streams.push(peer.call(&request(path), &data).await);
        }
        for stream in streams {
            let status = peer.answer(stream).await.status();
            let known = ["0 ", "7 ", "8 ", "13 "].iter().any(|code| status.starts_with(code));
            assert!(known, "batch {batch}: {status}");
        }
    }
    assert_alive(&mut peer).await;
    victim.assert_within("broken messages", 64);
    witness.unharmed().await;
}

/// A message of all types, and some fields that nobody knows.
fn everything() -> Vec<u8> {
    let mut out = Vec::new();
    let mut field = |ttype: u8, id: u8, rest: &[u8]| out.extend([&[ttype, 0, id][..], rest].concat());
    field(2, 1, &[1]);
    field(3, 2, &[7]);
    field(6, 3, &[0, 7]);
    field(8, 4, &[0, 0, 0, 7]);
    field(10, 5, &[0, 0, 0, 0, 0, 0, 0, 7]);
    field(4, 6, &1.5f64.to_be_bytes());
    field(11, 7, b"\0\0\0\x05hello");
    field(11, 8, b"\0\0\0\x03\0\xff\x01");
    field(15, 9, b"\x08\0\0\0\x02\0\0\0\x01\0\0\0\x02");
    field(14, 10, b"\x0b\0\0\0\x01\0\0\0\x01a");
    field(13, 11, b"\x0b\x0a\0\0\0\x01\0\0\0\x01k\0\0\0\0\0\0\0\x07");
    field(13, 12, b"\x08\x0f\0\0\0\x01\0\0\0\x05\x0c\0\0\0\x01\x08\0\x01\0\0\0\x07\0");
    field(12, 13, b"\x08\0\x01\0\0\0\x07\x0b\0\x02\0\0\0\x01l\0");
    field(12, 14, b"\x0a\0\x02\0\0\0\0\0\0\0\x07\0");
    field(8, 15, b"\0\0\0\x02");
    field(11, 16, b"\0\0\0\x03yes");
    field(15, 18, b"\x0d\0\0\0\x01\x0b\x0e\0\0\0\x01\0\0\0\x01k\x06\0\0\0\x01\0\x01");
    field(12, 99, b"\x0f\0\x01\x02\0\0\0\x03\x01\0\x01\x0d\0\x02\x03\x0b\0\0\0\x01\x05\0\0\0\x01x\0");
    out.push(0);
    out
}
