//! This client against Volo's server.

use thrill::{ApplicationException, ClientBuilder, Error, Payload, Transport};
use thrill_interop::volo::serve;
use thrill_tests::cases::grpc::value;
use thrill_tests::contract::{AddError, Everything, EverythingPingPongError, Request, TestServiceClient};

type Builder = ClientBuilder<TestServiceClient>;
type Way = (&'static str, bool, fn(Builder) -> Builder);

/// How this client talks: to a server of one connection's calls one after another, or to one that multiplexes.
const WAYS: [Way; 7] = [
    ("framed", false, |builder| builder),
    ("TTHeader", false, |builder| builder.transport(Transport::TtHeader)),
    ("TTHeader and a frame", false, |builder| builder.transport(Transport::TtHeaderFramed)),
    ("buffered", false, |builder| builder.transport(Transport::Buffered)),
    ("framed, Compact", false, |builder| builder.payload(Payload::Compact)),
    ("TTHeader and a frame, Compact", false, |builder| {
        builder.transport(Transport::TtHeaderFramed).payload(Payload::Compact)
    }),
    ("multiplexed", true, |builder| builder.transport(Transport::TtHeaderFramed).multiplexed(1)),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    for (way, is_multiplexed, over) in WAYS {
        let address = serve(is_multiplexed).await.unwrap();
        let client = over(TestServiceClient::builder("volo").host_ports([&address])).build().unwrap();
        let echo = async |message: &str| {
            client.echo_ping_pong(Request { message: Some(message.to_owned()) }).await.unwrap().message.unwrap()
        };
        assert_eq!(echo("hi").await, "hi", "{way}");
        assert_eq!(echo(&"x".repeat(1 << 20)).await.len(), 1 << 20, "{way}");
        // Volo's Compact panics over a field that is a boolean.
        if !way.ends_with("Compact") {
            assert_eq!(client.everything_ping_pong(value()).await.unwrap(), value(), "{way}");
            match client.everything_ping_pong(Everything { must: "missing".to_owned(), ..value() }).await {
                Err(EverythingPingPongError::NotFound(not_found)) => assert_eq!(not_found.what, "everything", "{way}"),
                other => panic!("{way}: {other:?}"),
            }
        }
        match client.add(404, 1).await {
            Err(AddError::NotFound(not_found)) => assert_eq!((&*not_found.what, not_found.code), ("404", Some(4))),
            other => panic!("{way}: {other:?}"),
        }
        match client.add(500, 1).await {
            Err(AddError::Error(Error::Application(exception))) => {
                assert_eq!((exception.kind, &*exception.message), (ApplicationException::INTERNAL_ERROR, "add failed"));
            }
            other => panic!("{way}: {other:?}"),
        }
        assert_eq!(client.add(40, 2).await.unwrap(), 42, "{way}");
        client.nothing().await.unwrap();
        client.notify("hey".to_owned()).await.unwrap();
        while echo("!notified").await != "1" {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_error_travels_in_the_header() {
    for (way, is_multiplexed, over) in WAYS.into_iter().filter(|(way, ..)| way.contains("TTHeader")) {
        let address = serve(is_multiplexed).await.unwrap();
        let client = over(TestServiceClient::builder("volo").host_ports([&address])).build().unwrap();
        let biz = match client.add(600, 1).await.unwrap_err() {
            AddError::Error(Error::Biz(biz)) => biz,
            other => panic!("{way}: {other:?}"),
        };
        assert_eq!((biz.code(), biz.message()), (600, "add refused"), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_a_time_get_their_own_answers() {
    for (way, is_multiplexed, over) in WAYS {
        let address = serve(is_multiplexed).await.unwrap();
        let client = over(TestServiceClient::builder("volo").host_ports([&address])).build().unwrap();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..50 {
            let client = client.clone();
            calls.spawn(async move { assert_eq!(client.add(number, 1).await.unwrap(), number + 1, "{way}") });
        }
        calls.join_all().await;
    }
}
