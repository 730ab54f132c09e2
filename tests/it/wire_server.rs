//! A server's bytes, read and written by hand: what the specification of gRPC in Kitex says of servers, row by row.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use thrill::{BidiStream, BizStatusError, Context, Error, Metadata, Result, Running, Server, Status};
use thrill_tests::contract::{CounterServer, Request, Response, TestServiceServer};
use thrill_tests::h2peer::wire::{CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR};
use thrill_tests::h2peer::{self, Answer, Field, Frame, Peer, ask, fields, message, reply, request, say, text, with};
use thrill_tests::handler::Handler;
use tokio::sync::mpsc;

/// A service whose handler is the test's.
#[thrill::service(namespace = "a.probe", rename_all = "PascalCase")]
trait Probe {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, cx: &Context, stream: BidiStream<Request, Response>) -> Result<()>;
}

type Talk = BidiStream<Request, Response>;

struct Script<F>(F);

impl<F, Run> Probe for Script<F>
where
    F: Fn(Context, Talk) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<()>> + Send + 'static,
{
    async fn talk(&self, cx: &Context, stream: Talk) -> Result<()> {
        (self.0)(cx.clone(), stream).await
    }
}

const TALK: &str = "/probe.Probe/Talk";
const ECHO: &str = "/echo.TestService/Echo";
const UNARY: &str = "/echo.TestService/EchoUnary";

/// Serves a handler for [`TALK`], and the echo contract.
async fn serve<F, Run>(script: F) -> Running
where
    F: Fn(Context, Talk) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<()>> + Send + 'static,
{
    start(Server::new().add(ProbeServer::new(Script(script)))).await
}

async fn start(server: Server) -> Running {
    let handler = Arc::new(Handler::default());
    let server = server.add(TestServiceServer::from_arc(Arc::clone(&handler))).add(CounterServer::from_arc(handler));
    server.bind("127.0.0.1:0").await.unwrap().spawn()
}

/// A connection to a server of the echo contract.
async fn echo_peer() -> Peer {
    dial(&start(Server::new()).await).await
}

async fn dial(server: &Running) -> Peer {
    Peer::client(&server.local_address().to_string(), &[]).await
}

/// Calls with this data, closes, and reads the answer.
async fn call(peer: &mut Peer, path: &str, data: &[u8]) -> Answer {
    let stream = peer.call(&request(path), data).await;
    peer.answer(stream).await
}

/// Opens a stream with these headers, sends one message, closes: how it ends.
async fn outcome(peer: &mut Peer, fields: &[Field]) -> String {
    let stream = peer.call(fields, &say("hi")).await;
    peer.answer(stream).await.status()
}

async fn assert_alive(peer: &mut Peer) {
    let answer = call(peer, ECHO, &say("alive")).await;
    assert_eq!((answer.status(), answer.data), ("0 ".to_owned(), say("alive")), "the connection goes on");
}

fn response(message: &str) -> Response {
    Response { message: Some(message.to_owned()) }
}

// 2.1: which requests are accepted

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_grpc_is_answered_with_415() {
    let mut peer = echo_peer().await;
    for content_type in [None, Some("text/html"), Some("application/grpc-web"), Some("Application/grpc+thrift")] {
        let stream = peer.call(&with(request(ECHO), "content-type", content_type), &say("hi")).await;
        let answer = peer.answer(stream).await;
        let header = |name| answer.header.iter().flatten().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
        assert_eq!(header(":status"), Some("415"), "{content_type:?}");
        assert_eq!(header("grpc-status"), Some("13"), "{content_type:?}");
        assert!(answer.data.starts_with(b"this port speaks gRPC"), "{content_type:?}: {answer:?}");
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_subtype_thrift_is_read() {
    let mut peer = echo_peer().await;
    let rows = [
        ("application/grpc+thrift", "0 "),
        ("application/grpc;thrift", "0 "),
        ("application/grpc", "13 grpc invalid payload"),
        ("application/grpc+", "13 grpc invalid payload"),
        ("application/grpc+Thrift", "13 grpc invalid payload"),
        ("application/grpc+proto", "13 grpc invalid payload"),
        ("application/grpc+thrift; charset=utf-8", "13 grpc invalid payload"),
    ];
    for (content_type, want) in rows {
        let got = outcome(&mut peer, &with(request(ECHO), "content-type", content_type)).await;
        assert!(got.starts_with(want), "{content_type}: {got}");
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_has_the_subtype_of_the_request() {
    let mut peer = echo_peer().await;
    let rows = [
        ("application/grpc+thrift", "application/grpc+thrift"),
        ("application/grpc;thrift", "application/grpc+thrift"),
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc+proto"),
    ];
    for (content_type, want) in rows {
        let stream = peer.call(&with(request(ECHO), "content-type", content_type), &say("hi")).await;
        let answer = peer.answer(stream).await;
        let header = answer.header.as_ref().or(answer.trailer.as_ref()).unwrap();
        assert_eq!(h2peer::value(header, "content-type"), Some(want), "{content_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_kitex_does_not_check_are_not_checked() {
    let mut peer = echo_peer().await;
    let rows: [(&str, Option<&str>); 6] = [
        (":method", Some("GET")),
        (":scheme", Some("https")),
        (":authority", Some("a_name.of-a:service")),
        (":authority", None),
        ("te", None),
        ("user-agent", None),
    ];
    for (name, value) in rows {
        assert_eq!(outcome(&mut peer, &with(request(ECHO), name, value)).await, "0 ", "{name} {value:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_fields_reset_the_stream_alone() {
    let mut peer = echo_peer().await;
    let rows = [
        ("grpc-timeout", ""),
        ("grpc-timeout", "5"),
        ("grpc-timeout", "S"),
        ("grpc-timeout", "5x"),
        ("grpc-timeout", "1.5S"),
        ("grpc-timeout", "123456789n"),
        ("grpc-status", "x"),
        ("grpc-status", "99999999999"),
        ("biz-status", "x"),
        ("biz-status", ""),
        ("biz-extra", "x"),
        ("biz-extra", "{\"k\":1}"),
        ("grpc-status-details-bin", "A?"),
        ("grpc-tags-bin", "A?"),
        ("grpc-trace-bin", "A?"),
    ];
    for (name, value) in rows {
        let got = outcome(&mut peer, &with(request(ECHO), name, value)).await;
        assert_eq!(got, format!("reset {INTERNAL_ERROR}"), "{name}: {value:?}");
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn well_formed_fields_of_an_answer_pass_in_a_request() {
    let mut peer = echo_peer().await;
    let rows = [
        ("grpc-timeout", "5S"),
        ("grpc-timeout", "99999999H"),
        ("grpc-status", "0"),
        ("biz-status", "-7"),
        ("biz-extra", "{\"k\":\"v\"}"),
        ("grpc-status-details-bin", "CAU"),
        ("grpc-tags-bin", "AP8="),
        ("grpc-trace-bin", "AP8"),
    ];
    for (name, value) in rows {
        assert_eq!(outcome(&mut peer, &with(request(ECHO), name, value)).await, "0 ", "{name}: {value:?}");
    }
}

/// How a peer ends a stream that breaks HTTP/2: by itself, or with its connection.
async fn breach(peer: &mut Peer, stream: u32) -> String {
    while let Some(frame) = peer.event().await {
        match frame {
            Frame::Reset { stream: of, code } if of == stream => return format!("reset {code}"),
            Frame::GoAway { code, .. } => return format!("goaway {code}"),
            Frame::Headers { fields, .. } => return format!("{fields:?}"),
            _ => {}
        }
    }
    "the connection ended".to_owned()
}

/// Kitex resets the stream for each of these. The h2 crate ends the connection for a field that it cannot even read.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_break_http2_are_a_protocol_error() {
    let server = start(Server::new()).await;
    let late = |name: &str, value: &str| [request(ECHO), fields(&[(name, value)])].concat();
    let early = |name: &str, value: &str| [fields(&[(name, value)]), request(ECHO)].concat();
    let (stream_alone, connection) = (format!("reset {PROTOCOL_ERROR}"), format!("goaway {PROTOCOL_ERROR}"));
    let rows = [
        ("pseudo header twice", early(":path", "/x/y"), &stream_alone),
        ("pseudo header after a field", early("x-a", "v"), &stream_alone),
        ("response pseudo header", early(":status", "200"), &stream_alone),
        ("field of a connection", late("connection", "close"), &stream_alone),
        ("te other than trailers", with(request(ECHO), "te", "gzip"), &stream_alone),
        ("unknown pseudo header", early(":what", "v"), &connection),
        ("upper-case name", late("X-Upper", "v"), &connection),
        ("name with a space", late("a b", "v"), &connection),
        ("empty name", late("", "v"), &connection),
        ("control byte in a value", late("x-a", "a\u{1}b"), &connection),
        ("line end in a value", late("x-a", "a\r\nb"), &connection),
    ];
    for (what, fields, want) in rows {
        let mut peer = dial(&server).await;
        let stream = peer.open(&fields).await;
        assert_eq!(breach(&mut peer, stream).await, *want, "{what}");
        if *want == stream_alone {
            assert_alive(&mut peer).await;
        } else {
            assert_eq!(peer.end().await, [], "{what}");
        }
    }
}

/// Kitex resets it with INTERNAL_ERROR; the h2 crate answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_list_over_the_limit_is_answered_with_431() {
    let server = start(Server::new().max_header_list_size(2000)).await;
    let mut peer = dial(&server).await;
    for (size, want) in [(1000, "0 "), (2000, "431"), (4000, "431")] {
        let value: &'static str = "v".repeat(size).leak();
        let stream = peer.call(&with(request(ECHO), "x-long", value), &say("hi")).await;
        let answer = peer.answer(stream).await;
        let got = answer.trailer(":status").map_or_else(|| answer.status(), str::to_owned);
        assert_eq!(got, want, "a value of {size} bytes");
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_list_within_a_raised_limit_is_taken_in_frames_of_any_size() {
    let server = start(Server::new().max_header_list_size(1 << 20)).await;
    let mut peer = dial(&server).await;
    for size in [90_000, 300_000, 900_000] {
        let value: &'static str = "v".repeat(size).leak();
        let got = outcome(&mut peer, &with(request(ECHO), "x-long", value)).await;
        assert_eq!(got, "0 ", "a value of {size} bytes, in frames of 16 KiB as Kitex sends them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_id_that_no_client_may_use_ends_the_connection() {
    let server = start(Server::new()).await;
    for (what, ids) in [("even", &[2][..]), ("below the highest", &[5, 3]), ("zero", &[0])] {
        let mut peer = dial(&server).await;
        for id in ids {
            peer.send(&Frame::headers(*id, &request(ECHO))).await;
        }
        let seen = peer.end().await;
        assert!(matches!(seen[..], [Frame::GoAway { code: PROTOCOL_ERROR, .. }]), "{what}: {seen:?}");
    }
}

/// Kitex resets both. To gRPC, trailers of a request are an end like any other.
#[tokio::test(flavor = "multi_thread")]
async fn request_trailers_end_the_stream_and_other_headers_within_it_reset_it() {
    let mut peer = echo_peer().await;
    let late = fields(&[("x-late", "v")]);
    let stream = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(stream, say("hi"))).await;
    peer.send(&Frame::trailers(stream, &late)).await;
    let answer = peer.answer(stream).await;
    assert_eq!((answer.status(), answer.data), ("0 ".to_owned(), say("hi")));
    let stream = peer.open(&request(ECHO)).await;
    peer.send(&Frame::headers(stream, &late)).await;
    assert_eq!(breach(&mut peer, stream).await, format!("reset {PROTOCOL_ERROR}"));
    assert_alive(&mut peer).await;
}

// 2.2 and 2.3: which method is called

#[tokio::test(flavor = "multi_thread")]
async fn a_path_names_its_method_after_the_last_slash_and_its_service_after_the_last_dot() {
    let mut peer = echo_peer().await;
    let rows = [
        ("/echo.TestService/Echo", "0 "),
        ("/TestService/Echo", "0 "),
        ("/x.y.TestService/Echo", "0 "),
        ("/a/p.TestService/Echo", "0 "),
        ("/other.Counter/Increment", "13 the stream of Counter.Increment ended before its request [biz error]"),
        ("/echo.Nobody/Echo", "20 unknown service Nobody"),
        ("/echo.testservice/Echo", "20 unknown service testservice"),
        ("//Echo", "20 unknown service "),
        ("/echo.TestService/Nothing/More", "20 unknown service TestService/Nothing"),
        ("/echo.TestService/Nope", "1 unknown method Nope"),
        ("/echo.TestService/echo", "1 unknown method echo"),
        ("/echo.TestService/", "1 unknown method "),
        ("/Echo", "13 malformed method name, method=\"/Echo\""),
        ("/", "13 malformed method name, method=\"/\""),
    ];
    for (path, want) in rows {
        let stream = peer.fresh();
        peer.send(&Frame::trailers(stream, &request(path))).await;
        let answer = peer.answer(stream).await;
        assert_eq!(answer.status(), want, "{path}");
        assert_eq!((answer.header, answer.data.len()), (None, 0), "{path}: Trailers-Only");
    }
}

/// Kitex takes these; the h2 crate holds to RFC 9113, 8.3.1. No client sends them.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_no_http_is_a_protocol_error() {
    let mut peer = echo_peer().await;
    let rows: [(&str, Option<&str>); 5] = [
        (":path", Some("echo.TestService/Echo")),
        (":path", Some("")),
        (":path", None),
        (":scheme", None),
        (":authority", Some("a name with spaces")),
    ];
    for (name, value) in rows {
        let got = outcome(&mut peer, &with(request(ECHO), name, value)).await;
        assert_eq!(got, format!("reset {PROTOCOL_ERROR}"), "{name} {value:?}");
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_miss_is_answered_at_once_and_the_rest_of_the_stream_is_not_wanted() {
    let mut peer = echo_peer().await;
    let stream = peer.open(&request("/echo.Nobody/Echo")).await;
    let want = fields(&[
        (":status", "200"),
        ("content-type", "application/grpc+thrift"),
        ("grpc-status", "20"),
        ("grpc-message", "unknown service Nobody"),
    ]);
    assert_eq!(peer.on(stream).await, Frame::trailers(stream, &want));
    assert_eq!(peer.on(stream).await, Frame::reset(stream, NO_ERROR));
    peer.send(&Frame::data(stream, say("late"))).await;
    assert_alive(&mut peer).await;
}

// 3.1: framing

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_data_frames_have_nothing_to_do_with_each_other() {
    let mut peer = echo_peer().await;
    let both = [say("one"), say("two")].concat();
    for cut in [1, 2, 3, 5, 7, both.len() - 1, both.len()] {
        let stream = peer.open(&request(ECHO)).await;
        for piece in both.chunks(cut) {
            peer.send(&Frame::data(stream, piece.to_vec())).await;
        }
        peer.send(&Frame::last(stream, &b""[..])).await;
        let answer = peer.answer(stream).await;
        assert_eq!((answer.status().as_str(), &answer.data), ("0 ", &both), "pieces of {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn framing_is_read_as_kitex_reads_it() {
    let mut peer = echo_peer().await;
    let flag = |flag: u8| [&[flag][..], &say("hi")[1..]].concat();
    let rows: &[(&str, Vec<u8>, &str)] = &[
        ("no message", vec![], "0 "),
        ("an empty struct", message(&[0]), "0 "),
        ("flag 2 is plain", flag(2), "0 "),
        ("flag 255 is plain", flag(255), "0 "),
        ("bytes after the struct", message(&[&text("hi")[..], b"rest"].concat()), "0 "),
        ("flag 1 without an encoding", flag(1), "13 "),
        ("cut in the prefix", say("hi")[..3].to_vec(), "13 unexpected EOF"),
        ("cut after the prefix", say("hi")[..5].to_vec(), "13 unexpected EOF"),
        ("cut in the payload", say("hi")[..9].to_vec(), "13 unexpected EOF"),
        ("length 0", message(&[]), "7 "),
        ("a struct without its end", message(&text("hi")[..9]), "7 "),
        ("a string longer than its message", message(&[0x0b, 0, 1, 0, 0, 1, 0, b'x', 0]), "7 "),
        ("no UTF-8", message(&[0x0b, 0, 1, 0, 0, 0, 1, 0xff, 0]), "7 "),
        ("no type", message(&[0x7f, 0, 1, 0]), "7 "),
    ];
    for (what, data, want) in rows {
        let answer = call(&mut peer, ECHO, data).await;
        let got = answer.status();
        assert!(got.starts_with(want), "{what}: {got}");
        assert!(*want == "0 " || got.ends_with(" [biz error]"), "{what}: Kitex marks what a handler returns: {got}");
    }
    let answer = call(&mut peer, "/echo.TestService/EchoEverything", &message(&[0])).await;
    assert!(answer.status().starts_with("7 "), "a required field is not there: {}", answer.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
    let server = start(Server::new().max_message_size(1000)).await;
    let mut peer = dial(&server).await;
    for (prefix, want) in [([0, 0, 0, 3, 0xe9], "of 1001 bytes"), ([0, 255, 255, 255, 255], "of 4294967295 bytes")] {
        let stream = peer.open(&request(ECHO)).await;
        peer.send(&Frame::data(stream, prefix.to_vec())).await;
        let got = peer.answer(stream).await.status();
        assert!(got.starts_with("8 ") && got.contains(want) && got.contains("max_message_size"), "{got}");
        assert_eq!(peer.on(stream).await, Frame::reset(stream, NO_ERROR));
    }
    let fits = "x".repeat(1000 - 8);
    assert_eq!(call(&mut peer, ECHO, &say(&fits)).await.data, say(&fits), "the limit itself");
}

// 3.2: payloads, and what else is in an answer

#[tokio::test(flavor = "multi_thread")]
async fn payloads_are_bare_structs_in_streams_and_wrapped_for_one_request() {
    let mut peer = echo_peer().await;
    let bare: &[u8] = b"\0\0\0\0\x0a\x0b\0\x01\0\0\0\x02hi\0";
    let args: &[u8] = b"\0\0\0\0\x0e\x0c\0\x01\x0b\0\x01\0\0\0\x02hi\0\0";
    let result: &[u8] = b"\0\0\0\0\x0e\x0c\0\0\x0b\0\x01\0\0\0\x02hi\0\0";
    let add =
        |a: i64| message(&[b"\x0a\0\x01", &a.to_be_bytes()[..], b"\x0a\0\x02", &1i64.to_be_bytes(), b"\0"].concat());
    let sum = message(&[b"\x0a\0\0", &42i64.to_be_bytes()[..], b"\0"].concat());
    let not_found = message(b"\x0c\0\x01\x0b\0\x01\0\0\0\x03404\x08\0\x02\0\0\0\x04\0\0");
    let rows: &[(&str, Vec<u8>, Vec<u8>)] = &[
        ("Echo", bare.to_vec(), bare.to_vec()),
        ("EchoClient", bare.to_vec(), bare.to_vec()),
        ("EchoServer", bare.to_vec(), bare.repeat(3)),
        ("EchoUnary", args.to_vec(), result.to_vec()),
        ("EchoPingPong", args.to_vec(), result.to_vec()),
        ("Add", add(41), sum),
        ("Add", add(404), not_found),
        ("Nothing", message(&[0]), message(&[0])),
        ("Notify", message(b"\x0b\0\x01\0\0\0\x01x\0"), vec![]),
    ];
    for (method, data, want) in rows {
        let answer = call(&mut peer, &format!("/echo.TestService/{method}"), data).await;
        assert_eq!(answer.status(), "0 ", "{method}");
        assert_eq!(answer.data, *want, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_end_the_stream_are_a_clean_end_of_its_messages() {
    let mut peer = echo_peer().await;
    let rows = [
        ("Echo", "0 ", vec![]),
        ("EchoClient", "0 ", say("")),
        ("EchoServer", "13 the stream of TestService.EchoServer ended before its request [biz error]", vec![]),
        ("EchoUnary", "13 the stream of TestService.EchoUnary ended before its request [biz error]", vec![]),
        ("EchoPingPong", "13 the stream of TestService.EchoPingPong ended before its request [biz error]", vec![]),
        ("Notify", "13 the stream of TestService.Notify ended before its request [biz error]", vec![]),
    ];
    for (method, want, data) in rows {
        let stream = peer.fresh();
        peer.send(&Frame::trailers(stream, &request(&format!("/echo.TestService/{method}")))).await;
        let answer = peer.answer(stream).await;
        assert_eq!((answer.status().as_str(), answer.data), (want, data), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_of_one_request_reads_one_message_and_does_not_wait_for_the_end() {
    let mut peer = echo_peer().await;
    for more in [vec![], ask("two"), b"\0\0\0\0\x03bad".to_vec()] {
        let stream = peer.open(&request(UNARY)).await;
        peer.send(&Frame::data(stream, [ask("one"), more].concat())).await;
        let answer = peer.answer(stream).await;
        assert_eq!((answer.status().as_str(), answer.data), ("0 ", reply("one")));
        assert_eq!(peer.on(stream).await, Frame::reset(stream, NO_ERROR));
        peer.send(&Frame::last(stream, ask("late"))).await;
    }
    assert_alive(&mut peer).await;
}

// 4.1: when headers and trailers go out

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_when_a_stream_is_accepted() {
    let (entered, mut enters) = mpsc::unbounded_channel();
    let server = serve(move |_, mut stream: Talk| {
        let entered = entered.clone();
        async move {
            entered.send(()).unwrap();
            stream.recv().await?;
            entered.send(()).unwrap();
            stream.recv().await.map(drop)
        }
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    h2peer::soon("the handler", enters.recv()).await.unwrap();
    assert_eq!(peer.fence().await, [], "before a message");
    peer.send(&Frame::data(stream, say("hi"))).await;
    h2peer::soon("the handler", enters.recv()).await.unwrap();
    assert_eq!(peer.fence().await, [], "after a message");
    peer.send(&Frame::last(stream, &b""[..])).await;
    let want = fields(&[
        (":status", "200"),
        ("content-type", "application/grpc+thrift"),
        ("grpc-status", "0"),
        ("grpc-message", ""),
    ]);
    assert_eq!(peer.on(stream).await, Frame::trailers(stream, &want), "Trailers-Only");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_go_out_with_the_first_message_and_trailers_follow_in_order() {
    let server = serve(|cx: Context, mut stream: Talk| async move {
        cx.set_header("x-head", "h1")?;
        cx.set_header("x-head", "h2")?;
        cx.set_trailer("x-trail", "t1")?;
        cx.set_trailer("x-trail", "t2")?;
        stream.recv().await?;
        stream.send(response("hi")).await?;
        stream.recv().await.map(drop)
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    assert_eq!(peer.fence().await, []);
    peer.send(&Frame::data(stream, say("x"))).await;
    let head = [(":status", "200"), ("content-type", "application/grpc+thrift"), ("x-head", "h1"), ("x-head", "h2")];
    assert_eq!(peer.on(stream).await, Frame::headers(stream, &fields(&head)));
    assert_eq!(peer.on(stream).await, Frame::data(stream, say("hi")));
    peer.send(&Frame::last(stream, &b""[..])).await;
    let trail = [("grpc-status", "0"), ("grpc-message", ""), ("x-trail", "t1"), ("x-trail", "t2")];
    assert_eq!(peer.on(stream).await, Frame::trailers(stream, &fields(&trail)));
    assert_eq!(peer.fence().await, [], "a stream that both sides ended is not reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_were_set_go_out_before_the_trailers_of_an_answer_without_message() {
    let server = serve(|cx: Context, _| async move {
        cx.set_header("x-head", "h")?;
        Err(Error::status(9, "no"))
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    let head = [(":status", "200"), ("content-type", "application/grpc+thrift"), ("x-head", "h")];
    assert_eq!(peer.on(stream).await, Frame::headers(stream, &fields(&head)));
    let trail = [("grpc-status", "9"), ("grpc-message", "no [biz error]")];
    assert_eq!(peer.on(stream).await, Frame::trailers(stream, &fields(&trail)));
}

#[tokio::test(flavor = "multi_thread")]
async fn send_header_sends_the_headers_before_any_message_and_once() {
    let server = serve(|cx: Context, mut stream: Talk| async move {
        cx.set_header("x-head", "h")?;
        cx.send_header()?;
        stream.recv().await?;
        let again = cx.send_header().map_err(|err| err.to_string());
        stream.send(response(&format!("{again:?}"))).await
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    let head = [(":status", "200"), ("content-type", "application/grpc+thrift"), ("x-head", "h")];
    assert_eq!(peer.on(stream).await, Frame::headers(stream, &fields(&head)));
    peer.send(&Frame::last(stream, say("x"))).await;
    let answer = peer.answer(stream).await;
    assert_eq!((answer.status().as_str(), &answer.header), ("0 ", &None), "the headers came once");
    assert!(String::from_utf8_lossy(&answer.data).contains("sent already"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_on_their_way_cannot_be_changed() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, mut stream: Talk| {
        let report = report.clone();
        async move {
            match cx.metadata().get("x-by").as_deref() {
                Some("message") => stream.send(response("hi")).await?,
                _ => cx.send_header()?,
            }
            report.send([cx.set_header("x-late", "v").is_err(), cx.send_header().is_err()]).unwrap();
            Ok(())
        }
    })
    .await;
    let mut peer = dial(&server).await;
    for by in ["message", "send_header"] {
        let stream = peer.open(&with(request(TALK), "x-by", by)).await;
        let refused = h2peer::soon("the handler", reports.recv()).await.unwrap();
        assert_eq!((refused, peer.answer(stream).await.header.unwrap().len()), ([true; 2], 2), "by {by}");
    }
}

/// In an old connection it happens many times that a handler returns before its caller has heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sent_before_it_knew_of_the_end_never_ends_the_connection() {
    const TOGETHER: usize = 300;
    let mut peer = echo_peer().await;
    for _ in 0..10 {
        let mut streams = Vec::new();
        for _ in 0..TOGETHER {
            let stream = peer.open(&request(ECHO)).await;
            peer.send(&Frame::data(stream, say("!return"))).await;
            streams.push(stream);
        }
        for stream in &streams {
            assert_eq!(peer.answer(*stream).await.status(), "0 ");
            assert_eq!(peer.on(*stream).await, Frame::reset(*stream, NO_ERROR));
        }
        for stream in streams {
            peer.send(&Frame::data(stream, say("late"))).await;
        }
        assert_alive(&mut peer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_client_has_not_waited_for_is_followed_by_a_reset_without_error() {
    let mut peer = echo_peer().await;
    let stream = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(stream, say("!return"))).await;
    assert_eq!(peer.answer(stream).await.status(), "0 ");
    assert_eq!(peer.on(stream).await, Frame::reset(stream, NO_ERROR));
    peer.send(&Frame::data(stream, say("late"))).await;
    peer.send(&Frame::last(stream, say("later"))).await;
    assert_alive(&mut peer).await;
}

// 4.2 to 4.5: what the end says

/// An error with another one behind it.
#[derive(Debug)]
struct Wrapped<E>(E);

impl<E: fmt::Display> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrapped: {}", self.0)
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Wrapped<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The trailers with which a handler's result ends a stream, without `:status` and `content-type`.
async fn ending(result: impl Fn() -> Result<()> + Send + Sync + 'static) -> Vec<Field> {
    let server = serve(move |_, _| {
        let result = result();
        async move { result }
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    let mut trailer = peer.answer(stream).await.trailer.expect("a handler's result ends its stream by trailers");
    trailer.retain(|(name, _)| name != ":status" && name != "content-type");
    trailer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handlers_result_becomes_trailers() {
    type Outcome = Box<dyn Fn() -> Result<()> + Send + Sync>;
    type Row = (&'static str, Outcome, Vec<(&'static str, &'static str)>);
    let details = b"\x08\x05\x12\x02nf";
    let rows: Vec<Row> = vec![
        ("success", Box::new(|| Ok(())), vec![("grpc-status", "0"), ("grpc-message", "")]),
        (
            "plain error",
            Box::new(|| Err(Error::new("e"))),
            vec![("grpc-status", "13"), ("grpc-message", "e [biz error]")],
        ),
        (
            "status",
            Box::new(|| Err(Status::new(5, "nf").into())),
            vec![("grpc-status", "5"), ("grpc-message", "nf [biz error]")],
        ),
        (
            "status beyond gRPC's",
            Box::new(|| Err(Status::new(-1, "").into())),
            vec![("grpc-status", "-1"), ("grpc-message", " [biz error]")],
        ),
        (
            "status within another error",
            Box::new(|| Err(Error::new(Wrapped(Status::new(5, "nf"))))),
            vec![("grpc-status", "13"), ("grpc-message", "wrapped: rpc error: code = 5 desc = nf [biz error]")],
        ),
        (
            "status with details",
            Box::new(|| Err(Status::new(5, "nf").with_details(&details[..]).into())),
            vec![("grpc-status", "5"), ("grpc-message", "nf [biz error]"), ("grpc-status-details-bin", "CAUSAm5m")],
        ),
        (
            "text beyond ASCII",
            Box::new(|| Err(Error::new("100% \u{e9}\n\u{7f}\u{65e5}"))),
            vec![("grpc-status", "13"), ("grpc-message", "100%25 %C3%A9%0A%7F%E6%97%A5 [biz error]")],
        ),
        (
            "business error",
            Box::new(|| Err(BizStatusError::new(404, "bm \u{e9}").into())),
            vec![("grpc-status", "13"), ("grpc-message", "bm %C3%A9"), ("biz-status", "404")],
        ),
        (
            "negative business code",
            Box::new(|| Err(BizStatusError::new(-7, "").into())),
            vec![("grpc-status", "13"), ("grpc-message", ""), ("biz-status", "-7")],
        ),
        (
            "business code zero",
            Box::new(|| Err(BizStatusError::new(0, "bm").into())),
            vec![("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "0")],
        ),
        (
            "business error with a status",
            Box::new(|| Err(BizStatusError::new(404, "bm").with_status(Status::new(5, "sm")).into())),
            vec![("grpc-status", "5"), ("grpc-message", "sm"), ("biz-status", "404")],
        ),
        (
            "business error with details",
            Box::new(|| {
                let status = Status::new(5, "nf").with_details(&details[..]);
                Err(BizStatusError::new(404, "bm").with_status(status).into())
            }),
            vec![
                ("grpc-status", "5"),
                ("grpc-message", "nf"),
                ("biz-status", "404"),
                ("grpc-status-details-bin", "CAUSAm5m"),
            ],
        ),
        (
            "business error with a status of success",
            Box::new(|| Err(BizStatusError::new(404, "bm").with_status(Status::new(0, "")).into())),
            vec![("grpc-status", "0"), ("grpc-message", ""), ("biz-status", "404")],
        ),
        (
            "business error with extra",
            Box::new(|| {
                let biz = BizStatusError::new(1, "bm").with_extra("b", "<&>\"\\\n").with_extra("a", "\u{e9}\u{65e5}");
                Err(biz.into())
            }),
            vec![
                ("grpc-status", "13"),
                ("grpc-message", "bm"),
                ("biz-status", "1"),
                ("biz-extra", r#"{"a":"é日","b":"\u003c\u0026\u003e\"\\\n"}"#),
            ],
        ),
        (
            "panic",
            Box::new(|| panic!("boom \u{e9}")),
            vec![
                ("grpc-status", "13"),
                (
                    "grpc-message",
                    "panic: [happened in biz handler, method=Probe.Talk, please check the panic at the server side] boom %C3%A9",
                ),
            ],
        ),
    ];
    for (what, result, want) in rows {
        assert_eq!(ending(result).await, fields(&want), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_error_is_found_behind_other_errors() {
    let want = fields(&[("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "404")]);
    assert_eq!(ending(|| Err(Error::new(BizStatusError::new(404, "bm")))).await, want, "boxed");
    assert_eq!(ending(|| Err(Error::new(Wrapped(BizStatusError::new(404, "bm"))))).await, want, "wrapped");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_an_error_stay_and_a_reply_beside_one_does_not_go_out() {
    let mut peer = echo_peer().await;
    let answer = call(&mut peer, ECHO, &[say("a"), say("b"), say("!biz 7 no")].concat()).await;
    assert_eq!((answer.data.clone(), answer.trailer("biz-status")), ([say("a"), say("b")].concat(), Some("7")));
    let answer = call(&mut peer, UNARY, &ask("!biz 7 no")).await;
    assert_eq!((answer.header.clone(), answer.data.len()), (None, 0));
    assert_eq!((answer.status().as_str(), answer.trailer("biz-extra")), ("13 no", Some(r#"{"k":"v"}"#)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_own_stream_alone() {
    let mut peer = echo_peer().await;
    let bystander = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(bystander, say("one"))).await;
    for (path, data) in [(ECHO, say("!panic boom")), (UNARY, ask("!panic boom"))] {
        let got = call(&mut peer, path, &data).await.status();
        assert!(got.starts_with("13 panic: [happened in biz handler, method=TestService.Echo"), "{got}");
        assert!(got.ends_with("please check the panic at the server side] boom"), "{got}");
    }
    peer.send(&Frame::last(bystander, say("two"))).await;
    let answer = peer.answer(bystander).await;
    assert_eq!((answer.status().as_str(), answer.data), ("0 ", [say("one"), say("two")].concat()));
}

// 5.1: deadlines

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_recv_and_the_handler_says_how_the_stream_ends() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, mut stream: Talk| {
        let report = report.clone();
        async move {
            let first = stream.recv().await.unwrap_err();
            let again = stream.recv().await.unwrap_err();
            report.send([&first, &again, &cx.cancelled().await].map(|err| (err.code().0, err.to_string()))).unwrap();
            Err(first)
        }
    })
    .await;
    let mut peer = dial(&server).await;
    for timeout in ["0n", "1n", "-1S", "-9999999H", "20m"] {
        let stream = peer.open(&with(request(TALK), "grpc-timeout", timeout)).await;
        for (code, text) in h2peer::soon("the handler's errors", reports.recv()).await.unwrap() {
            assert_eq!(code, 4, "{timeout}");
            assert!(text.starts_with("rpc error: code = 4 desc = context deadline exceeded"), "{timeout}: {text}");
        }
        let got = peer.answer(stream).await.status();
        assert_eq!(got, "4 context deadline exceeded [biz error]", "{timeout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_the_server_says_nothing_by_itself() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let waits = go.clone();
    let server = serve(move |cx: Context, _| {
        let (report, mut go) = (report.clone(), waits.subscribe());
        async move {
            cx.cancelled().await;
            report.send(()).unwrap();
            go.recv().await.unwrap();
            Err(Error::status(9, "late"))
        }
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&with(request(TALK), "grpc-timeout", "1m")).await;
    h2peer::soon("the deadline", reports.recv()).await.unwrap();
    assert_eq!(peer.fence().await, []);
    go.send(()).unwrap();
    assert_eq!(peer.answer(stream).await.status(), "9 late [biz error]");
}

// 5.3: what a handler sees of a client that goes

/// Runs a handler that waits in `recv`, and sends what it then sees: `recv`, `recv` again, `send`, the context.
async fn observed() -> (Running, mpsc::UnboundedReceiver<[String; 4]>) {
    let (report, reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, mut stream: Talk| {
        let report = report.clone();
        async move {
            let recv = stream.recv().await.unwrap_err();
            let again = stream.recv().await.unwrap_err();
            let send = stream.send(response("late")).await.unwrap_err();
            let cause = cx.cancelled().await;
            report.send([&recv, &again, &send, &cause].map(Error::to_string)).unwrap();
            Err(recv)
        }
    })
    .await;
    (server, reports)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_told_to_the_handler_with_its_code_and_its_caller() {
    let (server, mut reports) = observed().await;
    let mut peer = dial(&server).await;
    let rows = [
        (
            8,
            None,
            "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: CANCEL [triggered by ]",
        ),
        (
            8,
            Some(""),
            "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: CANCEL [triggered by ]",
        ),
        (
            8,
            Some("a caller"),
            "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: CANCEL [triggered by a caller]",
        ),
        (
            0,
            Some("c"),
            "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: NO_ERROR [triggered by c]",
        ),
        (
            13,
            Some("c"),
            "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: HTTP_1_1_REQUIRED [triggered by c]",
        ),
        (
            0xbeef,
            Some("c"),
            "rpc error: code = 1 desc = transport: RSTStream Frame received with error code: unknown error code 0xbeef [triggered by c]",
        ),
        (1000, Some("c"), "rpc error: code = 14 desc = graceful shutdown"),
    ];
    for (code, caller, want) in rows {
        let stream = peer.open(&with(request(TALK), "source-service", caller)).await;
        peer.send(&Frame::reset(stream, code)).await;
        let seen = h2peer::soon("the handler's errors", reports.recv()).await.unwrap();
        assert_eq!(seen, [want; 4], "code {code}, caller {caller:?}");
        assert_eq!(peer.fence().await, [], "code {code}: nothing is said of a stream that is gone");
    }
    assert_alive(&mut peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_before_a_reset_is_read_by_a_handler_that_looks_in_time() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, mut stream: Talk| {
        let report = report.clone();
        async move {
            let first = stream.recv().await?.and_then(|req| req.message);
            report.send(first.unwrap_or_default()).unwrap();
            report.send(cx.cancelled().await.to_string()).unwrap();
            Ok(())
        }
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    peer.send(&Frame::data(stream, say("one"))).await;
    assert_eq!(h2peer::soon("the message", reports.recv()).await.unwrap(), "one");
    peer.send(&Frame::reset(stream, CANCEL)).await;
    let cause = h2peer::soon("the cause", reports.recv()).await.unwrap();
    assert!(cause.contains("CANCEL [triggered by ]"), "nobody needs to be in `recv`: {cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_is_told_to_its_handlers() {
    let (server, mut reports) = observed().await;
    for half in [true, false] {
        let mut peer = dial(&server).await;
        peer.open(&request(TALK)).await;
        peer.fence().await;
        if half {
            peer.close().await;
        } else {
            drop(peer);
        }
        let seen = h2peer::soon("the handler's errors", reports.recv()).await.unwrap();
        let want = "rpc error: code = 1 desc = transport: connection EOF [triggered by remote service]";
        assert_eq!(seen, [want; 4], "half: {half}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_http2_is_told_to_its_handlers() {
    let (server, mut reports) = observed().await;
    let mut peer = dial(&server).await;
    peer.open(&request(TALK)).await;
    peer.fence().await;
    // PING with a length that it cannot have.
    peer.write(&h2peer::frame(h2peer::wire::PING, 0, 0, b"short")).await;
    let seen = h2peer::soon("the handler's errors", reports.recv()).await.unwrap();
    for text in &seen {
        assert!(text.starts_with("rpc error: code = 1 desc = transport: "), "{seen:?}");
        assert!(text.ends_with("[triggered by remote service]"), "{seen:?}");
    }
    let seen = peer.end().await;
    assert!(matches!(seen[..], [Frame::GoAway { code: 1 | 6, .. }]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_return_a_handlers_context_is_cancelled() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, _| {
        let report = report.clone();
        async move {
            tokio::spawn(async move { report.send(cx.cancelled().await.to_string()).unwrap() });
            Ok(())
        }
    })
    .await;
    let mut peer = dial(&server).await;
    peer.open(&request(TALK)).await;
    let cause = h2peer::soon("the cause", reports.recv()).await.unwrap();
    assert_eq!(cause, "rpc error: code = 1 desc = transport: canceled by business handler returning");
}

// 5.6: shutdown

const ALL_STREAMS: u32 = u32::MAX >> 1;

/// The next GOAWAY: last stream and code. Kitex adds a debug text, which the h2 crate cannot.
async fn goaway(peer: &mut Peer) -> (u32, u32) {
    loop {
        match peer.next().await {
            Some(Frame::GoAway { last, code, .. }) => return (last, code),
            Some(Frame::Settings(_) | Frame::SettingsAck | Frame::Window { .. }) => {}
            other => panic!("not a GOAWAY: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_shutdown_says_goaway_twice_and_lets_calls_end() {
    let server = start(Server::new()).await;
    let addr = server.local_address().to_string();
    let mut peer = dial(&server).await;
    let running = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(running, say("before"))).await;
    assert!(matches!(peer.on(running).await, Frame::Headers { .. }));
    assert_eq!(peer.on(running).await, Frame::data(running, say("before")));

    server.handle().shutdown();
    assert_eq!(goaway(&mut peer).await, (ALL_STREAMS, NO_ERROR));
    let Some(Frame::Ping(probe)) = peer.next().await else { panic!("a PING follows the first GOAWAY") };
    let late = peer.call(&request(ECHO), &say("late")).await;
    let answer = peer.answer(late).await;
    assert_eq!((answer.status().as_str(), answer.data), ("0 ", say("late")), "opened before the PING's answer");

    peer.send(&Frame::Pong(probe)).await;
    assert_eq!(goaway(&mut peer).await, (late, NO_ERROR));
    assert!(tokio::net::TcpStream::connect(&addr).await.is_err(), "no new connection is taken");
    peer.send(&Frame::last(running, say("after"))).await;
    let answer = peer.answer(running).await;
    assert_eq!((answer.status().as_str(), answer.data), ("0 ", say("after")));
    h2peer::soon("the server's end", server).await;
    assert_eq!(peer.end().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_without_calls_ends_at_once() {
    let server = start(Server::new().exit_wait_time(h2peer::TIME * 10)).await;
    let mut peer = dial(&server).await;
    assert_alive(&mut peer).await;
    let silent = Peer::dial(&server.local_address().to_string()).await;
    server.handle().shutdown();
    let end = peer.end().await;
    assert!(matches!(end[..], [Frame::GoAway { .. }, Frame::GoAway { .. }]), "{end:?}");
    h2peer::soon("the server's end", server).await;
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_resets_what_outlives_the_wait_with_kitexs_code() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let probe = ProbeServer::new(Script(move |cx: Context, mut stream: Talk| {
        let report = report.clone();
        async move {
            let recv = stream.recv().await.unwrap_err();
            let send = stream.send(response("late")).await.unwrap_err();
            report.send([recv, send, cx.cancelled().await].map(|err| err.to_string())).unwrap();
            Ok(())
        }
    }));
    let server = start(Server::new().add(probe).exit_wait_time(Duration::from_millis(50))).await;
    let mut peer = dial(&server).await;
    let streams = [peer.open(&request(TALK)).await, peer.open(&request(TALK)).await];
    peer.fence().await;
    server.handle().shutdown();
    for stream in streams {
        assert_eq!(peer.on(stream).await, Frame::reset(stream, 1000));
        let seen = h2peer::soon("the handler's errors", reports.recv()).await.unwrap();
        assert_eq!(seen, ["rpc error: code = 14 desc = graceful shutdown"; 3]);
    }
    h2peer::soon("the server's end", server).await;
    peer.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_looks_does_not_hold_up_a_shutdown() {
    let probe = ProbeServer::new(Script(|_, _| std::future::pending()));
    let server = start(Server::new().add(probe).exit_wait_time(Duration::from_millis(50))).await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    peer.fence().await;
    server.handle().shutdown();
    assert_eq!(peer.on(stream).await, Frame::reset(stream, 1000));
    h2peer::soon("the server's end", server).await;
}

// 7: metadata

/// What a handler sees of these headers: text values by name, binary values by name.
async fn seen(list: &[(&str, &str)]) -> Vec<String> {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, _| {
        let report = report.clone();
        async move {
            let metadata = cx.metadata();
            let mut seen: Vec<_> = metadata
                .names()
                .map(|name| {
                    let text = metadata.get_all(name).map(|value| value.into_owned()).collect::<Vec<_>>();
                    let binary = metadata.get_bin(name).map(|value| format!("{value:?}")).collect::<Vec<_>>();
                    format!("{name}: {}", [text, binary].concat().join(" | "))
                })
                .collect();
            seen.sort();
            report.send(seen).unwrap();
            Ok(())
        }
    })
    .await;
    let mut peer = dial(&server).await;
    peer.open(&[request(TALK), fields(list)].concat()).await;
    h2peer::soon("the handler's metadata", reports.recv()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_the_callers_metadata_and_not_the_protocols() {
    let sent = [
        ("grpc-timeout", "5S"),
        ("grpc-encoding", "identity"),
        ("grpc-accept-encoding", "identity"),
        ("grpc-status", "0"),
        ("grpc-message", "m"),
        ("grpc-message-type", "t"),
        ("grpc-status-details-bin", "CAU"),
        ("biz-status", "1"),
        ("biz-extra", "{}"),
        ("grpc-previous-rpc-attempts", "1"),
        ("source-service", "a caller"),
        ("rpc-transit-key", "v"),
        ("x-list", "b"),
        ("x-list", "a, c"),
        ("x-other", ""),
        ("x-list", "b"),
        ("x-utf8", "h\u{e9}llo \u{2713}"),
    ];
    let want = [
        "content-type: application/grpc+thrift",
        "grpc-previous-rpc-attempts: 1",
        "rpc-transit-key: v",
        "source-service: a caller",
        "user-agent: kitex/v0.16.3",
        "x-list: b | a, c | b",
        "x-other: ",
        "x-utf8: h\u{e9}llo \u{2713}",
    ];
    assert_eq!(seen(&sent).await, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_metadata_is_read_with_and_without_padding_and_dropped_where_it_is_broken() {
    let sent = [
        ("x-bin", "AP8"),
        ("x-bin", "AP8="),
        ("x-bin", "A?"),
        ("x-bin", "aGk"),
        ("x-long-bin", "+/+/"),
        ("grpc-tags-bin", "AQ"),
        ("grpc-trace-bin", "Ag=="),
    ];
    let mut got = seen(&sent).await;
    got.retain(|line| line.contains("-bin"));
    let want = [
        "grpc-tags-bin: b\"\\x01\"",
        "grpc-trace-bin: b\"\\x02\"",
        "x-bin: b\"\\0\\xff\" | b\"\\0\\xff\" | b\"hi\"",
        "x-long-bin: b\"\\xfb\\xff\\xbf\"",
    ];
    assert_eq!(got, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_the_answer_travels_raw_and_binary_values_without_padding() {
    let server = serve(|cx: Context, _| async move {
        for name in ["content-type", "grpc-status", "grpc-message", "te", "grpc-status-details-bin", ":path", "X-Up"] {
            assert!(cx.set_header(name, "v").is_err(), "{name}");
            assert!(cx.set_trailer(name, "v").is_err(), "{name}");
        }
        let mut metadata = Metadata::new();
        metadata.append("x-utf8", "h\u{e9}llo")?;
        metadata.append("x-utf8", "")?;
        metadata.append_bin("x-bin", [0, 255])?;
        cx.set_headers(&metadata)?;
        cx.set_trailers(&metadata)
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    let answer = peer.answer(stream).await;
    let own = [("x-utf8", "h\u{e9}llo"), ("x-utf8", ""), ("x-bin", "AP8")];
    let head = [(":status", "200"), ("content-type", "application/grpc+thrift")];
    let trail = [("grpc-status", "0"), ("grpc-message", "")];
    assert_eq!(answer.header, Some(fields(&[&head[..], &own].concat())));
    assert_eq!(answer.trailer, Some(fields(&[&trail[..], &own].concat())));
}
