//! Streams that a server refuses, GOAWAY, and connections that end.

use super::*;

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
