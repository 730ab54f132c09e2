//! Which service a ping-pong call reaches: by the name in its TTHeader, else by its method.

use std::collections::BTreeMap;

use thrill::{BidiStream, Error, Result, Running, Server, Thrift};
use thrill_tests::h2peer::Peer;
use thrill_tests::message::ttheader::strings;
use thrill_tests::message::{CALL, Layout, Message, Parsed, Protocol, TtHeader, Way};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub(crate) struct Empty {}

macro_rules! service {
    ($name:ident: $($method:ident)*) => {
        #[thrill::service(namespace = "routes")]
        pub(crate) trait $name {
            $(async fn $method(&self) -> Result<String>;)*
        }

        impl $name for Handler {
            $(async fn $method(&self) -> Result<String> {
                Ok(format!("{}.{}", stringify!($name), stringify!($method)))
            })*
        }
    };
}

pub(crate) struct Handler;

service!(First: shared first);
service!(Second: shared second);
service!(Third: third);

#[thrill::service(namespace = "routes")]
pub(crate) trait Streams {
    #[streaming(mode = "bidirectional")]
    async fn third(&self, stream: BidiStream<Empty, Empty>) -> Result<()>;
}

impl Streams for Handler {
    async fn third(&self, _stream: BidiStream<Empty, Empty>) -> Result<()> {
        Ok(())
    }
}

/// The service and method that a call names, and its answer.
type Row<'a> = (Option<&'a str>, &'a str, &'a str);

async fn check(server: Server, rows: &[Row<'_>]) {
    let running = server.bind("127.0.0.1:0").await.unwrap().spawn();
    for (service, method, want) in rows {
        let layouts = if service.is_some() { vec![Layout::TtHeader] } else { vec![Layout::Framed, Layout::TtHeader] };
        for layout in layouts {
            let got = call(&running, layout, *service, method).await;
            assert_eq!(got, *want, "{service:?} {method} {layout:?}");
        }
    }
    running.shutdown().await;
}

/// Calls on a connection of its own.
async fn call(server: &Running, layout: Layout, service: Option<&str>, method: &str) -> String {
    let way = Way { layout, protocol: Protocol::Binary };
    let message = Message { kind: CALL, name: method.as_bytes().to_vec(), seq_id: 7, body: vec![0] }.put(way.protocol);
    let info = service.map(|name| strings(&[("isn", name)])).unwrap_or_default();
    let bytes = if way.has_header() {
        TtHeader { info, ..way.header(7) }.put(&way.payload(&message))
    } else {
        way.wrap(7, &message)
    };
    let mut peer = Peer::dial(&server.local_address().to_string()).await;
    peer.write(&bytes).await;
    peer.parse(Parsed::parse).await.expect("an answer").describe()
}

#[tokio::test]
async fn a_service_is_found_by_its_name_and_else_by_the_method() {
    let server = Server::new().add(FirstServer::new(Handler)).add(ThirdServer::new(Handler));
    let rows: &[Row<'_>] = &[
        (None, "shared", "reply First.shared"),
        (None, "third", "reply Third.third"),
        (None, "nothing", "exception 20 unknown service , method nothing"),
        (Some(""), "third", "reply Third.third"),
        (Some("First"), "shared", "reply First.shared"),
        // A service that is known is not looked past.
        (Some("First"), "third", "exception 1 unknown method third (service First)"),
        (Some("first"), "nothing", "exception 20 unknown service first, method nothing"),
        // What old clients of Kitex write instead of a name.
        (Some("$GenericService"), "third", "reply Third.third"),
        (Some("CombineService"), "first", "reply First.first"),
    ];
    check(server, rows).await;
}

#[tokio::test]
async fn a_fallback_has_the_calls_that_name_no_service() {
    for swapped in [false, true] {
        let server = Server::new();
        let server = if swapped {
            server.add_fallback(SecondServer::new(Handler)).add(FirstServer::new(Handler))
        } else {
            server.add(FirstServer::new(Handler)).add_fallback(SecondServer::new(Handler))
        };
        let rows: &[Row<'_>] = &[
            (None, "shared", "reply Second.shared"),
            (None, "first", "reply First.first"),
            (None, "second", "reply Second.second"),
            (Some("First"), "shared", "reply First.shared"),
            (Some("Second"), "shared", "reply Second.shared"),
            // It is not the fallback of a wrong name: both could be meant.
            (Some("Other"), "shared", "exception 20 unknown service Other, method shared"),
            (Some("Other"), "second", "reply Second.second"),
        ];
        check(server, rows).await;
    }
}

#[tokio::test]
async fn a_server_can_refuse_calls_that_do_not_name_one_of_its_services() {
    let server = Server::new().add(FirstServer::new(Handler)).add(SecondServer::new(Handler));
    let rows: &[Row<'_>] = &[
        (None, "first", "exception 20 unknown service , method first"),
        (Some(""), "first", "exception 20 unknown service , method first"),
        (Some("Other"), "first", "exception 20 unknown service Other, method first"),
        (Some("First"), "shared", "reply First.shared"),
        (Some("Second"), "shared", "reply Second.shared"),
    ];
    check(server.refuse_traffic_without_service_name(), rows).await;
}

/// A stream names its service, so it stands in nobody's way; and a message means the method that it can call.
#[tokio::test]
async fn streams_and_calls_may_have_one_name() {
    let server = Server::new().add(StreamsServer::new(Handler)).add(ThirdServer::new(Handler));
    let text = "exception 6 biz error: Streams.third is a thrift streaming method, please call with Kitex StreamClient";
    let rows: &[Row<'_>] = &[(None, "third", "reply Third.third"), (Some("Streams"), "third", text)];
    check(server, rows).await;
}

#[tokio::test]
async fn services_that_cannot_stand_together_are_an_error_at_start_up() {
    let both = || Server::new().add(FirstServer::new(Handler)).add(SecondServer::new(Handler));
    let said = [
        refused(Server::new()).await,
        refused(both()).await,
        // A fallback that does not have the method changes nothing.
        refused(both().add_fallback(ThirdServer::new(Handler))).await,
        refused(both().add_fallback(ThirdServer::new(Handler)).add_fallback(StreamsServer::new(Handler))).await,
        refused(both().add(FirstServer::new(Handler))).await,
    ];
    let conflict = "services \"First\" and \"Second\" both have a method \"shared\", and a call that names no service (each over \
        Buffered or Framed) could mean either: add the one that it means by `Server::add_fallback`, or take no such calls by \
        `Server::refuse_traffic_without_service_name`";
    let want = [
        "a server needs a service: call `Server::add` before `bind` or `serve`",
        conflict,
        conflict,
        "services \"Third\" and \"Streams\" are both added by `add_fallback`: a server has one fallback; add the other by `add`",
        "service \"First\" is added twice",
    ];
    for (said, want) in said.iter().zip(want) {
        assert!(said.contains(want), "{said}\nwant: {want}");
    }
}

async fn refused(server: Server) -> String {
    let err: Error = server.bind("127.0.0.1:0").await.expect_err("services that cannot stand together");
    assert!(matches!(err, Error::Misuse(_)), "{err:?}");
    err.to_string()
}

/// Inherited methods are methods of the derived service: the two conflict.
#[tokio::test]
async fn a_service_beside_its_base_needs_a_fallback() {
    #[thrill::service]
    trait Derived: First {}

    impl Derived for Handler {}

    let said = refused(Server::new().add(FirstServer::new(Handler)).add(DerivedServer::new(Handler))).await;
    assert!(said.contains("services \"First\" and \"Derived\" both have a method \"shared\""), "{said}");
    let server = Server::new().add(FirstServer::new(Handler)).add_fallback(DerivedServer::new(Handler));
    let rows: &[Row<'_>] = &[(None, "shared", "reply First.shared"), (Some("Derived"), "first", "reply First.first")];
    check(server, rows).await;
}

/// Generated clients name their service where the transport can.
#[tokio::test]
async fn clients_reach_their_service_over_every_transport_that_carries_its_name() {
    use thrill::Transport::{Framed, Http2, TtHeader, TtHeaderFramed};

    let server = Server::new().add(FirstServer::new(Handler)).add_fallback(SecondServer::new(Handler));
    let running = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = running.local_address().to_string();
    let mut got = BTreeMap::new();
    for transport in [Framed, TtHeader, TtHeaderFramed, Http2] {
        let client = FirstClient::builder("any-name").host_ports([addr.as_str()]).transport(transport).build().unwrap();
        got.insert(format!("{transport:?}"), client.shared().await.unwrap());
    }
    let first = || "First.shared".to_owned();
    let want = [
        ("Framed", "Second.shared".to_owned()),
        ("Http2", first()),
        ("TtHeader", first()),
        ("TtHeaderFramed", first()),
    ];
    assert_eq!(got, want.map(|(transport, answer)| (transport.to_owned(), answer)).into());
    running.shutdown().await;
}
