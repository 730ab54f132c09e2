//! Any bytes for an answer end a client's call in time, whichever transport it uses.
#![no_main]

use std::io;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use thrill::net::{BoxIo, Connect};
use thrill::{Transport, async_trait};
use thrill_fuzz::{EchoClient, EchoStreamClient, run};
use thrill_tests::contract::Everything;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Answers each connection alike.
#[derive(Debug)]
struct Says(Bytes);

#[async_trait]
impl Connect for Says {
    async fn connect(&self, _address: &str) -> io::Result<BoxIo> {
        let (near, far) = tokio::io::duplex(64 << 10);
        let answer = self.0.clone();
        tokio::spawn(async move {
            let (mut requests, mut answers) = tokio::io::split(far);
            // Not before the request, as an answer that is too early is another mistake.
            let mut request = [0; 1 << 10];
            let _ = requests.read(&mut request).await;
            let _ = answers.write_all(&answer).await;
            let _ = answers.shutdown().await;
            while matches!(requests.read(&mut request).await, Ok(1..)) {}
        });
        Ok(Box::new(near))
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, answer)) = data.split_first() else { return };
    let says = Says(Bytes::copy_from_slice(answer));
    let transport = match choice % 6 {
        0 => Transport::Buffered,
        1 => Transport::Framed,
        2 => Transport::TtHeader,
        3 => Transport::TtHeaderFramed,
        4 => Transport::Http2,
        _ => return run(stream(says)),
    };
    run(async {
        let client = EchoClient::builder("echo").host_ports(["memory"]).connector(says).transport(transport);
        // Some inputs are an answer.
        let _ = client.build().expect("valid options").call(Everything::default()).await;
    });
});

async fn stream(says: Says) {
    let client = EchoStreamClient::builder("echo").host_ports(["memory"]).connector(says).build();
    let Ok(mut stream) = client.expect("valid options").talk().await else { return };
    let _ = stream.send(Everything::default()).await;
    let _ = stream.close().await;
    while let Ok(Some(_)) = stream.recv().await {}
}
