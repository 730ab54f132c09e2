//! What carries a call: streams of encoded messages, both ways.
//!
//! A transport gives and takes bytes and a [`Context`]; types begin one layer above, in [`stream`](crate::stream). Its
//! two halves are virtual per call, and cost one virtual call per message.

pub(crate) mod http2;
pub(crate) mod pingpong;

use std::any::Any;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::codec::envelope::Protocol;
use crate::codec::{Buffer, Encode, binary};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::metadata::Metadata;
use crate::schema::Method;

/// The half of a stream that sends.
pub(crate) trait SendHalf: Send {
    /// Waits until the stream has room for a message.
    ///
    /// # Errors
    /// The stream is over, and how.
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>>;

    /// Encodes a message into the stream's outbox; it leaves when the connection's task next runs. Answers its size.
    ///
    /// Does not look for room: that is [`SendHalf::poll_ready`].
    ///
    /// # Errors
    /// The stream is over, or the message has no wire form; nothing is sent then.
    fn send(&mut self, message: &dyn Encode) -> Result<usize>;

    /// [`SendHalf::poll_ready`] and [`SendHalf::send`] in one.
    ///
    /// # Errors
    /// As either.
    fn poll_send(&mut self, task: &mut Task<'_>, message: &dyn Encode) -> Poll<Result<usize>> {
        ready!(self.poll_ready(task))?;
        Poll::Ready(self.send(message))
    }

    /// Waits until everything sent has left this process.
    ///
    /// # Errors
    /// The stream is over, and how.
    fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<Result<()>>;

    /// Says that no message follows. What was sent before still arrives. Doing it twice is doing it once.
    fn close(&mut self);

    /// Ends the stream at once, both directions: the peer is told, and everything that follows fails with the cause.
    fn cancel(&mut self, cause: Error);
}

/// The half of a stream that receives.
pub(crate) trait RecvHalf: Send {
    /// Waits for the next message; `None` is the end that the peer meant. The end is repeated on further calls.
    ///
    /// # Errors
    /// The stream ended otherwise, and how; repeated on further calls.
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>>;

    /// Waits for the peer's header metadata.
    ///
    /// # Errors
    /// The stream ended before it came, and how.
    fn poll_header(&mut self, task: &mut Task<'_>) -> Poll<Result<&Metadata>>;

    /// The peer's trailer metadata; `None` until the stream has ended.
    fn trailer(&self) -> Option<&Metadata>;

    /// How the stream ended; `None` while it runs.
    fn end(&self) -> Option<&Result<()>>;

    /// Tells who watches the call that it is over, whatever the stream does. A half that no one watches tells no one.
    fn finish(&mut self, end: Result<()>) {
        drop(end);
    }

    /// The connection that the stream is on, where that is known.
    fn connection(&self) -> Option<ConnectionId> {
        None
    }

    /// As [`SendHalf::cancel`].
    fn cancel(&mut self, cause: Error);
}

/// Tells connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId(pub(crate) usize);

/// A message's bytes, within the buffer they came in.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    buffer: &'a Bytes,
    range: Range<usize>,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(buffer: &'a Bytes, range: Range<usize>) -> Self {
        Self { buffer, range }
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    pub(crate) fn reader(self) -> binary::Reader<'a> {
        binary::Reader::over(self.buffer, self.range)
    }
}

/// Both halves of a stream.
pub(crate) struct Halves {
    pub(crate) send: Box<dyn SendHalf>,
    pub(crate) recv: Box<dyn RecvHalf>,
}

/// Counts what runs on an instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load(Arc<AtomicUsize>);

impl Load {
    /// Counts one more, until what it answers is dropped.
    pub(crate) fn begin(&self) -> Running {
        self.0.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(&self.0))
    }

    /// As [`Load::begin`], where fewer than so many run.
    pub(crate) fn begin_below(&self, most: usize) -> Option<Running> {
        let mut running = self.running();
        while running < most {
            match self.0.compare_exchange_weak(running, running + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Running(Arc::clone(&self.0))),
                Err(now) => running = now,
            }
        }
        None
    }

    pub(crate) fn running(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream or call that runs.
#[derive(Debug)]
pub(crate) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection, stream or call that a server took on; it counts until this is dropped.
pub(crate) struct Admission {
    _running: Running,
    _held: Vec<Box<dyn Any + Send + Sync>>,
}

impl Admission {
    pub(crate) fn new(running: Running, held: Vec<Box<dyn Any + Send + Sync>>) -> Self {
        Self { _running: running, _held: held }
    }
}

/// What a server's transport hands its calls to.
pub(crate) trait Dispatch: Send + Sync {
    /// Finds a method by the names on the wire.
    ///
    /// # Errors
    /// What the caller is told: unknown service, or unknown method.
    fn find(&self, service: &str, method: &str) -> Result<Route>;

    /// The method that was found.
    fn method(&self, route: Route) -> &'static Method;

    /// Takes a call on, before anything of it is read. Whoever runs it holds the answer until it has ended.
    ///
    /// # Errors
    /// What the caller is told: the server has enough to do.
    fn admit(&self, context: &Context) -> Result<Admission>;

    /// Runs a call: the handler, and what is around it.
    fn call(&self, route: Route, context: Context, exchange: Exchange) -> Outcome;

    /// Finds a method for a transport whose messages need not name their service.
    ///
    /// # Errors
    /// The number and text of the exception that the caller gets.
    fn find_message(&self, service: Option<&str>, method: &str) -> Result<Route, (i32, String)>;
}

/// A service and a method of a [`Dispatch`], by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) service: usize,
    pub(crate) method: usize,
}

/// How a call ends, once it has. Panics of the handler are within.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<Answer, (Error, Failed)>> + Send>>;

/// What a call reads, and how it answers.
pub(crate) enum Exchange {
    /// Messages one by one, both ways.
    Stream(Halves),
    /// One message: the arguments' struct is at `range` in `body`. The result follows what `reply` begins with, and makes an
    /// [`Answer::Message`].
    Message { body: Bytes, range: Range<usize>, protocol: Protocol, reply: Buffer },
}

/// What a call that succeeded leaves for the transport to send.
pub(crate) enum Answer {
    /// Nothing: all went over the stream.
    Streamed,
    /// The reply, with the result wrapper's bytes.
    Message(Buffer),
    /// Nothing: the method is oneway.
    Nothing,
}

/// What a connection has of its server.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) shutdown: Shutdown,
    /// The handlers that run: a shutdown waits for them, even where their streams are gone.
    pub(crate) handlers: TaskTracker,
}

/// How far a server's shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stopping {
    /// It serves.
    No,
    /// It serves, and lets it be known that it is about to end.
    Leaving,
    /// New calls are turned away, those that run may end.
    Draining,
    /// What still runs is reset.
    Forced,
}

/// How long a shutdown waits for what is only beginning.
pub(crate) const LAST_CALL: Duration = Duration::from_millis(100);

/// Hears of a server's shutdown.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(pub(crate) watch::Receiver<Stopping>);

impl Shutdown {
    /// Waits until the shutdown has come so far. A server that is gone has come to the end.
    pub(crate) async fn reached(&mut self, stage: Stopping) {
        let _ = self.0.wait_for(|now| *now >= stage).await;
    }

    /// Waits until a shutdown has begun, and a moment more: what a client sent before it knew may still begin.
    pub(crate) async fn last_call(&mut self) {
        self.reached(Stopping::Draining).await;
        tokio::time::sleep(LAST_CALL).await;
    }

    /// Whether the shutdown has come so far.
    pub(crate) fn has_reached(&self, stage: Stopping) -> bool {
        *self.0.borrow() >= stage
    }
}
