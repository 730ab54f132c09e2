//! Every default of the limits, as a peer finds it. Most of it without sockets and with a clock that waits for no one.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use h2::SendStream;
use thrill::net::{Address, BoxIo, Connect as _, Listen};
use thrill::testing::{MemoryConnect, MemoryListen};
use thrill::{Error, Keepalive, Server};
use thrill_tests::contract::{Everything, Shape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::public_api::{EdgeServer, EdgeStreamClient, Note, Script, Served, assert_error, within};

const MIB: usize = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);

fn in_memory(script: Script, server: Server) -> (Served, EdgeStreamClient, MemoryConnect) {
    let (served, connector) = script.serve_in_memory(server);
    (served, client(connector.clone()), connector)
}

fn client(connector: MemoryConnect) -> EdgeStreamClient {
    let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connection_pool_size(1);
    client.connector(connector).build().unwrap()
}

#[tokio::test]
async fn a_message_may_have_16_mib() {
    // Five bytes of the field, its length and the end are the message's too.
    let exact = 16 * MIB - 8;
    let script = Script::new().download(|_, _, (note, mut notes)| async move {
        notes.send(Note::of_size(note.text().parse().unwrap_or(0))).await
    });
    let (_served, client, _) = in_memory(script, Server::new());
    for (size, passes) in [(exact, true), (exact + 1, false)] {
        let mut stream = client.talk().await.unwrap();
        stream.send(Note::of_size(size)).await.unwrap();
        let to_server = within(stream.recv()).await;
        let to_client = within(client.download(Note::of(size.to_string())).await.unwrap().recv()).await;
        for got in [to_server, to_client] {
            match passes {
                true => assert_eq!(got.unwrap().unwrap().blob.map(|blob| blob.len()), Some(size)),
                false => assert_error(got, 8, "16777217 bytes is larger than the limit of 16777216 bytes"),
            }
        }
    }
}

#[test]
fn a_message_may_become_256_mib() {
    // Elements of 9 bytes or fewer on the wire, and of hundreds in memory.
    let most = (256 << 20) / size_of::<Everything>();
    let child = [0x0b, 0, 16, 0, 0, 0, 0, 0];
    let list = |count: usize| {
        [&[0x0c][..], &u32::try_from(count).unwrap().to_be_bytes(), &child.repeat(count)].concat().into()
    };
    assert_eq!(thrill::decode::<Vec<Everything>>(&list(1000)).unwrap().len(), 1000);
    let err = thrill::decode::<Vec<Everything>>(&list(most + 1)).unwrap_err().to_string();
    assert!(err.contains("too much memory"), "{err}");
    let pairs =
        [&[0x03, 0x0c][..], &u32::try_from(most).unwrap().to_be_bytes(), &[&[0][..], &child].concat().repeat(most)];
    let err = thrill::decode::<BTreeMap<i8, Everything>>(&pairs.concat().into()).unwrap_err().to_string();
    assert!(err.contains("too much memory"), "{err}");
    // What is kept of a type that is not known: booleans of a byte each.
    const COUNT: usize = 15 << 20;
    let unknown = [&[0x0f, 0, 99, 0x02][..], &u32::try_from(COUNT).unwrap().to_be_bytes(), &[1; COUNT], &[0]].concat();
    let err = thrill::decode::<Shape>(&unknown.into()).unwrap_err().to_string();
    assert!(err.contains("too much memory"), "{err}");
    // Values that take no more than their bytes may be as many as there are bytes.
    let numbers = [&[0x03][..], &u32::try_from(COUNT).unwrap().to_be_bytes(), &[1; COUNT]].concat();
    assert_eq!(thrill::decode::<Vec<i8>>(&numbers.into()).unwrap().len(), COUNT);
}

#[test]
fn a_message_may_nest_64_levels() {
    let bytes = thrill::encode(&Note::nested(64)).unwrap();
    assert_eq!(thrill::decode::<Note>(&bytes).unwrap(), Note::nested(64));
    assert!(thrill::encode(&Note::nested(65)).unwrap_err().to_string().contains("64 levels"));
    // One struct more around it: field 3, a struct, and its end.
    let deeper = Bytes::from([&[12, 0, 3][..], &bytes, &[0]].concat());
    assert!(thrill::decode::<Note>(&deeper).unwrap_err().to_string().contains("more than 64 nested"));
}

#[tokio::test]
async fn a_header_list_may_have_64_kib() {
    let script = Script::new().ask(|_, cx, note| async move {
        cx.set_header("x-large", "h".repeat(note.text().parse().unwrap_or(0)))?;
        Ok(note)
    });
    let (_served, client, _) = in_memory(script, Server::new());
    let value = |size: usize| "v".repeat(size << 10);
    for (size, passes) in [(60, true), (68, false)] {
        let sent = within(client.ask(Note::default()).metadata("x-large", value(size)).into_future()).await;
        assert_eq!(sent.is_ok(), passes, "{size} KiB to the server: {sent:?}");
        let asked = Note::of((size << 10).to_string());
        let got = within(client.ask(asked).into_future()).await;
        assert_eq!(got.is_ok(), passes, "{size} KiB to the client: {got:?}");
        // Whatever was refused, it was refused alone.
        within(client.ask(Note::default()).into_future()).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_may_have_1000_streams() {
    let script = Script::new().talk(|desk, _, mut stream| async move {
        desk.say("begins");
        while stream.recv().await?.is_some() {}
        desk.say("ends");
        Ok(())
    });
    let (mut served, client, connector) = in_memory(script, Server::new());
    // The client knows the server's limit from now on.
    within(client.ask(Note::default()).into_future()).await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..1001 {
        streams.push(client.talk().await.unwrap());
    }
    for _ in 0..1000 {
        assert_eq!(served.heard().await, "begins");
    }
    assert!(streams[0].recv().now_or_never().is_none());
    streams[0].close().await.unwrap();
    // The last one begins after another has ended, and not before.
    assert_eq!(served.heard().await, "ends");
    assert_eq!(served.heard().await, "begins");

    let (requests, _) = h2_client(&connector).await;
    assert_eq!(requests.current_max_send_streams(), 1000);
}

/// The h2 crate's client on a connection of its own, after the server's settings.
async fn h2_client(connector: &MemoryConnect) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<()>) {
    let io = connector.connect("memory").await.unwrap();
    let builder = h2::client::Builder::new().max_send_buffer_size(64 * MIB).clone();
    let (mut requests, mut connection) = builder.handshake(io).await.unwrap();
    let mut ping = connection.ping_pong().unwrap();
    let task = tokio::spawn(async move { connection.await.unwrap() });
    poll_fn(|task| requests.poll_ready(task)).await.unwrap();
    ping.ping(h2::Ping::opaque()).await.unwrap();
    (requests, task)
}

/// How many bytes a peer may send on a stream before it is read.
async fn capacity(send: &mut SendStream<Bytes>) -> usize {
    send.reserve_capacity(64 * MIB);
    settle(std::future::pending::<()>()).await;
    send.capacity()
}

#[tokio::test]
async fn a_client_may_send_1_mib_on_a_stream_and_16_on_a_connection() {
    let script = Script::new().talk(|desk, _, _stream| async move {
        desk.wait().await;
        Ok(())
    });
    let (_served, _, connector) = in_memory(script, Server::new());
    let (mut requests, _task) = h2_client(&connector).await;
    let mut streams = Vec::new();
    let mut total = 0;
    for number in 0..20 {
        let request =
            http::Request::post("http://edge/test.Edge/Talk").header("content-type", "application/grpc+thrift");
        let (_, mut send) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        let window = capacity(&mut send).await;
        assert_eq!(window, if number < 16 { MIB } else { 0 }, "stream {number}");
        total += window;
        streams.push(send);
    }
    assert_eq!(total, 16 * MIB);
}

#[tokio::test]
async fn a_server_may_send_1_mib_on_a_stream_and_16_on_a_connection() {
    let (mut listener, connector) = thrill::testing::memory();
    let client = client(connector);
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(client.talk().await.unwrap());
    }
    let (io, _) = listener.accept().await.unwrap();
    let builder = h2::server::Builder::new().max_send_buffer_size(64 * MIB).clone();
    let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
    let mut sends = Vec::new();
    for _ in 0..20 {
        let (_, mut respond) = within(connection.accept()).await.unwrap().unwrap();
        let response = http::Response::builder().header("content-type", "application/grpc+thrift").body(()).unwrap();
        sends.push(respond.send_response(response, false).unwrap());
    }
    // The client's settings and updates are all there.
    let mut ping = connection.ping_pong().unwrap();
    let _task = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    within(ping.ping(h2::Ping::opaque())).await.unwrap();
    for (number, send) in sends.iter_mut().enumerate() {
        assert_eq!(capacity(send).await, if number < 16 { MIB } else { 0 }, "stream {number}");
    }
}

#[tokio::test]
async fn a_stream_holds_64_kib_that_cannot_be_sent() {
    // Takes nothing, so that all of it must wait; the pipe holds 64 KiB.
    let (mut listener, connector) = thrill::testing::memory();
    let mut stream = client(connector).talk().await.unwrap();
    let (_io, _) = listener.accept().await.unwrap();
    let note = Note::of_size(1011);
    let mut sent = 0;
    // Yields, so that what can be sent is sent.
    while let Some(result) = settle(stream.send(note.clone())).await {
        result.unwrap();
        sent += 1 << 10;
    }
    let least = 64 << 10;
    // A window of HTTP/2 is 64 KiB until its peer says otherwise.
    assert!((least..=least + (65 << 10)).contains(&sent), "{sent} bytes are held");
}

/// Gives everything else many turns before it says that nothing came.
async fn settle<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    for _ in 0..100 {
        if let Some(value) = future.as_mut().now_or_never() {
            return Some(value);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// The first bytes of a client: its preface, and an empty SETTINGS.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// How long the server leaves a connection open on which these bytes came and nothing more.
async fn closes_after(connector: &MemoryConnect, bytes: &[u8]) -> Duration {
    let mut io = connector.connect("memory").await.unwrap();
    let began = Instant::now();
    io.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    // Closed, or reset.
    let _ = io.read_to_end(&mut rest).await;
    Duration::from_secs(began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_5_s_to_show_its_protocol_and_10_s_for_what_it_began() {
    let cut = |bytes: &[u8], at: usize| bytes[..at].to_vec();
    let begun = |frame: &[u8]| [OPENING, frame].concat();
    let rows = [
        ("nothing", Vec::new(), 5, 1),
        ("the first bytes that may be a preface", cut(OPENING, 7), 5, 1),
        ("half a preface", cut(OPENING, 20), 10, 2),
        ("a preface", cut(OPENING, 24), 10, 2),
        ("half a frame's head", begun(&[0, 0, 8, 6]), 10, 2),
        ("half a PING", begun(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3]), 10, 2),
        ("HEADERS without END_HEADERS", begun(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]), 10, 2),
    ];
    let second = Duration::from_secs(1);
    let other = || Server::new().detection_timeout(second).partial_timeout(2 * second);
    let (_by_default, _, default) = in_memory(Script::new(), Server::new());
    let (_by_option, _, option) = in_memory(Script::new(), other());
    for (what, bytes, seconds, with_options) in rows {
        assert_eq!(closes_after(&default, &bytes).await.as_secs(), seconds, "{what}");
        assert_eq!(closes_after(&option, &bytes).await.as_secs(), with_options, "{what}, with options");
    }
    // What is no protocol at all is not waited for.
    assert_eq!(closes_after(&default, b"GET / HTTP/1.1\r\n").await.as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_is_pinged_by_servers_after_2_h_and_closed_20_s_later() {
    let (_served, _, connector) = in_memory(Script::new(), Server::new());
    let mut io = connector.connect("memory").await.unwrap();
    let began = Instant::now();
    io.write_all(OPENING).await.unwrap();
    io.write_all(b"\0\0\0\x04\x01\0\0\0\0").await.unwrap();
    loop {
        let (kind, flags) = read_frame(&mut io).await.unwrap();
        if (kind, flags) == (6, 0) {
            break;
        }
    }
    assert_eq!(began.elapsed().as_secs(), 2 * HOUR.as_secs());
    while read_frame(&mut io).await.is_ok() {}
    assert_eq!(began.elapsed().as_secs(), 2 * HOUR.as_secs() + 20);
}

/// The type and flags of the next frame.
async fn read_frame(io: &mut BoxIo) -> io::Result<(u8, u8)> {
    let mut head = [0; 9];
    io.read_exact(&mut head).await?;
    let [a, b, c, kind, flags, ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    io.read_exact(&mut payload).await?;
    Ok((kind, flags))
}

#[tokio::test(start_paused = true)]
async fn a_client_pings_only_where_it_is_told_to() {
    for (keepalive, after) in [(None, None), (Some(Keepalive::frequent()), Some(20))] {
        let (mut listener, connector) = thrill::testing::memory();
        let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector);
        let client = client.keepalive(keepalive).build().unwrap();
        let began = Instant::now();
        let _stream = client.talk().await.unwrap();
        let (mut io, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        io.write_all(b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0").await.unwrap();
        let pinged = async { while read_frame(&mut io).await.unwrap() != (6, 0) {} };
        let pinged = tokio::time::timeout(24 * HOUR, pinged).await.ok().map(|()| began.elapsed().as_secs());
        assert_eq!(pinged, after);
    }
    let frequent = Keepalive::frequent();
    assert_eq!((frequent.time, frequent.timeout), (Duration::from_secs(20), Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_5_s_for_handlers() {
    for (server, seconds) in [(Server::new(), 5), (Server::new().exit_wait_time(Duration::from_secs(30)), 30)] {
        let script = Script::new().talk(|desk, _, _stream| async move {
            desk.say("running");
            desk.wait().await;
            Ok(())
        });
        let (mut served, client, _) = in_memory(script, server);
        let _stream = client.talk().await.unwrap();
        assert_eq!(served.heard().await, "running");
        let began = Instant::now();
        served.running.shutdown().await;
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}

/// Fails as a listener does without free file descriptors, and then works.
struct Exhausted {
    failures: Arc<AtomicUsize>,
    inner: MemoryListen,
}

impl Listen for Exhausted {
    fn accept<'this, 'call>(
        &'this mut self,
    ) -> Pin<Box<dyn Future<Output = io::Result<(BoxIo, Address)>> + Send + 'call>>
    where
        'this: 'call,
    {
        if self.failures.fetch_sub(1, Ordering::SeqCst) > 1 {
            return Box::pin(async { Err(io::Error::from_raw_os_error(24)) });
        }
        self.failures.store(1, Ordering::SeqCst);
        self.inner.accept()
    }

    fn local_address(&self) -> Address {
        self.inner.local_address()
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_file_descriptors_asks_again_every_10_ms() {
    let (inner, connector) = thrill::testing::memory();
    let listener = Exhausted { failures: Arc::new(AtomicUsize::new(101)), inner };
    let began = Instant::now();
    let _running = Server::new().add(EdgeServer::new(Script::new())).listen(listener).unwrap().spawn();
    client(connector).ask(Note::default()).await.unwrap();
    let elapsed = began.elapsed().as_millis();
    // A hundred times; each may take a millisecond more, by which the timer counts.
    assert!((1000..=1100).contains(&elapsed), "{elapsed} ms");
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_deadline_has_none() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        desk.say(format!("{:?}", cx.deadline()));
        desk.wait().await;
        stream.send(Note::of("late")).await
    });
    let (mut served, client, _) = in_memory(script, Server::new());
    let mut stream = client.talk().await.unwrap();
    assert_eq!(served.heard().await, "None");
    tokio::time::sleep(24 * HOUR).await;
    served.let_go(1);
    let got: Result<_, Error> = stream.recv().await;
    assert_eq!(got.unwrap(), Some(Note::of("late")));
}
