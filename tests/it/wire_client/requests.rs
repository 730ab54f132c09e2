//! What a request says, and the frames of each kind of method.

use super::*;

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
