//! What a TTHeader carries, key by key: what a client writes, what a handler is told, and what comes back.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use thrill::{BizStatusError, Context, Error, Result, Server, Transport};
use thrill_tests::h2peer::{Peer, Port, soon};
use thrill_tests::message::ttheader::{ints, strings};
use thrill_tests::message::{CALL, Layout, Message, Parsed, Protocol, TtHeader, Way};

#[thrill::service(namespace = "keys", rename_all = "PascalCase")]
trait Keys {
    async fn ask(&self, cx: &Context, what: String) -> Result<String>;

    #[oneway]
    async fn tell(&self, what: String) -> Result<()>;
}

const LONG: Duration = Duration::from_secs(60);

const WAYS: [(Transport, Layout, &str); 2] = [
    (Transport::TtHeader, Layout::TtHeader, "unframed"),
    (Transport::TtHeaderFramed, Layout::TtHeaderFramed, "framed"),
];

/// Says what came with a call; calls on, where it has somebody to call.
struct Handler {
    next: Mutex<Option<KeysClient>>,
}

impl Keys for Handler {
    async fn ask(&self, cx: &Context, what: String) -> Result<String> {
        if let Some(next) = &*self.next.lock().await {
            return next.ask(what).context(cx).await;
        }
        match what.as_str() {
            "biz" => Err(BizStatusError::new(7, "no").with_extra("a", "b").with_extra("c", "d").into()),
            "backward" => {
                cx.send_backward("BACK", "there");
                Ok(String::new())
            }
            _ => {
                let metainfo = cx.metainfo();
                // In minutes that have begun, so that it is the same however slow the test is.
                let left = cx.deadline().map(|at| at.saturating_duration_since(Instant::now()));
                let timeout = left.map(|left| left.as_millis().div_ceil(60_000));
                Ok(format!(
                    "{:?} {:?} {:?} {timeout:?} {:?} {:?}",
                    cx.caller(),
                    cx.caller_method(),
                    cx.log_id().as_deref(),
                    metainfo.transient,
                    metainfo.persistent
                ))
            }
        }
    }

    async fn tell(&self, _what: String) -> Result<()> {
        Ok(())
    }
}

async fn serve(next: Option<KeysClient>) -> (thrill::Running, String) {
    let server = Server::new().add(KeysServer::from_arc(Arc::new(Handler { next: Mutex::new(next) })));
    let running = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = running.local_address().to_string();
    (running, addr)
}

fn client(addr: &str, transport: Transport) -> KeysClient {
    let builder = KeysClient::builder("keys.service").host_ports([addr]).transport(transport);
    builder.caller("a.caller").build().unwrap()
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// `ask("")`, with these blocks in its header.
fn ask(way: Way, seq_id: i32, what: &str, info: Vec<u8>) -> Vec<u8> {
    let len = u8::try_from(what.len()).unwrap();
    let body = [&[0x0b, 0, 1, 0, 0, 0, len], what.as_bytes(), &[0]].concat();
    let message = Message { kind: CALL, name: b"Ask".to_vec(), seq_id, body }.put(way.protocol);
    TtHeader { info, ..way.header(seq_id) }.put(&way.payload(&message))
}

/// The answer `text`, with these blocks.
fn answer(way: Way, seq_id: i32, text: &str, info: Vec<u8>) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap();
    let body = [&[0x0b, 0, 0, 0, 0, 0, len], text.as_bytes(), &[0]].concat();
    let message = Message { kind: 2, name: b"Ask".to_vec(), seq_id, body }.put(way.protocol);
    TtHeader { info, ..way.header(seq_id) }.put(&way.payload(&message))
}

#[tokio::test]
async fn a_client_writes_who_calls_whom_and_what_goes_along() {
    for (transport, layout, kind) in WAYS {
        let way = Way { layout, protocol: Protocol::Binary };
        let port = Port::bind().await;
        let client = client(&port.addr, transport);
        let call = client.ask(String::new()).timeout(LONG).connect_timeout(Duration::from_millis(1500)).log_id("log-2");
        let call = call.transient("TRACE", "t").persistent("tenant", "p");
        let call = call.transient("gdpr-token", "secret").transient("EMPTY", "");
        let serving = async {
            let mut peer = port.accept().await;
            let request = peer.parse(Parsed::parse).await.unwrap();
            peer.write(&answer(way, request.seq_id, "", Vec::new())).await;
            (peer, request)
        };
        let (called, (mut peer, request)) = tokio::join!(soon("an answer", call.into_future()), serving);
        called.unwrap();
        assert_eq!((request.kind, request.header_seq_id), (1, Some(request.seq_id)));
        let mut keys = request.keys;
        let timeout: u128 = keys.ints.remove(&12).expect("the rpc timeout").parse().unwrap();
        assert!((LONG.as_millis() / 2..=LONG.as_millis()).contains(&timeout), "{timeout} ms are left");
        let want = [
            (1, kind),
            (2, "log-2"),
            (3, "a.caller"),
            (6, "keys.service"),
            (9, "Ask"),
            (17, "1500"),
            (20, ""),
            (22, "1"),
        ];
        assert_eq!(keys.ints, want.map(|(key, value)| (key, value.to_owned())).into());
        let want = [("isn", "Keys"), ("RPC_TRANSIT_TRACE", "t"), ("RPC_PERSIST_tenant", "p")];
        assert_eq!(keys.strings, map(want));
        assert_eq!(keys.acl_token.as_deref(), Some("secret"));
        let (told, oneway) = tokio::join!(client.tell(String::new()).into_future(), peer.parse(Parsed::parse));
        told.unwrap();
        let oneway = oneway.unwrap();
        assert_eq!((oneway.kind, oneway.keys.ints[&22].as_str()), (4, "4"));
        for (key, what) in [(2, "log id"), (12, "timeout"), (17, "connect timeout")] {
            assert_eq!(oneway.keys.ints.get(&key), None, "no {what} was set");
        }
    }
}

/// The log id of a call, over everything that carries one, and what its own says against a context's.
#[tokio::test]
async fn a_log_id_travels_with_a_call_and_on_with_those_of_its_handler() {
    let (last, addr) = serve(None).await;
    for transport in [Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2] {
        let (first, first_addr) = serve(Some(client(&addr, transport))).await;
        for (addr, want) in [(&addr, "None Some(\"log-3\")"), (&first_addr, "Some(\"Ask\") Some(\"log-3\")")] {
            let said = client(addr, transport).ask(String::new()).log_id("log-3").await.unwrap();
            assert!(said.contains(want), "{transport:?}: {said}");
        }
        let refused = client(&addr, transport).ask(String::new()).log_id("two\nlines").await.unwrap_err();
        assert!(refused.to_string().contains("`log_id` \"two\\nlines\" cannot travel"), "{refused}");
        first.shutdown().await;
    }
    let said = client(&addr, Transport::Framed).ask(String::new()).log_id("log-3").await.unwrap();
    assert!(said.contains("None None"), "Framed carries nothing beside the message: {said}");
    last.shutdown().await;
}

/// The connect timeout of a client, and that of a call, which wins.
#[tokio::test]
async fn a_connect_timeout_is_told_where_it_is_set() {
    let second = Duration::from_secs(1);
    for (of_client, of_call, want) in [
        (None, None, None),
        (Some(second), None, Some("1000")),
        (None, Some(second * 2), Some("2000")),
        (Some(second), Some(second * 2), Some("2000")),
        (Some(Duration::from_micros(1_000_500)), None, Some("1000")),
    ] {
        let port = Port::bind().await;
        let builder = KeysClient::builder("keys").host_ports([&port.addr]).transport(Transport::TtHeader);
        let client = match of_client {
            Some(timeout) => builder.connect_timeout(timeout).build().unwrap(),
            None => builder.build().unwrap(),
        };
        let call = client.tell(String::new());
        let call = match of_call {
            Some(timeout) => call.connect_timeout(timeout),
            None => call,
        };
        let serving = async { port.accept().await.parse(Parsed::parse).await.unwrap() };
        let (told, request) = tokio::join!(soon("the call", call.into_future()), serving);
        told.unwrap();
        assert_eq!(request.keys.ints.get(&17).map(String::as_str), want, "{of_client:?} {of_call:?}");
    }
}

#[tokio::test]
async fn a_handler_is_told_what_came_and_passes_on_what_is_to_be_passed_on() {
    for (transport, layout, _) in WAYS {
        let way = Way { layout, protocol: Protocol::Binary };
        let (last, last_addr) = serve(None).await;
        let (first, first_addr) = serve(Some(client(&last_addr, transport))).await;
        let token = [0x11, 0, 3, b'a', b'c', b'l'];
        let info = [
            &token[..],
            &strings(&[("RPC_TRANSIT_ONE", "hop"), ("RPC_PERSIST_ALL", "hops"), ("other", "x"), ("RPC_TRANSIT_", "x")]),
            // A server has no use of the connect timeout, as Kitex's.
            &ints(&[(2, "log-1"), (3, "its.caller"), (20, "Upstream"), (12, "60000"), (17, "50"), (99, "unknown")]),
        ]
        .concat();
        let mut peer = Peer::dial(&last_addr).await;
        peer.write(&ask(way, 5, "", info.clone())).await;
        let direct = peer.parse(Parsed::parse).await.unwrap();
        assert_eq!(direct.keys.ints, [(22, "2".to_owned())].into(), "what Kitex's server writes");
        let want = "reply Some(\"its.caller\") Some(\"Upstream\") Some(\"log-1\") Some(1) \
            {\"ONE\": \"hop\", \"gdpr-token\": \"acl\"} {\"ALL\": \"hops\"}";
        assert_eq!(direct.describe(), want, "{transport:?}");
        // One hop further: the method that calls, the same log id, and only what is persistent.
        let mut peer = Peer::dial(&first_addr).await;
        peer.write(&ask(way, 6, "", info)).await;
        let relayed = peer.parse(Parsed::parse).await.unwrap().describe();
        let want = "reply Some(\"a.caller\") Some(\"Ask\") Some(\"log-1\") Some(1) {} {\"ALL\": \"hops\"}";
        assert_eq!(relayed, want, "{transport:?}");
        first.shutdown().await;
        last.shutdown().await;
    }
}

#[tokio::test]
async fn a_business_error_and_backward_values_come_back_beside_the_reply() {
    for (transport, layout, _) in WAYS {
        let way = Way { layout, protocol: Protocol::Binary };
        let (server, addr) = serve(None).await;
        let mut peer = Peer::dial(&addr).await;
        peer.write(&ask(way, 1, "biz", Vec::new())).await;
        let refused = peer.parse(Parsed::parse).await.unwrap();
        assert_eq!((refused.kind, refused.describe().as_str()), (2, "reply"), "an empty result");
        let want = map([("biz-status", "7"), ("biz-message", "no"), ("biz-extra", r#"{"a":"b","c":"d"}"#)]);
        assert_eq!(refused.keys.strings, want);
        peer.write(&ask(way, 2, "backward", Vec::new())).await;
        assert_eq!(peer.parse(Parsed::parse).await.unwrap().keys.strings, map([("BACK", "there")]));
        let client = client(&addr, transport);
        let Err(Error::Biz(biz)) = client.ask("biz".to_owned()).await else { panic!("no business error") };
        assert_eq!((biz.code(), biz.message(), biz.extra()), (7, "no", &map([("a", "b"), ("c", "d")])));
        let reply = client.ask("backward".to_owned()).with_metadata().await.unwrap();
        assert_eq!(reply.backward, map([("BACK", "there")]));
        server.shutdown().await;
    }
}

/// What stands beside a reply, and the code and message of the business error that it is.
type Row<'a> = (&'a [(&'a str, &'a str)], Option<(i32, &'a str)>);

/// As Kitex: a status of 0 or none at all is no error, and one whose extra is malformed is dropped.
#[tokio::test]
async fn what_a_server_says_of_a_business_error_is_read_as_kitex_does() {
    let rows: &[Row<'_>] = &[
        (&[("biz-status", "404"), ("biz-message", "gone")], Some((404, "gone"))),
        (&[("biz-status", "-1")], Some((-1, ""))),
        (&[("biz-status", "0"), ("biz-message", "fine")], None),
        (&[("biz-status", "many")], None),
        (&[("biz-status", "5"), ("biz-extra", "{")], None),
        (&[("biz-message", "alone")], None),
    ];
    let way = Way { layout: Layout::TtHeader, protocol: Protocol::Binary };
    let port = Port::bind().await;
    let client = client(&port.addr, Transport::TtHeader);
    // One connection for all: neither a business error nor an answer ends it.
    let serving = async {
        let mut peer = port.accept().await;
        for (pairs, _) in rows {
            let request = peer.parse(Parsed::parse).await.unwrap();
            peer.write(&answer(way, request.seq_id, "fine", strings(pairs))).await;
        }
    };
    let calling = async {
        for (pairs, want) in rows {
            match (client.ask(String::new()).await, want) {
                (Err(Error::Biz(biz)), Some(want)) => assert_eq!((biz.code(), biz.message()), *want, "{pairs:?}"),
                (Ok(text), None) => assert_eq!(text, "fine", "{pairs:?}"),
                (got, _) => panic!("{pairs:?}: {got:?}"),
            }
        }
    };
    soon("the calls", async { tokio::join!(serving, calling) }).await;
}
