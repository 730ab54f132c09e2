//! A proxy for the echo contract: every call goes on to another server, with what travels beside it.

use thrill::middleware::{Args, Next, Reply, layer};
use thrill::{BidiStream, Context, Error, Receiver, Result, Sender, Transport};

use crate::contract::{
    AddError, Counter, CounterClient, Everything, EverythingPingPongError, Request, Response, TestService,
    TestServiceClient, TestServiceStreamClient,
};

/// Answers with what another server answers.
#[derive(Debug)]
pub struct Forward {
    streams: TestServiceStreamClient,
    calls: TestServiceClient,
    counter: CounterClient,
}

impl Forward {
    /// Forwards to the server at an address: streams over HTTP/2, ping-pong over TTHeader.
    ///
    /// # Errors
    /// An address that is none.
    pub fn to(addr: &str) -> Result<Self> {
        // A handler's context carries deadline, cancellation and persistent metainfo on by itself. A proxy is no hop of its own:
        // it sends the rest on too, and calls in its caller's name.
        let onward = || {
            layer(|cx: Context, args: Args, next: Next<'_>| {
                Box::pin(async move {
                    if let Some(parent) = cx.parent() {
                        cx.append_metadata_all(parent.metadata());
                        for (key, value) in &parent.metainfo().transient {
                            cx.set_transient(key, value);
                        }
                    }
                    let reply: Result<Reply> = next.run(&cx, args).await;
                    reply
                })
            })
        };
        let calls = TestServiceClient::builder("next").host_ports([addr]).transport(Transport::TtHeaderFramed);
        Ok(Self {
            streams: TestServiceStreamClient::builder("next").host_ports([addr]).layer(onward()).build()?,
            calls: calls.caller("kitex-peer-client").layer(onward()).build()?,
            counter: CounterClient::builder("next").host_ports([addr]).build()?,
        })
    }
}

/// Sends a stream's messages on, with the header before them and the trailer behind them.
async fn forward(cx: &Context, mut from: Receiver<Response>, mut to: Sender<Response>) -> Result<()> {
    cx.set_headers(&from.header().await?)?;
    let end = loop {
        match from.recv().await {
            Ok(Some(message)) => to.send(message).await?,
            end => break end,
        }
    };
    if let Some(trailer) = from.trailer() {
        cx.set_trailers(trailer)?;
    }
    end.map(drop)
}

impl TestService for Forward {
    async fn echo(&self, cx: &Context, stream: BidiStream<Request, Response>) -> Result<()> {
        let (mut requests, responses) = self.streams.echo().context(cx).await?.split();
        let (to, mut from) = stream.split();
        let up = async {
            while let Some(message) = from.recv().await? {
                requests.send(message).await?;
            }
            requests.close().await
        };
        let mut down = std::pin::pin!(forward(cx, responses, to));
        tokio::select! {
            end = &mut down => end,
            // How the call ends, the server behind says.
            _ = up => down.await,
        }
    }

    async fn echo_client(&self, cx: &Context, mut requests: Receiver<Request>) -> Result<Response> {
        let mut onward = self.streams.echo_client().context(cx).await?;
        while let Some(message) = requests.recv().await? {
            if onward.send(message).await.is_err() {
                break;
            }
        }
        onward.close_and_recv().await
    }

    async fn echo_server(&self, cx: &Context, req: Request, responses: Sender<Response>) -> Result<()> {
        forward(cx, self.streams.echo_server(req).context(cx).await?, responses).await
    }

    async fn echo_unary(&self, cx: &Context, req: Request) -> Result<Response> {
        self.streams.echo_unary(req).context(cx).await
    }

    async fn echo_ping_pong(&self, cx: &Context, req: Request) -> Result<Response> {
        let reply = self.calls.echo_ping_pong(req).context(cx).with_metadata().await?;
        for (key, value) in reply.backward {
            cx.send_backward(key, value);
        }
        Ok(reply.message)
    }

    async fn echo_everything(&self, _cx: &Context, stream: BidiStream<Everything, Everything>) -> Result<()> {
        let (mut requests, mut responses) = self.streams.echo_everything().await?.split();
        let (mut to, mut from) = stream.split();
        while let Some(value) = from.recv().await? {
            requests.send(value).await?;
            match responses.recv().await? {
                Some(value) => to.send(value).await?,
                None => return Err(Error::new("the server behind ended the stream early")),
            }
        }
        requests.close().await
    }

    async fn everything_ping_pong(
        &self,
        _cx: &Context,
        value: Everything,
    ) -> Result<Everything, EverythingPingPongError> {
        self.calls.everything_ping_pong(value).await
    }

    async fn add(&self, _cx: &Context, a: i64, b: i64) -> Result<i64, AddError> {
        self.calls.add(a, b).await
    }

    async fn nothing(&self, _cx: &Context) -> Result<()> {
        self.calls.nothing().await
    }

    async fn notify(&self, _cx: &Context, what: String) -> Result<()> {
        self.calls.notify(what).await
    }
}

impl Counter for Forward {
    async fn increment(&self, _cx: &Context, by: i64) -> Result<i64> {
        self.counter.increment(by).await
    }
}
