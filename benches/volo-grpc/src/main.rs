//! volo-grpc with pilota's protobuf. Its defaults, but for the most concurrent streams, of which hyper allows 200.
// The size of volo's `Status`, which every method returns.
#![allow(clippy::result_large_err)]

#[allow(unsafe_code, warnings, clippy::all)]
mod code {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

use std::{net::SocketAddr, sync::Arc, time::Instant};

use load::{Args, Ask, Error, Mode, Scenario, Window, Worker, drive, stopped};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use volo::net::Address;
use volo_grpc::{
    BoxStream, RecvStream, Request, Response, Status,
    server::{Server, ServiceBuilder},
};

use code::generated::echo::{
    self, TestService, TestServiceClient as Client, TestServiceClientBuilder, TestServiceServer,
};

type Replies = BoxStream<'static, Result<echo::Response, Status>>;

fn main() -> Result<(), Error> {
    let args = Args::parse();
    let runtime = args.runtime();
    let addr: SocketAddr = args.addr.parse()?;
    if args.mode == Mode::Server {
        let service = ServiceBuilder::new(TestServiceServer::new(Handler)).build();
        let server = Server::new().http2_max_concurrent_streams(4096u32).add_service(service);
        return runtime.block_on(server.run(Address::from(addr)));
    }
    let _context = runtime.enter();
    let client = |_| TestServiceClientBuilder::new("perf").address(addr).build();
    let clients: Vec<Client> = (0..args.conns).map(client).collect();
    drive(&runtime, "volo-grpc", args, args.conns, move |stream, worker| {
        work(args, clients[stream % clients.len()].clone(), worker)
    })
}

struct Handler;

impl TestService for Handler {
    async fn echo(&self, requests: Request<RecvStream<echo::Request>>) -> Result<Response<Replies>, Status> {
        let requests = requests.into_inner();
        let reply = |request: echo::Request| echo::Response { message: request.message };
        Ok(Response::new(Box::pin(requests.map(move |request| request.map(reply)))))
    }

    async fn echo_client(
        &self,
        requests: Request<RecvStream<echo::Request>>,
    ) -> Result<Response<echo::Response>, Status> {
        let mut requests = requests.into_inner();
        let mut count = 0;
        while let Some(request) = requests.next().await {
            request?;
            count += 1;
        }
        Ok(Response::new(response(count.to_string())))
    }

    async fn echo_server(&self, request: Request<echo::Request>) -> Result<Response<Replies>, Status> {
        let ask = Ask::parse(request.into_inner().message.as_deref().unwrap_or_default());
        let reply = response("x".repeat(ask.size));
        let replies = (0..ask.messages).map(move |_| Ok(reply.clone()));
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }

    async fn echo_ping_pong(&self, request: Request<echo::Request>) -> Result<Response<echo::Response>, Status> {
        Ok(Response::new(echo::Response { message: request.into_inner().message }))
    }
}

async fn work(args: &Args, client: Client, worker: Arc<Worker>) -> Result<(), Error> {
    let message = request("x".repeat(args.size));
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
                check(args, recv.next().await.transpose()?.as_ref())?;
                worker.round_trip(start);
            }
            drop(send);
            while recv.next().await.transpose()?.is_some() {}
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
            while let Some(reply) = recv.next().await.transpose()? {
                check(args, Some(&reply))?;
                messages += 1;
                receiver.received(messages);
                worker.count(1);
            }
        }
        Scenario::ServerStream => {
            let ask = request(Ask::new(args).to_string());
            let mut recv = client.echo_server(ask).await?.into_inner();
            let mut messages = 0;
            while let Some(reply) = recv.next().await.transpose()? {
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
            if reply.message.as_deref() != Some(args.batch.to_string().as_str()) {
                return Err("wrong count".into());
            }
        }
        Scenario::OpenClose => {
            let start = Instant::now();
            let (send, requests) = mpsc::channel(4);
            send.send(message).await?;
            let mut recv = client.echo(ReceiverStream::new(requests)).await?.into_inner();
            check(args, recv.next().await.transpose()?.as_ref())?;
            drop(send);
            while recv.next().await.transpose()?.is_some() {}
            worker.round_trip(start);
        }
    }
    Ok(())
}

fn request(message: String) -> echo::Request {
    echo::Request { message: Some(message.into()) }
}

fn response(message: String) -> echo::Response {
    echo::Response { message: Some(message.into()) }
}

fn check(args: &Args, reply: Option<&echo::Response>) -> Result<(), Error> {
    match reply.and_then(|reply| reply.message.as_ref()) {
        Some(message) if message.len() == args.size => Ok(()),
        _ => Err("wrong message".into()),
    }
}
