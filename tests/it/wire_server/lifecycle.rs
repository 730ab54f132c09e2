//! What a handler sees of a client that goes, and shutdown.

use super::*;

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
