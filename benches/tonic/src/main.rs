//! tonic with prost. Its defaults, but for the most concurrent streams, of which hyper allows 200.

#[allow(unsafe_code, warnings, clippy::all)]
mod echo {
    tonic::include_proto!("echo");
}

use std::{pin::Pin, sync::Arc, time::Instant};

use load::{Args, Ask, Error, Mode, Scenario, Window, Worker, drive, stopped};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Server},
};

use echo::{
    test_service_client::TestServiceClient,
    test_service_server::{TestService, TestServiceServer},
};

type Client = TestServiceClient<Channel>;
type Replies = Pin<Box<dyn Stream<Item = Result<echo::Response, Status>> + Send>>;

fn main() -> Result<(), Error> {
    let args = Args::parse();
    let runtime = args.runtime();
    if args.mode == Mode::Server {
        let mut server = Server::builder().max_concurrent_streams(4096);
        let addr = args.addr.parse()?;
        runtime.block_on(server.add_service(TestServiceServer::new(Handler)).serve(addr))?;
        return Ok(());
    }
    let clients = runtime.block_on(connect(args))?;
    drive(&runtime, "tonic", args, args.conns, move |stream, worker| {
        work(args, clients[stream % clients.len()].clone(), worker)
    })
}

struct Handler;

#[tonic::async_trait]
impl TestService for Handler {
    type EchoStream = Replies;
    type EchoServerStream = Replies;

    async fn echo(&self, requests: Request<Streaming<echo::Request>>) -> Result<Response<Replies>, Status> {
        let requests = requests.into_inner();
        let replies = requests.map(|request| request.map(|request| echo::Response { message: request.message }));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn echo_client(
        &self,
        requests: Request<Streaming<echo::Request>>,
    ) -> Result<Response<echo::Response>, Status> {
        let mut requests = requests.into_inner();
        let mut count = 0;
        while requests.message().await?.is_some() {
            count += 1;
        }
        Ok(Response::new(echo::Response { message: Some(count.to_string()) }))
    }

    async fn echo_server(&self, request: Request<echo::Request>) -> Result<Response<Replies>, Status> {
        let ask = Ask::parse(request.into_inner().message());
        let reply = echo::Response { message: Some("x".repeat(ask.size)) };
        let replies = (0..ask.messages).map(move |_| Ok(reply.clone()));
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }

    async fn echo_ping_pong(&self, request: Request<echo::Request>) -> Result<Response<echo::Response>, Status> {
        Ok(Response::new(echo::Response { message: request.into_inner().message }))
    }
}

async fn connect(args: &Args) -> Result<Vec<Client>, Error> {
    let mut clients = vec![];
    for _ in 0..args.conns {
        clients.push(Client::connect(format!("http://{}", args.addr)).await?);
    }
    Ok(clients)
}

async fn work(args: &Args, mut client: Client, worker: Arc<Worker>) -> Result<(), Error> {
    let message = echo::Request { message: Some("x".repeat(args.size)) };
    match args.scenario {
        Scenario::Pingpong => {
            let start = Instant::now();
            let reply = client.echo_ping_pong(message).await?.into_inner();
            check(args, Some(&reply))?;
            worker.round_trip(start);
        }
        Scenario::BidiPingpong => {
            let (send, requests) = mpsc::channel(4);
            let mut recv = client.echo(ReceiverStream::new(requests)).await?.into_inner();
            while !stopped() {
                let start = Instant::now();
                send.send(message.clone()).await?;
                check(args, recv.message().await?.as_ref())?;
                worker.round_trip(start);
            }
            drop(send);
            while recv.message().await?.is_some() {}
        }
        Scenario::BidiPipelined => {
            let (send, requests) = mpsc::channel(128);
            let mut recv = client.echo(ReceiverStream::new(requests)).await?.into_inner();
            let (window, receiver) = Window::new(args.window);
            tokio::spawn(async move {
                let mut sent = 0;
                while window.may_send(sent).await && send.send(message.clone()).await.is_ok() {
                    sent += 1;
                }
            });
            let mut messages = 0;
            while let Some(reply) = recv.message().await? {
                check(args, Some(&reply))?;
                messages += 1;
                receiver.received(messages);
                worker.count(1);
            }
        }
        Scenario::ServerStream => {
            let ask = echo::Request { message: Some(Ask::new(args).to_string()) };
            let mut recv = client.echo_server(ask).await?.into_inner();
            let mut messages = 0;
            while let Some(reply) = recv.message().await? {
                check(args, Some(&reply))?;
                messages += 1;
                worker.count(1);
            }
            if messages != args.batch {
                return Err("wrong count".into());
            }
        }
        Scenario::ClientStream => {
            let (send, requests) = mpsc::channel(128);
            let batch = args.batch;
            tokio::spawn(async move {
                for _ in 0..batch {
                    if send.send(message.clone()).await.is_err() {
                        break;
                    }
                    worker.count(1);
                }
            });
            let reply = client.echo_client(ReceiverStream::new(requests)).await?.into_inner();
            if reply.message() != args.batch.to_string() {
                return Err("wrong count".into());
            }
        }
        Scenario::OpenClose => {
            let start = Instant::now();
            let (send, requests) = mpsc::channel(4);
            send.send(message).await?;
            let mut recv = client.echo(ReceiverStream::new(requests)).await?.into_inner();
            check(args, recv.message().await?.as_ref())?;
            drop(send);
            while recv.message().await?.is_some() {}
            worker.round_trip(start);
        }
    }
    Ok(())
}

fn check(args: &Args, reply: Option<&echo::Response>) -> Result<(), Error> {
    match reply {
        Some(reply) if reply.message().len() == args.size => Ok(()),
        _ => Err("wrong message".into()),
    }
}
