//! Streams that are reset, cancelled, or too late.

use super::*;

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
