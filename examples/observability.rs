//! A trace tree and a Prometheus page of a chain of services: `cargo run --example observability`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use thrill::observe::{Metrics, Tracing};
use thrill::{Context, Receiver, Result, Sender, Server, Thrift};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{self, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Item {
    #[thrift(id = 1)]
    pub name: String,
}

#[thrill::service]
pub trait Shop {
    async fn buy(&self, cx: &Context, basket: Vec<Item>) -> Result<i32>;
}

#[thrill::service]
pub trait Stock {
    #[streaming(mode = "client")]
    async fn take(&self, cx: &Context, items: Receiver<Item>) -> Result<Item>;

    #[streaming(mode = "server")]
    async fn shelves(&self, item: Item, shelves: Sender<Item>) -> Result<()>;
}

/// Asks the stock for each item; every call is made with the handler's context, and so belongs to its trace.
struct Corner(StockStreamClient);

impl Shop for Corner {
    async fn buy(&self, cx: &Context, basket: Vec<Item>) -> Result<i32> {
        let mut taken = self.0.take().context(cx).await?;
        let mut found = 0;
        for item in basket {
            let mut shelves = self.0.shelves(item.clone()).context(cx).await?;
            while shelves.recv().await?.is_some() {
                found += 1;
            }
            taken.send(item).await?;
        }
        taken.close_and_recv().await?;
        Ok(found)
    }
}

struct Cellar;

impl Stock for Cellar {
    async fn take(&self, _: &Context, mut items: Receiver<Item>) -> Result<Item> {
        let mut last = Item::default();
        while let Some(item) = items.recv().await? {
            last = item;
        }
        Ok(last)
    }

    async fn shelves(&self, item: Item, mut shelves: Sender<Item>) -> Result<()> {
        for shelf in 1..=2 {
            shelves.send(Item { name: format!("{} on shelf {shelf}", item.name) }).await?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    // Once in a process: where the numbers go, and where the spans go.
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &[0.001, 0.01, 0.1])
        .and_then(|page| page.set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &[64.0, 1024.0]))
        .expect("there are buckets")
        .build_recorder();
    let page = recorder.handle();
    metrics::set_global_recorder(recorder).expect("no other recorder is installed");
    let tree = Tree::install();

    let stock = Server::new()
        .observe(Tracing::new())
        .observe(Metrics::new())
        .add(StockServer::new(Cellar))
        .bind("127.0.0.1:0")
        .await?
        .spawn();
    let to_stock = StockStreamClient::builder("stock")
        .host_ports([stock.local_address().to_string()])
        .observe(Tracing::new())
        .observe(Metrics::new())
        .build()?;
    let shop = Server::new()
        .observe(Tracing::new())
        .observe(Metrics::new())
        .add(ShopServer::new(Corner(to_stock)))
        .bind("127.0.0.1:0")
        .await?
        .spawn();
    let client = ShopClient::builder("shop")
        .host_ports([shop.local_address().to_string()])
        // Framed, the default, carries nothing beside the message: the trace would end here.
        .transport(thrill::Transport::TtHeader)
        .observe(Tracing::new())
        .observe(Metrics::new())
        .build()?;

    let basket = ["tea", "salt"].map(|name| Item { name: name.into() });
    println!("found {} items\n", client.buy(basket.into()).await?);
    shop.shutdown().await;
    stock.shutdown().await;

    println!("# What Prometheus reads, but for the buckets of histograms");
    for line in page.render().lines().filter(|line| !line.contains("_bucket")) {
        println!("{line}");
    }
    println!("# The trace");
    tree.print("", 0);
    Ok(())
}

/// Keeps the spans of calls, by the id of the span above.
#[derive(Clone, Default)]
struct Tree(Arc<Mutex<BTreeMap<String, Vec<Span>>>>);

#[derive(Clone)]
struct Span {
    id: String,
    parent: String,
    name: String,
    kind: String,
    began: Instant,
    took: Duration,
}

impl Span {
    fn new() -> Self {
        let [id, parent, name, kind] = [const { String::new() }; 4];
        Self { id, parent, name, kind, began: Instant::now(), took: Duration::ZERO }
    }
}

impl Tree {
    fn install() -> Self {
        let tree = Self::default();
        tracing_subscriber::registry().with(tree.clone()).init();
        tree
    }

    fn print(&self, parent: &str, depth: usize) {
        let mut spans = self.0.lock().unwrap().get(parent).cloned().unwrap_or_default();
        spans.sort_by_key(|span| span.began);
        for Span { id, name, kind, took, .. } in spans {
            let line = format!("{}{name} ({kind})", "   ".repeat(depth));
            println!("{line:<40} {took:>10.1?}");
            self.print(&id, depth + 1);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Tree {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, layers: layer::Context<'_, S>) {
        let mut span = Span::new();
        attributes.record(&mut span);
        if let (Some(kept), false) = (layers.span(id), span.id.is_empty()) {
            kept.extensions_mut().insert(span);
        }
    }

    fn on_close(&self, id: Id, layers: layer::Context<'_, S>) {
        let Some(kept) = layers.span(&id) else { return };
        if let Some(mut span) = kept.extensions_mut().remove::<Span>() {
            span.took = span.began.elapsed();
            self.0.lock().unwrap().entry(span.parent.clone()).or_default().push(span);
        }
    }
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}").trim_matches('"').to_owned();
        match field.name() {
            "span_id" => self.id = text,
            "parent_id" => self.parent = text,
            "otel.name" => self.name = text,
            "otel.kind" => self.kind = text,
            _ => {}
        }
    }
}
