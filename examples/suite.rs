//! A company's options as one value each, for clients and servers: `cargo run --example suite`.

use std::time::Duration;

use thrill::breaker::CircuitBreaker;
use thrill::middleware::layer;
use thrill::{
    ClientBuilder, ClientSuite, Context, Limits, Receiver, Result, Sender, Server, ServerSuite, StreamClientBuilder,
    Thrift,
};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Item {
    #[thrift(id = 1)]
    pub name: String,
}

#[thrill::service(namespace = "shop")]
pub trait Shop {
    async fn price(&self, cx: &Context, item: Item) -> Result<i64>;

    #[streaming(mode = "server")]
    async fn list(&self, cx: &Context, like: Item, items: Sender<Item>) -> Result<()>;
}

struct Corner;

impl Shop for Corner {
    async fn price(&self, cx: &Context, item: Item) -> Result<i64> {
        println!("  server: {} asks for {}", cx.caller().unwrap_or("no one".into()), item.name);
        Ok(item.name.len() as i64)
    }

    async fn list(&self, cx: &Context, like: Item, mut items: Sender<Item>) -> Result<()> {
        println!("  server: {} lists {}", cx.caller().unwrap_or("no one".into()), like.name);
        items.send(Item { name: format!("green {}", like.name) }).await
    }
}

/// What every program of the company sets.
struct Company {
    program: &'static str,
}

impl ClientSuite for Company {
    fn client<C>(&self, client: ClientBuilder<C>) -> ClientBuilder<C> {
        let log = layer(|cx, args, next| {
            Box::pin(async move {
                println!("  client: calls {}", cx.method());
                next.run(&cx, args).await
            })
        });
        client
            .caller(self.program)
            .rpc_timeout(Duration::from_secs(1))
            .circuit_breaker(CircuitBreaker::new())
            .layer(log)
    }

    fn stream_client<C>(&self, client: StreamClientBuilder<C>) -> StreamClientBuilder<C> {
        client.caller(self.program).recv_timeout(Duration::from_secs(5)).circuit_breaker(CircuitBreaker::new())
    }
}

impl ServerSuite for Company {
    fn server(&self, server: Server) -> Server {
        server.limits(Limits::default().with_max_connections(1_000)).exit_wait_time(Duration::from_secs(2))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let company = Company { program: "shop-front" };
    let server = Server::new().suite(&company).add(ShopServer::new(Corner)).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();

    println!("both clients are of the company:");
    let client = ShopClient::builder("shop").suite(&company).host_ports([&addr]);
    let client = client.transport(thrill::Transport::TtHeaderFramed).build()?;
    println!("  client: tea costs {}", client.price(Item { name: "tea".to_owned() }).await?);
    let client = ShopStreamClient::builder("shop").suite(&company).host_ports([&addr]).build()?;
    let mut items: Receiver<Item> = client.list(Item { name: "tea".to_owned() }).await?;
    while let Some(item) = items.recv().await? {
        println!("  client: {item:?}");
    }

    println!("what comes after a suite wins over it:");
    let client = ShopStreamClient::builder("shop").suite(&company).caller("night-watch").host_ports([&addr]).build()?;
    client.list(Item { name: "milk".to_owned() }).await?.recv().await?;
    server.shutdown().await;
    Ok(())
}
