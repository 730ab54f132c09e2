//! What observers hear of calls, on both sides.

use std::time::Duration;

use thrill::middleware::layer;
use thrill::observe::{Event, Metrics, Observe, StatsLevel, Tracing};
use thrill::{BizStatusError, Cancelled, Context, Error, Result, Server, Status, StreamClientBuilder, Transport};
use thrill_tests::contract::{AddError, Request, TestServiceClient, TestServiceServer};
use thrill_tests::handler::Handler;
use tokio::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::public_api::{EdgeStreamClient, Note, Script, Served, within};

/// Writes down what it hears.
#[derive(Clone)]
struct Pen(mpsc::UnboundedSender<String>);

/// What a [`Pen`] wrote.
struct Diary(mpsc::UnboundedReceiver<String>);

fn diary() -> (Pen, Diary) {
    let (pen, diary) = mpsc::unbounded_channel();
    (Pen(pen), Diary(diary))
}

impl Pen {
    fn write(&self, text: impl Into<String>) {
        // A test that has ended reads nothing.
        let _ = self.0.send(text.into());
    }
}

impl Diary {
    /// All of one call, from its start to its finish.
    async fn call(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = within(self.0.recv()).await.unwrap();
            let is_last = line.starts_with("finished");
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// How the next call ends.
    async fn end(&mut self) -> String {
        self.call().await.pop().unwrap()
    }

    fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

fn told(end: &Result<()>) -> String {
    match end {
        Ok(()) => "ok".into(),
        Err(Error::Biz(biz)) => format!("biz {}", biz.code()),
        Err(Error::Cancelled(cancelled)) => match &**cancelled {
            Cancelled::Dropped { .. } => "dropped".into(),
            Cancelled::ByPeer { code, .. } => format!("reset {code}"),
            other => format!("{other:?}"),
        },
        Err(err) => format!("code {}", err.code()),
    }
}

impl Observe for Pen {
    fn start(&self, cx: &Context) {
        self.write(format!("started {}", cx.method()));
    }

    fn event(&self, cx: &Context, event: &Event<'_>) {
        let stats = cx.stats().unwrap();
        self.write(match event {
            Event::Start => "open".into(),
            Event::Header(header) => format!("header {}", header.get("x-head").unwrap_or_default()),
            Event::Send(Ok(size)) => {
                assert_eq!(*size, stats.last_send_size());
                format!("sent {size}")
            }
            Event::Send(Err(err)) => format!("not sent: code {}", err.code()),
            Event::Recv(Ok(size)) => {
                assert_eq!(*size, stats.last_recv_size());
                format!("received {size}")
            }
            Event::Recv(Err(err)) => format!("not received: code {}", err.code()),
            Event::Finish(end) => format!("over: {}", told(end)),
            other => format!("{other:?}"),
        });
    }

    fn finish(&self, cx: &Context, end: &Result<()>) {
        let stats = cx.stats().unwrap();
        assert!(stats.took().is_some());
        let sent = format!("{} of {} B", stats.sent_messages(), stats.sent_bytes());
        let received = format!("{} of {} B", stats.received_messages(), stats.received_bytes());
        self.write(format!("finished: {}; sent {sent}, received {received}", told(end)));
    }
}

/// A server and a client, each watched.
async fn watched(script: Script) -> (Served, EdgeStreamClient, Diary, Diary) {
    let ((pen, theirs), (mine, ours)) = (diary(), diary());
    let served = script.serve_with(Server::new().observe(pen), "127.0.0.1:0").await;
    let client = builder(&served).observe(mine).build().unwrap();
    (served, client, ours, theirs)
}

fn builder(served: &Served) -> StreamClientBuilder<EdgeStreamClient> {
    EdgeStreamClient::builder("edge").host_ports([&served.addr]).connection_pool_size(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_a_stream_is_told_with_its_size_and_its_end_is_none() {
    let script = Script::new().talk(|_, cx, mut stream| async move {
        cx.set_header("x-head", "h")?;
        while let Some(note) = stream.recv().await? {
            stream.send(note).await?;
        }
        Ok(())
    });
    let (_served, client, mut ours, mut theirs) = watched(script).await;
    let mut stream = client.talk().await.unwrap();
    for text in ["a", "bcd"] {
        stream.send(Note::of(text)).await.unwrap();
        stream.recv().await.unwrap().unwrap();
    }
    assert!(!ours.0.is_empty(), "events are told as they happen");
    stream.close().await.unwrap();
    assert_eq!(stream.recv().await.unwrap(), None);
    assert_eq!(stream.recv().await.unwrap(), None);
    drop(stream);
    let want = ["started Talk", "open", "sent 9", "received 9", "header h", "sent 11", "received 11", "over: ok"];
    let last = "finished: ok; sent 2 of 20 B, received 2 of 20 B";
    let mut seen = ours.call().await;
    assert_eq!(seen.pop().as_deref(), Some(last));
    // The header is told when it is found: before or after the message that it came with.
    seen.sort();
    let mut sorted = want.to_vec();
    sorted.sort_unstable();
    assert_eq!(seen, sorted);
    let want = ["started Talk", "open", "received 9", "sent 9", "received 11", "sent 11", "over: ok", last];
    assert_eq!(theirs.call().await, want);
    assert!(ours.is_empty() && theirs.is_empty(), "a call finishes once");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_and_server_streams_finish_as_documented() {
    let (_served, client, mut ours, mut theirs) = watched(Script::new()).await;
    let mut upload = client.upload().await.unwrap();
    for _ in 0..3 {
        upload.send(Note::of("a")).await.unwrap();
    }
    upload.close_and_recv().await.unwrap();
    assert_eq!(ours.end().await, "finished: ok; sent 3 of 27 B, received 1 of 9 B");
    assert_eq!(theirs.end().await, "finished: ok; sent 1 of 9 B, received 3 of 27 B");

    let mut download = client.download(Note::of("2")).await.unwrap();
    while download.recv().await.unwrap().is_some() {}
    assert_eq!(ours.end().await, "finished: ok; sent 1 of 9 B, received 2 of 18 B");
    assert_eq!(theirs.end().await, "finished: ok; sent 2 of 18 B, received 1 of 9 B");
}

#[tokio::test(flavor = "multi_thread")]
async fn unary_and_ping_pong_calls_have_sizes_and_no_events() {
    let ((pen, mut theirs), (mine, mut ours)) = (diary(), diary());
    let server = Server::new().observe(pen).add(TestServiceServer::new(Handler::default()));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    for transport in [Transport::Framed, Transport::TtHeader, Transport::Http2] {
        let client =
            TestServiceClient::builder("echo").host_ports([&addr]).transport(transport).observe(mine.clone()).build();
        let client = client.unwrap();
        client.echo_ping_pong(Request { message: Some("hi".into()) }).await.unwrap();
        let want = ["started EchoPingPong", "finished: ok; sent 1 of 14 B, received 1 of 14 B"];
        assert_eq!(
            (ours.call().await, theirs.call().await),
            (want.map(Into::into).into(), want.map(Into::into).into())
        );

        // An exception that the method declares is an answer like another.
        assert!(matches!(client.add(404, 1).await, Err(AddError::NotFound(_))));
        assert!(ours.end().await.starts_with("finished: ok; sent 1 of 23 B, received 1"));
        assert!(theirs.end().await.starts_with("finished: ok; sent 1"));

        client.echo_ping_pong(Request { message: Some("!error no".into()) }).await.unwrap_err();
        assert!(!ours.end().await.starts_with("finished: ok"));
        assert_eq!(theirs.end().await, "finished: code 13; sent 0 of 0 B, received 1 of 21 B");
        if transport == Transport::Framed {
            continue;
        }
        client.echo_ping_pong(Request { message: Some("!biz 7 no".into()) }).await.unwrap_err();
        assert!(ours.end().await.starts_with("finished: biz 7; sent 1"));
        assert!(theirs.end().await.starts_with("finished: biz 7; sent 0"));
    }
    assert!(ours.is_empty() && theirs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_finishes_once_however_it_ends() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        let Some(note) = stream.recv().await? else { return Ok(()) };
        match note.text() {
            "status" => Err(Status::new(5, "gone").into()),
            "biz" => Err(BizStatusError::new(7, "no").into()),
            "panic" => panic!("as told"),
            _ => {
                desk.say("runs");
                Err(cx.cancelled().await)
            }
        }
    });
    let ((pen, mut theirs), (mine, mut ours)) = (diary(), diary());
    let server = Server::new().exit_wait_time(Duration::ZERO).observe(pen);
    let mut served = script.serve_with(server, "127.0.0.1:0").await;
    let client = builder(&served).observe(mine).build().unwrap();
    for (how, on_client, on_server) in [
        ("status", "code 5", "code 5"),
        ("biz", "biz 7", "biz 7"),
        ("panic", "code 13", "code 13"),
        ("dropped", "dropped", "reset 8"),
        ("receiver dropped", "dropped", "reset 8"),
        ("finished", "ok", "reset 8"),
        ("finished with an error", "code 9", "reset 8"),
        ("deadline", "code 4", "code 4"),
    ] {
        let call = client.talk();
        let call = if how == "deadline" { call.timeout(Duration::from_millis(200)) } else { call };
        let mut stream = call.await.unwrap();
        stream.send(Note::of(how)).await.unwrap();
        let is_told = matches!(how, "status" | "biz" | "panic");
        if !is_told {
            assert_eq!(served.heard().await, "runs", "{how}");
        }
        match how {
            "dropped" => drop(stream),
            "receiver dropped" => {
                let (_sender, receiver) = stream.split();
                drop(receiver);
                assert!(ours.end().await.starts_with("finished: dropped"), "{how}");
                assert!(theirs.end().await.starts_with("finished: reset 8"), "{how}");
                continue;
            }
            "finished" => stream.finish(Ok(())),
            "finished with an error" => stream.finish(Err(Status::new(9, "agreed").into())),
            _ => {
                stream.recv().await.unwrap_err();
                // The end is repeated, its finish is not.
                stream.recv().await.unwrap_err();
            }
        }
        let (on, of) = (ours.end().await, theirs.end().await);
        assert!(on.starts_with(&format!("finished: {on_client};")), "{how}: client {on}");
        // The client's deadline comes first where its reset is faster than the server's own clock.
        let is_outrun = how == "deadline" && of.starts_with("finished: reset 8");
        assert!(is_outrun || of.starts_with(&format!("finished: {on_server}")), "{how}: server {of}");
        assert!(ours.is_empty() && theirs.is_empty(), "{how}");
    }
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of("server stops")).await.unwrap();
    assert_eq!(served.heard().await, "runs");
    within(served.running.shutdown()).await;
    stream.recv().await.unwrap_err();
    let (on, of) = (ours.end().await, theirs.end().await);
    assert!(on.starts_with("finished: code ") && of.starts_with("finished: Shutdown"), "{on} {of}");
}

#[tokio::test]
async fn a_call_that_is_not_made_finishes_too() {
    let (mine, mut ours) = diary();
    let client = EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]).observe(mine).build().unwrap();
    client.talk().await.unwrap_err();
    assert_eq!(
        ours.call().await,
        ["started Talk", "over: code 14", "finished: code 14; sent 0 of 0 B, received 0 of 0 B"]
    );
    client.ask(Note::of("a")).await.unwrap_err();
    assert_eq!(ours.call().await[0], "started Ask");

    // Nor is one whose stream was there before it failed, by its request or by a layer; how it failed is told, once.
    let served = Script::new().serve().await;
    let (mine, mut ours) = diary();
    let late = layer(|cx, args, next| {
        Box::pin(async move {
            let reply = next.run(&cx, args).await?;
            if cx.method() == "Talk" { Err(Status::new(9, "too late").into()) } else { Ok(reply) }
        })
    });
    let client = builder(&served).observe(mine).layer(late).build().unwrap();
    client.download(Note::nested(100)).await.unwrap_err();
    assert!(ours.end().await.starts_with("finished: code 13; sent 0"));
    client.talk().await.unwrap_err();
    assert!(ours.end().await.starts_with("finished: code 9; sent 0"));
    assert!(ours.is_empty());

    let served = Script::new()
        .ask(|desk, _, note| async move {
            desk.wait().await;
            Ok(note)
        })
        .serve()
        .await;
    let (mine, mut ours) = diary();
    let client = builder(&served).observe(mine).build().unwrap();
    let mut asking = Box::pin(client.ask(Note::of("a")).into_future());
    tokio::select! {
        biased;
        _ = &mut asking => panic!("no one answers"),
        started = ours.0.recv() => assert_eq!(started.as_deref(), Some("started Ask")),
    }
    drop(asking);
    assert!(ours.end().await.starts_with("finished: dropped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_takes_the_events_away_or_all() {
    for (level, want) in [
        (StatsLevel::Disabled, &[][..]),
        (StatsLevel::Base, &["started Upload", "finished: ok; sent 0 of 0 B, received 1 of 9 B"]),
    ] {
        let served = Script::new().serve().await;
        let (mine, mut ours) = diary();
        let client = builder(&served).observe(mine).stats_level(level).build().unwrap();
        client.upload().await.unwrap().close_and_recv().await.unwrap();
        let seen = if want.is_empty() { Vec::new() } else { ours.call().await };
        assert_eq!(seen, want);
        assert!(ours.is_empty());
    }
}

#[tokio::test]
async fn a_trace_goes_down_the_chain_over_every_transport_that_carries_it() {
    // Spans need a subscriber that takes them, or else they have no fields; ids travel all the same.
    let _guard = tracing::subscriber::set_default(
        tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_writer(std::io::sink)),
    );
    let server = Server::new().observe(Tracing::new()).add(TestServiceServer::new(Handler::default()));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    for (transport, carries) in [(Transport::Http2, true), (Transport::TtHeader, true), (Transport::Framed, false)] {
        let client =
            TestServiceClient::builder("echo").host_ports([&addr]).transport(transport).observe(Tracing::new());
        let client = client.build().unwrap();
        let said = client.echo_ping_pong(Request { message: Some("!meta".into()) }).await.unwrap().message.unwrap();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let by_metainfo = &said["transient"]["TRACEPARENT"];
        assert_eq!(by_metainfo.is_string(), carries, "{transport:?}: {said}");
        if transport == Transport::Http2 {
            assert_eq!(said["metadata"]["traceparent"][0], *by_metainfo);
        }
    }
}

#[tokio::test]
async fn metrics_count_calls_and_messages() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let page = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let served = Script::new().talk(|_, _, _| async { Err(BizStatusError::new(7, "no").into()) }).serve().await;
    let client = builder(&served).observe(Metrics::new()).build().unwrap();
    client.ask(Note::of("a")).await.unwrap();
    let mut download = client.download(Note::of("3")).await.unwrap();
    while download.recv().await.unwrap().is_some() {}
    client.talk().await.unwrap().recv().await.unwrap_err();
    let running = client.talk().await.unwrap();
    let page = page.render();
    drop(running);
    for line in [
        r#"thrill_calls_started_total{side="client",service="Edge",method="Ask"} 1"#,
        r#"thrill_calls_finished_total{side="client",service="Edge",method="Ask",result="ok",code="0"} 1"#,
        r#"thrill_calls_finished_total{side="client",service="Edge",method="Talk",result="biz",code="7"} 1"#,
        r#"thrill_calls_in_progress{side="client",service="Edge",method="Talk"} 1"#,
        r#"thrill_calls_in_progress{side="client",service="Edge",method="Download"} 0"#,
        r#"thrill_messages_sent_total{side="client",service="Edge",method="Ask"} 1"#,
        r#"thrill_messages_received_total{side="client",service="Edge",method="Download"} 3"#,
        r#"thrill_message_received_bytes_sum{side="client",service="Edge",method="Download"} 27"#,
        r#"thrill_call_duration_seconds_count{side="client",service="Edge",method="Talk"} 1"#,
    ] {
        assert!(page.lines().any(|it| it == line), "no line {line} in\n{page}");
    }
}
