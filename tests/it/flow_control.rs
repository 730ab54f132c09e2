//! Back-pressure, large messages, and many small ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thrill::{Code, Error, Result, Sender, Server};
use thrill_tests::contract::{Request, TestServiceStreamClient};
use thrill_tests::peer::PeerServer;

use crate::public_api::{EdgeStreamClient, Note, Script, assert_error, within};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a note of 16 KiB is on the wire, behind its prefix.
const NOTE: usize = 16 * KIB + 5 + 3 + 4 + 1;

/// How often a connection must have gone to and fro before what has not moved meanwhile counts as stopped.
const ROUNDS: usize = 20;

/// Waits until a count stays where it is, though the connection of this client goes on. The exchange sends no DATA to the
/// server, so that it works where the connection's window is used up.
async fn stopped(count: &AtomicUsize, client: &EdgeStreamClient) -> usize {
    let stays = async {
        loop {
            let before = count.load(Ordering::SeqCst);
            for _ in 0..ROUNDS {
                client.upload().await.unwrap().close_and_recv().await.unwrap();
            }
            if before > 0 && count.load(Ordering::SeqCst) == before {
                return before;
            }
        }
    };
    within(stays).await
}

/// Sends notes of 16 KiB and counts them, until the stream ends.
async fn pour(mut sender: Sender<Note>, count: Arc<AtomicUsize>, notes: usize) -> Result<()> {
    for _ in 0..notes {
        sender.send(Note::of_size(16 * KIB)).await?;
        count.fetch_add(1, Ordering::SeqCst);
    }
    sender.close().await
}

#[track_caller]
fn assert_between(bytes: usize, least: usize, most: usize) {
    assert!((least..=most).contains(&bytes), "{bytes} bytes went, not {least} to {most}");
}

/// A handler that reads once it is let go, and says how many notes came.
fn late() -> Script {
    Script::new().talk(|desk, _, mut stream| async move {
        desk.say("running");
        desk.wait().await;
        let mut count = 0;
        while stream.recv().await?.is_some() {
            count += 1;
        }
        stream.send(Note::of(count.to_string())).await
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_stops_at_its_readers_window_and_goes_on_when_it_reads() {
    for (window, buffer) in [(MIB, 256 * KIB), (128 * KIB, 64 * KIB)] {
        let mut served = late().serve_with(Server::new().initial_window_size(window as u32), "127.0.0.1:0").await;
        let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).connection_pool_size(1);
        let client = client.send_buffer_size(buffer).build().unwrap();
        let (sender, mut receiver) = client.talk().await.unwrap().split();
        let count = Arc::default();
        let pouring = tokio::spawn(pour(sender, Arc::clone(&count), 1000));
        assert_eq!(within(served.heard()).await, "running");
        let sent = stopped(&count, &client).await;
        assert_between(sent * NOTE, window, window + buffer + NOTE);
        served.let_go(1);
        assert_eq!(within(receiver.recv()).await.unwrap(), Some(Note::of("1000")));
        within(pouring).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_stops_at_its_callers_window_and_goes_on_when_it_reads() {
    for (window, buffer) in [(MIB, 256 * KIB), (128 * KIB, 64 * KIB)] {
        let count: Arc<AtomicUsize> = Arc::default();
        let script = Script::new().download({
            let count = Arc::clone(&count);
            move |_, _, (_, sender)| pour(sender, Arc::clone(&count), 1000)
        });
        let served = script.serve_with(Server::new().send_buffer_size(buffer), "127.0.0.1:0").await;
        let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).connection_pool_size(1);
        let client = client.initial_window_size(window as u32).build().unwrap();
        let mut notes = client.download(Note::default()).await.unwrap();
        let sent = stopped(&count, &client).await;
        assert_between(sent * NOTE, window, window + buffer + NOTE);
        for _ in 0..1000 {
            assert_eq!(within(notes.recv()).await.unwrap(), Some(Note::of_size(16 * KIB)));
        }
        assert_eq!(within(notes.recv()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_streams_of_a_connection_stop_at_its_window_together() {
    const STREAMS: usize = 8;
    let server = Server::new().initial_window_size(MIB as u32).initial_connection_window_size(4 * MIB as u32);
    let served = late().serve_with(server, "127.0.0.1:0").await;
    let client = served.client();
    let count = Arc::default();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let (sender, receiver) = client.talk().await.unwrap().split();
        streams.push((tokio::spawn(pour(sender, Arc::clone(&count), 200)), receiver));
    }
    let sent = stopped(&count, &client).await;
    assert_between(sent * NOTE, 4 * MIB, 4 * MIB + STREAMS * (64 * KIB + NOTE));
    served.let_go(STREAMS);
    for (pouring, mut receiver) in streams {
        assert_eq!(within(receiver.recv()).await.unwrap(), Some(Note::of("200")));
        within(pouring).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_handlers_do_not_stall_their_connection() {
    let script = Script::new().talk(|desk, _, mut stream| async move {
        let Some(note) = stream.recv().await? else { return Ok(()) };
        if note.text() == "stall" {
            desk.wait().await;
            return Ok(());
        }
        stream.send(note).await
    });
    let served = script.serve().await;
    let client = served.client();
    let mut stalled = Vec::new();
    for _ in 0..8 {
        let (mut sender, receiver) = client.talk().await.unwrap().split();
        sender.send(Note::of("stall")).await.unwrap();
        let count = Arc::default();
        stalled.push((tokio::spawn(pour(sender, Arc::clone(&count), 1000)), receiver));
        stopped(&count, &client).await;
    }
    for number in 0..100 {
        let mut stream = client.talk().await.unwrap();
        let note = Note { text: Some(number.to_string()), ..Note::of_size(100 * KIB) };
        stream.send(note.clone()).await.unwrap();
        assert_eq!(within(stream.recv()).await.unwrap(), Some(note));
    }
    served.let_go(8);
    for (pouring, mut receiver) in stalled {
        assert_eq!(within(receiver.recv()).await.unwrap(), None);
        assert_eq!(within(pouring).await.unwrap().unwrap_err().code(), Code::INTERNAL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_mib_pass_where_the_limit_allows_them() {
    let size = 64 * MIB;
    let served = Script::new().serve_with(Server::new().max_message_size(65 * MIB), "127.0.0.1:0").await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).max_message_size(65 * MIB);
    let client = client.build().unwrap();
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of_size(size)).await.unwrap();
    let got = within(stream.recv()).await.unwrap().unwrap();
    assert_eq!(got.blob.map(|blob| (blob.len(), blob.iter().all(|byte| *byte == 7))), Some((size, true)));
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_the_limit_is_refused_with_the_option_that_raises_it() {
    let script =
        Script::new().download(|_, _, (_, mut notes)| async move { notes.send(Note::of_size(64 * MIB)).await });
    let served = script.serve().await;
    let client = served.client();
    let part = "`max_message_size`) of 67108872 bytes is larger than the limit of 16777216 bytes";

    // Refused by the server.
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of_size(64 * MIB)).await.unwrap();
    assert_error(within(stream.recv()).await, 8, part);

    // Refused by the client.
    let mut notes = client.download(Note::default()).await.unwrap();
    let err = within(notes.recv()).await.unwrap_err();
    assert!(matches!(err, Error::TooLarge { got, limit, .. } if got == 64 * MIB + 8 && limit == 16 * MIB), "{err}");
    assert_error(within(notes.recv()).await, 8, part);

    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of("next")).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_do_not_fill_the_servers_memory() {
    // In a process of its own, so that its memory is its own too.
    let server = PeerServer::start(&env!("CARGO_BIN_EXE_contract-server").into(), &[]).await.unwrap();
    let client = TestServiceStreamClient::builder("slow").host_ports([&server.addr]).connection_pool_size(1);
    // A small window, so that nearly all of what waits is the server's.
    let client = client.initial_window_size(64 << 10).build().unwrap();
    let ask = |message: &str| Request { message: Some(message.to_owned()) };
    let before = resident(&server.addr);
    let mut unread = Vec::new();
    for _ in 0..64 {
        unread.push(client.echo_server(ask("!count 10000000")).await.unwrap());
    }
    for _ in 0..1000 {
        let reply = within(client.echo_unary(ask("!size 1024")).into_future()).await.unwrap();
        assert_eq!(reply.message.map(|message| message.len()), Some(1024));
    }
    for notes in &mut unread {
        assert!(within(notes.recv()).await.unwrap().is_some());
    }
    // 64 streams of 64 KiB of window and as much of buffer, four times over for what the allocator keeps.
    let grown = resident(&server.addr).saturating_sub(before);
    assert!(grown < 4 * 64 * 128 * KIB, "the server grew by {} KiB", grown / KIB);
}

/// The memory of the process that listens on a port of this machine, in bytes.
fn resident(addr: &str) -> usize {
    let port = addr.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_listener = |line: &&str| line.contains(&format!(":{port:04X} 00000000:0000 0A"));
    let inode = table.lines().find(is_listener).and_then(|line| line.split_whitespace().nth(9)).unwrap();
    let socket = format!("socket:[{inode}]");
    let has_it = |pid: &std::path::PathBuf| {
        let files = std::fs::read_dir(pid.join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == socket.as_str())
    };
    let process = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).find(has_it).unwrap();
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * KIB
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_to_a_late_handler_are_all_there() {
    for (messages, step) in [(2_000, 1), (100_000, 10)] {
        let script = Script::new().upload(|desk, _, mut notes| async move {
            desk.wait().await;
            let (mut count, mut texts) = (0, 0);
            while let Some(note) = notes.recv().await? {
                assert_eq!(note.text.is_some(), count % 10 == 0, "message {count} is another one");
                texts += usize::from(note.text.is_some());
                count += 1;
            }
            Ok(Note::of(format!("{count} {texts}")))
        });
        let served = script.serve().await;
        let mut stream = served.client().upload().await.unwrap();
        let send_all = async {
            for number in 0..messages {
                let note = if number % 10 == 0 { Note::of("") } else { Note::default() };
                stream.send(note).await.unwrap();
                // A DATA frame each, or for a few where there are many.
                if number % step == 0 {
                    futures_util::SinkExt::flush(&mut stream).await.unwrap();
                }
            }
        };
        within(send_all).await;
        served.let_go(1);
        let want = format!("{messages} {}", messages / 10);
        assert_eq!(within(stream.close_and_recv()).await.unwrap().text(), want);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_to_a_late_caller_are_all_there() {
    const MESSAGES: usize = 50_000;
    let script = Script::new().download(|desk, _, (_, mut notes)| async move {
        for number in 0..MESSAGES {
            notes.send(Note::of(number.to_string())).await?;
            if number % 2 == 0 {
                notes.flush().await?;
            }
        }
        desk.say("sent");
        Ok(())
    });
    let mut served = script.serve().await;
    let mut notes = served.client().download(Note::default()).await.unwrap();
    assert_eq!(within(served.heard()).await, "sent");
    for number in 0..MESSAGES {
        assert_eq!(notes.recv().await.unwrap(), Some(Note::of(number.to_string())));
    }
    assert_eq!(within(notes.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn flush_waits_until_all_is_sent() {
    let mut served = late().serve().await;
    let client = served.client();
    let (mut sender, mut receiver) = client.talk().await.unwrap().split();
    sender.flush().await.unwrap();
    sender.send(Note::of("small")).await.unwrap();
    within(sender.flush()).await.unwrap();
    assert_eq!(within(served.heard()).await, "running");
    // Beyond the window: it cannot leave before the handler reads.
    sender.send(Note::of_size(2 * MIB)).await.unwrap();
    let flushed = Arc::new(AtomicUsize::new(1));
    let flushing = tokio::spawn({
        let flushed = Arc::clone(&flushed);
        async move {
            let flush = sender.flush().await;
            flushed.fetch_add(1, Ordering::SeqCst);
            flush.map(|()| sender)
        }
    });
    assert_eq!(stopped(&flushed, &client).await, 1, "the flush ended before the handler read");
    served.let_go(1);
    let mut sender = within(flushing).await.unwrap().unwrap();
    sender.close().await.unwrap();
    assert_eq!(within(receiver.recv()).await.unwrap(), Some(Note::of("2")));
}
