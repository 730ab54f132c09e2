//! Why a handler's call ended, and how that goes down a chain of services: `cargo run --example cancellation`.
//!
//! `front` calls `back` with its handler's context. Whatever ends the call of `front` ends the one that it makes, and the error of
//! that has the cause as a type.

use std::sync::Arc;
use std::time::Duration;

use thrill::{Cancelled, Context, Error, Result, Running, Sender, Server, Thrift};
use tokio::sync::Semaphore;

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Tick {
    #[thrift(id = 1)]
    pub number: i64,
}

#[thrill::service(namespace = "clock")]
pub trait Clock {
    /// Ticks until it is cancelled.
    #[streaming(mode = "server")]
    async fn ticks(&self, cx: &Context, first: Tick, ticks: Sender<Tick>) -> Result<()>;
}

/// Says why a call ended.
fn why(err: &Error) -> String {
    match err {
        Error::DeadlineExceeded { after, .. } => format!("its {after:?} are over"),
        Error::Cancelled(cancelled) => match &**cancelled {
            Cancelled::ByPeer { caller, .. } => format!("{caller} has cancelled it"),
            Cancelled::ConnectionLost { reason } => format!("the connection is lost: {reason}"),
            Cancelled::Shutdown => "this server shuts down".to_owned(),
            Cancelled::Cascade { cause } => format!("the call that it is a part of has ended, since {}", why(cause)),
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}

struct Back;

impl Clock for Back {
    async fn ticks(&self, cx: &Context, first: Tick, mut ticks: Sender<Tick>) -> Result<()> {
        ticks.send(first).await?;
        let cause = cx.cancelled().await;
        println!("  back:  {}", why(&cause));
        Err(cause)
    }
}

/// Passes on what `back` says.
struct Front {
    back: ClockStreamClient,
    /// Lets `main` wait until a handler has said why it ends.
    ended: Arc<Semaphore>,
}

impl Clock for Front {
    async fn ticks(&self, cx: &Context, first: Tick, mut ticks: Sender<Tick>) -> Result<()> {
        let mut behind = self.back.ticks(first).context(cx).await?;
        let err = loop {
            match behind.recv().await {
                Ok(Some(tick)) => ticks.send(tick).await?,
                Ok(None) => return Ok(()),
                Err(err) => break err,
            }
        };
        println!("  front: {}", why(&cx.cancelled().await));
        println!("  front: the call of back: {}", why(&err));
        self.ended.add_permits(1);
        Err(err)
    }
}

async fn serve(clock: impl Clock) -> Result<Running> {
    let server = Server::new().exit_wait_time(Duration::from_millis(100)).add(ClockServer::new(clock));
    Ok(server.bind("127.0.0.1:0").await?.spawn())
}

fn client(server: &Running, caller: &str) -> Result<ClockStreamClient> {
    ClockStreamClient::builder("clock").host_ports([server.local_address().to_string()]).caller(caller).build()
}

#[tokio::main]
async fn main() -> Result<()> {
    let back = serve(Back).await?;
    let ended = Arc::new(Semaphore::new(0));
    let front = serve(Front { back: client(&back, "front")?, ended: Arc::clone(&ended) }).await?;
    let user = client(&front, "user")?;
    let the_end = async || ended.acquire().await.map(|permit| permit.forget()).map_err(Error::new);

    println!("the client drops its stream:");
    let mut ticks = user.ticks(Tick { number: 1 }).await?;
    ticks.recv().await?;
    drop(ticks);
    the_end().await?;

    println!("a deadline:");
    let mut ticks = user.ticks(Tick { number: 2 }).timeout(Duration::from_millis(50)).await?;
    let end = loop {
        if let Err(err) = ticks.recv().await {
            break err;
        }
    };
    println!("  user:  {}", why(&end));
    the_end().await?;

    println!("the connection is lost:");
    // On a runtime of its own, whose end closes all that it has.
    let (addr, doomed) = (front.local_address().to_string(), tokio::runtime::Runtime::new()?);
    let opened = doomed.spawn(async move {
        let user = ClockStreamClient::builder("clock").host_ports([addr]).build()?;
        let mut ticks = user.ticks(Tick { number: 3 }).await?;
        ticks.recv().await?;
        Ok::<_, Error>(ticks)
    });
    let ticks = opened.await.map_err(Error::new)??;
    doomed.shutdown_background();
    the_end().await?;
    drop(ticks);

    println!("front shuts down, and its time to drain is over:");
    let mut ticks = user.ticks(Tick { number: 4 }).await?;
    ticks.recv().await?;
    front.shutdown().await;
    the_end().await?;
    println!("  user:  {}", ticks.recv().await.map_or_else(|err| err.to_string(), |tick| format!("{tick:?}")));
    back.shutdown().await;
    Ok(())
}
