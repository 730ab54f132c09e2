//! When meta handlers read and write, for each kind of call.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};

use thrill::middleware::{MetaHandler, layer};
use thrill::{Context, Error, Result, Server, Status, Transport};
use thrill_tests::contract::{TestServiceClient, TestServiceServer};
use thrill_tests::handler::Handler;

use crate::public_api::{EdgeStreamClient, Note, Script, at_once, within};

/// Writes down when it runs; writes a header, and reads the other side's.
#[derive(Clone)]
struct Meta(&'static str, Arc<Mutex<Vec<String>>>);

impl Meta {
    fn of(name: &'static str) -> Self {
        Self(name, Arc::default())
    }

    fn say(&self, text: String) {
        self.1.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.1.lock().unwrap())
    }
}

impl MetaHandler for Meta {
    fn read(&self, cx: &Context) -> Result<()> {
        let header = if cx.destination().is_some() { cx.header() } else { cx.metadata().clone() };
        let said = header.get("x-meta").unwrap_or_default().into_owned();
        self.say(format!("{} reads {said:?} of {}", self.0, cx.method()));
        if said == "refuse" { Err(Status::new(9, "refused by what it read").into()) } else { Ok(()) }
    }

    fn write(&self, cx: &Context) -> Result<()> {
        self.say(format!("{} writes for {}", self.0, cx.method()));
        let said = cx.extension::<String>().unwrap_or_default();
        if said == "fail" {
            return Err(Status::new(9, "refused to write").into());
        }
        if cx.destination().is_some() { cx.append_metadata("x-meta", said) } else { cx.set_header("x-meta", said) }
    }
}

/// Says what the handlers of a call are to say.
async fn serve(meta: &Meta, said: &'static str) -> crate::public_api::Served {
    let say = layer(move |cx, args, next| {
        Box::pin(async move {
            cx.insert(said.to_owned());
            next.run(&cx, args).await
        })
    });
    Script::new().serve_with(Server::new().meta_handler(meta.clone()).layer(say), "127.0.0.1:0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_headers_are_written_before_its_first_message_and_read_when_they_come() {
    let (ours, theirs) = (Meta::of("client"), Meta::of("server"));
    let served = serve(&theirs, "theirs").await;
    let client =
        EdgeStreamClient::builder("edge").host_ports([&served.addr]).meta_handler(ours.clone()).build().unwrap();

    let mut talk = client.talk().extension("ours".to_owned()).await.unwrap();
    assert_eq!(ours.take(), ["client writes for Talk"]);
    talk.send(Note::of("a")).await.unwrap();
    assert_eq!(within(talk.recv()).await.unwrap(), Some(Note::of("a")));
    assert_eq!(theirs.take(), [r#"server reads "ours" of Talk"#, "server writes for Talk"]);
    assert_eq!(ours.take(), [r#"client reads "theirs" of Talk"#]);
    assert_eq!(talk.header().await.unwrap().get("x-meta").as_deref(), Some("theirs"));
    assert_eq!(talk.context().header().get("x-meta").as_deref(), Some("theirs"));
    talk.send(Note::of("b")).await.unwrap();
    within(talk.recv()).await.unwrap();
    talk.close().await.unwrap();
    assert_eq!(within(talk.recv()).await.unwrap(), None);
    assert_eq!((ours.take(), theirs.take()), (Vec::new(), Vec::new()));

    // Without a message, when the handler is done.
    let mut download = client.download(Note::default()).await.unwrap();
    assert_eq!(within(download.recv()).await.unwrap(), None);
    assert_eq!(theirs.take(), [r#"server reads "" of Download"#, "server writes for Download"]);
    assert_eq!(ours.take(), ["client writes for Download", r#"client reads "theirs" of Download"#]);

    // Unary over a stream as it was.
    within(client.ask(Note::default()).into_future()).await.unwrap();
    assert_eq!(theirs.take(), [r#"server reads "" of Ask"#, "server writes for Ask"]);
    assert_eq!(ours.take(), ["client writes for Ask", r#"client reads "theirs" of Ask"#]);
    served.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_meta_handler_refuses_ends_a_stream() {
    let (ours, theirs) = (Meta::of("client"), Meta::of("server"));
    let served = serve(&theirs, "fail").await;
    let mut talk = served.client().talk().await.unwrap();
    talk.send(Note::default()).await.unwrap();
    let err = within(talk.recv()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 9 desc = refused to write");
    served.running.shutdown().await;

    let served = serve(&theirs, "refuse").await;
    let client =
        EdgeStreamClient::builder("edge").host_ports([&served.addr]).meta_handler(ours.clone()).build().unwrap();
    let mut talk = client.talk().await.unwrap();
    talk.send(Note::default()).await.unwrap();
    for _ in 0..2 {
        let err = within(talk.recv()).await.unwrap_err();
        assert_eq!(err.to_string(), "rpc error: code = 9 desc = refused by what it read");
    }
    assert!(matches!(talk.end(), Some(Err(Error::Status(_)))) && talk.send(Note::default()).await.is_err());
    served.running.shutdown().await;

    // A call that fails by itself has nothing to be read.
    ours.take();
    let script = Script::new().talk(|_, _, _| async { Err(Error::new("no")) });
    let served = script.serve().await;
    let client =
        EdgeStreamClient::builder("edge").host_ports([&served.addr]).meta_handler(ours.clone()).build().unwrap();
    let err = at_once(client.talk().await.unwrap().recv()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 13 desc = no [biz error]");
    assert_eq!(ours.take(), ["client writes for Talk"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_oneway_call_is_written_on_both_sides_and_read_by_its_server() {
    let (ours, theirs) = (Meta::of("client"), Meta::of("server"));
    let server = Server::new().meta_handler(theirs.clone()).add(TestServiceServer::new(Handler::default()));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    for transport in [Transport::TtHeaderFramed, Transport::Http2] {
        let client = TestServiceClient::builder("echo").host_ports([server.local_address().to_string()]);
        let client = client.transport(transport).meta_handler(ours.clone()).build().unwrap();
        within(client.notify("x".to_owned()).into_future()).await.unwrap();
        assert_eq!(ours.take(), ["client writes for Notify"], "{transport:?}");
        within(async {
            while theirs.1.lock().unwrap().len() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(theirs.take(), [r#"server reads "" of Notify"#, "server writes for Notify"], "{transport:?}");
    }
    server.shutdown().await;
}
