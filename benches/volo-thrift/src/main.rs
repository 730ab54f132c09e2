//! volo-thrift, ping-pong only: it has no streaming. TTHeader with framed binary, which is volo's default; with
//! `--proto mux` the calls share their connections.

#[allow(unsafe_code, warnings, clippy::all)]
mod code {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

use std::{net::SocketAddr, sync::Arc, time::Instant};

use faststr::FastStr;
use load::{Args, Error, Mode, Scenario, Worker, drive, stopped};
use volo::net::Address;
use volo_thrift::ServerError;

use code::generated::echo::{
    Request, Response, TestService, TestServiceClient as Client, TestServiceClientBuilder, TestServiceServer,
};

fn main() -> Result<(), Error> {
    let args = Args::parse();
    let runtime = args.runtime();
    let addr: SocketAddr = args.addr.parse()?;
    let mux = args.proto == "mux";
    if args.mode == Mode::Server {
        let addr = Address::from(addr);
        let server = TestServiceServer::new(Handler);
        return runtime
            .block_on(async { if mux { server.multiplex(true).run(addr).await } else { server.run(addr).await } });
    }
    if args.scenario != Scenario::Pingpong {
        return Err("volo-thrift has no streaming".into());
    }
    let _context = runtime.enter();
    let client = |_| TestServiceClientBuilder::new("perf").address(addr).multiplex(mux).build();
    // A client that multiplexes keeps one connection for each address; one that does not keeps one for each call.
    let (name, conns, clients) =
        if mux { ("volo-thrift-mux", args.conns, args.conns) } else { ("volo-thrift", args.streams, 1) };
    let clients: Vec<Client> = (0..clients).map(client).collect();
    drive(&runtime, name, args, conns, move |stream, worker| {
        work(args, clients[stream % clients.len()].clone(), worker)
    })
}

struct Handler;

/// The streaming methods are there because the IDL has them; volo takes them for unary ones.
impl TestService for Handler {
    async fn echo(&self, request: Request) -> Result<Response, ServerError> {
        self.echo_ping_pong(request).await
    }

    async fn echo_client(&self, request: Request) -> Result<Response, ServerError> {
        self.echo_ping_pong(request).await
    }

    async fn echo_server(&self, request: Request) -> Result<Response, ServerError> {
        self.echo_ping_pong(request).await
    }

    async fn echo_ping_pong(&self, request: Request) -> Result<Response, ServerError> {
        Ok(Response { message: request.message })
    }
}

async fn work(args: &Args, client: Client, worker: Arc<Worker>) -> Result<(), Error> {
    let message = FastStr::from("x".repeat(args.size));
    while !stopped() {
        let start = Instant::now();
        let request = Request { message: Some(message.clone()) };
        let reply = client.echo_ping_pong(request).await?;
        if reply.message.map_or(0, |message| message.len()) != args.size {
            return Err("wrong message".into());
        }
        worker.round_trip(start);
    }
    Ok(())
}
