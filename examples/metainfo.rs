//! Metainfo down a chain of three services: transient values go one hop, persistent ones to its end, backward ones back.
//!
//! `cargo run --example metainfo`

use thrill::{Context, Result, Running, Server, Service, Thrift, Transport};

#[derive(Thrift, Clone, Debug, Default)]
pub struct Text {
    #[thrift(id = 1)]
    pub text: String,
}

/// Called over a TTHeader, which carries values back, too.
#[thrill::service]
pub trait Front {
    async fn ask(&self, cx: &Context, text: String) -> Result<String>;
}

/// Called over HTTP/2.
#[thrill::service]
pub trait Middle {
    #[streaming(mode = "unary")]
    async fn ask(&self, cx: &Context, text: Text) -> Result<Text>;
}

/// Called over HTTP/2.
#[thrill::service]
pub trait Back {
    #[streaming(mode = "unary")]
    async fn ask(&self, cx: &Context, text: Text) -> Result<Text>;
}

fn print(cx: &Context) {
    let (hop, tenant, via) = (cx.transient("HOP"), cx.persistent("TENANT"), cx.persistent("VIA"));
    println!("{:<6} HOP {hop:?}, TENANT {tenant:?}, VIA {via:?}, lower-case {:?}", cx.service(), cx.persistent("x"));
}

struct FrontHandler(MiddleStreamClient);

impl Front for FrontHandler {
    async fn ask(&self, cx: &Context, text: String) -> Result<String> {
        print(cx);
        cx.send_backward("SERVED_BY", "front");
        // The handler's context takes the persistent values on, and with them deadline, cancellation and trace.
        Ok(self.0.ask(Text { text }).context(cx).await?.text)
    }
}

struct MiddleHandler(BackStreamClient);

impl Middle for MiddleHandler {
    async fn ask(&self, cx: &Context, text: Text) -> Result<Text> {
        print(cx);
        // For all calls that are made with this context; `.persistent(…)` on a call is for that one.
        cx.set_persistent("VIA", "middle");
        self.0.ask(text).context(cx).transient("HOP", "from the middle").await
    }
}

struct BackHandler;

impl Back for BackHandler {
    async fn ask(&self, cx: &Context, text: Text) -> Result<Text> {
        print(cx);
        Ok(text)
    }
}

async fn serve(service: impl Service) -> Result<(Running, String)> {
    let server = Server::new().add(service).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();
    Ok((server, addr))
}

#[tokio::main]
async fn main() -> Result<()> {
    let (back, addr) = serve(BackServer::new(BackHandler)).await?;
    let to_back = BackStreamClient::builder("back").host_ports([addr]).build()?;
    let (middle, addr) = serve(MiddleServer::new(MiddleHandler(to_back))).await?;
    let to_middle = MiddleStreamClient::builder("middle").host_ports([addr]).build()?;
    let (front, addr) = serve(FrontServer::new(FrontHandler(to_middle))).await?;

    let client = FrontClient::builder("front").host_ports([addr]).transport(Transport::TtHeader).build()?;
    let call = client.ask("hello".to_owned());
    // Kitex's peers could not read back a key that is not of upper-case letters, digits and `_`: over HTTP/2 it is dropped, with
    // a line in the log.
    let call = call.transient("HOP", "from the client").persistent("TENANT", "t-1").persistent("x", "?");
    let reply = call.with_metadata().await?;
    println!("client {:?}, backward {:?}", reply.message, reply.backward);
    for server in [front, middle, back] {
        server.shutdown().await;
    }
    Ok(())
}
