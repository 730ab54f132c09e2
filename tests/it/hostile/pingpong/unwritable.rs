//! Replies that have no place for what a handler adds to them: their caller does not wait for ever.

use std::future::IntoFuture as _;

use thrill::{Context, Error, Result, Server, Transport};
use thrill_tests::h2peer::soon;

#[thrill::service(namespace = "boast")]
trait Boast {
    /// Adds a backward value of so many bytes.
    async fn boast(&self, cx: &Context, bytes: i32) -> Result<()>;
}

struct Boaster;

impl Boast for Boaster {
    async fn boast(&self, cx: &Context, bytes: i32) -> Result<()> {
        cx.send_backward("claim", "x".repeat(bytes.try_into().unwrap()));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_no_header_holds_is_an_exception() {
    let server = Server::new().add(BoastServer::new(Boaster)).bind("127.0.0.1:0").await.unwrap().spawn();
    let address = server.local_address().to_string();
    for is_multiplexed in [false, true] {
        let builder = BoastClient::builder("boast").host_ports([&address]).transport(Transport::TtHeaderFramed);
        let builder = if is_multiplexed { builder.multiplexed(1) } else { builder };
        let client = builder.build().unwrap();
        match soon("the exception", client.boast(70_000).into_future()).await {
            Err(Error::Application(exception)) => {
                assert_eq!(exception.kind, 6);
                assert!(exception.message.contains("TTHeader value of 70000 bytes"), "{exception}");
            }
            other => panic!("{other:?}"),
        }
        let reply = soon("the next reply", client.boast(60_000).with_metadata()).await.unwrap();
        assert_eq!(reply.backward["claim"].len(), 60_000);
    }
}
