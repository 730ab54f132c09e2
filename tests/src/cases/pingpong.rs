//! Ping-pong calls, over each way that they travel.

use std::collections::BTreeMap;

use serde_json::Value;
use thrill::{ClientBuilder, Error, Result, Transport};

use super::grpc::{say, text, value, want_biz};
use super::{Case, Failure, Verdict, want, want_error};
use crate::contract::{AddError, CounterClient, EverythingPingPongError, TestServiceClient as Client};

macro_rules! cases {
    ($($group:literal $way:ident: $($name:ident)*;)*) => {
        /// The groups `buffered`, `framed`, `ttheader`, `ttheaderframed`, `mux` and the case `multi`.
        pub const CASES: &[Case] = &[
            $($(Case { name: concat!($group, ".", stringify!($name)), run: |addr| Box::pin($name(addr, $way)) },)*)*
            Case { name: "multi", run: |addr| Box::pin(multi(addr)) },
        ];
    };
}

cases! {
    "buffered" buffered: echo parallel large everything throws args error panic void oneway;
    "framed" framed: echo parallel large everything throws args error panic void oneway;
    "ttheader" ttheader: echo parallel large everything throws args error panic void oneway biz meta;
    "ttheaderframed" ttheaderframed: echo parallel large everything throws args error panic void oneway biz meta;
    "mux" mux: echo parallel large everything throws args error panic void oneway biz meta;
}

type Builder = ClientBuilder<Client>;
type Way = fn(Builder) -> Builder;

fn buffered(builder: Builder) -> Builder {
    builder.transport(Transport::Buffered)
}

/// The default.
fn framed(builder: Builder) -> Builder {
    builder
}

fn ttheader(builder: Builder) -> Builder {
    builder.transport(Transport::TtHeader)
}

fn ttheaderframed(builder: Builder) -> Builder {
    builder.transport(Transport::TtHeaderFramed)
}

fn mux(builder: Builder) -> Builder {
    builder.transport(Transport::TtHeaderFramed).multiplexed(1)
}

fn connect(addr: &str, way: Way) -> Result<Client> {
    way(Client::builder("kitex-peer").host_ports([addr]).caller("thrill-client")).build()
}

async fn echo_once(client: &Client, message: &str) -> Result<String> {
    text(Some(client.echo_ping_pong(say(message)).await?))
}

async fn echo(addr: String, way: Way) -> Verdict {
    let client = connect(&addr, way)?;
    for number in 0..100 {
        want("echo", echo_once(&client, &number.to_string()).await?, number.to_string())?;
    }
    Ok(())
}

async fn parallel(addr: String, way: Way) -> Verdict {
    let client = connect(&addr, way)?;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let client = client.clone();
        calls.spawn(async move { Ok::<_, Error>((number, echo_once(&client, &number.to_string()).await?)) });
    }
    while let Some(done) = calls.join_next().await {
        let (number, got) = done??;
        want("echo", got, number.to_string())?;
    }
    Ok(())
}

async fn large(addr: String, way: Way) -> Verdict {
    let big = "z".repeat(8 << 20);
    want("length", echo_once(&connect(&addr, way)?, &big).await?.len(), big.len())
}

async fn everything(addr: String, way: Way) -> Verdict {
    let client = connect(&addr, way)?;
    want("value", client.everything_ping_pong(value()).await?, value())?;
    let missing = crate::contract::Everything { must: "missing".to_owned(), ..value() };
    match client.everything_ping_pong(missing).await {
        Err(EverythingPingPongError::NotFound(not_found)) => want("what", not_found.what.as_str(), "everything"),
        other => Err(format!("not the declared exception: {other:?}").into()),
    }
}

async fn throws(addr: String, way: Way) -> Verdict {
    match connect(&addr, way)?.add(404, 1).await {
        Err(AddError::NotFound(not_found)) => {
            want("what", not_found.what.as_str(), "404")?;
            want("code", not_found.code, Some(4))
        }
        other => Err(format!("not the declared exception: {other:?}").into()),
    }
}

async fn args(addr: String, way: Way) -> Verdict {
    want("sum", connect(&addr, way)?.add(40, 2).await?, 42)
}

async fn error(addr: String, way: Way) -> Verdict {
    let got = connect(&addr, way)?.add(500, 1).await;
    let is_internal = matches!(&got, Err(AddError::Error(Error::Application(exception))) if exception.kind == 6);
    want("an exception of kind 6", is_internal, true)?;
    want_error(got, "biz error: add failed")
}

async fn panic(addr: String, way: Way) -> Verdict {
    let client = connect(&addr, way)?;
    want_error(echo_once(&client, "!panic boom").await, "boom")?;
    want("next", echo_once(&client, "x").await?, "x")
}

async fn void(addr: String, way: Way) -> Verdict {
    Ok(connect(&addr, way)?.nothing().await?)
}

async fn oneway(addr: String, way: Way) -> Verdict {
    let client = connect(&addr, way)?;
    let count = async || Ok::<i64, Failure>(echo_once(&client, "!notified").await?.parse()?);
    let before = count().await?;
    client.notify("hey".to_owned()).await?;
    // Others may notify meanwhile; the case's time bounds this.
    while count().await? <= before {
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn biz(addr: String, way: Way) -> Verdict {
    let got = connect(&addr, way)?.add(600, 1).await.map_err(|err| match err {
        AddError::Error(err) => err,
        AddError::NotFound(not_found) => Error::new(not_found),
    });
    want_biz(got, 600, "add refused")
}

async fn meta(addr: String, way: Way) -> Verdict {
    let client = connect(&addr, way)?;
    let call = client.echo_ping_pong(say("!meta")).transient("TRACE_ID", "t-1").persistent("TENANT", "p-1");
    let seen: Value = serde_json::from_str(&text(Some(call.await?))?)?;
    want("transient", &seen["transient"]["TRACE_ID"], "t-1")?;
    want("persistent", &seen["persistent"]["TENANT"], "p-1")?;
    want("caller", &seen["caller"], "thrill-client")?;
    want("method", &seen["method"], "EchoPingPong")?;
    let reply = client.echo_ping_pong(say("!backward")).with_metadata().await?;
    let expected: BTreeMap<_, _> = [("reply-key".to_owned(), "reply-value".to_owned())].into();
    want("backward", reply.backward, expected)
}

/// A second service on the same port.
async fn multi(addr: String) -> Verdict {
    let builder = CounterClient::builder("kitex-peer").host_ports([addr]).transport(Transport::TtHeaderFramed);
    let client = builder.build()?;
    let before = client.increment(1).await?;
    want("total", client.increment(2).await?, before + 2)
}
