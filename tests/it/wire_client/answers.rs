//! How an answer is read.

use super::*;

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
