//! Streams over HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use thrill::{Error, Metadata, Result};

use super::{Case, Verdict, want, want_error};
use crate::contract::{Everything, Inner, Mood, Request, Response, Shape, TestServiceStreamClient as Client};

macro_rules! cases {
    ($($name:literal => $run:ident,)*) => {
        /// The group `grpc`.
        pub const CASES: &[Case] = &[$(Case { name: $name, run: |addr| Box::pin($run(addr)) },)*];
    };
}

cases! {
    "grpc.bidi" => bidi,
    "grpc.duplex" => duplex,
    "grpc.absent" => absent,
    "grpc.client" => client_stream,
    "grpc.server" => server_stream,
    "grpc.count" => count,
    "grpc.unary" => unary,
    "grpc.large" => large,
    "grpc.everything" => everything,
    "grpc.error" => error,
    "grpc.status" => status,
    "grpc.status.text" => status_text,
    "grpc.biz" => biz,
    "grpc.biz.server" => biz_server,
    "grpc.panic" => panic,
    "grpc.return" => early_return,
    "grpc.headers" => headers,
    "grpc.meta" => meta,
    "grpc.deadline" => deadline,
    "grpc.cancel" => cancel,
    "grpc.many" => many,
}

fn connect(addr: &str) -> Result<Client> {
    Client::builder("kitex-peer").host_ports([addr]).caller("thrill-client").build()
}

/// A request with this text.
pub(super) fn say(text: impl Into<String>) -> Request {
    Request { message: Some(text.into()) }
}

/// The text of a response that must have come.
pub(super) fn text(response: Option<Response>) -> Result<String, Error> {
    let response = response.ok_or_else(|| Error::new("the stream ended before a response"))?;
    response.message.ok_or_else(|| Error::new("a response without a message"))
}

/// Opens a stream and exchanges one message.
async fn echo_once(client: &Client, message: &str) -> Result<String> {
    let mut stream = client.echo().await?;
    stream.send(say(message)).await?;
    let reply = text(stream.recv().await?)?;
    stream.close().await?;
    match stream.recv().await? {
        None => Ok(reply),
        Some(more) => Err(Error::new(format!("after close: got {more:?}, want the end"))),
    }
}

async fn bidi(addr: String) -> Verdict {
    let mut stream = connect(&addr)?.echo().await?;
    for number in 0..100 {
        stream.send(say(number.to_string())).await?;
        want("echo", text(stream.recv().await?)?, number.to_string())?;
    }
    stream.close().await?;
    want("end", stream.recv().await?, None)?;
    want("reason", stream.end().is_some_and(Result::is_ok), true)
}

async fn duplex(addr: String) -> Verdict {
    const MESSAGES: usize = 20_000;
    let (mut sender, mut receiver) = connect(&addr)?.echo().await?.split();
    let sending = tokio::spawn(async move {
        for number in 0..MESSAGES {
            sender.send(say(number.to_string())).await?;
        }
        sender.close().await
    });
    let mut got = 0;
    while let Some(response) = receiver.recv().await? {
        want("order", text(Some(response))?, got.to_string())?;
        got += 1;
    }
    sending.await??;
    want("count", got, MESSAGES)
}

async fn absent(addr: String) -> Verdict {
    let mut stream = connect(&addr)?.echo().await?;
    stream.send(say("")).await?;
    want("present and empty", stream.recv().await?, Some(Response { message: Some(String::new()) }))?;
    stream.close().await?;
    want("end", stream.recv().await?, None)
}

async fn client_stream(addr: String) -> Verdict {
    let mut stream = connect(&addr)?.echo_client().await?;
    for message in ["a", "b", "c"] {
        stream.send(say(message)).await?;
    }
    want("joined", text(Some(stream.close_and_recv().await?))?, "a,b,c")
}

async fn server_stream(addr: String) -> Verdict {
    let mut responses = connect(&addr)?.echo_server(say("hi")).await?;
    for _ in 0..3 {
        want("reply", text(responses.recv().await?)?, "hi")?;
    }
    want("end", responses.recv().await?, None)
}

async fn count(addr: String) -> Verdict {
    let mut responses = connect(&addr)?.echo_server(say("!count 50000")).await?;
    let mut got = 0;
    while let Some(response) = responses.recv().await? {
        want("order", text(Some(response))?, got.to_string())?;
        got += 1;
    }
    want("count", got, 50_000)
}

async fn unary(addr: String) -> Verdict {
    want("reply", text(Some(connect(&addr)?.echo_unary(say("one")).await?))?, "one")
}

async fn large(addr: String) -> Verdict {
    let big = "z".repeat(8 << 20);
    want("length", echo_once(&connect(&addr)?, &big).await?.len(), big.len())
}

/// A value of every type.
#[must_use]
pub fn value() -> Everything {
    let map = |values: &[i16]| [("k".to_owned(), values.iter().copied().collect())].into();
    let two = vec![Inner { id: 1, label: None }, Inner { id: 2, label: Some("two".to_owned()) }];
    let single = Everything {
        flag: true,
        tiny: -8,
        small: -1600,
        medium: 1 << 30,
        big: -1 << 62,
        ratio: 3.25,
        text: "héllo ✓".to_owned(),
        blob: Bytes::from_static(&[0, 1, 255]),
        numbers: vec![1, -2, 3],
        tags: ["a".to_owned(), "b".to_owned()].into(),
        counts: [("x".to_owned(), 1), ("y".to_owned(), -2)].into(),
        groups: [(5, two)].into(),
        inner: Inner { id: 7, label: Some("in".to_owned()) },
        shape: Some(Shape::Area(-9)),
        mood: Some(Mood::Wild),
        must: "yes".to_owned(),
        fallback: Some(9),
        nested: vec![map(&[1, 2]), std::collections::BTreeMap::new()],
        children: None,
    };
    Everything { children: Some(vec![single.clone(), single.clone()]), ..single }
}

async fn everything(addr: String) -> Verdict {
    let mut stream = connect(&addr)?.echo_everything().await?;
    stream.send(value()).await?;
    want("value", stream.recv().await?, Some(value()))?;
    stream.close().await?;
    want("end", stream.recv().await?, None)
}

async fn error(addr: String) -> Verdict {
    want_error(echo_once(&connect(&addr)?, "!error went wrong").await, "went wrong")
}

async fn status(addr: String) -> Verdict {
    let got = echo_once(&connect(&addr)?, "!status 8 too much").await;
    want("code", got.as_ref().err().map(Error::code), Some(thrill::Code(8)))?;
    want_error(got, "too much")
}

async fn status_text(addr: String) -> Verdict {
    want_error(echo_once(&connect(&addr)?, "!status 9 100% é\nline").await, "100% é\nline")
}

pub(super) fn want_biz<T: std::fmt::Debug>(got: Result<T>, code: i32, message: &str) -> Verdict {
    match got {
        Err(Error::Biz(biz)) => {
            want("code", biz.code(), code)?;
            want("text", biz.message(), message)?;
            want("extra", biz.extra().get("k").map(String::as_str), Some("v"))
        }
        other => Err(format!("not a business error: {other:?}").into()),
    }
}

async fn biz(addr: String) -> Verdict {
    want_biz(echo_once(&connect(&addr)?, "!biz 9001 not today").await, 9001, "not today")
}

async fn biz_server(addr: String) -> Verdict {
    let mut responses = connect(&addr)?.echo_server(say("!biz 9002 no")).await?;
    want_biz(responses.recv().await, 9002, "no")?;
    want_biz(responses.recv().await, 9002, "no")
}

async fn panic(addr: String) -> Verdict {
    let client = connect(&addr)?;
    want_error(echo_once(&client, "!panic boom").await, "boom")?;
    want("next", echo_once(&client, "still here").await?, "still here")
}

async fn early_return(addr: String) -> Verdict {
    let mut stream = connect(&addr)?.echo().await?;
    stream.send(say("!return")).await?;
    want("end", stream.recv().await?, None)
}

async fn headers(addr: String) -> Verdict {
    let mut stream = connect(&addr)?.echo().await?;
    stream.send(say("!headers")).await?;
    let header = stream.header().await?;
    want("reply", text(stream.recv().await?)?, "ok")?;
    stream.close().await?;
    want("end", stream.recv().await?, None)?;
    want("header", header.get("x-head").as_deref(), Some("h1"))?;
    let trailer = stream.trailer().and_then(|trailer| trailer.get("x-trail"));
    want("trailer", trailer.as_deref(), Some("t1"))
}

async fn meta(addr: String) -> Verdict {
    let mut metadata = Metadata::new();
    metadata.append_bin("x-raw-bin", [0, 255])?;
    let client = connect(&addr)?;
    let call = client.echo().transient("TRACE_ID", "t-1").persistent("TENANT", "p-1");
    let mut stream = call.metadata("x-mine", "m-1").metadata("x-mine", "m-2").metadata_all(&metadata).await?;
    stream.send(say("!meta")).await?;
    let seen: Value = serde_json::from_str(&text(stream.recv().await?)?)?;
    stream.close().await?;
    want("end", stream.recv().await?, None)?;
    want("transient", &seen["transient"]["TRACE_ID"], "t-1")?;
    want("persistent", &seen["persistent"]["TENANT"], "p-1")?;
    want("metadata", seen["metadata"]["x-mine"].clone(), serde_json::json!(["m-1", "m-2"]))?;
    want("caller", &seen["caller"], "thrill-client")?;
    want("method", &seen["method"], "Echo")
}

async fn deadline(addr: String) -> Verdict {
    let client = connect(&addr)?;
    let mut stream = client.echo().timeout(Duration::from_millis(400)).await?;
    stream.send(say("!meta")).await?;
    let seen: Value = serde_json::from_str(&text(stream.recv().await?)?)?;
    let left = seen["deadline_ms"].as_i64().unwrap_or_default();
    want("0 < deadline_ms <= 400", (1..=400).contains(&left), true)?;
    stream.send(say("!sleep 3000")).await?;
    want_error(stream.recv().await, "code = 4 desc = context deadline exceeded")?;
    want_error(stream.send(say("late")).await, "code = 4 desc = context deadline exceeded")
}

async fn cancel(addr: String) -> Verdict {
    let client = connect(&addr)?;
    let mut stream = client.echo().await?;
    stream.send(say("x")).await?;
    want("reply", text(stream.recv().await?)?, "x")?;
    let (sender, mut receiver) = stream.split();
    drop(sender);
    want_error(receiver.recv().await, "code = 1 desc = context canceled")?;
    want("next", echo_once(&client, "next").await?, "next")
}

async fn many(addr: String) -> Verdict {
    let client = connect(&addr)?;
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..500 {
        let client = client.clone();
        streams.spawn(async move { Ok::<_, Error>((number, echo_once(&client, &number.to_string()).await?)) });
    }
    while let Some(done) = streams.join_next().await {
        let (number, got) = done??;
        want("echo", got, number.to_string())?;
    }
    Ok(())
}
