//! One request there, one response back, over a stream of HTTP/2: unary and ping-pong methods, byte by byte, of this server and
//! of Kitex's, and of this client.

use std::future::{Future, IntoFuture as _};

use thrill::{Error, Result, Transport};
use thrill_tests::contract::{
    AddError, Everything, Request, TestServiceClient as PingPong, TestServiceStreamClient as Unary,
};
use thrill_tests::h2peer::{Answer, Frame, Peer, Port, ask, fields, message, reply, request, say, soon};
use thrill_tests::peer::{PeerServer, kitex_peer};

use super::interop::contract_server;
use super::wire_client::{head, play, requested, sent, trail};

/// The arguments of `Add`, field by field.
fn numbers(fields: &[(u8, i64)]) -> Vec<u8> {
    let field = |(id, value): &(u8, i64)| [&[0x0a, 0, *id][..], &value.to_be_bytes()].concat();
    fields.iter().flat_map(field).collect()
}

/// A call of `Add`.
fn add(a: i64, b: i64) -> Vec<u8> {
    message(&[numbers(&[(1, a), (2, b)]), vec![0]].concat())
}

/// What `Add` returns.
fn sum(value: i64) -> Vec<u8> {
    message(&[numbers(&[(0, value)]), vec![0]].concat())
}

/// A struct in field 1, which has a text in this field.
fn wrapped(field: u8, text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).unwrap();
    message(&[&[0x0c, 0, 1, 0x0b, 0, field, 0, 0, 0, len], text.as_bytes(), &[0, 0]].concat())
}

/// The declared exception of number 1.
fn not_found(what: &str) -> Vec<u8> {
    let len = u8::try_from(what.len()).unwrap();
    let code = b"\x08\0\x02\0\0\0\x04";
    message(&[&[0x0c, 0, 1, 0x0b, 0, 1, 0, 0, 0, len], what.as_bytes(), code, &[0, 0]].concat())
}

/// As [`not_found`], in Kitex's order: numbers first.
fn kitex_not_found(what: &str) -> Kitex {
    let len = u8::try_from(what.len()).unwrap();
    let code = b"\x08\0\x02\0\0\0\x04";
    Kitex::Sends(message(&[&[0x0c, 0, 1][..], code, &[0x0b, 0, 1, 0, 0, 0, len], what.as_bytes(), &[0, 0]].concat()))
}

const VOID: &[u8] = b"\0\0\0\0\x01\0";

/// What a server is asked, and what it answers: the status with its text, a business error behind it, and the data.
struct Row {
    what: &'static str,
    method: &'static str,
    data: Vec<u8>,
    want: &'static str,
    reply: Vec<u8>,
    kitex: Kitex,
}

/// What Kitex's server says.
enum Kitex {
    /// The same.
    Agrees,
    /// The same status, with other data.
    Sends(Vec<u8>),
    /// Nothing, for ever.
    IsSilent,
}

fn row(what: &'static str, method: &'static str, data: Vec<u8>, want: &'static str, reply: Vec<u8>) -> Row {
    Row { what, method, data, want, reply, kitex: Kitex::Agrees }
}

impl Row {
    /// `None`: it is not asked.
    fn said_by_kitex(&self) -> Option<&[u8]> {
        match &self.kitex {
            Kitex::Agrees => Some(&self.reply),
            Kitex::Sends(other) => Some(other),
            Kitex::IsSilent => None,
        }
    }

    fn kitex(self, kitex: Kitex) -> Self {
        Self { kitex, ..self }
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for method in ["TestService/EchoUnary", "TestService/EchoPingPong"] {
        rows.extend([
            row("a text", method, ask("hi"), "0 ", reply("hi")),
            row("an error", method, ask("!error no"), "13 no [biz error]", vec![]),
            row("a status", method, ask("!status 5 nf"), "5 nf [biz error]", vec![]),
            row("a business error", method, ask("!biz 7 no"), "13 no, biz 7 {\"k\":\"v\"}", vec![]),
            row(
                "fields that no one knows",
                method,
                {
                    let unknown = [numbers(&[(9, 9)]), b"\x0c\0\x01\x0b\0\x01\0\0\0\x01a\0\0".to_vec()].concat();
                    message(&unknown)
                },
                "0 ",
                reply("a"),
            ),
            row("what is cut", method, message(b"\x0c\0\x01\x0b\0\x01\0\0\0\x09hi"), "7 decode", vec![]),
            row("a length below 0", method, message(b"\x0c\0\x01\x0b\0\x01\xff\xff\xff\xff\0\0"), "7 decode", vec![]),
            row("no bytes", method, message(b""), "7 decode", vec![]),
        ]);
    }
    let everything = "TestService/EverythingPingPong";
    rows.extend([
        row("two arguments", "TestService/Add", add(40, 2), "0 ", sum(42)),
        row(
            "in another order",
            "TestService/Add",
            message(&[numbers(&[(2, 2), (1, 40)]), vec![0]].concat()),
            "0 ",
            sum(42),
        ),
        row("one of two", "TestService/Add", message(&[numbers(&[(2, 2)]), vec![0]].concat()), "0 ", sum(2)),
        row(
            "one of another type",
            "TestService/Add",
            message(b"\x08\0\x01\0\0\0\x09\x0a\0\x02\0\0\0\0\0\0\0\x02\0"),
            "0 ",
            sum(2),
        ),
        row("a declared exception", "TestService/Add", add(404, 2), "0 ", not_found("404"))
            .kitex(kitex_not_found("404")),
        row("an error instead", "TestService/Add", add(500, 2), "13 add failed [biz error]", vec![]),
        row(
            "a business error instead",
            "TestService/Add",
            add(600, 2),
            "13 add refused, biz 600 {\"k\":\"v\"}",
            vec![],
        ),
        row("a declared exception of a struct", everything, wrapped(16, "missing"), "0 ", not_found("everything"))
            .kitex(kitex_not_found("everything")),
        row("without what is required", everything, wrapped(7, "text"), "7 decode", vec![]),
        row("void", "TestService/Nothing", VOID.to_vec(), "0 ", VOID.to_vec()),
        row("void, with what no one knows", "TestService/Nothing", add(1, 2), "0 ", VOID.to_vec()),
        row("of another service", "Counter/Increment", message(&[numbers(&[(1, 5)]), vec![0]].concat()), "0 ", sum(5)),
        row("no method", "TestService/Nope", ask("hi"), "1 unknown method Nope", vec![]),
        row("no service", "Nobody/EchoUnary", ask("hi"), "20 unknown service Nobody", vec![]),
        row("oneway", "TestService/Notify", message(b"\x0b\0\x01\0\0\0\x01x\0"), "0 ", vec![]).kitex(Kitex::IsSilent),
    ]);
    rows
}

/// An end in short. What was wrong with bytes is told in words of one's own.
fn end(answer: &Answer) -> String {
    let mut end = answer.status();
    if let Some(code) = answer.trailer("biz-status") {
        end = format!("{end}, biz {code} {}", answer.trailer("biz-extra").unwrap_or_default());
    }
    end
}

/// Asks a server all of it, on one connection.
async fn check(addr: &str, reply: fn(&Row) -> Option<&[u8]>) {
    let mut peer = Peer::client(addr, &[]).await;
    let mut wrong = Vec::new();
    for row in &rows() {
        let Some(reply) = reply(row) else { continue };
        let want = row.want;
        let stream = peer.call(&request(&format!("/echo.{}", row.method)), &row.data).await;
        let answer = peer.answer(stream).await;
        let end = end(&answer);
        let agrees =
            if want == "7 decode" { end.starts_with("7 ") && !end.ends_with("[biz error]") } else { end == want };
        if !agrees || answer.data != reply {
            wrong.push(format!("{}, {}: {end:?}, {:?}", row.method, row.what, answer.data.escape_ascii().to_string()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_answers_calls_of_one_request_and_one_response() {
    let server = contract_server().await;
    check(&server.local_address().to_string(), |row| Some(&row.reply)).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kitexs_server_answers_them_the_same() {
    let Some(binary) = kitex_peer("what Kitex answers to unary calls") else { return };
    let server = PeerServer::start(&binary, &["server"]).await.unwrap();
    check(&server.addr, Row::said_by_kitex).await;
}

/// Makes a call that is answered with this data and these trailers: what it gives, and what it sent.
async fn exchange<T>(
    port: &Port,
    call: impl Future<Output = T>,
    data: &[u8],
    trailers: &[(&str, &str)],
) -> (T, Vec<u8>) {
    let serving = async {
        let mut peer = port.serve(&[]).await;
        let stream = requested(&mut peer).await.0;
        let asked = sent(&mut peer, stream).await.0;
        let answer = [Frame::headers(stream, &head()), Frame::data(stream, data.to_vec())];
        play(&mut peer, &answer).await;
        play(&mut peer, &[Frame::trailers(stream, &fields(trailers))]).await;
        (peer, asked)
    };
    let (got, (_peer, asked)) = tokio::join!(soon("the call", call), serving);
    (got, asked)
}

fn ping_pong(port: &Port) -> PingPong {
    let builder = PingPong::builder("a.service").host_ports([&port.addr]).connection_pool_size(1);
    builder.transport(Transport::Http2).build().unwrap()
}

const OK: &[(&str, &str)] = &[("grpc-status", "0"), ("grpc-message", "")];

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_the_result_wrapper_and_the_end_behind_it() {
    let failed = &[("grpc-status", "13"), ("grpc-message", "add failed [biz error]")];
    let unknown = &[("grpc-status", "1"), ("grpc-message", "unknown method Add")];
    let biz = &[
        ("grpc-status", "13"),
        ("grpc-message", "no"),
        ("biz-status", "600"),
        ("biz-message", "no"),
        ("biz-extra", "{\"k\":\"v\"}"),
    ];
    type Case<'a> = (&'a str, Vec<u8>, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("a result", sum(42), OK, "42"),
        ("the last of two results", message(&[numbers(&[(0, 1), (0, 2)]), vec![0]].concat()), OK, "2"),
        (
            "a result between fields that no one knows",
            message(&[numbers(&[(7, 1), (0, 2), (8, 3)]), vec![0]].concat()),
            OK,
            "2",
        ),
        ("nothing, as Kitex's nil", VOID.to_vec(), OK, "0"),
        ("a result of another type", message(b"\x08\0\0\0\0\0\x09\0"), OK, "0"),
        ("an exception that is not declared", message(b"\x0c\0\x02\0\0"), OK, "0"),
        ("a declared exception", not_found("404"), OK, "declared 404 Some(4)"),
        ("a declared exception without what is required", message(b"\x0c\0\x01\0\0"), OK, "Decode"),
        ("what is cut", message(b"\x0a\0\0\0\0"), OK, "Decode"),
        ("no bytes", message(b""), OK, "Decode"),
        ("an error behind a result", sum(42), failed, "Status 13 add failed [biz error]"),
        ("an error behind an exception", not_found("404"), failed, "Status 13 add failed [biz error]"),
        ("an error alone", vec![], failed, "Status 13 add failed [biz error]"),
        ("no such method", vec![], unknown, "Status 1 unknown method Add"),
        ("a business error", vec![], biz, "Biz 600 no {\"k\": \"v\"}"),
        ("a business error behind a result", sum(42), biz, "Biz 600 no {\"k\": \"v\"}"),
    ];
    for (what, data, trailers, want) in cases {
        let port = Port::bind().await;
        let client = ping_pong(&port);
        let (got, asked) = exchange(&port, client.add(40, 2).into_future(), data, trailers).await;
        assert_eq!(asked, add(40, 2), "{what}");
        let got = match got {
            Ok(sum) => sum.to_string(),
            Err(AddError::NotFound(exception)) => format!("declared {} {:?}", exception.what, exception.code),
            Err(AddError::Error(err)) => told(&err),
        };
        assert_eq!(got, *want, "{what}");
    }
}

/// An error in short.
fn told(err: &Error) -> String {
    match err {
        Error::Decode(_) => "Decode".to_owned(),
        Error::Biz(biz) => format!("Biz {} {} {:?}", biz.code(), biz.message(), biz.extra()),
        Error::Status(status) => format!("Status {} {}", status.code().0, status.message()),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_wraps_arguments_of_every_kind() {
    let port = Port::bind().await;
    let client = ping_pong(&port);
    let hi = || Request { message: Some("hi".to_owned()) };
    let (got, asked) = exchange(&port, client.echo_ping_pong(hi()).into_future(), &reply("there"), OK).await;
    assert_eq!((got.unwrap().message.as_deref(), asked), (Some("there"), ask("hi")));

    let port = Port::bind().await;
    let client = ping_pong(&port);
    let (got, asked) = exchange(&port, client.nothing().into_future(), VOID, OK).await;
    assert_eq!((got.unwrap(), asked), ((), VOID.to_vec()));

    let port = Port::bind().await;
    let client = ping_pong(&port);
    let (got, asked) = exchange(&port, client.echo_ping_pong(Request::default()).into_future(), VOID, OK).await;
    assert_eq!((got.unwrap().message, asked), (None, message(b"\x0c\0\x01\0\0")), "an absent message");

    let port = Port::bind().await;
    let client = ping_pong(&port);
    let value = Everything { must: "missing".to_owned(), ..Everything::default() };
    let (got, _) =
        exchange(&port, client.everything_ping_pong(value).into_future(), &not_found("everything"), OK).await;
    assert!(got.unwrap_err().to_string().contains("everything"));

    let port = Port::bind().await;
    let client = Unary::builder("a.service").host_ports([&port.addr]).connection_pool_size(1).build().unwrap();
    let (got, asked) = exchange(&port, client.echo_unary(hi()).into_future(), &reply("there"), OK).await;
    assert_eq!((got.unwrap().message.as_deref(), asked), (Some("there"), ask("hi")));
    // A stream's message has no wrapper; where one comes for a result, none of its fields is the result.
    let port = Port::bind().await;
    let client = Unary::builder("a.service").host_ports([&port.addr]).connection_pool_size(1).build().unwrap();
    let (got, _) = exchange(&port, client.echo_unary(hi()).into_future(), &say("bare"), OK).await;
    assert_eq!(got.unwrap().message, None);
}

/// A oneway call is over once it is sent, whatever its server does: Kitex's says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_oneway_call_waits_for_no_answer() {
    let port = Port::bind().await;
    let client = ping_pong(&port);
    let (told, mut peer): (Result<()>, Peer) =
        tokio::join!(client.notify("x".to_owned()).into_future(), port.serve(&[]));
    told.unwrap();
    let stream = requested(&mut peer).await.0;
    assert_eq!(sent(&mut peer, stream).await.0, message(b"\x0b\0\x01\0\0\0\x01x\0"));
    assert_eq!(peer.fence().await, [], "a reset could overtake the handler's look at the request");
    // What comes meets no one, and the connection goes on.
    play(&mut peer, &[Frame::trailers(stream, &[head(), trail("13", "late")].concat())]).await;
    let (told, stream) = tokio::join!(client.notify("y".to_owned()).into_future(), requested(&mut peer));
    told.unwrap();
    assert_eq!(stream.0, 3, "the same connection");
}
