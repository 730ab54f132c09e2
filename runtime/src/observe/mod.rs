//! Watching calls: Kitex's tracers, and what is made of them.
//!
//! An [`Observe`] hears of the start and the finish of every call, and of what happens on a stream between them. With a
//! feature each, two are ready: [`Tracing`](struct@Tracing) makes spans, [`Metrics`](struct@Metrics) counts.
//!
//! ```
//! use thrill::observe::{Event, Observe};
//! use thrill::{Context, Result};
//!
//! struct Print;
//!
//! impl Observe for Print {
//!     fn event(&self, cx: &Context, event: &Event<'_>) {
//!         println!("{}: {event:?}", cx.method());
//!     }
//!
//!     fn finish(&self, cx: &Context, end: &Result<()>) {
//!         let Some(stats) = cx.stats() else { return };
//!         println!("{} took {:?}, sent {} B: {end:?}", cx.method(), stats.took(), stats.sent_bytes());
//!     }
//! }
//!
//! # #[derive(thrill::Thrift, Clone, Debug, Default, PartialEq)] struct Note { #[thrift(id = 1)] text: String }
//! # #[thrill::service] trait Echo { async fn echo(&self, note: Note) -> Result<Note>; }
//! # struct Handler;
//! # impl Echo for Handler { async fn echo(&self, note: Note) -> Result<Note> { Ok(note) } }
//! # #[tokio::main] async fn main() -> Result<()> {
//! let server = thrill::Server::new().observe(Print).add(EchoServer::new(Handler)).bind("127.0.0.1:0").await?.spawn();
//! let addr = server.local_address().to_string();
//! let client = EchoClient::builder("echo").host_ports([addr]).observe(Print).build()?;
//! client.echo(Note { text: "hi".into() }).await?;
//! # server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # When a call starts and finishes
//!
//! | | starts | finishes |
//! | --- | --- | --- |
//! | server | once its method is found | when the handler has returned |
//! | client, ping-pong and unary | when it is awaited | with its result, or when its future is dropped |
//! | client, `client` | when it is awaited | at the end of `close_and_recv` |
//! | client, `server` and `bidirectional` | when it is awaited | when `recv` gives the end, `None` or an error |
//! | a client's stream | | also when its opening fails, its [`Receiver`](crate::Receiver) is dropped, or by [`Receiver::finish`](crate::Receiver::finish) |
//!
//! It finishes exactly once. A call that a server refuses before it has a method does not start.
//!
//! What a finish tells is `Ok` where the call did what it is for, a declared exception included. A
//! [`BizStatusError`](crate::BizStatusError) is an `Err` that no metric should take for a failure of the call.

#[cfg(feature = "metrics")]
mod metrics;
mod watch;

#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;
pub use crate::stats::Stats;
pub(crate) use watch::{Observers, Watch};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::metadata::Metadata;

/// Hears of calls. Kitex's `stats.Tracer` with `StreamEventReporter`.
///
/// [`Context::destination`] tells the sides apart: only a client's call has one. [`Context::stats`] has sizes and times.
/// Methods are called in the midst of the work: they must not block.
pub trait Observe: Send + Sync + 'static {
    /// A call begins. What is kept in the context now is there until the end ([`Context::insert`]).
    fn start(&self, cx: &Context) {
        let _ = cx;
    }

    /// The span in which a handler, a ping-pong call or the opening of a stream runs; asked for after the start.
    fn span(&self, cx: &Context) -> Option<::tracing::Span> {
        let _ = cx;
        None
    }

    /// Something happens on a stream; at [`StatsLevel::Detailed`] only.
    fn event(&self, cx: &Context, event: &Event<'_>) {
        let _ = (cx, event);
    }

    /// A call is over. It is told exactly once for each start.
    fn finish(&self, cx: &Context, end: &Result<()>) {
        let _ = (cx, end);
    }
}

/// What happens on a stream. Unary methods have no events: they look like ping-pong calls.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The stream is open.
    Start,
    /// The server's header metadata came. Clients hear of it when they next receive.
    Header(&'a Metadata),
    /// A message of this size was sent, or could not be.
    Send(Result<usize, &'a Error>),
    /// A message of this size came, or an error did instead. The end that the peer meant is no message.
    Recv(Result<usize, &'a Error>),
    /// The stream is over.
    Finish(&'a Result<()>),
}

/// How much observers hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatsLevel {
    /// Nothing.
    Disabled,
    /// Starts and finishes.
    Base,
    /// Also the events of streams.
    #[default]
    Detailed,
}
