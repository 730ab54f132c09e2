//! Every kind of stream, server and client in one process: `cargo run --example echo`.

use thrill::{BidiStream, Receiver, Result, Sender, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Request {
    #[thrift(id = 1)]
    pub message: Option<String>,
}

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Response {
    #[thrift(id = 1)]
    pub message: Option<String>,
}

/// The trait is the schema: `/echo.TestService/Echo` is the path of the first method.
#[thrill::service(namespace = "echo", rename_all = "PascalCase")]
pub trait TestService {
    /// Both directions, independent of each other.
    #[streaming(mode = "bidirectional")]
    async fn echo(&self, stream: BidiStream<Request, Response>) -> Result<()>;

    /// Many requests, one response.
    #[streaming(mode = "client")]
    async fn echo_client(&self, requests: Receiver<Request>) -> Result<Response>;

    /// One request, many responses.
    #[streaming(mode = "server")]
    async fn echo_server(&self, req: Request, responses: Sender<Response>) -> Result<()>;

    /// One request, one response.
    #[streaming(mode = "unary")]
    async fn echo_unary(&self, req: Request) -> Result<Response>;
}

struct Handler;

impl TestService for Handler {
    async fn echo(&self, mut stream: BidiStream<Request, Response>) -> Result<()> {
        // `None`: the client has finished.
        while let Some(Request { message }) = stream.recv().await? {
            println!("  server: got {message:?}, sends it back");
            stream.send(Response { message }).await?;
        }
        println!("  server: the client has finished");
        Ok(())
    }

    async fn echo_client(&self, mut requests: Receiver<Request>) -> Result<Response> {
        let mut all = Vec::new();
        while let Some(req) = requests.recv().await? {
            println!("  server: got {:?}", req.message);
            all.extend(req.message);
        }
        Ok(say(all.join(" ")))
    }

    async fn echo_server(&self, req: Request, mut responses: Sender<Response>) -> Result<()> {
        println!("  server: got {:?}, answers word by word", req.message);
        for word in req.message.unwrap_or_default().split(' ') {
            responses.send(say(word)).await?;
        }
        Ok(())
    }

    async fn echo_unary(&self, req: Request) -> Result<Response> {
        println!("  server: got {:?}", req.message);
        Ok(Response { message: req.message })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new().add(TestServiceServer::new(Handler)).bind("127.0.0.1:0").await?.spawn();
    println!("listening on {}", server.local_address());

    let addr = server.local_address().to_string();
    let client = TestServiceStreamClient::builder("echo-server").host_ports([addr]).build()?;

    println!("bidirectional:");
    let mut stream = client.echo().await?;
    for word in ["a", "rill"] {
        stream.send(ask(word)).await?;
        println!("  client: got {:?}", stream.recv().await?);
    }
    stream.close().await?;
    println!("  client: got {:?}: the server has finished", stream.recv().await?);

    println!("client streaming:");
    let mut requests = client.echo_client().await?;
    for word in ["is", "a", "small", "stream"] {
        requests.send(ask(word)).await?;
    }
    println!("  client: got {:?}", requests.close_and_recv().await?);

    println!("server streaming:");
    let mut responses = client.echo_server(ask("word by word")).await?;
    while let Some(response) = responses.recv().await? {
        println!("  client: got {response:?}");
    }

    println!("unary:");
    println!("  client: got {:?}", client.echo_unary(ask("once")).await?);

    server.shutdown().await;
    println!("the server has shut down: every kind of stream works");
    Ok(())
}

fn ask(message: &str) -> Request {
    Request { message: Some(message.to_owned()) }
}

fn say(message: impl Into<String>) -> Response {
    Response { message: Some(message.into()) }
}
