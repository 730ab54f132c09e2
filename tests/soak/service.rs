//! A service whose handlers end as they are told.

use std::sync::{Arc, OnceLock};

use thrill::{BidiStream, BizStatusError, Context, Error, Receiver, Result, Sender, Thrift};

/// What travels: what the handler is to do.
#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub(crate) struct Order {
    #[thrift(id = 1, required)]
    pub(crate) how: String,
    #[thrift(id = 2)]
    pub(crate) ballast: Option<Vec<u8>>,
}

impl Order {
    pub(crate) fn new(how: &str) -> Self {
        Self::of(how, 200)
    }

    pub(crate) fn of(how: &str, size: usize) -> Self {
        Self { how: how.to_owned(), ballast: Some(vec![7; size]) }
    }
}

#[thrill::service]
pub(crate) trait Soak {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, cx: &Context, orders: BidiStream<Order, Order>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn upload(&self, orders: Receiver<Order>) -> Result<Order>;

    #[streaming(mode = "server")]
    async fn download(&self, order: Order, orders: Sender<Order>) -> Result<()>;

    #[streaming(mode = "unary")]
    async fn ask(&self, cx: &Context, order: Order) -> Result<Order>;

    async fn call(&self, cx: &Context, order: Order) -> Result<Order>;

    #[oneway]
    async fn notify(&self, order: Order) -> Result<()>;
}

/// What another team's client takes the service for: a method that it does not have, and messages of another shape.
pub(crate) mod other {
    use super::*;

    #[derive(Thrift, Clone, Debug, Default, PartialEq)]
    pub(crate) struct Note {
        #[thrift(id = 9, required)]
        pub(crate) text: String,
    }

    #[thrill::service(name = "Soak")]
    pub(crate) trait Others {
        #[streaming(mode = "bidirectional")]
        async fn talk(&self, notes: BidiStream<Note, Order>) -> Result<()>;

        #[streaming(mode = "server")]
        async fn download(&self, order: Order, notes: Sender<Note>) -> Result<()>;

        #[streaming(mode = "bidirectional")]
        async fn sing(&self, notes: BidiStream<Note, Note>) -> Result<()>;

        async fn call(&self, note: Note) -> Result<Order>;

        async fn dance(&self, note: Note) -> Result<Note>;
    }
}

/// The handler.
#[derive(Clone, Default)]
pub(crate) struct Handler {
    /// Where it calls on.
    pub(crate) onward: Arc<OnceLock<SoakStreamClient>>,
}

fn end(how: &str) -> Result<()> {
    match how {
        "status" => Err(Error::status(5, "as ordered")),
        "error" => Err(Error::new("as ordered")),
        "biz" => Err(BizStatusError::new(7, "as ordered").into()),
        "panic" => panic!("as ordered"),
        _ => Ok(()),
    }
}

impl Handler {
    /// Waits for the end of a call made on behalf of this one.
    async fn relay(&self, cx: &Context) -> Result<()> {
        let Some(onward) = self.onward.get() else { return Err(Error::new("this server calls no other")) };
        let mut stream = onward.talk().context(cx).await?;
        stream.send(Order::new("wait")).await?;
        stream.recv().await.map(drop)
    }
}

impl Soak for Handler {
    async fn talk(&self, cx: &Context, mut orders: BidiStream<Order, Order>) -> Result<()> {
        while let Some(order) = orders.recv().await? {
            match order.how.as_str() {
                "return" => return Ok(()),
                "wait" => return Err(cx.cancelled().await),
                "relay" => return self.relay(cx).await,
                // Until no one reads them.
                "flood" => loop {
                    orders.send(order.clone()).await?;
                },
                "large" => orders.send(Order::of("large", 100 << 10)).await?,
                how => {
                    end(how)?;
                    orders.send(order).await?;
                }
            }
        }
        Ok(())
    }

    async fn upload(&self, mut orders: Receiver<Order>) -> Result<Order> {
        let mut last = Order::default();
        while let Some(order) = orders.recv().await? {
            end(&order.how)?;
            if order.how == "return" {
                return Ok(order);
            }
            last = order;
        }
        Ok(last)
    }

    async fn download(&self, order: Order, mut orders: Sender<Order>) -> Result<()> {
        for _ in 0..3 {
            orders.send(order.clone()).await?;
        }
        end(&order.how)
    }

    async fn ask(&self, cx: &Context, order: Order) -> Result<Order> {
        self.call(cx, order).await
    }

    async fn call(&self, cx: &Context, order: Order) -> Result<Order> {
        match order.how.as_str() {
            "wait" => return Err(cx.cancelled().await),
            // Whatever becomes of the call; longer than a busy machine lets anyone wait.
            "slow" => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            "large" => return Ok(Order::of("large", 100 << 10)),
            how => end(how)?,
        }
        Ok(order)
    }

    async fn notify(&self, _: Order) -> Result<()> {
        Ok(())
    }
}
