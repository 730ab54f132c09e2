//! A client's bytes, read and answered by hand: what the specification of gRPC in Kitex says of clients, row by row.

use std::future::{Future, IntoFuture as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use thrill::{BidiStream, Code, Context, Error, Message, Receiver, Result, Server, Transport};
use thrill_tests::contract::{Request, Response, TestServiceClient as PingPong, TestServiceStreamClient as Client};
use thrill_tests::h2peer::wire::{
    CANCEL, ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, NO_ERROR, PROTOCOL_ERROR,
    REFUSED_STREAM,
};
use thrill_tests::h2peer::{self, Field, Frame, MAX_FRAME, Peer, Port, ask, fields, message, reply, say, soon, value};

type Stream = BidiStream<Response, Request>;

fn connect(port: &Port) -> Client {
    Client::builder("a.service").host_ports([&port.addr]).connection_pool_size(1).build().unwrap()
}

fn words(text: impl Into<String>) -> Request {
    Request { message: Some(text.into()) }
}

/// The stream and the headers of the next request.
pub(super) async fn requested(peer: &mut Peer) -> (u32, Vec<Field>) {
    match peer.event().await {
        Some(Frame::Headers { stream, fields, end: false }) => (stream, fields),
        other => panic!("no request: {other:?}"),
    }
}

/// A server that takes its one connection when it is first needed.
struct Scripted {
    port: Port,
    peer: Option<Peer>,
}

impl Scripted {
    async fn bind() -> Self {
        Self { port: Port::bind().await, peer: None }
    }

    async fn peer(&mut self) -> &mut Peer {
        let peer = match self.peer.take() {
            Some(peer) => peer,
            None => self.port.serve(&[]).await,
        };
        self.peer.insert(peer)
    }
}

/// A stream of a client, and the server that it is open to.
async fn opened(settings: &[(u16, u32)]) -> (Client, Stream, Peer) {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(settings));
    assert_eq!(requested(&mut peer).await.0, 1);
    // The stream may be open before the client has read the settings.
    assert_eq!(peer.fence().await, []);
    (client, stream.unwrap(), peer)
}

/// The headers of an answer.
pub(super) fn head() -> Vec<Field> {
    fields(&[(":status", "200"), ("content-type", "application/grpc+thrift")])
}

/// The trailers of an answer.
pub(super) fn trail(status: &str, message: &str) -> Vec<Field> {
    fields(&[("grpc-status", status), ("grpc-message", message)])
}

pub(super) async fn play(peer: &mut Peer, frames: &[Frame]) {
    peer.write(&frames.iter().flat_map(Frame::encode).collect::<Vec<_>>()).await;
}

/// Receives to the end: the messages, then the end, which must be the same when asked for again.
async fn received<T: Message>(receiver: &mut Receiver<T>) -> (usize, Result<()>) {
    let mut count = 0;
    loop {
        match soon("a message or the end", receiver.recv()).await {
            Ok(Some(_)) => count += 1,
            Ok(None) => {
                assert!(receiver.recv().await.unwrap().is_none());
                return (count, Ok(()));
            }
            Err(err) => {
                let again = receiver.recv().await.unwrap_err();
                assert_eq!(again.to_string(), err.to_string());
                return (count, Err(err));
            }
        }
    }
}

/// How a stream looks to its user that the server answers with these frames: messages, end; and the RST_STREAM that the
/// server sees once the user has dropped the stream.
async fn answered(frames: &[Frame]) -> (usize, Result<()>, Option<u32>) {
    let (_client, stream, mut peer) = opened(&[]).await;
    play(&mut peer, frames).await;
    let (sender, mut receiver) = stream.split();
    let (count, end) = received(&mut receiver).await;
    drop((sender, receiver));
    let reset = loop {
        match peer.event().await {
            Some(Frame::Reset { stream: 1, code }) => break Some(code),
            None => break None,
            Some(_) => {}
        }
    };
    (count, end, reset)
}

// 1: what a request says

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_kitexs_headers_and_no_others() {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    let (_, mut got) = requested(&mut peer).await;
    got.sort();
    let version = concat!("thrill/", env!("CARGO_PKG_VERSION"));
    let want = [
        (":authority", "a.service"),
        (":method", "POST"),
        (":path", "/echo.TestService/Echo"),
        (":scheme", "http"),
        ("content-type", "application/grpc+thrift"),
        ("te", "trailers"),
        ("user-agent", version),
    ];
    assert_eq!(got, fields(&want));
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_a_call_become_headers() {
    let port = Port::bind().await;
    let builder = Client::builder("a.service").host_ports([&port.addr]).connection_pool_size(1);
    let client = builder.caller("a caller").build().unwrap();
    let call = client.echo_server(words("hi")).transient("KEY_ONE", "t").persistent("KEY", "h\u{e9}");
    let call = call.log_id("log-1").metadata("x-list", "b").metadata("x-list", "a").metadata("x-empty", "");
    let (_stream, mut peer) = tokio::join!(call.into_future(), port.serve(&[]));
    let (_, got) = requested(&mut peer).await;
    let rows = [
        (":path", "/echo.TestService/EchoServer"),
        ("source-service", "a caller"),
        ("source-method", ""),
        ("destination-service", "a.service"),
        ("destination-method", "EchoServer"),
        ("rpc-transit-key-one", "t"),
        ("rpc-persist-key", "h\u{e9}"),
        ("stream-log-id", "log-1"),
        ("x-list", "b"),
        ("x-empty", ""),
    ];
    for (name, want) in rows {
        assert_eq!(value(&got, name), Some(want), "{name}");
    }
    let list: Vec<_> = got.iter().filter(|(name, _)| name == "x-list").map(|(_, value)| value.as_str()).collect();
    assert_eq!(list, ["b", "a"]);
    assert_eq!(value(&got, "grpc-timeout"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_travels_in_the_finest_unit_that_fits() {
    let mut server = Scripted::bind().await;
    let client = connect(&server.port);
    let ms = Duration::from_millis;
    let rows = [(ms(90), "n"), (ms(20_000), "u"), (ms(101_000), "m"), (ms(28 * 3_600_000), "S")];
    for (timeout, unit) in rows {
        let began = Instant::now();
        let (stream, peer) = tokio::join!(client.echo().timeout(timeout).into_future(), server.peer());
        let (number, got) = requested(peer).await;
        let spent = began.elapsed();
        let text = value(&got, "grpc-timeout").unwrap();
        let count: u32 = text.strip_suffix(unit).unwrap_or_else(|| panic!("{timeout:?}: {text}")).parse().unwrap();
        assert!(count <= 99_999_999, "{text}");
        let nanos = match unit {
            "n" => 1,
            "u" => 1_000,
            "m" => 1_000_000,
            _ => 1_000_000_000,
        };
        let sent = Duration::from_nanos(u64::from(count) * nanos);
        // Rounded up, by less than a unit; and not before the call began.
        assert!(sent < timeout + Duration::from_nanos(nanos) && sent + spent >= timeout, "{timeout:?}: {text}");
        drop(stream);
        assert_eq!(peer.on(number).await, Frame::reset(number, CANCEL));
    }
}

// 10.1 and 3.2: the frames of each kind of method

/// What a server gets of a stream: the data, and the size of each DATA frame that is not empty. Only DATA ends it.
pub(super) async fn sent(peer: &mut Peer, stream: u32) -> (Vec<u8>, Vec<usize>) {
    let (mut data, mut sizes) = (Vec::new(), Vec::new());
    loop {
        match peer.on(stream).await {
            Frame::Data { bytes, end, .. } => {
                data.extend_from_slice(&bytes);
                sizes.extend((!bytes.is_empty()).then_some(bytes.len()));
                if end {
                    return (data, sizes);
                }
            }
            other => panic!("a client sends HEADERS once, and then DATA: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bidirectional_stream_sends_its_messages_and_one_end() {
    let (_client, mut stream, mut peer) = opened(&[]).await;
    for text in ["one", "two"] {
        stream.send(words(text)).await.unwrap();
        assert_eq!(peer.on(1).await, Frame::data(1, say(text)), "a message does not wait for another");
    }
    stream.close().await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(peer.on(1).await, Frame::last(1, &b""[..]));
    assert!(stream.send(words("late")).await.is_err());
    assert_eq!(peer.fence().await, [], "one end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stream_without_messages_sends_an_empty_end() {
    let port = Port::bind().await;
    let client = connect(&port);
    let call = async { client.echo_client().await?.close_and_recv().await };
    let serving = async {
        let mut peer = port.serve(&[]).await;
        let (stream, got) = requested(&mut peer).await;
        assert_eq!(value(&got, ":path"), Some("/echo.TestService/EchoClient"));
        assert_eq!(peer.on(stream).await, Frame::last(stream, &b""[..]));
        let answer = [Frame::headers(1, &head()), Frame::data(1, say("none")), Frame::trailers(1, &trail("0", ""))];
        play(&mut peer, &answer).await;
        peer
    };
    let (got, mut peer) = tokio::join!(call, serving);
    assert_eq!(got.unwrap().message.as_deref(), Some("none"));
    assert_eq!(peer.fence().await, [], "nothing follows a call that went well");
}

/// Makes a call and answers it: what it gives, its path, and its data.
async fn exchange<T>(call: impl Future<Output = T>, server: &mut Scripted, answer: Vec<u8>) -> (T, String, Vec<u8>) {
    let serving = async {
        let peer = server.peer().await;
        let (stream, fields) = requested(peer).await;
        let data = sent(peer, stream).await.0;
        let end = Frame::trailers(stream, &trail("0", ""));
        play(peer, &[Frame::headers(stream, &head()), Frame::data(stream, answer), end]).await;
        (value(&fields, ":path").unwrap().to_owned(), data)
    };
    let (got, (path, data)) = tokio::join!(call, serving);
    (got, path, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_of_one_request_send_it_and_the_end() {
    let mut server = Scripted::bind().await;
    let client = connect(&server.port);
    let call = async { received(&mut client.echo_server(words("hi")).await.unwrap()).await.0 };
    let want = (3, "/echo.TestService/EchoServer".to_owned(), say("hi"));
    assert_eq!(exchange(call, &mut server, say("reply").repeat(3)).await, want);
    let call = async { client.echo_unary(words("hi")).await.unwrap().message.unwrap() };
    let want = ("reply".to_owned(), "/echo.TestService/EchoUnary".to_owned(), ask("hi"));
    assert_eq!(exchange(call, &mut server, reply("reply")).await, want);

    let mut server = Scripted::bind().await;
    let client = PingPong::builder("a.service")
        .host_ports([&server.port.addr])
        .transport(Transport::Http2)
        .connection_pool_size(1)
        .build()
        .unwrap();
    let call = async { client.echo_ping_pong(words("hi")).await.unwrap().message.unwrap() };
    let want = ("reply".to_owned(), "/echo.TestService/EchoPingPong".to_owned(), ask("hi"));
    assert_eq!(exchange(call, &mut server, reply("reply")).await, want);
    let args = [b"\x0a\0\x01", &40i64.to_be_bytes()[..], b"\x0a\0\x02", &2i64.to_be_bytes(), b"\0"].concat();
    let call = async { client.add(40, 2).await.map_err(|err| err.to_string()) };
    let want = (Ok(42), "/echo.TestService/Add".to_owned(), message(&args));
    assert_eq!(exchange(call, &mut server, message(b"\x0a\0\0\0\0\0\0\0\0\0\x2a\0")).await, want);
    let call = async { client.add(404, 2).await.map_err(|err| err.to_string().contains("404")) };
    let not_found = message(b"\x0c\0\x01\x0b\0\x01\0\0\0\x03404\0\0");
    assert_eq!(exchange(call, &mut server, not_found).await.0, Err(true), "a declared exception");
    let call = async { client.nothing().await.unwrap() };
    let want = ((), "/echo.TestService/Nothing".to_owned(), message(b"\0"));
    assert_eq!(exchange(call, &mut server, message(b"\0")).await, want);
}

// 4.6: how an answer is read

#[tokio::test(flavor = "multi_thread")]
async fn trailers_tell_how_a_stream_ends() {
    type Row<'a> = (&'a [(&'a str, &'a str)], i32, &'a str);
    let rows: &[Row<'_>] = &[
        (&[("grpc-status", "0")], 0, ""),
        (&[("grpc-status", "0"), ("grpc-message", "ignored")], 0, ""),
        (&[("grpc-status", "5"), ("grpc-message", "nf")], 5, "rpc error: code = 5 desc = nf"),
        (&[("grpc-status", "5")], 5, "rpc error: code = 5 desc = "),
        (&[("grpc-status", "20"), ("grpc-message", "us")], 20, "rpc error: code = 20 desc = us"),
        (&[("grpc-status", "99"), ("grpc-message", "")], 99, "rpc error: code = 99 desc = "),
        (&[("grpc-status", "-1")], -1, "rpc error: code = -1 desc = "),
        (&[("grpc-status", "9"), ("grpc-message", "a%20b%zz%C3%A9%")], 9, "rpc error: code = 9 desc = a b%zz\u{e9}%"),
        (&[("grpc-status", "9"), ("grpc-message", "%ff")], 9, "rpc error: code = 9 desc = \u{fffd}"),
        (&[("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "404")], 13, "biz error: code=404, msg=bm"),
        (&[("grpc-status", "5"), ("grpc-message", "bm"), ("biz-status", "0")], 5, "biz error: code=0, msg=bm"),
        (&[("grpc-status", "5"), ("grpc-message", "bm"), ("biz-status", "-7")], 5, "biz error: code=-7, msg=bm"),
        (&[("grpc-status", "0"), ("biz-status", "404"), ("biz-extra", "{}")], 0, ""),
        // {code: 5, message: "nf"}, with and without padding
        (&[("grpc-status", "13"), ("grpc-status-details-bin", "CAUSAm5m")], 5, "rpc error: code = 5 desc = nf"),
        (&[("grpc-status", "13"), ("grpc-status-details-bin", "CAUSAQ")], 13, "malformed grpc-status-details-bin"),
        (&[("grpc-status", "13"), ("grpc-status-details-bin", "CAU=")], 5, "rpc error: code = 5 desc = "),
        (&[("x-trail", "no status")], 2, "rpc error: code = 2 desc = "),
        (&[("grpc-status", "x")], 13, "transport: malformed grpc-status: "),
        (&[("grpc-status", "")], 13, "transport: malformed grpc-status: "),
        (&[("grpc-status", "99999999999")], 13, "transport: malformed grpc-status: "),
        (&[("grpc-status", "1"), ("biz-status", "x")], 13, "transport: malformed biz-status: "),
        (&[("grpc-status", "1"), ("biz-extra", "x")], 13, "transport: malformed biz-extra: "),
        (&[("grpc-status", "1"), ("grpc-status-details-bin", "A?")], 13, "malformed grpc-status-details-bin"),
    ];
    for (trailer, code, want) in rows {
        let only = [head(), fields(trailer)].concat();
        let with_message =
            [Frame::headers(1, &head()), Frame::data(1, say("hi")), Frame::trailers(1, &fields(trailer))];
        for (frames, messages) in [(&with_message[..], 1), (&[Frame::trailers(1, &only)], 0)] {
            let (count, end, reset) = answered(frames).await;
            let what = format!("{trailer:?} after {messages} messages");
            assert_eq!(count, messages, "{what}");
            match end {
                Ok(()) => assert_eq!((0, ""), (*code, *want), "{what}"),
                Err(err) => {
                    assert_eq!(err.code(), Code(*code), "{what}: {err}");
                    let is_exact = !want.contains("malformed");
                    assert!(
                        if is_exact { err.to_string() == *want } else { err.to_string().contains(want) },
                        "{what}: {err}"
                    );
                }
            }
            let expected = if want.contains("malformed") { PROTOCOL_ERROR } else { NO_ERROR };
            assert_eq!(reset, Some(expected), "{what}: the client had not half-closed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_error_carries_its_extra_and_its_status() {
    let trailer = fields(&[
        ("grpc-status", "5"),
        ("grpc-message", "b%C3%A9"),
        ("biz-status", "404"),
        ("biz-extra", r#"{"a":"h\u00e9 é","b":"\u003c\"\n"}"#),
    ]);
    let (_, end, _) = answered(&[Frame::trailers(1, &[head(), trailer].concat())]).await;
    let Err(Error::Biz(biz)) = end else { panic!("no business error: {end:?}") };
    assert_eq!((biz.code(), biz.message()), (404, "b\u{e9}"));
    assert_eq!(biz.status().map(|status| status.code()), Some(Code::NOT_FOUND));
    let extra: Vec<_> = biz.extra().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(extra, [("a", "h\u{e9} \u{e9}"), ("b", "<\"\n")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_grpc_is_explained_by_its_http_status() {
    let rows: [(&str, Option<&str>, i32, &str); 14] = [
        ("200", None, 2, "OK: HTTP status code 200; transport: missing content-type field"),
        (
            "200",
            Some("text/html"),
            2,
            "OK: HTTP status code 200; transport: received the unexpected content-type \"text/html\"",
        ),
        ("200", Some("application/grpc-web"), 2, "unexpected content-type \"application/grpc-web\""),
        ("400", None, 13, "Bad Request: HTTP status code 400; transport: missing content-type field"),
        ("401", None, 16, "Unauthorized: HTTP status code 401; "),
        ("403", None, 7, "Forbidden: HTTP status code 403; "),
        ("404", Some("text/html"), 12, "Not Found: HTTP status code 404; "),
        ("415", None, 2, "Unsupported Media Type: HTTP status code 415; "),
        ("429", None, 14, "Too Many Requests: HTTP status code 429; "),
        ("500", None, 2, "Internal Server Error: HTTP status code 500; "),
        ("502", None, 14, "Bad Gateway: HTTP status code 502; "),
        ("503", Some("text/plain"), 14, "Service Unavailable: HTTP status code 503; "),
        ("504", None, 14, "Gateway Timeout: HTTP status code 504; "),
        ("599", None, 2, "HTTP status code 599; "),
    ];
    for (status, content_type, code, want) in rows {
        for end in [true, false] {
            let mut answer = fields(&[(":status", status), ("grpc-status", "0")]);
            answer.extend(content_type.map(|value| ("content-type".to_owned(), value.to_owned())));
            let (count, got, reset) = answered(&[Frame::Headers { stream: 1, fields: answer, end }]).await;
            let err = got.unwrap_err();
            let what = format!("{status} {content_type:?}, end: {end}: {err}");
            assert_eq!((count, err.code()), (0, Code(code)), "{what}");
            assert!(err.to_string().contains(want), "{what}");
            assert_eq!(reset, Some(PROTOCOL_ERROR), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kitex_overlooks_in_an_answer_is_overlooked() {
    let ok = trail("0", "");
    let rows = [
        ("HTTP status 500", fields(&[(":status", "500"), ("content-type", "application/grpc+thrift")])),
        ("another subtype", fields(&[(":status", "200"), ("content-type", "application/grpc+proto")])),
        ("no subtype", fields(&[(":status", "200"), ("content-type", "application/grpc")])),
        ("fields that are unknown", [head(), fields(&[("x-a", "1"), ("grpc-what", "2")])].concat()),
        ("a name of an encoding", [head(), fields(&[("grpc-encoding", "identity")])].concat()),
    ];
    for (what, header) in rows {
        let frames = [Frame::headers(1, &header), Frame::data(1, say("hi")), Frame::trailers(1, &ok)];
        let (count, end, _) = answered(&frames).await;
        assert!(count == 1 && end.is_ok(), "{what}: {count} {end:?}");
        let only = [header, ok.clone()].concat();
        let (_, end, _) = answered(&[Frame::trailers(1, &only)]).await;
        assert!(end.is_ok(), "{what}: {end:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_the_protocol_is_an_error_after_the_messages_before_it() {
    let (first, last) = (Frame::headers(1, &head()), Frame::trailers(1, &trail("0", "")));
    let data = |bytes: Vec<u8>| Frame::data(1, bytes);
    let cut = |count: usize| data(say("hi")[..count].to_vec());
    let late = |name: &str, value: &str| [trail("0", ""), fields(&[(name, value)])].concat();
    // The h2 crate ends the connection for a field that it cannot read, where Kitex resets the stream; and Kitex does not
    // miss a `:status`.
    let (reset, no_error, connection) = (Some(PROTOCOL_ERROR), Some(NO_ERROR), None);
    let rows = [
        ("no trailers", vec![first.clone(), Frame::last(1, say("hi"))], 1, 13, "without sending trailers", no_error),
        (
            "no trailers, empty",
            vec![first.clone(), Frame::last(1, &b""[..])],
            0,
            13,
            "without sending trailers",
            no_error,
        ),
        ("no HTTP status", vec![Frame::headers(1, &head()[1..])], 0, 13, "", reset),
        ("DATA first", vec![data(say("hi"))], 0, 14, "", connection),
        ("a second head", vec![first.clone(), data(say("hi")), first.clone()], 1, 13, "", reset),
        ("an upper-case header", vec![Frame::headers(1, &late("HELLO", "v"))], 0, 14, "", connection),
        ("an upper-case trailer", vec![first.clone(), Frame::trailers(1, &late("HELLO", "v"))], 0, 14, "", connection),
        (
            "cut in a prefix",
            vec![first.clone(), data(say("a")), cut(3), last.clone()],
            1,
            13,
            "unexpected EOF",
            no_error,
        ),
        ("cut in a payload", vec![first.clone(), cut(9), last.clone()], 0, 13, "unexpected EOF", no_error),
        (
            "cut, with a status",
            vec![first.clone(), cut(9), Frame::trailers(1, &trail("5", "nf"))],
            0,
            13,
            "unexpected EOF",
            no_error,
        ),
        ("4 GiB", vec![first.clone(), data(vec![0, 255, 255, 255, 255])], 0, 8, "of 4294967295 bytes", reset),
        ("flag 1", vec![first.clone(), data(b"\x01\0\0\0\x01\0".to_vec())], 0, 13, "compressed", reset),
    ];
    for (what, frames, messages, code, want, seen) in rows {
        let (count, end, reset) = answered(&frames).await;
        let err = end.unwrap_err();
        assert_eq!((count, err.code()), (messages, Code(code)), "{what}: {err}");
        assert!(err.to_string().contains(want), "{what}: {err}");
        assert_eq!(reset, seen, "{what}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_decoded_is_an_error_and_the_next_one_is_read() {
    let bad = [message(b""), message(&[0x0b, 0, 1, 0, 0, 1, 0, b'x', 0]), message(&[0x0b, 0, 1, 0, 0, 0, 1, 0xff, 0])];
    for bytes in bad {
        let (_client, mut stream, mut peer) = opened(&[]).await;
        let data = Frame::data(1, [bytes.clone(), say("next")].concat());
        play(&mut peer, &[Frame::headers(1, &head()), data, Frame::trailers(1, &trail("0", ""))]).await;
        assert_eq!(stream.recv().await.unwrap_err().code(), Code(7), "{bytes:?}");
        assert_eq!(stream.recv().await.unwrap().unwrap().message.as_deref(), Some("next"));
        assert_eq!(stream.recv().await.unwrap(), None);
    }
}

/// Kitex fails a stream for it; HTTP lets any answer have it first.
#[tokio::test(flavor = "multi_thread")]
async fn an_interim_answer_is_passed_over() {
    let interim = fields(&[(":status", "103"), ("x-early", "1")]);
    let frames = [Frame::headers(1, &interim), Frame::headers(1, &head()), Frame::trailers(1, &trail("0", ""))];
    let (count, end, _) = answered(&frames).await;
    assert!(count == 0 && end.is_ok(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_list_over_the_limit_is_an_error_of_the_stream() {
    let long = |size: usize| vec![("x-long".to_owned(), "v".repeat(size))];
    let header = |size| vec![Frame::headers(1, &[head(), long(size)].concat()), Frame::trailers(1, &trail("0", ""))];
    let trailer = |size| vec![Frame::headers(1, &head()), Frame::trailers(1, &[long(size), trail("0", "")].concat())];
    for frames in [header(60_000), trailer(60_000)] {
        assert!(answered(&frames).await.1.is_ok());
    }
    let (_, end, reset) = answered(&header(70_000)).await;
    let err = end.unwrap_err();
    assert_eq!((err.code(), reset), (Code::INTERNAL, Some(PROTOCOL_ERROR)));
    assert!(!err.to_string().contains("terminated by RST_STREAM"), "it is this side that refuses: {err}");
    // The h2 crate leaves out what is over the limit: an end that is lost with it is never success.
    assert!(answered(&trailer(70_000)).await.1.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn header_and_trailer_metadata_are_told_apart() {
    let own = fields(&[("x-list", "b"), ("x-list", "a"), ("x-bin", "AP8="), ("x-utf8", "h\u{e9}")]);
    for only in [true, false] {
        let (_client, mut stream, mut peer) = opened(&[]).await;
        let trailer = [trail("5", "nf"), own.clone()].concat();
        if only {
            peer.send(&Frame::trailers(1, &[head(), trailer].concat())).await;
        } else {
            play(&mut peer, &[Frame::headers(1, &[head(), own.clone()].concat()), Frame::trailers(1, &trailer)]).await;
        }
        let header = soon("the header", stream.header()).await.unwrap();
        assert_eq!(stream.trailer().is_some(), only, "Trailers-Only is the end");
        assert_eq!(stream.recv().await.unwrap_err().code(), Code(5));
        let trailer = stream.trailer().unwrap().clone();
        let parts = if only { vec![&trailer] } else { vec![&header, &trailer] };
        for metadata in parts {
            assert_eq!(metadata.get_all("x-list").collect::<Vec<_>>(), ["b", "a"]);
            assert_eq!(metadata.get_bin("x-bin").collect::<Vec<_>>(), [Bytes::from_static(&[0, 255])]);
            assert_eq!(metadata.get("x-utf8").as_deref(), Some("h\u{e9}"));
            assert_eq!(metadata.get("grpc-status"), None);
        }
        assert_eq!(header.is_empty(), only, "Trailers-Only has no header");
        let shown = if only { &trailer } else { &header };
        assert_eq!(shown.get("content-type").as_deref(), Some("application/grpc+thrift"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_one_response_needs_one_and_its_end() {
    let (first, ok) = (Frame::headers(1, &head()), Frame::trailers(1, &trail("0", "")));
    let data = |bytes: Vec<u8>| Frame::data(1, bytes);
    let rows = [
        ("a response", vec![first.clone(), data(reply("hi")), ok.clone()], Ok(Some("hi"))),
        (
            "an error wins",
            vec![first.clone(), data(reply("hi")), Frame::trailers(1, &trail("5", "nf"))],
            Err((5, "nf")),
        ),
        ("no response", vec![first.clone(), ok.clone()], Err((13, "without a response"))),
        (
            "no response at all",
            vec![Frame::trailers(1, &[head(), trail("0", "")].concat())],
            Err((13, "without a response")),
        ),
        (
            "two responses",
            vec![first.clone(), data([reply("a"), reply("b")].concat()), ok.clone()],
            Err((13, "more than one")),
        ),
        ("no trailers", vec![first.clone(), Frame::last(1, reply("hi"))], Err((13, "without sending trailers"))),
        ("no wrapper: as good as no value, to Kitex too", vec![first, data(say("hi")), ok], Ok(None)),
    ];
    for (what, frames, want) in rows {
        let port = Port::bind().await;
        let client = connect(&port);
        let serving = async {
            let mut peer = port.serve(&[]).await;
            requested(&mut peer).await;
            play(&mut peer, &frames).await;
            peer
        };
        let (got, _peer) = tokio::join!(client.echo_unary(words("x")).into_future(), serving);
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got.message.as_deref(), want, "{what}"),
            (Err(err), Err((code, text))) => {
                assert_eq!(err.code(), Code(code), "{what}: {err}");
                assert!(err.to_string().contains(text), "{what}: {err}");
            }
            (got, want) => panic!("{what}: got {got:?}, want {want:?}"),
        }
    }
}

// 5.4: RST_STREAM from a server

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_has_kitexs_code_and_text() {
    let rows = [
        (0, 13, "NO_ERROR"),
        (1, 13, "PROTOCOL_ERROR"),
        (2, 13, "INTERNAL_ERROR"),
        (3, 8, "FLOW_CONTROL_ERROR"),
        (4, 13, "SETTINGS_TIMEOUT"),
        (5, 13, "STREAM_CLOSED"),
        (6, 13, "FRAME_SIZE_ERROR"),
        (7, 14, "REFUSED_STREAM"),
        (8, 1, "CANCEL"),
        (9, 13, "COMPRESSION_ERROR"),
        (10, 13, "CONNECT_ERROR"),
        (11, 8, "ENHANCE_YOUR_CALM"),
        (12, 7, "INADEQUATE_SECURITY"),
        (13, 13, "HTTP_1_1_REQUIRED"),
        (1000, 14, "graceful shutdown"),
        (0xbeef, 2, "unknown error code 0xbeef"),
    ];
    for (number, code, name) in rows {
        let want = match number {
            1000 => format!("rpc error: code = {code} desc = {name}"),
            _ => format!("rpc error: code = {code} desc = stream terminated by RST_STREAM with error code: {name}"),
        };
        for messages in [0, 1] {
            let (_client, stream, mut peer) = opened(&[]).await;
            let (mut sender, mut receiver) = stream.split();
            let mut frames = vec![Frame::headers(1, &head()), Frame::data(1, say("hi"))];
            frames.truncate(messages * 2);
            play(&mut peer, &frames).await;
            for _ in 0..messages {
                assert!(receiver.recv().await.unwrap().is_some());
            }
            peer.send(&Frame::reset(1, number)).await;
            let (count, end) = received(&mut receiver).await;
            let err = end.unwrap_err();
            assert_eq!((count, err.code(), err.to_string()), (0, Code(code), want.clone()), "RST {number}");
            let err = sender.send(words("late")).await.unwrap_err();
            assert_eq!((err.code(), err.to_string()), (Code(code), want.clone()), "RST {number}: send");
            if messages == 0 {
                assert_eq!(receiver.header().await.unwrap_err().to_string(), want, "RST {number}: header");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_behind_the_end_is_nothing() {
    for code in [NO_ERROR, CANCEL, 1000] {
        let data = Frame::data(1, [say("a"), say("b")].concat());
        let end = Frame::trailers(1, &trail("0", ""));
        let (client, stream, mut peer) = opened(&[]).await;
        play(&mut peer, &[Frame::headers(1, &head()), data, end, Frame::reset(1, code)]).await;
        // The reset is here before anything is read.
        peer.fence().await;
        let (mut sender, mut receiver) = stream.split();
        let (count, end) = received(&mut receiver).await;
        assert_eq!((count, end.map_err(|err| err.to_string())), (2, Ok(())), "RST {code}");
        let err = sender.send(words("late")).await.unwrap_err();
        assert_eq!(err.to_string(), "rpc error: code = 13 desc = the stream is done", "RST {code}");
        // Trailers-Only, and the next stream of the same connection.
        let next = soon("the next stream", client.echo().into_future()).await.unwrap();
        while !matches!(peer.on(3).await, Frame::Headers { .. }) {}
        let only = [head(), trail("0", "")].concat();
        play(&mut peer, &[Frame::trailers(3, &only), Frame::reset(3, code)]).await;
        peer.fence().await;
        assert!(received(&mut next.split().1).await.1.is_ok(), "RST {code}");
    }
}

// 5.2: cancellation and deadlines

/// Within this, something happens "at once": Kitex needs up to five seconds.
const PROMPT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_stream_on_both_sides_whoever_waits() {
    for waits in [true, false] {
        let port = Port::bind().await;
        let client = connect(&port);
        let call = client.echo().timeout(Duration::from_millis(50)).into_future();
        let (stream, mut peer) = tokio::join!(call, port.serve(&[]));
        let mut stream = stream.unwrap();
        requested(&mut peer).await;
        let began = Instant::now();
        if waits {
            let err = soon("the deadline", stream.recv()).await.unwrap_err();
            assert_eq!(err.code(), Code::DEADLINE_EXCEEDED);
        }
        assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
        assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
        for err in [stream.recv().await.map(drop), stream.send(words("late")).await, stream.header().await.map(drop)] {
            let err = err.unwrap_err();
            assert_eq!(err.code(), Code::DEADLINE_EXCEEDED);
            let text = err.to_string();
            assert!(text.starts_with("rpc error: code = 4 desc = context deadline exceeded"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_after_the_deadline_is_the_deadline() {
    let port = Port::bind().await;
    let client = connect(&port);
    let deadline = Instant::now() + Duration::from_millis(50);
    let (stream, mut peer) = tokio::join!(client.echo().deadline(deadline).into_future(), port.serve(&[]));
    requested(&mut peer).await;
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    peer.send(&Frame::reset(1, CANCEL)).await;
    peer.fence().await;
    assert_eq!(stream.unwrap().recv().await.unwrap_err().code(), Code::DEADLINE_EXCEEDED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_has_passed_opens_nothing() {
    let (client, _stream, mut peer) = opened(&[]).await;
    for call in [client.echo().timeout(Duration::ZERO), client.echo().deadline(Instant::now())] {
        assert_eq!(call.await.map(drop).unwrap_err().code(), Code::DEADLINE_EXCEEDED);
    }
    assert_eq!(peer.fence().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_the_deadline_is_received() {
    let port = Port::bind().await;
    let client = connect(&port);
    let call = client.echo().timeout(Duration::from_millis(100)).into_future();
    let (stream, mut peer) = tokio::join!(call, port.serve(&[]));
    requested(&mut peer).await;
    play(&mut peer, &[Frame::headers(1, &head()), Frame::data(1, [say("a"), say("b")].concat())]).await;
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    let (count, end) = received(&mut stream.unwrap().split().1).await;
    assert_eq!((count, end.unwrap_err().code()), (2, Code::DEADLINE_EXCEEDED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unary_call_has_a_deadline_too() {
    let port = Port::bind().await;
    let client = connect(&port);
    let call = client.echo_unary(words("hi")).timeout(Duration::from_millis(500)).into_future();
    let serving = async {
        let mut peer = port.serve(&[]).await;
        let (_, got) = requested(&mut peer).await;
        assert!(value(&got, "grpc-timeout").is_some());
        assert_eq!(sent(&mut peer, 1).await.0, ask("hi"));
        assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    };
    let (got, ()) = tokio::join!(call, serving);
    assert_eq!(got.unwrap_err().code(), Code::DEADLINE_EXCEEDED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_dropped_is_cancelled_at_once() {
    let (client, stream, mut peer) = opened(&[]).await;
    let began = Instant::now();
    drop(stream);
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    let requests = client.echo_client().await.unwrap();
    requested(&mut peer).await;
    drop(requests);
    assert_eq!(peer.on(3).await, Frame::reset(3, CANCEL));
    let responses = client.echo_server(words("hi")).await.unwrap();
    requested(&mut peer).await;
    sent(&mut peer, 5).await;
    drop(responses);
    assert_eq!(peer.on(5).await, Frame::reset(5, CANCEL));
    let call = tokio::spawn(client.echo_unary(words("hi")).into_future());
    requested(&mut peer).await;
    sent(&mut peer, 7).await;
    call.abort();
    assert_eq!(peer.on(7).await, Frame::reset(7, CANCEL));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_that_is_dropped_open_cancels_the_stream() {
    let (_client, stream, mut peer) = opened(&[]).await;
    let (sender, mut receiver) = stream.split();
    drop(sender);
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    let err = receiver.recv().await.unwrap_err();
    assert!(err.to_string().starts_with("rpc error: code = 1 desc = context canceled"), "{err}");

    let (_client, stream, mut peer) = opened(&[]).await;
    let (mut sender, receiver) = stream.split();
    drop(receiver);
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    let err = sender.send(words("late")).await.unwrap_err();
    assert!(err.to_string().starts_with("rpc error: code = 1 desc = context canceled"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_that_is_closed_and_dropped_leaves_the_other() {
    let (_client, stream, mut peer) = opened(&[]).await;
    let (mut sender, mut receiver) = stream.split();
    sender.send(words("hi")).await.unwrap();
    sender.close().await.unwrap();
    drop(sender);
    assert_eq!(sent(&mut peer, 1).await.0, say("hi"));
    assert_eq!(peer.fence().await, []);
    play(&mut peer, &[Frame::headers(1, &head()), Frame::data(1, say("a")), Frame::trailers(1, &trail("0", ""))]).await;
    let (count, end) = received(&mut receiver).await;
    assert!(count == 1 && end.is_ok(), "{end:?}");
    drop(receiver);
    assert_eq!(peer.fence().await, [], "a stream that both sides ended is not reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_takes_what_was_sent_with_it_and_leaves_the_next() {
    let (client, mut stream, mut peer) = opened(&[(INITIAL_WINDOW_SIZE, 0)]).await;
    // Less than the send buffer, so that nothing waits.
    for _ in 0..50 {
        stream.send(words("x".repeat(1000))).await.unwrap();
    }
    drop(stream);
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL), "without a window, nothing but the reset can go");
    let mut next = client.echo().await.unwrap();
    requested(&mut peer).await;
    next.send(words("next")).await.unwrap();
    peer.send(&Frame::Window { stream: 3, size: 1000 }).await;
    assert_eq!(peer.on(3).await, Frame::data(3, say("next")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_handler_ends_with_the_handlers_own() {
    /// Calls on with the context of its own call, and waits.
    struct Relay(Client);

    #[thrill::service(namespace = "relay", rename_all = "PascalCase")]
    trait Hop {
        #[streaming(mode = "bidirectional")]
        async fn go(&self, cx: &Context, stream: BidiStream<Request, Response>) -> Result<()>;
    }

    impl Hop for Relay {
        async fn go(&self, cx: &Context, mut stream: BidiStream<Request, Response>) -> Result<()> {
            let onward = self.0.echo().context(cx).await?;
            // `!return` leaves the onward stream open in another task.
            while let Some(req) = stream.recv().await? {
                if req.message.as_deref() == Some("!return") {
                    tokio::spawn(async move { received(&mut onward.split().1).await });
                    return Ok(());
                }
            }
            Ok(())
        }
    }

    let mut end = Scripted::bind().await;
    let relay = Relay(connect(&end.port));
    let server = Server::new().add(HopServer::new(relay)).bind("127.0.0.1:0").await.unwrap().spawn();
    let mut caller = Peer::client(&server.local_address().to_string(), &[]).await;
    let rows = [
        ("cancel", Frame::reset(0, CANCEL), CANCEL),
        ("graceful shutdown", Frame::reset(0, 1000), 1000),
        ("another code", Frame::reset(0, 2), CANCEL),
        ("return", Frame::data(0, say("!return")), CANCEL),
    ];
    for (what, frame, want) in rows {
        let own = caller.open(&h2peer::with(h2peer::request("/relay.Hop/Go"), "grpc-timeout", "10S")).await;
        let peer = end.peer().await;
        let (stream, got) = requested(peer).await;
        assert!(value(&got, "grpc-timeout").is_some(), "{what}: the deadline goes on");
        caller
            .send(&match frame {
                Frame::Reset { code, .. } => Frame::reset(own, code),
                _ => Frame::data(own, say("!return")),
            })
            .await;
        assert_eq!(peer.on(stream).await, Frame::reset(stream, want), "{what}");
    }
}

// 5.4: streams that the server refuses

/// Takes the next call on a connection, and refuses it.
async fn refuse(peer: &mut Peer) -> u32 {
    let stream = requested(peer).await.0;
    sent(peer, stream).await;
    peer.send(&Frame::reset(stream, REFUSED_STREAM)).await;
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_server_refuses_is_made_once_more_on_the_next_connection() {
    for connections in [1, 2] {
        let port = Port::bind().await;
        let client = Client::builder("a.service").host_ports([&port.addr]).connection_pool_size(connections);
        let client = client.build().unwrap();
        let serving = async {
            let mut peer = port.serve(&[]).await;
            assert_eq!(refuse(&mut peer).await, 1);
            if connections > 1 {
                peer = port.serve(&[]).await;
            }
            let stream = requested(&mut peer).await.0;
            assert_eq!(sent(&mut peer, stream).await.0, ask("hi"), "it is the same call");
            let answer = [Frame::headers(stream, &head()), Frame::data(stream, reply("hi"))];
            play(&mut peer, &[&answer[..], &[Frame::trailers(stream, &trail("0", ""))]].concat()).await;
            peer
        };
        let (called, _peer) = tokio::join!(client.echo_unary(words("hi")).into_future(), serving);
        assert_eq!(called.unwrap().message.as_deref(), Some("hi"), "{connections} connections");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_server_refuses_twice_or_has_begun_to_answer_fails() {
    let text = "rpc error: code = 14 desc = stream terminated by RST_STREAM with error code: REFUSED_STREAM";
    let port = Port::bind().await;
    let client = connect(&port);
    let serving = async {
        let mut peer = port.serve(&[]).await;
        assert_eq!([refuse(&mut peer).await, refuse(&mut peer).await], [1, 3]);
        peer
    };
    let (called, mut peer) = tokio::join!(client.echo_unary(words("hi")).into_future(), serving);
    assert_eq!(called.unwrap_err().to_string(), text);
    // Whoever has answered has looked at it.
    for answer in [&[][..], &reply("hi")] {
        let serving = async {
            let stream = requested(&mut peer).await.0;
            sent(&mut peer, stream).await;
            play(&mut peer, &[Frame::headers(stream, &head()), Frame::data(stream, answer.to_vec())]).await;
            peer.send(&Frame::reset(stream, REFUSED_STREAM)).await;
        };
        let (called, ()) = tokio::join!(client.echo_unary(words("hi")).into_future(), serving);
        assert_eq!(called.unwrap_err().to_string(), text);
        assert_eq!(peer.fence().await, [], "it is not made again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_made_once_more_has_the_time_that_is_left() {
    let port = Port::bind().await;
    let client = connect(&port);
    let call = client.echo_unary(words("hi")).timeout(Duration::from_millis(300)).into_future();
    let serving = async {
        let mut peer = port.serve(&[]).await;
        let (stream, fields) = requested(&mut peer).await;
        sent(&mut peer, stream).await;
        let first = grpc_timeout(&fields);
        peer.send(&Frame::reset(stream, REFUSED_STREAM)).await;
        let second = grpc_timeout(&requested(&mut peer).await.1);
        assert!(second < first, "{second:?} of {first:?}");
        peer
    };
    let (called, _peer) = tokio::join!(call, serving);
    assert_eq!(called.unwrap_err().code(), Code::DEADLINE_EXCEEDED);
}

/// A request's timeout, which is a number of nanoseconds or microseconds here.
fn grpc_timeout(fields: &[Field]) -> Duration {
    let text = value(fields, "grpc-timeout").unwrap();
    let (number, unit) = text.split_at(text.len() - 1);
    let number = number.parse().unwrap();
    if unit == "n" { Duration::from_nanos(number) } else { Duration::from_micros(number) }
}

// 5.7: GOAWAY, and connections that end

fn goaway(last: u32, code: u32) -> Frame {
    Frame::GoAway { last, code, debug: Bytes::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn goaway_refuses_the_streams_above_and_lets_the_others_end() {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stays, mut peer) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    let (mut stays, mut goes) = (stays.unwrap(), client.echo().await.unwrap());
    for want in [1, 3] {
        assert_eq!(requested(&mut peer).await.0, want);
    }
    peer.send(&goaway(1, NO_ERROR)).await;
    let err = soon("the refusal", goes.recv()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 14 desc = the connection is draining");
    assert!(matches!(&err, Error::ConnectionLost(lost) if lost.is_draining()), "{err:?}");
    assert_eq!(goes.send(words("late")).await.unwrap_err().code(), Code::UNAVAILABLE);

    let (next, mut second) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    assert_eq!(requested(&mut second).await.0, 1, "the next call has a connection of its own");
    stays.send(words("on")).await.unwrap();
    assert_eq!(peer.on(1).await, Frame::data(1, say("on")));
    play(&mut peer, &[Frame::headers(1, &head()), Frame::data(1, say("on")), Frame::trailers(1, &trail("0", ""))])
        .await;
    let (count, end) = received(&mut stays.split().1).await;
    assert!(count == 1 && end.is_ok(), "{end:?}");
    drop(goes);
    peer.end().await;
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_goaway_the_next_call_has_a_new_connection() {
    for (last, code) in [(u32::MAX >> 1, NO_ERROR), (1, ENHANCE_YOUR_CALM)] {
        let port = Port::bind().await;
        let client = connect(&port);
        let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(&[]));
        let mut stream = stream.unwrap();
        requested(&mut peer).await;
        peer.send(&goaway(last, code)).await;
        peer.fence().await;
        let (next, mut second) = tokio::join!(client.echo().into_future(), port.serve(&[]));
        assert_eq!(requested(&mut second).await.0, 1);
        play(&mut peer, &[Frame::trailers(1, &[head(), trail("0", "")].concat())]).await;
        assert_eq!(stream.recv().await.unwrap(), None, "code {code}: the stream below goes on");
        drop((stream, next));
        peer.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_goaway_counts_for_what_was_opened_after_the_first() {
    let (_client, mut stream, mut peer) = opened(&[]).await;
    peer.send(&goaway(u32::MAX >> 1, NO_ERROR)).await;
    peer.fence().await;
    peer.send(&goaway(0, NO_ERROR)).await;
    let err = soon("the refusal", stream.recv()).await.unwrap_err();
    assert_eq!(err.to_string(), "rpc error: code = 14 desc = the connection is draining");
    drop(stream);
    peer.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_ends_its_streams_and_the_next_call_dials() {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    let (mut stream, mut other) = (stream.unwrap(), client.echo().await.unwrap());
    requested(&mut peer).await;
    requested(&mut peer).await;
    play(&mut peer, &[Frame::headers(1, &head()), Frame::data(1, say("before"))]).await;
    peer.fence().await;
    drop(peer);
    assert_eq!(soon("what came", stream.recv()).await.unwrap().unwrap().message.as_deref(), Some("before"));
    for stream in [&mut stream, &mut other] {
        let err = soon("the loss", stream.recv()).await.unwrap_err();
        assert!(matches!(&err, Error::ConnectionLost(lost) if lost.peer() == port.addr), "{err:?}");
        assert_eq!(err.code(), Code::UNAVAILABLE);
        let late = stream.send(words("late")).await.unwrap_err();
        assert_eq!(late.to_string(), err.to_string());
    }
    let (next, mut second) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    requested(&mut second).await;
    drop(next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_http2_fails_the_streams_of_its_connection() {
    let broken = [
        ("PING of five bytes", h2peer::frame(h2peer::wire::PING, 0, 0, b"short")),
        ("DATA of no stream", h2peer::frame(h2peer::wire::DATA, 0, 0, b"x")),
        ("HEADERS of a stream that nobody opened", Frame::headers(99, &head()).encode()),
        ("PUSH_PROMISE", h2peer::frame(h2peer::wire::PUSH_PROMISE, 4, 1, &[0, 0, 0, 2])),
        ("a frame over the limit", h2peer::frame(h2peer::wire::DATA, 0, 1, &vec![0; 200 << 10])),
        ("no header block", h2peer::frame(h2peer::wire::HEADERS, 4, 1, &[0xff; 40])),
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in broken {
        let (_client, mut stream, mut peer) = opened(&[]).await;
        // The client may close while this is still being written.
        let _ = peer.try_write(&bytes).await;
        let err = soon(what, stream.recv()).await.unwrap_err();
        assert_eq!(err.code(), Code::UNAVAILABLE, "{what}: {err}");
        peer.end().await;
    }
}

// 6 and 12: the connection

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_the_server_to_speak() {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.accept());
    let mut stream = stream.unwrap();
    stream.send(words("hi")).await.unwrap();
    stream.close().await.unwrap();
    let preface = peer.take(h2peer::PREFACE.len()).await;
    assert_eq!(preface, h2peer::PREFACE);
    assert!(matches!(peer.next().await, Some(Frame::Settings(_))), "SETTINGS follow the preface");
    requested(&mut peer).await;
    assert_eq!(sent(&mut peer, 1).await.0, say("hi"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_pings_are_answered() {
    let port = Port::bind().await;
    let client = connect(&port);
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    peer.send(&Frame::Ping(*b"8 bytes!")).await;
    peer.send(&Frame::Settings(vec![(INITIAL_WINDOW_SIZE, 1 << 20), (0xaaaa, 7)])).await;
    let (mut acks, mut pongs) = (0, 0);
    while (acks, pongs) != (2, 1) {
        match peer.next().await.unwrap() {
            Frame::SettingsAck => acks += 1,
            Frame::Pong(data) => {
                assert_eq!(&data, b"8 bytes!");
                pongs += 1;
            }
            _ => {}
        }
    }
    drop(stream);
}

/// All DATA that a client had sent when it answered a PING.
async fn arrived(peer: &mut Peer) -> Vec<u8> {
    // What a stream has is sent before the answer to a PING that comes later, but for one turn of the connection's task.
    peer.fence()
        .await
        .into_iter()
        .chain(peer.fence().await)
        .flat_map(|frame| match frame {
            Frame::Data { bytes, .. } => bytes.to_vec(),
            other => panic!("no DATA: {other:?}"),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_settings_change_is_honoured_at_once() {
    let (_client, mut stream, mut peer) = opened(&[(INITIAL_WINDOW_SIZE, 10)]).await;
    // The settings count once they are acknowledged.
    peer.fence().await;
    let bytes = say(&"x".repeat(27));
    stream.send(words("x".repeat(27))).await.unwrap();
    let rows = [
        ("the first window", None, 0..10),
        ("a larger one", Some(Frame::Settings(vec![(INITIAL_WINDOW_SIZE, 20)])), 10..20),
        ("a smaller one, below zero", Some(Frame::Settings(vec![(INITIAL_WINDOW_SIZE, 5)])), 20..20),
        ("back to zero", Some(Frame::Window { stream: 1, size: 15 }), 20..20),
        ("an update", Some(Frame::Window { stream: 1, size: 12 }), 20..32),
        ("a large update", Some(Frame::Window { stream: 1, size: 1 << 30 }), 32..bytes.len()),
    ];
    for (what, frame, range) in rows {
        if let Some(frame) = frame {
            peer.send(&frame).await;
        }
        let mut got = Vec::new();
        while got.len() < range.len() {
            let Frame::Data { bytes, .. } = peer.on(1).await else { panic!("{what}: no DATA") };
            got.extend_from_slice(&bytes);
        }
        got.extend(arrived(&mut peer).await);
        assert_eq!(got, bytes[range], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_the_servers_window_flows_as_the_window_opens() {
    let (_client, mut stream, mut peer) = opened(&[]).await;
    let big = "z".repeat(300_000);
    let want = say(&big);
    stream.send(words(big)).await.unwrap();
    let mut got = Vec::new();
    while got.len() < want.len() {
        let Frame::Data { bytes, .. } = peer.on(1).await else { panic!("no DATA") };
        assert!(bytes.len() <= MAX_FRAME);
        got.extend_from_slice(&bytes);
        if got.len() % 65_535 == 0 {
            assert!(arrived(&mut peer).await.is_empty(), "a window that is used up");
            let size = 65_535;
            play(&mut peer, &[Frame::Window { stream: 0, size }, Frame::Window { stream: 1, size }]).await;
        }
    }
    assert_eq!(got, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_no_larger_than_the_server_takes() {
    for (settings, max) in [(vec![], MAX_FRAME), (vec![(MAX_FRAME_SIZE, 20_000)], 20_000)] {
        let settings = [settings, vec![(INITIAL_WINDOW_SIZE, 1 << 30)]].concat();
        let (_client, mut stream, mut peer) = opened(&settings).await;
        peer.send(&Frame::Window { stream: 0, size: 1 << 30 }).await;
        peer.fence().await;
        let big = "z".repeat(1 << 20);
        for text in [big.as_str(), "small", &big] {
            stream.send(words(text)).await.unwrap();
        }
        stream.close().await.unwrap();
        let (data, sizes) = sent(&mut peer, 1).await;
        assert_eq!(data.len(), [say(&big), say("small"), say(&big)].concat().len());
        assert!(sizes.iter().all(|size| *size <= max), "{:?} of {max}", sizes.iter().max());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_this_sides_window_is_let_in() {
    let port = Port::bind().await;
    let builder = Client::builder("a.service").host_ports([&port.addr]).connection_pool_size(1);
    let client = builder.initial_window_size(65_535).initial_connection_window_size(65_535).build().unwrap();
    let (stream, mut peer) = tokio::join!(client.echo().into_future(), port.serve(&[]));
    requested(&mut peer).await;
    let big = "z".repeat(300_000);
    let reading = tokio::spawn(async move { stream.unwrap().recv().await });
    peer.send(&Frame::headers(1, &head())).await;
    let mut rest = &say(&big)[..];
    let (mut connection, mut window) = (65_535, 65_535);
    while !rest.is_empty() {
        let count = rest.len().min(connection).min(window).min(MAX_FRAME);
        if count == 0 {
            match peer.next().await.unwrap() {
                Frame::Window { stream: 0, size } => connection += usize::try_from(size).unwrap(),
                Frame::Window { stream: 1, size } => window += usize::try_from(size).unwrap(),
                _ => {}
            }
            continue;
        }
        let (now, later) = rest.split_at(count);
        peer.send(&Frame::data(1, now.to_vec())).await;
        (rest, connection, window) = (later, connection - count, window - count);
    }
    let got = soon("the message", reading).await.unwrap().unwrap().unwrap();
    assert_eq!(got.message.as_deref().map(str::len), Some(big.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_the_servers_limit_waits_for_another_to_end() {
    let (client, first, mut peer) = opened(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
    peer.fence().await;
    let mut second = soon("the stream", client.echo().into_future()).await.unwrap();
    second.send(words("hi")).await.unwrap();
    let late = client.echo().timeout(Duration::from_millis(50)).into_future();
    let err = soon("the deadline", async { late.await?.recv().await }).await.unwrap_err();
    assert_eq!(err.code(), Code::DEADLINE_EXCEEDED, "{err}");
    assert_eq!(peer.fence().await, []);
    drop(first);
    assert_eq!(peer.on(1).await, Frame::reset(1, CANCEL));
    let (stream, _) = requested(&mut peer).await;
    assert_eq!(peer.on(stream).await, Frame::data(stream, say("hi")));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_one_connection_share_it_and_are_apart() {
    let (client, mut first, mut peer) = opened(&[]).await;
    let mut second = client.echo().await.unwrap();
    assert_eq!(requested(&mut peer).await.0, 3);
    play(
        &mut peer,
        &[
            Frame::headers(3, &head()),
            Frame::headers(1, &head()),
            Frame::data(3, say("three")[..4].to_vec()),
            Frame::data(1, say("one")),
            Frame::data(3, say("three")[4..].to_vec()),
            Frame::reset(1, CANCEL),
            Frame::trailers(3, &trail("0", "")),
        ],
    )
    .await;
    assert_eq!(soon("three", second.recv()).await.unwrap().unwrap().message.as_deref(), Some("three"));
    assert_eq!(second.recv().await.unwrap(), None);
    // What came before a reset may be read or not; the reset is.
    let end = async {
        loop {
            if let Err(err) = first.recv().await {
                return err;
            }
        }
    };
    assert_eq!(soon("the reset", end).await.code(), Code::CANCELLED);
}
