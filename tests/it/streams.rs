//! The four kinds of streams, as handlers and callers see them.

use std::pin::Pin;

use futures_util::{FutureExt as _, SinkExt, StreamExt as _, TryStreamExt as _, stream};
use thrill::{
    BidiStream, BizStatusError, Code, Context, Error, Metadata, Receiver, Result, Sender, Server, Status, Thrift,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::public_api::{EdgeStreamClient, Note, Script, Talk, assert_error, at_once, within};

/// How handlers end when they are told to.
fn outcome(how: &str) -> Result<()> {
    match how {
        "status" => Err(Status::new(5, "gone").into()),
        "biz" => Err(BizStatusError::new(404, "not today").with_extra("k", "v").into()),
        "error" => Err(Error::new("went wrong")),
        "panic" => panic!("boom"),
        _ => Ok(()),
    }
}

/// What callers see of each outcome that is a failure.
const FAILURES: [(&str, i32, &str); 4] = [
    ("status", 5, "rpc error: code = 5 desc = gone [biz error]"),
    ("biz", 13, "biz error: code=404, msg=not today"),
    ("error", 13, "rpc error: code = 13 desc = went wrong [biz error]"),
    ("panic", 13, "please check the panic at the server side] boom"),
];

/// A script whose handlers end as the first note says.
fn obedient() -> Script {
    Script::new()
        .talk(|_, _, mut stream| async move {
            let note = stream.recv().await?.unwrap_or_default();
            outcome(note.text())
        })
        .upload(|_, _, mut notes| async move {
            let note = notes.recv().await?.unwrap_or_default();
            outcome(note.text()).map(|()| note)
        })
        .download(|_, _, (note, _)| async move { outcome(note.text()) })
        .ask(|_, _, note| async move { outcome(note.text()).map(|()| note) })
}

/// The error with which a call of each kind ends.
async fn ends(client: &EdgeStreamClient, how: &str) -> [Error; 4] {
    let note = Note::of(how);
    let mut talk = client.talk().await.unwrap();
    talk.send(note.clone()).await.unwrap();
    let mut upload = client.upload().await.unwrap();
    upload.send(note.clone()).await.unwrap();
    let mut download = client.download(note.clone()).await.unwrap();
    [
        talk.recv().await.unwrap_err(),
        upload.close_and_recv().await.unwrap_err(),
        download.recv().await.unwrap_err(),
        client.ask(note).await.unwrap_err(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_ends_with_its_handlers_error() {
    let served = obedient().serve().await;
    let client = served.client();
    for (how, code, text) in FAILURES {
        for err in within(ends(&client, how)).await {
            assert_eq!(err.code(), Code(code), "{err}");
            assert!(err.to_string().contains(text), "{how}: {err}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_error_arrives_whole_in_every_kind() {
    let served = obedient().serve().await;
    for err in within(ends(&served.client(), "biz")).await {
        let Error::Biz(biz) = err else { panic!("not a business error: {err}") };
        assert_eq!((biz.code(), biz.message()), (404, "not today"));
        assert_eq!(biz.extra().iter().collect::<Vec<_>>(), [(&"k".to_owned(), &"v".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_stream_is_repeated_with_its_reason() {
    let served = obedient().serve().await;
    let client = served.client();
    for (how, _, text) in FAILURES {
        let mut stream = client.talk().await.unwrap();
        stream.send(Note::of(how)).await.unwrap();
        assert!(stream.end().is_none(), "it runs");
        for _ in 0..3 {
            let err = within(stream.recv()).await.unwrap_err().to_string();
            assert!(err.contains(text), "{err}");
        }
        let end = stream.end().unwrap().as_ref().unwrap_err().to_string();
        assert!(end.contains(text), "{end}");
        let send = stream.send(Note::default()).await.unwrap_err().to_string();
        assert_eq!(send, end, "a send fails with what ended the stream");
        assert!(within(stream.next()).await.is_none(), "a Rust stream does not repeat an error");
    }
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of("ok")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(within(stream.recv()).await.unwrap(), None);
    }
    assert!(stream.end().is_some_and(Result::is_ok));
    assert_error(stream.send(Note::default()).await, 13, "the stream is done");
    assert!(within(stream.next()).await.is_none());
    stream.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_after_close_says_so_on_both_sides() {
    let script = Script::new().talk(|desk, _, mut stream| async move {
        stream.close().await?;
        stream.close().await?;
        desk.say(stream.send(Note::default()).await.unwrap_err().to_string());
        while stream.recv().await?.is_some() {}
        Ok(())
    });
    let mut served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    assert!(served.heard().await.contains("`send` after `close`"));
    stream.close().await.unwrap();
    stream.close().await.unwrap();
    assert_error(stream.send(Note::default()).await, 13, "`send` after `close`");
    assert_eq!(within(stream.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_sinks_carry_notes_in_order() {
    let script = Script::new()
        .talk(|_, _, stream| async move {
            let (sender, receiver) = stream.split();
            receiver.forward(sender).await
        })
        .upload(|_, _, notes| async move {
            let texts = notes.map_ok(|note| note.text().to_owned()).try_collect::<Vec<_>>().await?;
            Ok(Note::of(texts.join(",")))
        });
    let served = script.serve().await;
    let client = served.client();
    let notes = || stream::iter(0..1000).map(|number| Ok(Note::of(number.to_string())));

    let (mut sender, receiver) = client.talk().await.unwrap().split();
    let sending = tokio::spawn(async move {
        sender.send_all(&mut notes()).await?;
        sender.close().await
    });
    let got = within(receiver.map_ok(|note| note.text().to_owned()).try_collect::<Vec<_>>()).await.unwrap();
    assert_eq!(got, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
    within(sending).await.unwrap().unwrap();

    let mut both = client.talk().await.unwrap();
    both.send_all(&mut notes().take(3)).await.unwrap();
    SinkExt::close(&mut both).await.unwrap();
    assert_eq!(within(both.try_collect::<Vec<_>>()).await.unwrap(), ["0", "1", "2"].map(Note::of));

    let mut upload = client.upload().await.unwrap();
    within(upload.send_all(&mut notes().take(3))).await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), Note::of("0,1,2"));
}

/// The halves that a caller keeps.
struct Kept(Option<Sender<Note>>, Option<Receiver<Note>>);

type Drops = fn(Talk) -> Kept;

fn closed(mut stream: Talk) -> (Sender<Note>, Receiver<Note>) {
    stream.close().now_or_never().unwrap().unwrap();
    stream.split()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_drops_cancels_the_handler_at_once() {
    let rows: [(&str, Drops); 5] = [
        ("the stream", |stream| {
            drop(stream);
            Kept(None, None)
        }),
        ("the sender", |stream| Kept(None, Some(stream.split().1))),
        ("the receiver", |stream| Kept(Some(stream.split().0), None)),
        ("the receiver after close", |stream| Kept(Some(closed(stream).0), None)),
        ("both after close", |stream| {
            drop(closed(stream));
            Kept(None, None)
        }),
    ];
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        let note = stream.recv().await?.unwrap_or_default();
        desk.say("waiting");
        let err = match note.text() {
            "recv" => loop {
                match stream.recv().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break cx.cancelled().await,
                    Err(err) => break err,
                }
            },
            "send" => loop {
                if let Err(err) = stream.send(Note::of_size(64 << 10)).await {
                    break err;
                }
            },
            _ => cx.cancelled().await,
        };
        desk.say(err.to_string());
        desk.say(format!("{:?}", cx.cancelled().await));
        Ok(())
    });
    let mut served = script.serve().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).caller("it").build().unwrap();
    for (what, drops) in rows {
        for waits in ["recv", "send", "cancelled"] {
            let mut stream = client.talk().await.unwrap();
            stream.send(Note::of(waits)).await.unwrap();
            assert_eq!(served.heard().await, "waiting", "{what}, {waits}");
            let kept = drops(stream);
            let want = "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: CANCEL [triggered by it]";
            assert_eq!(served.heard_at_once().await, want, "{what}, {waits}");
            let cause = served.heard_at_once().await;
            assert!(cause.contains("ByPeer { code: 8"), "{what}, {waits}: {cause}");
            if let Kept(Some(mut sender), _) = kept {
                assert_error(sender.send(Note::default()).await, 1, "the receiving half was dropped");
            } else if let Kept(_, Some(mut receiver)) = kept {
                // What came before is still there.
                let end = within(async {
                    while receiver.recv().await?.is_some() {}
                    Ok::<_, Error>(())
                });
                assert_error(end.await, 1, "context canceled: the sending half was dropped");
                assert!(receiver.end().unwrap().is_err());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_call_of_any_kind_reaches_its_handler() {
    let script = Script::new()
        .upload(|desk, cx, _notes| async move {
            desk.say("running");
            let err = cx.cancelled().await;
            desk.say(err.to_string());
            Err(err)
        })
        .download(|desk, cx, _| async move {
            desk.say("running");
            desk.say(cx.cancelled().await.to_string());
            Ok(())
        })
        .ask(|desk, cx, note| async move {
            desk.say("running");
            desk.say(cx.cancelled().await.to_string());
            Ok(note)
        });
    let mut served = script.serve().await;
    let client = served.client();
    for kind in ["upload", "download", "unary"] {
        match kind {
            "upload" => {
                let _stream = client.upload().await.unwrap();
                assert_eq!(served.heard().await, "running");
            }
            "download" => {
                let _notes = client.download(Note::default()).await.unwrap();
                assert_eq!(served.heard().await, "running");
            }
            _ => tokio::select! {
                _ = client.ask(Note::default()) => panic!("nothing answers"),
                text = served.heard() => assert_eq!(text, "running"),
            },
        }
        let cause = served.heard_at_once().await;
        assert!(cause.contains("error code: CANCEL"), "{kind}: {cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_that_has_ended_is_dropped_without_harm() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        let mut count = 0;
        while let Some(note) = stream.recv().await? {
            count += 1;
            stream.send(note).await?;
        }
        desk.wait().await;
        desk.say(format!("{count} {}", cx.is_cancelled()));
        Ok(())
    });
    let mut served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    stream.send(Note::of("a")).await.unwrap();
    let (sender, mut receiver) = closed(stream);
    drop(sender);
    assert_eq!(within(receiver.recv()).await.unwrap(), Some(Note::of("a")));
    served.let_go(1);
    assert_eq!(within(receiver.recv()).await.unwrap(), None);
    assert_eq!(served.heard().await, "1 false");
    drop(receiver);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_for_a_receiver_that_the_handler_dropped_is_thrown_away() {
    let script = Script::new().talk(|desk, _, stream| async move {
        let (mut sender, receiver) = stream.split();
        drop(receiver);
        desk.say("dropped");
        desk.wait().await;
        sender.send(Note::of("done")).await
    });
    let mut served = script.serve().await;
    let (mut sender, mut receiver) = served.client().talk().await.unwrap().split();
    assert_eq!(served.heard().await, "dropped");
    at_once(async {
        // Less than the window: beyond it, the client would wait for the handler's return.
        for _ in 0..12 {
            sender.send(Note::of_size(64 << 10)).await.unwrap();
        }
    })
    .await;
    sender.close().await.unwrap();
    served.let_go(1);
    assert_eq!(within(receiver.recv()).await.unwrap(), Some(Note::of("done")));
    assert_eq!(within(receiver.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_drops_its_sender_still_ends_the_call_itself() {
    let script = Script::new().talk(|desk, _, stream| async move {
        let (sender, mut receiver) = stream.split();
        drop(sender);
        while receiver.recv().await?.is_some() {}
        desk.say("returns");
        Err(Error::status(9, "no answer"))
    });
    let mut served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    stream.send(Note::of("a")).await.unwrap();
    assert!(stream.recv().now_or_never().is_none(), "nothing ends while the handler runs");
    stream.close().await.unwrap();
    assert_error(within(stream.recv()).await, 9, "no answer");
    assert_eq!(served.heard().await, "returns");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_return_while_its_caller_sends() {
    let script = Script::new()
        .talk(|_, _, mut stream| async move {
            let note = stream.recv().await?.unwrap_or_default();
            stream.send(note).await
        })
        .upload(|_, _, mut notes| async move { Ok(notes.recv().await?.unwrap_or_default()) });
    let served = script.serve().await;
    let client = served.client();
    let big = Note::of_size(64 << 10);

    let mut stream = client.talk().await.unwrap();
    stream.send(Note::of("a")).await.unwrap();
    let failed = at_once(async {
        while stream.send(big.clone()).await.is_ok() {}
        stream.send(big.clone()).await
    });
    assert_eq!(failed.await.unwrap_err().code(), Code::INTERNAL);
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("a")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    assert_error(stream.send(big.clone()).await, 13, "the stream is done");

    let mut stream = client.upload().await.unwrap();
    stream.send(Note::of("b")).await.unwrap();
    let failed = at_once(async {
        while stream.send(big.clone()).await.is_ok() {}
        stream.send(big.clone()).await
    });
    assert_error(failed.await, 13, "the stream is done");
    assert_eq!(within(stream.close_and_recv()).await.unwrap(), Note::of("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_own_stream_alone() {
    let script = Script::new().ask(|_, _, note| async move { outcome(note.text()).map(|()| note) });
    let served = script.serve().await;
    let client = served.client();
    let mut other = client.talk().await.unwrap();
    for number in 0..10 {
        let want = "panic: [happened in biz handler, method=Edge.Ask, please check the panic at the server side] boom";
        let got = within(client.ask(Note::of("panic")).into_future()).await;
        assert_error(got, 13, want);
        other.send(Note::of(number.to_string())).await.unwrap();
        assert_eq!(within(other.recv()).await.unwrap(), Some(Note::of(number.to_string())));
    }
    other.close().await.unwrap();
    assert_eq!(within(other.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_that_outlive_their_handler_are_over() {
    let (taken, mut halves) = mpsc::unbounded_channel();
    let script = Script::new().talk(move |_, _, mut stream| {
        let taken = taken.clone();
        async move {
            stream.send(Note::of("before")).await?;
            taken.send(stream.split()).map_err(|_| Error::new("the test has ended"))
        }
    });
    let served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("before")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    let (mut sender, mut receiver) = within(halves.recv()).await.unwrap();
    assert_error(within(sender.send(Note::default())).await, 1, "canceled by business handler returning");
    assert_error(within(sender.flush()).await, 1, "canceled by business handler returning");
    assert_error(within(receiver.recv()).await, 1, "canceled by business handler returning");
    assert!(receiver.end().unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_messages_is_a_stream() {
    let served = Script::new().serve().await;
    let client = served.client();
    assert_eq!(within(client.upload().await.unwrap().close_and_recv()).await.unwrap(), Note::of("0"));
    let mut stream = client.talk().await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    let mut notes = client.download(Note::of("0")).await.unwrap();
    assert_eq!(within(notes.recv()).await.unwrap(), None);
    // A message that is empty is a message.
    let mut stream = client.talk().await.unwrap();
    stream.send(Note::default()).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_before_the_error_that_follows_them() {
    let script = Script::new()
        .download(|_, _, (note, mut notes)| async move {
            for number in 0..1000 {
                notes.send(Note::of(number.to_string())).await?;
            }
            outcome(note.text())
        })
        .upload(|_, _, _| async move { Err(Error::status(8, "before anything was read")) });
    let served = script.serve().await;
    let client = served.client();
    for (how, code, text) in FAILURES {
        let mut notes = client.download(Note::of(how)).await.unwrap();
        for number in 0..1000 {
            assert_eq!(within(notes.recv()).await.unwrap(), Some(Note::of(number.to_string())), "{how}");
        }
        assert_error(within(notes.recv()).await, code, text);
    }
    let stream = client.upload().await.unwrap();
    assert_error(within(stream.close_and_recv()).await, 8, "before anything was read");
}

fn answer(cx: &Context) -> Result<()> {
    cx.set_header("x-list", "1")?;
    cx.set_header("x-list", "é")?;
    let mut trailer = Metadata::new();
    trailer.append_bin("x-raw-bin", [0, 255])?;
    trailer.append("x-trail", "t")?;
    cx.set_trailers(&trailer)
}

#[track_caller]
fn assert_answer(header: &Metadata, trailer: &Metadata) {
    assert_eq!(header.get_all("x-list").collect::<Vec<_>>(), ["1", "é"]);
    assert_eq!(header.get("x-trail"), None);
    assert_eq!(trailer.get("x-trail").as_deref(), Some("t"));
    assert_eq!(trailer.get_bin("x-raw-bin").collect::<Vec<_>>(), [[0, 255].as_slice()]);
    assert_eq!(trailer.get("x-list"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_trailers_come_with_every_kind() {
    let script = Script::new()
        .talk(|_, cx, mut stream| async move {
            answer(&cx)?;
            stream.send(Note::of(cx.metadata().get("x-mine").unwrap_or_default())).await
        })
        .upload(|_, cx, _| async move { answer(&cx).map(|()| Note::of("up")) })
        .download(|_, cx, _| async move { answer(&cx) })
        .ask(|_, cx, note| async move { answer(&cx).map(|()| note) });
    let served = script.serve().await;
    let client = served.client();

    let mut stream = client.talk().metadata("x-mine", "m").await.unwrap();
    let header = within(stream.header()).await.unwrap();
    assert_eq!(stream.trailer(), None, "it runs");
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("m")));
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    assert_answer(&header, stream.trailer().unwrap());

    let mut upload = client.upload().await.unwrap().into_receiver();
    let header = within(upload.header()).await.unwrap();
    assert_eq!(within(upload.recv()).await.unwrap(), Some(Note::of("up")));
    assert_eq!(within(upload.recv()).await.unwrap(), None);
    assert_answer(&header, upload.trailer().unwrap());

    let mut download = client.download(Note::default()).await.unwrap();
    assert_eq!(within(download.recv()).await.unwrap(), None);
    assert_answer(&within(download.header()).await.unwrap(), download.trailer().unwrap());

    let answer = within(client.ask(Note::of("q")).with_metadata()).await.unwrap();
    assert_eq!(answer.message, Note::of("q"));
    assert_answer(&answer.header, &answer.trailer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_may_go_ahead_and_is_then_fixed() {
    let script = Script::new().talk(|desk, cx, mut stream| async move {
        cx.set_header("x-early", "1")?;
        cx.send_header()?;
        desk.say(cx.set_header("x-late", "2").unwrap_err().to_string());
        desk.wait().await;
        stream.send(Note::default()).await
    });
    let mut served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    assert_eq!(within(stream.header()).await.unwrap().get("x-early").as_deref(), Some("1"));
    assert!(served.heard().await.contains("sent already"));
    served.let_go(1);
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_metadata_name_fails_the_call_that_sets_it() {
    let served = Script::new().serve().await;
    let client = served.client();
    for (name, value, part) in [
        ("X-Upper", "v", "write \"x-upper\""),
        ("grpc-timeout", "1S", "belongs to the protocol"),
        ("x-bin", "v", "append_bin"),
        ("x-ok", "a\nb", "control character"),
    ] {
        assert_error(client.talk().metadata(name, value).await, 13, part);
        assert_error(client.ask(Note::default()).metadata(name, value).await, 13, part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_streams_run_at_once() {
    let served = Script::new().serve().await;
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).connection_pool_size(2);
    // All of them want the processor before the connection is made.
    let client = client.connect_timeout(std::time::Duration::from_secs(20)).build().unwrap();
    let mut opened = JoinSet::new();
    for number in 0..2000 {
        let client = client.clone();
        opened.spawn(async move {
            let mut stream = client.talk().await?;
            stream.send(Note::of(number.to_string())).await?;
            let got = stream.recv().await?;
            Ok::<_, Error>((number, got, stream))
        });
    }
    let mut streams = Vec::new();
    while let Some(opened) = within(opened.join_next()).await {
        let (number, got, stream) = opened.unwrap().unwrap();
        assert_eq!(got, Some(Note::of(number.to_string())));
        streams.push(stream);
    }
    assert_eq!(streams.len(), 2000);
    for mut stream in streams {
        stream.send(Note::of("again")).await.unwrap();
        assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("again")));
        stream.close().await.unwrap();
        assert_eq!(within(stream.recv()).await.unwrap(), None);
    }
}

/// A [`Note`] whose text must be there.
#[derive(Thrift, Clone, Debug, PartialEq, Eq)]
struct Picky {
    #[thrift(id = 1, required)]
    text: String,
}

/// What a peer with another idea of the same service has.
#[thrill::service(name = "Edge", namespace = "test", rename_all = "PascalCase")]
trait PickyEdge {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, stream: BidiStream<Picky, Picky>) -> Result<()>;
}

struct Listing;

impl PickyEdge for Listing {
    async fn talk(&self, mut stream: BidiStream<Picky, Picky>) -> Result<()> {
        loop {
            let text = match stream.recv().await {
                Ok(Some(picky)) => picky.text,
                Ok(None) => return Ok(()),
                Err(err @ Error::Decode(_)) => format!("code {}: {err}", err.code()),
                Err(err) => return Err(err),
            };
            stream.send(Picky { text }).await?;
        }
    }
}

/// Decodable, not, and decodable again.
fn mixed() -> [Note; 3] {
    [Note::of("1"), Note::default(), Note::of("3")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_does_not_decode_costs_only_itself() {
    let server = Server::new().add(PickyEdgeServer::new(Listing)).bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    let client = EdgeStreamClient::builder("edge").host_ports([addr]).build().unwrap();
    let mut stream = client.talk().await.unwrap();
    for note in mixed() {
        stream.send(note).await.unwrap();
    }
    stream.close().await.unwrap();
    let texts = within(stream.map_ok(|note| note.text().to_owned()).try_collect::<Vec<_>>()).await.unwrap();
    assert_eq!((texts.len(), texts[0].as_str(), texts[2].as_str()), (3, "1", "3"));
    assert!(texts[1].starts_with("code 7: ") && texts[1].contains("Picky") && texts[1].contains("text"), "{texts:?}");

    let script = Script::new().talk(|_, _, mut stream| async move {
        for note in mixed() {
            stream.send(note).await?;
        }
        Ok(())
    });
    let served = script.serve().await;
    let client = PickyEdgeStreamClient::builder("edge").host_ports([&served.addr]).build().unwrap();
    let got = within(client.talk().await.unwrap().collect::<Vec<_>>()).await;
    let got = got.into_iter().map(|picky| picky.map_err(|err| err.code())).collect::<Vec<_>>();
    let picky = |text: &str| Ok(Picky { text: text.to_owned() });
    assert_eq!(got, [picky("1"), Err(Code(7)), picky("3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_written_leaves_the_stream_usable() {
    let script = Script::new()
        .talk(|_, _, mut stream| async move {
            while let Some(note) = stream.recv().await? {
                let refused = stream.send(Note::nested(100)).await.unwrap_err();
                stream.send(Note::of(format!("{refused}; {}", note.text()))).await?;
            }
            Ok(())
        })
        .ask(|_, _, _| async move { Ok(Note::nested(100)) });
    let served = script.serve().await;
    let client = served.client();
    let mut stream = client.talk().await.unwrap();
    for number in ["1", "2"] {
        assert_error(stream.send(Note::nested(100)).await, 13, "more than 64 levels deep");
        assert!(stream.end().is_none());
        stream.send(Note::of(number)).await.unwrap();
        let got = within(stream.recv()).await.unwrap().unwrap();
        assert!(got.text().contains("64 levels deep") && got.text().ends_with(number), "{got:?}");
    }
    assert_error(within(client.ask(Note::default()).into_future()).await, 13, "64 levels deep");
    assert_error(client.ask(Note::nested(100)).await, 13, "64 levels deep");
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recv_that_is_dropped_while_it_waits_loses_nothing() {
    let script = Script::new().talk(|desk, _, mut stream| async move {
        desk.wait().await;
        stream.send(Note::of("late")).await
    });
    let served = script.serve().await;
    let mut stream = served.client().talk().await.unwrap();
    for _ in 0..10 {
        let mut waiting: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(stream.recv());
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    served.let_go(1);
    assert_eq!(within(stream.recv()).await.unwrap(), Some(Note::of("late")));
}
