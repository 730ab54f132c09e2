//! How a server begins and ends: hooks, registries, signals, and the last calls of every protocol.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use thrill::{Context, Error, Register, Registration, Result, Running, Server, Transport, async_trait};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::public_api::{EdgeStreamClient, Note, Script, assert_error, at_once, within};

/// A ping-pong service whose calls end when the test says so.
#[thrill::service]
trait Slow {
    async fn run(&self, cx: &Context, text: String) -> Result<String>;
}

#[derive(Clone)]
struct Hands {
    begun: mpsc::UnboundedSender<()>,
    gate: Arc<Semaphore>,
}

impl Slow for Hands {
    async fn run(&self, _: &Context, text: String) -> Result<String> {
        if text == "wait" {
            // A test that has ended does not listen.
            let _ = self.begun.send(());
            self.gate.acquire().await.map_err(Error::new)?.forget();
        }
        Ok(text)
    }
}

/// A server of [`Slow`].
struct Site {
    running: Running,
    begun: mpsc::UnboundedReceiver<()>,
    gate: Arc<Semaphore>,
}

impl Site {
    async fn open(server: Server) -> Self {
        let (begun, beginning) = mpsc::unbounded_channel();
        let hands = Hands { begun, gate: Arc::new(Semaphore::new(0)) };
        let gate = Arc::clone(&hands.gate);
        let running = server.add(SlowServer::new(hands)).bind("127.0.0.1:0").await.unwrap().spawn();
        Self { running, begun: beginning, gate }
    }

    fn client(&self, kind: Kind) -> SlowClient {
        let builder = SlowClient::builder("slow").host_ports([self.running.local_address().to_string()]);
        let builder = builder.connection_pool_size(1);
        match kind {
            Kind::Over(transport) => builder.transport(transport).build().unwrap(),
            Kind::Multiplexed => builder.transport(Transport::TtHeader).multiplexed(1).build().unwrap(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Over(Transport),
    Multiplexed,
}

const KINDS: [Kind; 6] = [
    Kind::Over(Transport::Buffered),
    Kind::Over(Transport::Framed),
    Kind::Over(Transport::TtHeader),
    Kind::Over(Transport::TtHeaderFramed),
    Kind::Over(Transport::Http2),
    Kind::Multiplexed,
];

/// Waits until no one listens at an address any more.
async fn refuses(addr: &str) {
    within(async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_rests_does_not_hold_a_shutdown_up() {
    for kind in KINDS {
        let site = Site::open(Server::new().exit_wait_time(Duration::from_secs(60))).await;
        let client = site.client(kind);
        assert_eq!(within(client.run("x".into()).into_future()).await.unwrap(), "x", "{kind:?}");
        assert_eq!(site.running.handle().connections(), 1);
        at_once(site.running.shutdown()).await;
        // No one listens any more, or the connection that rested is found closed.
        assert_error(within(client.run("x".into()).into_future()).await, 14, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_when_a_shutdown_begins_is_answered() {
    for kind in KINDS {
        let mut site = Site::open(Server::new().exit_wait_time(Duration::from_secs(60))).await;
        let client = site.client(kind);
        let call = tokio::spawn(client.run("wait".into()).into_future());
        within(site.begun.recv()).await.unwrap();
        site.running.handle().shutdown();
        refuses(&site.running.local_address().to_string()).await;
        assert!((&mut site.running).now_or_never().is_none(), "{kind:?}: the server ended under its call");
        site.gate.add_permits(1);
        assert_eq!(within(call).await.unwrap().unwrap(), "wait", "{kind:?}");
        at_once(site.running).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlasts_exit_wait_time_fails_and_holds_nothing_up() {
    for kind in KINDS {
        let mut site = Site::open(Server::new().exit_wait_time(Duration::from_millis(100))).await;
        let client = site.client(kind);
        let call = tokio::spawn(client.run("wait".into()).into_future());
        within(site.begun.recv()).await.unwrap();
        at_once(site.running.shutdown()).await;
        let err = at_once(call).await.unwrap().unwrap_err();
        assert_eq!(err.code().0, 14, "{kind:?}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_that_takes_too_long_is_cut_short() {
    for kind in KINDS {
        let mut site = Site::open(Server::new().exit_wait_time(Duration::from_secs(60))).await;
        let client = site.client(kind);
        let call = tokio::spawn(client.run("wait".into()).into_future());
        within(site.begun.recv()).await.unwrap();
        let handle = site.running.handle();
        handle.shutdown();
        handle.shutdown_now();
        at_once(site.running).await;
        assert!(at_once(call).await.unwrap().is_err(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_that_comes_while_a_server_ends() {
    for kind in KINDS {
        let (old, new) = (Site::open(Server::new()).await, Site::open(Server::new()).await);
        let addresses = [&old, &new].map(|site| site.running.local_address().to_string());
        let builder = SlowClient::builder("slow").host_ports(addresses).connection_pool_size(1);
        let client = match kind {
            Kind::Over(transport) => builder.transport(transport).build().unwrap(),
            Kind::Multiplexed => builder.transport(Transport::TtHeader).multiplexed(1).build().unwrap(),
        };
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let client = client.clone();
            callers.spawn(async move {
                let mut failed = Vec::new();
                for _ in 0..100 {
                    if let Err(err) = client.run("x".into()).await {
                        failed.push(err);
                    }
                }
                failed
            });
        }
        while old.running.handle().concurrent_calls() == 0 && old.running.handle().connections() == 0 {
            tokio::task::yield_now().await;
        }
        within(old.running.shutdown()).await;
        let failed = within(callers.join_all()).await.into_iter().flatten().collect::<Vec<_>>();
        // Framed and Buffered have no word for the end, and a TTHeader has one only in an answer: of eight callers, each may
        // send one call on a connection that is just then closed, behind its last answer or because it rested for too long.
        let may_fail = !matches!(kind, Kind::Over(Transport::Http2) | Kind::Multiplexed);
        assert!(failed.is_empty() || may_fail && failed.len() <= 8, "{kind:?}: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_every_kind_end_in_their_own_time() {
    let script = Script::new().download(|desk, _, (_, mut notes)| async move {
        desk.say("begun");
        desk.wait().await;
        notes.send(Note::of("last")).await
    });
    let script = script.upload(|desk, _, mut notes| async move {
        let mut count = 0;
        while notes.recv().await?.is_some() {
            count += 1;
            desk.say("one more");
        }
        Ok(Note::of(count.to_string()))
    });
    let mut served = script.serve_with(Server::new().exit_wait_time(Duration::from_secs(60)), "127.0.0.1:0").await;
    let client = served.client();
    let (mut talk, mut upload) = (client.talk().await.unwrap(), client.upload().await.unwrap());
    let mut download = client.download(Note::default()).await.unwrap();
    assert_eq!(served.heard().await, "begun");
    talk.send(Note::of("1")).await.unwrap();
    assert!(within(talk.recv()).await.unwrap().is_some());
    upload.send(Note::default()).await.unwrap();
    assert_eq!(served.heard().await, "one more");
    served.running.handle().shutdown();
    refuses(&served.addr).await;
    for number in 0..10 {
        talk.send(Note::of(number.to_string())).await.unwrap();
        assert_eq!(within(talk.recv()).await.unwrap(), Some(Note::of(number.to_string())));
    }
    talk.close().await.unwrap();
    assert_eq!(within(talk.recv()).await.unwrap(), None);
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), Note::of("1"));
    assert!((&mut served.running).now_or_never().is_none());
    served.let_go(1);
    assert_eq!(within(download.recv()).await.unwrap(), Some(Note::of("last")));
    assert_eq!(within(download.recv()).await.unwrap(), None);
    at_once(served.running).await;
}

/// A registry, and hooks, that write down what happens.
#[derive(Clone, Default)]
struct Diary {
    lines: Arc<Mutex<Vec<String>>>,
    /// How often to fail at first.
    failures: Arc<Mutex<usize>>,
}

impl Diary {
    fn write(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    fn read(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    async fn until(&self, line: &str) {
        within(async {
            while !self.read().iter().any(|it| it == line) {
                tokio::task::yield_now().await
            }
        })
        .await;
    }
}

#[async_trait]
impl Register for Diary {
    async fn register(&self, it: &Registration) -> Result<()> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            self.write("cannot register");
            return Err("the registry is away".into());
        }
        self.write(format!("registered {} {} {} {:?}", it.service, it.address, it.weight, it.tags));
        Ok(())
    }

    async fn deregister(&self, it: &Registration) -> Result<()> {
        // Still served: whoever has not heard of it yet comes to no harm.
        TcpStream::connect(&it.address).await?;
        self.write(format!("deregistered {}", it.service));
        Err("it minds".into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_and_registries_have_their_order() {
    let diary = Diary::default();
    let (start, stop, second) = (diary.clone(), diary.clone(), diary.clone());
    let server = Server::new()
        .on_start(|address| async move { start.write(format!("started {address}")) })
        .register(diary.clone(), Registration::new("edge").with_weight(7).with_tag("zone", "east"))
        .on_stop(|| async move { stop.write("stops") })
        .on_stop(|| async move { second.write("still stops") });
    let served = Script::new().serve_with(server, "127.0.0.1:0").await;
    let addr = served.addr.clone();
    let registered = format!("registered edge {addr} 7 {{\"zone\": \"east\"}}");
    diary.until(&registered).await;
    assert_eq!(diary.read(), [format!("started {addr}"), registered.clone()]);
    within(served.running.shutdown()).await;
    let want = [&format!("started {addr}"), &registered, "stops", "still stops", "deregistered edge"];
    assert_eq!(diary.read(), want);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_away_is_asked_again() {
    let diary = Diary::default();
    *diary.failures.lock().unwrap() = 3;
    let server = Server::new().register(diary.clone(), Registration::new("edge").with_address("10.0.0.1:80"));
    let (served, _connector) = Script::new().serve_in_memory(server);
    let begin = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(diary.read().last().map(String::as_str), Some("registered edge 10.0.0.1:80 10 {}"));
    assert_eq!(diary.read().len(), 4, "after {:?}", begin.elapsed());
    served.running.handle().shutdown_now();
    within(served.running).await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_costs_a_shutdown_its_exit_wait_time() {
    let server = Server::new().exit_wait_time(Duration::from_secs(2)).on_stop(std::future::pending);
    let (served, _connector) = Script::new().serve_in_memory(server);
    let begin = tokio::time::Instant::now();
    served.running.shutdown().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_runs_until_something_of_ones_own_happens() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let bound = Server::new().add(crate::public_api::EdgeServer::new(Script::new())).bind("127.0.0.1:0").await.unwrap();
    let addr = bound.local_address().to_string();
    let running = tokio::spawn(bound.run_until(async { drop(ended.await) }));
    let client = EdgeStreamClient::builder("edge").host_ports([&addr]).build().unwrap();
    assert!(within(client.ask(Note::default()).into_future()).await.is_ok());
    end.send(()).unwrap();
    within(running).await.unwrap();
    refuses(&addr).await;
}

/// A process with a server that listens for signals.
#[cfg(unix)]
mod signals {
    use std::process::Stdio;

    use thrill_tests::skip::say_skipped;
    use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
    use tokio::process::{Child, ChildStdout, Command};

    use super::*;

    struct Process {
        child: Child,
        out: Lines<BufReader<ChildStdout>>,
        addr: String,
    }

    impl Process {
        /// Runs through a shell where `before` has something for it to do.
        async fn start(before: &str) -> Self {
            let server = env!("CARGO_BIN_EXE_contract-server");
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("{before} exec {server} --addr 127.0.0.1:0")])
                .stdout(Stdio::piped())
                .kill_on_drop(true);
            let mut child = command.spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
            let line = within(out.next_line()).await.unwrap().unwrap();
            let addr = line.rsplit(' ').next().unwrap().to_owned();
            Self { child, out, addr }
        }

        async fn signal(&self, name: &str) {
            let pid = self.child.id().unwrap().to_string();
            let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().await.unwrap();
            assert!(sent.success());
        }
    }

    fn client(addr: &str) -> thrill_tests::contract::TestServiceStreamClient {
        thrill_tests::contract::TestServiceStreamClient::builder("echo").host_ports([addr]).build().unwrap()
    }

    /// Whether what this process starts ignores hangups, as behind `nohup`: a server then goes on, as another test shows.
    fn ignores_hangups() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_of_kitexs_signals_ends_a_server_gracefully() {
        for signal in ["INT", "TERM", "HUP"] {
            if signal == "HUP" && ignores_hangups() {
                say_skipped("a server that a hangup ends", "start the tests so that hangups are not ignored");
                continue;
            }
            let mut process = Process::start("").await;
            let client = client(&process.addr);
            let mut stream = client.echo().await.unwrap();
            let request = || thrill_tests::contract::Request { message: Some("x".into()) };
            stream.send(request()).await.unwrap();
            assert!(within(stream.recv()).await.unwrap().is_some());
            process.signal(signal).await;
            refuses(&process.addr).await;
            // The stream goes on, and the process ends with it.
            stream.send(request()).await.unwrap();
            assert!(within(stream.recv()).await.unwrap().is_some(), "{signal}");
            stream.close().await.unwrap();
            assert_eq!(within(stream.recv()).await.unwrap(), None);
            let status = within(process.child.wait()).await.unwrap();
            assert!(status.success(), "{signal}: {status}");
            drop(process.out);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_signal_does_not_wait() {
        let mut process = Process::start("").await;
        let mut stream = client(&process.addr).echo().await.unwrap();
        stream.send(thrill_tests::contract::Request { message: Some("x".into()) }).await.unwrap();
        assert!(within(stream.recv()).await.unwrap().is_some());
        process.signal("TERM").await;
        refuses(&process.addr).await;
        process.signal("TERM").await;
        let status = at_once(process.child.wait()).await.unwrap();
        assert!(status.success(), "{status}");
        assert_error(at_once(stream.recv()).await, 14, "graceful shutdown");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_process_that_ignores_hangups_goes_on() {
        let mut process = Process::start("trap '' HUP;").await;
        process.signal("HUP").await;
        let client = client(&process.addr);
        for _ in 0..20 {
            let mut stream = client.echo().await.unwrap();
            stream.close().await.unwrap();
            assert_eq!(within(stream.recv()).await.unwrap(), None);
        }
        process.signal("TERM").await;
        assert!(within(process.child.wait()).await.unwrap().success());
    }
}
