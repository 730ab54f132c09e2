//! Messages in frames, and when headers and trailers go out.

use super::*;

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
