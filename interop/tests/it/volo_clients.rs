//! Volo's client against this server.

use std::net::SocketAddr;

use thrill_interop::volo::{
    Everything, Inner, Mood, NotFound, Request, Shape, TestServiceAddException, TestServiceClient,
    TestServiceClientBuilder, TestServiceEverythingPingPongException,
};
use volo_thrift::codec::default::DefaultMakeCodec;
use volo_thrift::codec::default::framed::MakeFramedCodec;
use volo_thrift::codec::default::thrift::{MakeThriftCodec, Protocol};
use volo_thrift::{ApplicationExceptionKind, ClientError, MaybeException};

use crate::serve;

/// What Volo's client makes of a business error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Biz {
    /// It reads it from the header.
    Read,
    /// There is no header for it: it gets an exception.
    Excepted,
    /// It wants a result before it looks at the header, and takes the empty one for an error of the connection.
    Misread,
}

/// How Volo's client talks.
struct Way {
    name: &'static str,
    client: TestServiceClient,
    biz: Biz,
    /// Its Compact panics over a field that is a boolean.
    takes_booleans: bool,
}

fn ways(address: SocketAddr) -> Vec<Way> {
    let builder = || TestServiceClientBuilder::new("thrill").address(address);
    let compact = || MakeThriftCodec::new().with_protocol(Protocol::ApacheCompact);
    let framed_compact = DefaultMakeCodec::new(MakeFramedCodec::new(compact()));
    let rows = [
        ("its default, TTHeader and a frame", builder().build(), Biz::Read),
        ("multiplexed", builder().multiplex(true).build(), Biz::Misread),
        ("framed", builder().make_codec(DefaultMakeCodec::framed()).build(), Biz::Excepted),
        ("buffered", builder().make_codec(DefaultMakeCodec::buffered()).build(), Biz::Excepted),
        ("framed, Compact", builder().make_codec(framed_compact).build(), Biz::Excepted),
        ("buffered, Compact", builder().make_codec(DefaultMakeCodec::new(compact())).build(), Biz::Excepted),
    ];
    let way = |(name, client, biz): (&'static str, _, _)| Way {
        name,
        client,
        biz,
        takes_booleans: !name.ends_with("Compact"),
    };
    rows.map(way).into()
}

fn value() -> Everything {
    let leaf = Inner { id: 7, label: Some("in".into()) };
    let single = Everything {
        flag: Some(true),
        tiny: Some(-8),
        small: Some(-1600),
        medium: Some(1 << 30),
        big: Some(-1 << 62),
        ratio: Some(3.25),
        text: Some("héllo ✓".into()),
        blob: Some(vec![0, 1, 255].into()),
        numbers: Some(vec![1, -2, 3]),
        tags: Some(["a".into(), "b".into()].into_iter().collect()),
        counts: Some([("x".into(), 1), ("y".into(), -2)].into_iter().collect()),
        groups: Some([(5, vec![leaf.clone()])].into_iter().collect()),
        inner: Some(leaf),
        shape: Some(Shape::Area(-9)),
        mood: Some(Mood::WILD),
        must: "yes".into(),
        fallback: Some(9),
        nested: Some(vec![[("k".into(), [1, 2].into_iter().collect())].into_iter().collect()]),
        children: None,
    };
    Everything { children: Some(vec![single.clone(), single.clone()]), ..single }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let server = serve().await;
    let address = server.local_address().to_string().parse().unwrap();
    for Way { name: way, client, biz, takes_booleans } in ways(address) {
        let echo = async |message: &str| {
            client.echo_ping_pong(Request { message: Some(message.to_owned().into()) }).await.unwrap().message.unwrap()
        };
        assert_eq!(echo("hi").await, "hi", "{way}");
        assert_eq!(echo(&"x".repeat(1 << 20)).await.len(), 1 << 20, "{way}");
        if takes_booleans {
            everything(way, &client).await;
        }
        match client.add(404, 1).await.unwrap() {
            MaybeException::Exception(TestServiceAddException::Missing(NotFound { what, code })) => {
                assert_eq!((&*what, code), ("404", Some(4)), "{way}");
            }
            MaybeException::Ok(got) => panic!("{way}: {got:?}"),
        }
        match client.add(500, 1).await.map(drop).unwrap_err() {
            ClientError::Application(exception) => {
                let got = (exception.kind(), exception.message().to_string());
                let text = "biz error: add failed".to_owned();
                assert_eq!(got, (ApplicationExceptionKind::INTERNAL_ERROR, text), "{way}");
            }
            other => panic!("{way}: {other:?}"),
        }
        match (biz, client.add(600, 1).await.map(drop).unwrap_err()) {
            (Biz::Read, ClientError::Biz(biz)) => {
                assert_eq!((biz.status_code, &*biz.status_message), (600, "add refused"), "{way}");
            }
            (Biz::Excepted, ClientError::Application(exception)) => {
                assert!(exception.message().contains("add refused"), "{way}: {exception:?}");
            }
            (Biz::Misread, ClientError::Application(exception)) => {
                assert!(exception.message().contains("received empty union"), "{way}: {exception:?}");
            }
            (_, other) => panic!("{way}: {other:?}"),
        }
        assert!(matches!(client.add(40, 2).await.unwrap(), MaybeException::Ok(42)), "{way}");
        client.nothing().await.unwrap();
        let before: i64 = echo("!notified").await.parse().unwrap();
        client.notify("hey".into()).await.unwrap();
        // It may go over a connection of its own.
        while echo("!notified").await.parse::<i64>().unwrap() <= before {
            tokio::task::yield_now().await;
        }
    }
}

async fn everything(way: &str, client: &TestServiceClient) {
    match client.everything_ping_pong(value()).await.unwrap() {
        MaybeException::Ok(got) => assert_eq!(got, value(), "{way}"),
        MaybeException::Exception(exception) => panic!("{way}: {exception:?}"),
    }
    let missing = Everything { must: "missing".into(), ..value() };
    match client.everything_ping_pong(missing).await.unwrap() {
        MaybeException::Exception(TestServiceEverythingPingPongException::Missing(NotFound { what, .. })) => {
            assert_eq!(what, "everything", "{way}");
        }
        MaybeException::Ok(got) => panic!("{way}: {got:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_a_time_get_their_own_answers() {
    let server = serve().await;
    let address = server.local_address().to_string().parse().unwrap();
    for Way { name: way, client, .. } in ways(address) {
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..50 {
            let client = client.clone();
            calls.spawn(async move {
                let sum = client.add(number, 1).await.unwrap();
                assert!(matches!(sum, MaybeException::Ok(sum) if sum == number + 1), "{way}");
            });
        }
        calls.join_all().await;
    }
}
