//! Any bytes end a server's connection in time, whichever protocol they are taken for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thrill::Server;
use thrill::net::Connect as _;
use thrill_fuzz::{EchoServer, Handler, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    // The preface is too much to guess.
    let (start, rest) = match data.split_first() {
        Some((b'2', rest)) => (PREFACE, rest),
        _ => (&b""[..], data),
    };
    run(async {
        let (listener, connector) = thrill::testing::memory();
        let server = Server::new().add(EchoServer::new(Handler)).listen(listener).expect("valid options").spawn();
        let io = connector.connect("memory").await.expect("it listens");
        let (mut answers, mut requests) = tokio::io::split(io);
        let write = async {
            // The server may close before it has read all.
            let _ = requests.write_all(start).await;
            let _ = requests.write_all(rest).await;
            let _ = requests.shutdown().await;
        };
        let mut answer = Vec::new();
        let (_, _) = tokio::join!(write, answers.read_to_end(&mut answer));
        server.shutdown().await;
    });
});
