//! The same as `echo`, from IDL: `cargo run --example echo_idl`.

use thrill::{BidiStream, Context, Receiver, Result, Sender, Server};

/// The IDL is the schema: `/echo.TestService/Echo` is the path of the first method.
mod idl {
    thrill::include_thrift!("idl/echo.thrift");
}

use idl::{Request, Response, TestService, TestServiceServer, TestServiceStreamClient};

struct Handler;

impl TestService for Handler {
    async fn echo(&self, _cx: &Context, mut stream: BidiStream<Request, Response>) -> Result<()> {
        // `None`: the client has finished.
        while let Some(Request { message }) = stream.recv().await? {
            println!("  server: got {message:?}, sends it back");
            stream.send(Response { message }).await?;
        }
        println!("  server: the client has finished");
        Ok(())
    }

    async fn echo_client(&self, _cx: &Context, mut requests: Receiver<Request>) -> Result<Response> {
        let mut all = Vec::new();
        while let Some(req) = requests.recv().await? {
            println!("  server: got {:?}", req.message);
            all.extend(req.message);
        }
        Ok(say(all.join(" ")))
    }

    async fn echo_server(&self, _cx: &Context, req: Request, mut responses: Sender<Response>) -> Result<()> {
        println!("  server: got {:?}, answers word by word", req.message);
        for word in req.message.unwrap_or_default().split(' ') {
            responses.send(say(word)).await?;
        }
        Ok(())
    }

    async fn echo_unary(&self, _cx: &Context, req: Request) -> Result<Response> {
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
