//! Apache's client against this server.

use thrift::{ApplicationError, ApplicationErrorKind, Error, TransportErrorKind};
use thrill_interop::apache::{
    AddArgs, AddResult, Client, EchoArgs, EchoResult, EverythingArgs, EverythingResult, Nothing, NotifyArgs, Protocol,
    Transport, Way,
};
use thrill_tests::cases::grpc::value;
use thrill_tests::contract::{Everything, NotFound, Request, Response};

use crate::serve;

/// Runs a conversation with this server, which blocks.
async fn talk(way: Way, conversation: impl FnOnce(Client) + Send + 'static) {
    let server = serve().await;
    let address = server.local_address().to_string();
    let talking = move || conversation(Client::connect(&address, way).unwrap());
    tokio::task::spawn_blocking(talking).await.unwrap_or_else(|err| panic!("{way:?}: {err}"));
    server.shutdown().await;
}

fn echo(client: &mut Client, message: Option<&str>) -> Option<String> {
    let args = EchoArgs { req: Request { message: message.map(str::to_owned) } };
    let result: EchoResult = client.call("EchoPingPong", &args).unwrap();
    result.success.unwrap().message
}

fn add(client: &mut Client, a: i64, b: i64) -> thrift::Result<AddResult> {
    client.call("Add", &AddArgs { a, b })
}

fn application(result: thrift::Result<AddResult>) -> ApplicationError {
    match result.unwrap_err() {
        Error::Application(error) => error,
        other => panic!("no answer: {other:?}"),
    }
}

fn not_found(what: &str) -> Option<NotFound> {
    Some(NotFound { what: what.to_owned(), code: Some(4) })
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_come_back() {
    for way in Way::SPOKEN {
        talk(way, |mut client| {
            let long = "x".repeat(1 << 20);
            for message in ["hi", "", "héllo ✓", &long] {
                assert_eq!(echo(&mut client, Some(message)).as_deref(), Some(message));
            }
            // The handler takes nothing for an empty text.
            assert_eq!(echo(&mut client, None).as_deref(), Some(""));
            let empty = Everything { must: "yes".to_owned(), ..Everything::default() };
            for value in [value(), empty] {
                let args = EverythingArgs { value: value.clone() };
                let result: EverythingResult = client.call("EverythingPingPong", &args).unwrap();
                // What is not there comes back as its default.
                let fallback = value.fallback.or(Some(7));
                assert_eq!(result.success, Some(Everything { fallback, ..value }));
            }
            assert_eq!(add(&mut client, i64::MAX, i64::MIN).unwrap().success, Some(-1));
            let _: Nothing = client.call("Nothing", &Nothing {}).unwrap();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_arrive_as_what_they_are_and_the_connection_goes_on() {
    for way in Way::SPOKEN {
        talk(way, |mut client| {
            let declared = AddResult { success: None, missing: not_found("404") };
            assert_eq!(add(&mut client, 404, 1).unwrap(), declared);
            let args = EverythingArgs { value: Everything { must: "missing".to_owned(), ..value() } };
            let result: EverythingResult = client.call("EverythingPingPong", &args).unwrap();
            assert_eq!(result, EverythingResult { success: None, missing: not_found("everything") });
            for (a, text) in [(500, "biz error: add failed"), (600, "add refused")] {
                let error = application(add(&mut client, a, 1));
                assert_eq!(error.kind, ApplicationErrorKind::InternalError);
                assert!(error.message.contains(text), "{}", error.message);
            }
            assert_eq!(add(&mut client, 40, 2).unwrap().success, Some(42));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_wants_no_answer_gets_none_and_the_next_one_gets_its_own() {
    for way in Way::SPOKEN {
        talk(way, |mut client| {
            let args = NotifyArgs { what: "hey".to_owned() };
            for count in ["1", "2"] {
                client.oneway("Notify", &args).unwrap();
                // Calls of one connection are run in their order.
                assert_eq!(echo(&mut client, Some("!notified")).as_deref(), Some(count));
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_method_is_an_exception_whose_number_apache_does_not_know() {
    for way in Way::SPOKEN {
        talk(way, |mut client| {
            // Kitex's number is 20.
            let error = application(client.call("Nope", &Nothing {}));
            assert_eq!((error.kind, &*error.message), (ApplicationErrorKind::Unknown, "unknown service , method Nope"));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_this_server_does_not_know_are_passed_over() {
    for way in Way::SPOKEN {
        talk(way, |mut client| {
            // A struct of other fields and types than the method's own: none of them is its message.
            let args = EverythingArgs { value: value() };
            let result: EchoResult = client.call("EchoPingPong", &args).unwrap();
            assert_eq!(result.success, Some(Response { message: Some(String::new()) }));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_without_a_version_is_not_spoken_as_in_kitex() {
    for transport in [Transport::Framed, Transport::Buffered] {
        talk(Way { transport, protocol: Protocol::OldBinary }, |mut client| {
            match add(&mut client, 1, 2).unwrap_err() {
                Error::Transport(error) => assert_eq!(error.kind, TransportErrorKind::EndOfFile, "{error:?}"),
                other => panic!("{other:?}"),
            }
        })
        .await;
    }
}
