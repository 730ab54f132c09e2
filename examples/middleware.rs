//! Layers around calls, streams and messages: `cargo run --example middleware`.

use std::time::Instant;

use thrill::middleware::{
    AnyMessage, Args, Layer, MetaHandler, Next, RecvLayer, RecvNext, Reply, SendLayer, SendNext, layer,
};
use thrill::{BidiStream, Context, Result, Server, Status, Thrift};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Line {
    #[thrift(id = 1)]
    pub text: String,
}

#[thrill::service(namespace = "chat")]
pub trait Chat {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, cx: &Context, stream: BidiStream<Line, Line>) -> Result<()>;

    async fn ask(&self, line: Line) -> Result<Line>;
}

struct Parrot;

impl Chat for Parrot {
    async fn talk(&self, cx: &Context, mut stream: BidiStream<Line, Line>) -> Result<()> {
        let Tenant(tenant) = cx.extension().unwrap_or_default();
        while let Some(line) = stream.recv().await? {
            stream.send(Line { text: format!("{} for {tenant}", line.text) }).await?;
        }
        Ok(())
    }

    async fn ask(&self, line: Line) -> Result<Line> {
        Ok(line)
    }
}

/// Times every call. For a stream that is its opening on a client, and its whole life on a server.
struct Time(&'static str);

#[thrill::async_trait]
impl Layer for Time {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        let begin = Instant::now();
        let reply = next.run(cx, args).await;
        println!("{}: {}.{} took {:?}: {reply:?}", self.0, cx.service(), cx.method(), begin.elapsed());
        reply
    }
}

/// Prints every message of a stream.
struct Print(&'static str);

#[thrill::async_trait]
impl SendLayer for Print {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        println!("{}: {} => {message:?}", self.0, cx.method());
        next.run(cx, message).await
    }
}

#[thrill::async_trait]
impl RecvLayer for Print {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        let message = next.run(cx).await?;
        println!("{}: {} <= {message:?}", self.0, cx.method());
        Ok(message)
    }
}

/// Reads who a call is for, before all layers; they and the handler find it in the context.
struct ReadTenant;

#[derive(Clone, Debug, Default)]
struct Tenant(String);

impl MetaHandler for ReadTenant {
    fn read(&self, cx: &Context) -> Result<()> {
        cx.insert(Tenant(cx.metadata().get("x-tenant").unwrap_or_default().into_owned()));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new()
        .meta_handler(ReadTenant)
        .layer(Time("server"))
        .add(ChatServer::new(Parrot))
        .bind("127.0.0.1:0")
        .await?
        .spawn();
    let addr = server.local_address().to_string();

    // A layer may be a closure; this one adds metadata, and refuses what has no business here.
    let tenant = layer(|cx, args, next| {
        Box::pin(async move {
            if cx.service() != "Chat" {
                return Err(Status::new(7, "only chat").into());
            }
            cx.append_metadata("x-tenant", "t-1")?;
            next.run(&cx, args).await
        })
    });
    let client = ChatStreamClient::builder("chat")
        .host_ports([&addr])
        .layer(Time("client"))
        .layer(tenant)
        .send_layer(Print("client"))
        .recv_layer(Print("client"))
        .build()?;
    let mut stream = client.talk().await?;
    stream.send(Line { text: "hi".to_owned() }).await?;
    stream.recv().await?;
    stream.close().await?;
    stream.recv().await?;

    let client = ChatClient::builder("chat").host_ports([&addr]).layer(Time("client")).build()?;
    client.ask(Line { text: "well?".to_owned() }).await?;
    server.shutdown().await;
    Ok(())
}
