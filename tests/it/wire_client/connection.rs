//! What all streams of a connection share.

use super::*;

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
