//! This client against Apache's server.

use std::time::Duration;

use thrill::{ApplicationException, Error, Payload};
use thrill_interop::apache::{Protocol, Server, Transport, Way};
use thrill_tests::cases::grpc::value;
use thrill_tests::contract::{
    AddError, CounterClient, Everything, EverythingPingPongError, Request, TestServiceClient,
};

macro_rules! reach {
    ($client:ident, $server:expr, $way:expr) => {{
        let transport = match $way.transport {
            Transport::Buffered => thrill::Transport::Buffered,
            Transport::Framed => thrill::Transport::Framed,
        };
        let payload = if $way.protocol == Protocol::Compact { Payload::Compact } else { Payload::Binary };
        let builder = $client::builder("apache").host_ports([&$server.address]);
        builder.transport(transport).payload(payload).build().unwrap()
    }};
}

fn connect(server: &Server, way: Way) -> TestServiceClient {
    reach!(TestServiceClient, server, way)
}

async fn echo(client: &TestServiceClient, message: Option<&str>) -> thrill::Result<Option<String>> {
    Ok(client.echo_ping_pong(Request { message: message.map(str::to_owned) }).await?.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_come_back() {
    for way in Way::SPOKEN {
        let server = Server::start(way).unwrap();
        let client = connect(&server, way);
        let long = "x".repeat(1 << 20);
        for message in [Some("hi"), Some(""), Some("héllo ✓"), Some(long.as_str()), None] {
            assert_eq!(echo(&client, message).await.unwrap().as_deref(), message, "{way:?}");
        }
        let empty = Everything { must: "yes".to_owned(), fallback: Some(7), ..Everything::default() };
        for value in [value(), empty] {
            assert_eq!(client.everything_ping_pong(value.clone()).await.unwrap(), value, "{way:?}");
        }
        assert_eq!(client.add(i64::MAX, i64::MIN).await.unwrap(), -1);
        client.nothing().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_a_time_get_their_own_answers() {
    for way in Way::SPOKEN {
        let server = Server::start(way).unwrap();
        let client = connect(&server, way);
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..50 {
            let client = client.clone();
            calls.spawn(async move { assert_eq!(client.add(number, 1).await.unwrap(), number + 1, "{way:?}") });
        }
        calls.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_arrive_as_what_they_are() {
    for way in Way::SPOKEN {
        let server = Server::start(way).unwrap();
        let client = connect(&server, way);
        match client.add(404, 1).await {
            Err(AddError::NotFound(not_found)) => assert_eq!((&*not_found.what, not_found.code), ("404", Some(4))),
            other => panic!("{way:?}: {other:?}"),
        }
        match client.everything_ping_pong(Everything { must: "missing".to_owned(), ..value() }).await {
            Err(EverythingPingPongError::NotFound(not_found)) => assert_eq!(not_found.what, "everything"),
            other => panic!("{way:?}: {other:?}"),
        }
        match client.add(500, 1).await {
            Err(AddError::Error(Error::Application(exception))) => {
                assert_eq!((exception.kind, &*exception.message), (ApplicationException::INTERNAL_ERROR, "add failed"));
            }
            other => panic!("{way:?}: {other:?}"),
        }
        let counter = reach!(CounterClient, server, way);
        match counter.increment(1).await {
            Err(Error::Application(exception)) => {
                let want = (ApplicationException::UNKNOWN_METHOD, "unknown method Increment");
                assert_eq!((exception.kind, &*exception.message), want);
            }
            other => panic!("{way:?}: {other:?}"),
        }
        assert_eq!(client.add(40, 2).await.unwrap(), 42, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_wants_no_answer_waits_for_none() {
    for way in Way::SPOKEN {
        let server = Server::start(way).unwrap();
        let client = connect(&server, way);
        for _ in 0..3 {
            client.notify("hey".to_owned()).await.unwrap();
            assert_eq!(server.notified.recv_timeout(Duration::from_secs(20)).unwrap(), "hey", "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_binary_without_a_version_is_a_clear_error() {
    for transport in [Transport::Framed, Transport::Buffered] {
        let way = Way { transport, protocol: Protocol::OldBinary };
        let server = Server::start(way).unwrap();
        let err = echo(&connect(&server, way), Some("hi")).await.unwrap_err().to_string();
        assert!(err.contains("no Thrift message begins with"), "{err}");
    }
}
