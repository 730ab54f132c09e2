//! Which requests are accepted, and which method is called.

use super::*;

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
