//! Streams whose messages lie, and clients that do not read.

use std::sync::Arc;
use std::time::Duration;

use thrill::Server;
use thrill_tests::contract::{Request, TestServiceServer, TestServiceStreamClient};
use thrill_tests::h2peer::{Frame, Peer, ask, message, request, say, soon};
use thrill_tests::handler::Handler;
use thrill_tests::message::{Protocol, len_32};

use super::lies::lies;
use super::{ECHO, EVERYTHING, Victim, Witness, assert_alive, short};

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_are_only_claimed_reserve_nothing() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peers = Vec::new();
    // 1,000 messages of 16 MiB each, of which a few bytes come.
    for _ in 0..2 {
        let mut peer = Peer::client(&victim.addr, &[]).await;
        let mut burst = Vec::new();
        for _ in 0..500 {
            let stream = peer.fresh();
            burst.extend(Frame::headers(stream, &request(ECHO)).encode());
            burst.extend(Frame::data(stream, b"\0\0\xff\xff\xff\x0b\0\x01\0\xff\xff\xff".to_vec()).encode());
        }
        assert!(peer.flood(&burst).await);
        assert_eq!(peer.fence().await, []);
        peers.push(peer);
    }
    victim.assert_within("1,000 claims of 16 MiB", 128);
    assert_alive(&mut peers[0]).await;
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_depths_that_a_message_claims_are_errors_of_its_stream() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let mut peer = Peer::client(&victim.addr, &[]).await;
    let bystander = peer.open(&request(ECHO)).await;
    for (what, payload) in lies(Protocol::Binary) {
        let payload = message(&payload);
        let stream = peer.open(&request(EVERYTHING)).await;
        for piece in payload.chunks(16_384) {
            peer.send(&Frame::data(stream, piece.to_vec())).await;
        }
        peer.send(&Frame::last(stream, &b""[..])).await;
        let answer = peer.answer(stream).await;
        assert!(answer.status().starts_with("7 "), "{what}: {}", answer.status());
    }
    peer.send(&Frame::last(bystander, say("still"))).await;
    assert_eq!(peer.answer(bystander).await.data, say("still"));
    victim.assert_within("counts and depths", 64);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_cut_or_claims_another_length_fails_its_call_alone() {
    let server = short(Duration::from_secs(60)).await;
    let mut peer = Peer::client(&server.local_address().to_string(), &[]).await;
    for path in ["/echo.TestService/EchoUnary", "/echo.TestService/EchoPingPong", ECHO] {
        let whole = if path == ECHO { say("hi") } else { ask("hi") };
        // A stream may end before its first message.
        let mut rows: Vec<_> = (usize::from(path == ECHO)..whole.len()).map(|len| whole[..len].to_vec()).collect();
        let payload = &whole[5..];
        for claim in (0..payload.len() + 3).filter(|claim| *claim != payload.len()) {
            rows.push([&[0][..], &len_32(claim), payload].concat());
        }
        rows.push([&[0, 0x7f, 0xff, 0xff, 0xff][..], payload].concat());
        rows.push([&[0, 0xff, 0xff, 0xff, 0xff][..], payload].concat());
        for row in rows {
            let stream = peer.call(&request(path), &row).await;
            let status = peer.answer(stream).await.status();
            assert!(!status.starts_with("0 "), "{path}, {row:02x?}: {status}");
        }
        assert_alive(&mut peer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_no_handler_reads_does_not_use_up_the_connections_window() {
    let handler = Arc::new(Handler::default());
    let server = Server::new().initial_window_size(65_535).initial_connection_window_size(131_072);
    let server = server.add(TestServiceServer::from_arc(handler)).bind("127.0.0.1:0").await.unwrap().spawn();
    let client = TestServiceStreamClient::builder("a.service").host_ports([server.local_address().to_string()]);
    let client = client.connection_pool_size(1).build().unwrap();
    for _ in 0..20 {
        let mut stream = client.echo().await.unwrap();
        stream.send(Request { message: Some("!return".to_owned()) }).await.unwrap();
        // It may be over before all of this is sent.
        let _ = stream.send(Request { message: Some("x".repeat(60_000)) }).await;
        assert_eq!(soon("the end", stream.recv()).await.unwrap(), None);
    }
    let mut stream = client.echo().await.unwrap();
    let long = Some("y".repeat(300_000));
    stream.send(Request { message: long.clone() }).await.unwrap();
    assert_eq!(soon("a long message", stream.recv()).await.unwrap().unwrap().message, long);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_does_not_read_leaves_the_connection_to_the_others() {
    let server = short(Duration::from_secs(60)).await;
    let mut peer = Peer::client(&server.local_address().to_string(), &[]).await;
    peer.fence().await;
    for _ in 0..4 {
        let busy = peer.open(&request(ECHO)).await;
        let data = [say("!sleep 60000"), vec![0; 1 << 20]].concat();
        for piece in data[..1 << 20].chunks(16_384) {
            peer.send(&Frame::data(busy, piece.to_vec())).await;
        }
        assert_alive(&mut peer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_costs_a_buffer_and_nobody_elses_time() {
    let mut victim = Victim::start().await;
    let witness = Witness::start(&victim.addr).await;
    let window = u32::MAX >> 1;
    let mut peers = Vec::new();
    for windows in [true, false] {
        // Without windows, the server waits for them; with them, for the socket.
        let mut peer = Peer::client(&victim.addr, &[(4, if windows { window } else { 0 })]).await;
        if windows {
            peer.send(&Frame::Window { stream: 0, size: window - 65_535 }).await;
        }
        for _ in 0..20 {
            peer.call(&request("/echo.TestService/EchoServer"), &say("!count 100000000")).await;
        }
        peers.push(peer);
    }
    // The handlers send all the time that the witness takes.
    for _ in 0..20 {
        Witness::start(&victim.addr).await.unharmed().await;
    }
    victim.assert_within("40 handlers that send to a client that does not read", 128);
    witness.unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_does_not_hold_up_a_shutdown() {
    let handler = Arc::new(Handler::default());
    let server = Server::new().exit_wait_time(Duration::from_millis(100)).add(TestServiceServer::from_arc(handler));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let window = u32::MAX >> 1;
    let mut peer = Peer::client(&server.local_address().to_string(), &[(4, window)]).await;
    peer.send(&Frame::Window { stream: 0, size: window - 65_535 }).await;
    let stream = peer.call(&request("/echo.TestService/EchoServer"), &say("!count 100000000")).await;
    while !matches!(peer.on(stream).await, Frame::Data { .. }) {}
    server.handle().shutdown();
    soon("the server's end", server).await;
}
