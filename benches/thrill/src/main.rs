//! thrill by its public API. Its defaults, but for the most concurrent streams, of which it allows 1,000 per connection.

use std::{sync::Arc, time::Instant};

use load::{Args, Ask, Error, Mode, Scenario, Window, Worker, drive, stopped};
use thrill::{BidiStream, ByteString, Receiver, Sender, Server, Thrift, Transport};

#[derive(Thrift, Clone, Debug, Default)]
struct Request {
    #[thrift(id = 1)]
    message: Option<ByteString>,
}

#[derive(Thrift, Clone, Debug, Default)]
struct Response {
    #[thrift(id = 1)]
    message: Option<ByteString>,
}

#[thrill::service(namespace = "echo", rename_all = "PascalCase")]
trait TestService {
    #[streaming(mode = "bidirectional")]
    async fn echo(&self, stream: BidiStream<Request, Response>) -> thrill::Result<()>;

    #[streaming(mode = "client")]
    async fn echo_client(&self, requests: Receiver<Request>) -> thrill::Result<Response>;

    #[streaming(mode = "server")]
    async fn echo_server(&self, request: Request, responses: Sender<Response>) -> thrill::Result<()>;

    #[streaming(mode = "unary")]
    async fn echo_unary(&self, request: Request) -> thrill::Result<Response>;

    async fn echo_ping_pong(&self, request: Request) -> thrill::Result<Response>;
}

struct Handler;

impl TestService for Handler {
    async fn echo(&self, mut stream: BidiStream<Request, Response>) -> thrill::Result<()> {
        while let Some(Request { message }) = stream.recv().await? {
            stream.send(Response { message }).await?;
        }
        Ok(())
    }

    async fn echo_client(&self, mut requests: Receiver<Request>) -> thrill::Result<Response> {
        let mut count = 0;
        while requests.recv().await?.is_some() {
            count += 1;
        }
        Ok(Response { message: Some(count.to_string().into()) })
    }

    async fn echo_server(&self, request: Request, mut responses: Sender<Response>) -> thrill::Result<()> {
        let ask = Ask::parse(request.message.as_deref().unwrap_or_default());
        let reply = Response { message: Some("x".repeat(ask.size).into()) };
        for _ in 0..ask.messages {
            responses.send(reply.clone()).await?;
        }
        Ok(())
    }

    async fn echo_unary(&self, request: Request) -> thrill::Result<Response> {
        Ok(Response { message: request.message })
    }

    async fn echo_ping_pong(&self, request: Request) -> thrill::Result<Response> {
        Ok(Response { message: request.message })
    }
}

fn main() -> Result<(), Error> {
    let args = Args::parse();
    let runtime = args.runtime();
    if args.mode == Mode::Server {
        let server = Server::new().add(TestServiceServer::new(Handler)).max_concurrent_streams(4096);
        return Ok(runtime.block_on(server.serve(&args.addr))?);
    }
    let messages = TestServiceClient::builder("perf").host_ports([args.addr.as_str()]);
    let (peer, messages) = match args.proto.as_str() {
        "" | "grpc" => {
            let streams = TestServiceStreamClient::builder("perf").host_ports([args.addr.as_str()]);
            let client = streams.connection_pool_size(args.conns).build()?;
            drive(&runtime, "thrill", args, args.conns, move |_, worker| work(args, client.clone(), worker));
        }
        "framed" => ("thrill-framed", messages),
        "ttheader" => ("thrill-ttheader", messages.transport(Transport::TtHeaderFramed)),
        "ttheader-mux" => {
            ("thrill-ttheader-mux", messages.transport(Transport::TtHeaderFramed).multiplexed(args.conns))
        }
        other => return Err(format!("unknown protocol {other}").into()),
    };
    let conns = if args.proto.ends_with("mux") { args.conns } else { args.streams };
    let client = messages.build()?;
    drive(&runtime, peer, args, conns, move |_, worker| call(args, client.clone(), worker))
}

async fn call(args: &Args, client: TestServiceClient, worker: Arc<Worker>) -> Result<(), Error> {
    let message = Request { message: Some("x".repeat(args.size).into()) };
    while !stopped() {
        let start = Instant::now();
        check(args, Some(&client.echo_ping_pong(message.clone()).await?))?;
        worker.round_trip(start);
    }
    Ok(())
}

async fn work(args: &Args, client: TestServiceStreamClient, worker: Arc<Worker>) -> Result<(), Error> {
    let message = Request { message: Some("x".repeat(args.size).into()) };
    match args.scenario {
        Scenario::Pingpong => {
            let start = Instant::now();
            check(args, Some(&client.echo_unary(message).await?))?;
            worker.round_trip(start);
        }
        Scenario::BidiPingpong => {
            let mut stream = client.echo().await?;
            while !stopped() {
                let start = Instant::now();
                stream.send(message.clone()).await?;
                check(args, stream.recv().await?.as_ref())?;
                worker.round_trip(start);
            }
            stream.close().await?;
            while stream.recv().await?.is_some() {}
        }
        Scenario::BidiPipelined => {
            let (mut send, mut recv) = client.echo().await?.split();
            let (window, receiver) = Window::new(args.window);
            tokio::spawn(async move {
                let mut sent = 0;
                while window.may_send(sent).await && send.send(message.clone()).await.is_ok() {
                    sent += 1;
                }
                send.close().await
            });
            let mut messages = 0;
            while let Some(reply) = recv.recv().await? {
                check(args, Some(&reply))?;
                messages += 1;
                receiver.received(messages);
                worker.count(1);
            }
        }
        Scenario::ServerStream => {
            let ask = Request { message: Some(Ask::new(args).to_string().into()) };
            let mut recv = client.echo_server(ask).await?;
            let mut messages = 0;
            while let Some(reply) = recv.recv().await? {
                check(args, Some(&reply))?;
                messages += 1;
                worker.count(1);
            }
            if messages != args.batch {
                return Err("wrong count".into());
            }
        }
        Scenario::ClientStream => {
            let mut stream = client.echo_client().await?;
            for _ in 0..args.batch {
                stream.send(message.clone()).await?;
                worker.count(1);
            }
            let reply = stream.close_and_recv().await?;
            if reply.message.as_deref() != Some(&args.batch.to_string()) {
                return Err("wrong count".into());
            }
        }
        Scenario::OpenClose => {
            let start = Instant::now();
            let mut stream = client.echo().await?;
            stream.send(message).await?;
            check(args, stream.recv().await?.as_ref())?;
            stream.close().await?;
            while stream.recv().await?.is_some() {}
            worker.round_trip(start);
        }
    }
    Ok(())
}

fn check(args: &Args, reply: Option<&Response>) -> Result<(), Error> {
    match reply.and_then(|reply| reply.message.as_ref()) {
        Some(message) if message.len() == args.size => Ok(()),
        _ => Err("wrong message".into()),
    }
}
