//! Streams that layers give in place of those that go over a connection.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use thrill::middleware::{
    AnyMessage, Args, Layer, Next, RecvLayer, RecvNext, Reply, SendLayer, SendNext, Stream, layer,
};
use thrill::observe::{Event, Observe};
use thrill::{
    BidiStream, Cancelled, Context, Error, Result, Server, Stage, Status, StreamClientBuilder, StreamTimeout,
};

use crate::public_api::{EdgeStreamClient, Note, Script, assert_error, at_once, within};

type Far = BidiStream<Note, Note>;
type End = fn(Far);

/// A client without a server: its layer answers each stream by a task that has the other end.
fn mocked<F, Run>(mock: F) -> StreamClientBuilder<EdgeStreamClient>
where
    F: Fn(Far) -> Run + Clone + Send + Sync + 'static,
    Run: Future<Output = Result<()>> + Send + 'static,
{
    let mock = layer(move |cx, _, _| {
        let mock = mock.clone();
        Box::pin(async move {
            let (stream, far) = Stream::pair::<Note, Note>(&cx);
            tokio::spawn(mock(far));
            Ok(Reply::Stream(stream))
        })
    });
    EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]).layer(mock)
}

/// Sends each note back, and ends well.
async fn echo(mut far: Far) -> Result<()> {
    while let Some(note) = far.recv().await? {
        far.send(Note::of(format!("{}!", note.text()))).await?;
    }
    far.close().await
}

/// Writes down what goes by, as a layer of messages and as an observer.
#[derive(Clone, Default)]
struct Pen(Arc<Mutex<Vec<String>>>);

impl Pen {
    fn write(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[thrill::async_trait]
impl SendLayer for Pen {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        self.write(format!("=> {}", message.downcast_ref::<Note>().unwrap().text()));
        next.run(cx, message).await
    }
}

#[thrill::async_trait]
impl RecvLayer for Pen {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        let message = next.run(cx).await?;
        let note = message.as_ref().and_then(|it| it.downcast_ref::<Note>());
        self.write(format!("<= {}", note.map_or("end", Note::text)));
        Ok(message)
    }
}

impl Observe for Pen {
    fn event(&self, _: &Context, event: &Event<'_>) {
        if matches!(event, Event::Start) {
            self.write("started".into());
        }
    }

    fn finish(&self, _: &Context, end: &Result<()>) {
        self.write(format!("finished {}", end.as_ref().map_or_else(ToString::to_string, |()| "ok".into())));
    }
}

#[tokio::test]
async fn a_clients_layer_answers_every_kind_of_stream_without_a_server() {
    let client = mocked(echo).build().unwrap();
    let mut talk = client.talk().await.unwrap();
    for text in ["a", "b"] {
        talk.send(Note::of(text)).await.unwrap();
        assert_eq!(within(talk.recv()).await.unwrap(), Some(Note::of(format!("{text}!"))));
    }
    assert!(talk.header().await.unwrap().get("x").is_none() && talk.trailer().is_none());
    talk.close().await.unwrap();
    assert_eq!(
        talk.send(Note::default()).await.unwrap_err().to_string().split(':').next(),
        Some("`send` after `close`")
    );
    for _ in 0..2 {
        assert_eq!(within(talk.recv()).await.unwrap(), None);
    }
    assert!(talk.end().is_some_and(Result::is_ok) && talk.trailer().is_some());

    let notes = client.download(Note::of("one")).await.unwrap();
    assert_eq!(within(notes.try_collect::<Vec<_>>()).await.unwrap(), [Note::of("one!")]);
    let mut upload = client.upload().await.unwrap();
    upload.send(Note::of("up")).await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), Note::of("up!"));
}

#[tokio::test]
async fn the_clients_own_layers_timeouts_and_observers_are_around_such_a_stream() {
    let pen = Pen::default();
    let client = mocked(echo).send_layer(pen.clone()).recv_layer(pen.clone()).observe(pen.clone()).build().unwrap();
    let mut talk = client.talk().await.unwrap();
    talk.send(Note::of("a")).await.unwrap();
    within(talk.recv()).await.unwrap();
    talk.close().await.unwrap();
    assert_eq!(within(talk.recv()).await.unwrap(), None);
    drop(talk);
    assert_eq!(pen.take(), ["started", "=> a", "<= a!", "finished ok", "<= end"]);
    drop(client.talk().await.unwrap());
    let lines = pen.take();
    assert!(lines[1].starts_with("finished rpc error: code = 1 desc = context canceled"), "{lines:?}");

    let silent = mocked(|far| async move {
        let _far = far;
        std::future::pending().await
    });
    let client = silent.recv_timeout(Duration::from_millis(20)).build().unwrap();
    let mut talk = client.talk().await.unwrap();
    for _ in 0..2 {
        let err = at_once(talk.recv()).await.unwrap_err();
        assert!(matches!(err, Error::StreamTimeout { during: Stage::Recv, .. }), "{err:?}");
    }
    let keep = StreamTimeout { timeout: Duration::from_secs(60), disable_cancel_remote: true };
    let mut talk = client.talk().recv_timeout(keep).timeout(Duration::from_millis(20)).await.unwrap();
    assert_error(at_once(talk.recv()).await, 4, "context deadline exceeded (after 20ms");
    // Nor does a `send` wait longer, for a layer that reads nothing.
    let mut talk = client.talk().timeout(Duration::from_millis(20)).await.unwrap();
    let full = async { while talk.send(Note::of_size(9 << 10)).await.is_ok() {} };
    at_once(full).await;
    assert_error(at_once(talk.recv()).await, 4, "context deadline exceeded (after 20ms");
}

#[tokio::test]
async fn the_layers_end_of_a_stream_says_how_it_ends() {
    let ends: [(End, &str); 3] = [
        (|far| far.finish(Ok(())), "end"),
        (|far| far.finish(Err(Status::new(5, "none").into())), "rpc error: code = 5 desc = none"),
        (drop, "rpc error: code = 1 desc = context canceled: a layer dropped its end of the stream"),
    ];
    for (end, want) in ends {
        let client = mocked(move |mut far| async move {
            far.send(Note::of("last")).await?;
            end(far);
            Ok(())
        });
        let mut talk = client.build().unwrap().talk().await.unwrap();
        // What was sent before the end still comes, and the end is repeated.
        assert_eq!(within(talk.recv()).await.unwrap(), Some(Note::of("last")));
        for _ in 0..2 {
            let end = match within(talk.recv()).await {
                Ok(None) => "end".to_owned(),
                other => other.unwrap_err().to_string(),
            };
            assert_eq!(end, want);
        }
        assert!(talk.send(Note::default()).await.unwrap_err().to_string().contains("was dropped"));
    }
}

#[tokio::test]
async fn the_layers_end_hears_of_a_caller_that_has_gone() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let client = mocked(move |mut far| {
        let told = told.clone();
        async move {
            let end = loop {
                match far.recv().await {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            let sent = far.send(Note::default()).await;
            told.send(format!("{end:?} {}", sent.is_ok())).map_err(|_| Error::new("the test has ended"))
        }
    });
    let client = client.build().unwrap();
    drop(client.talk().await.unwrap());
    let lines = within(heard.recv()).await.unwrap();
    assert!(lines.starts_with("Err(Cancelled(Dropped") && lines.ends_with("false"), "{lines}");
    // A closed half is no cancellation, an unclosed one is.
    let (mut tx, rx) = client.talk().await.unwrap().split();
    tx.close().await.unwrap();
    drop(tx);
    assert_eq!(within(heard.recv()).await.unwrap(), "Ok(None) true");
    drop(rx);
    let (tx, _rx) = client.talk().await.unwrap().split();
    drop(tx);
    assert!(within(heard.recv()).await.unwrap().contains("the sending half was dropped"));
}

#[tokio::test]
async fn a_stream_of_other_types_is_the_layers_mistake() {
    let mock = layer(|cx, _, _| {
        Box::pin(async move { Ok(Reply::Stream(Stream::pair::<thrill_tests::contract::Request, Note>(&cx).0)) })
    });
    let client = EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]).layer(mock).build().unwrap();
    const WANT: &str = "a layer of Edge.";
    let mut talk = client.talk().await.unwrap();
    assert!(talk.send(Note::default()).await.unwrap_err().to_string().contains(WANT));
    let err = within(talk.recv()).await.unwrap_err().to_string();
    assert_eq!(err, "a layer of Edge.Talk gave a stream of other messages for the stream of a call");
    let mut download = client.download(Note::default()).await.unwrap();
    assert!(within(download.recv()).await.unwrap_err().to_string().contains(WANT));
    let wrong = layer(|cx, _, _| {
        Box::pin(async move { Ok(Reply::Stream(Stream::pair::<Note, thrill_tests::contract::Request>(&cx).0)) })
    });
    let client = EdgeStreamClient::builder("edge").host_ports(["127.0.0.1:1"]).layer(wrong).build().unwrap();
    assert!(client.download(Note::default()).await.unwrap_err().to_string().contains(WANT));
}

/// Gives the handler each word of a note by itself, and the client what the handler says, in capitals.
struct Words;

#[thrill::async_trait]
impl Layer for Words {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        let Args::Stream(stream) = args else { return next.run(cx, args).await };
        let (mut replies, mut notes) = stream.typed::<Note, Note>().split();
        let (own, far) = Stream::pair::<Note, Note>(cx);
        let (mut to_handler, mut from_handler) = far.split();
        let inward = async move {
            while let Some(note) = notes.recv().await? {
                for word in note.text().split(' ') {
                    to_handler.send(Note::of(word)).await?;
                }
            }
            to_handler.close().await
        };
        let outward = async move {
            while let Some(note) = from_handler.recv().await? {
                replies.send(Note::of(note.text().to_uppercase())).await?;
            }
            Result::Ok(())
        };
        let (reply, outward, _) = tokio::join!(next.run(cx, Args::Stream(own)), outward, inward);
        outward.and(reply)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_layer_gives_the_handler_another_stream() {
    let pen = Pen::default();
    let server = Server::new().layer(Words).recv_layer(pen.clone());
    let served = Script::new().serve_with(server, "127.0.0.1:0").await;
    let client = served.client();
    let mut talk = client.talk().await.unwrap();
    talk.send(Note::of("to be or not")).await.unwrap();
    for want in ["TO", "BE", "OR", "NOT"] {
        assert_eq!(within(talk.recv()).await.unwrap(), Some(Note::of(want)));
    }
    talk.close().await.unwrap();
    assert_eq!(within(talk.recv()).await.unwrap(), None);
    // The server's layers are around the messages that its handler gets.
    assert_eq!(pen.take(), ["<= to", "<= be", "<= or", "<= not", "<= end"]);
    let mut upload = client.upload().await.unwrap();
    upload.send(Note::of("a b c")).await.unwrap();
    assert_eq!(within(upload.close_and_recv()).await.unwrap(), Note::of("3"));
    let download = client.download(Note::of("3")).await.unwrap();
    assert_eq!(within(download.collect::<Vec<_>>()).await.len(), 3);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn such_a_stream_ends_with_the_call_that_it_is_a_part_of() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let silent = mocked(|far| async move {
        let _far = far;
        std::future::pending().await
    });
    let client = silent.build().unwrap();
    let front = Script::new().talk(move |desk, cx, _| {
        let (client, told) = (client.clone(), told.clone());
        async move {
            let mut talk = client.talk().context(&cx).await?;
            desk.say("waiting");
            told.send(talk.recv().await.unwrap_err()).map_err(|_| Error::new("the test has ended"))
        }
    });
    let mut front = front.serve().await;
    let stream = within(front.client().talk().into_future()).await.unwrap();
    assert_eq!(front.heard().await, "waiting");
    drop(stream);
    let Error::Cancelled(cancelled) = at_once(heard.recv()).await.unwrap() else { panic!("it is cancelled") };
    let Cancelled::Cascade { cause: Error::Cancelled(cause) } = &*cancelled else { panic!("{cancelled:?}") };
    assert!(matches!(**cause, Cancelled::ByPeer { code: 8, .. }), "{cause:?}");
    front.running.shutdown().await;
}
