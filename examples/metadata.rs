//! What travels beside the messages: metadata, metainfo, and errors with a meaning: `cargo run --example metadata`.

use thrill::{BizStatusError, Context, Error, Result, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Order {
    #[thrift(id = 1)]
    pub item: String,
    #[thrift(id = 2, default = 1)]
    pub count: i32,
}

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    #[thrift(id = 1)]
    pub text: String,
}

#[thrill::service(namespace = "shop")]
pub trait Shop {
    #[streaming(mode = "unary")]
    async fn buy(&self, cx: &Context, order: Order) -> Result<Receipt>;
}

struct Corner;

impl Shop for Corner {
    async fn buy(&self, cx: &Context, order: Order) -> Result<Receipt> {
        let tenant = cx.persistent("TENANT").unwrap_or("nobody");
        println!("  server: {order:?} for {tenant}, called by {:?}", cx.caller());
        cx.set_header("x-served-by", "corner")?;
        cx.set_trailer("x-stock", "7")?;
        if order.count > 7 {
            // The business says no; the transport worked.
            return Err(BizStatusError::new(1001, "not enough in stock").with_extra("stock", "7").into());
        }
        Ok(Receipt { text: format!("{} × {}", order.count, order.item) })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new().add(ShopServer::new(Corner)).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();
    let client = ShopStreamClient::builder("shop").host_ports([addr]).caller("example").build()?;

    let order = Order { item: "tea".to_owned(), count: 2 };
    let reply = client.buy(order).persistent("TENANT", "t-1").metadata("x-request", "42").with_metadata().await?;
    println!(
        "  client: {:?}, header {:?}, trailer {:?}",
        reply.message,
        reply.header.get("x-served-by"),
        reply.trailer.get("x-stock")
    );

    match client.buy(Order { item: "tea".to_owned(), count: 8 }).await {
        Err(Error::Biz(no)) => println!("  client: refused with {} {:?} {:?}", no.code(), no.message(), no.extra()),
        other => println!("  client: {other:?}"),
    }
    server.shutdown().await;
    Ok(())
}
