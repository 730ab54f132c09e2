//! Ping-pong: one message for a call, one for its answer, over Buffered, Framed, TTHeader and TTHeaderFramed.
//!
//! Each message says by its first bytes how it is laid out, and its answer is laid out the same ([`message`]).

mod call;
pub(crate) mod client;
mod handling;
mod input;
pub(crate) mod message;
mod multiplexed;
pub(crate) mod mux;
mod reply;
mod seldom;
pub(crate) mod server;
mod silence;

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use bytes::Buf as _;
use futures_util::FutureExt as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use crate::codec::{Buffer, Payload};
use crate::net::BoxIo;

/// A message that waits to be written on a multiplexed connection.
struct Queued {
    message: Buffer,
    /// Given back once the message is written, so that a peer that does not read gets no more.
    room: Option<OwnedSemaphorePermit>,
}

impl Queued {
    /// Appends another message, to be written by the same system call. Their room is given back at once, too.
    fn append(&mut self, other: Self) {
        self.message.append(other.message);
        match (&mut self.room, other.room) {
            // All of a connection's messages have theirs from one account.
            (Some(room), Some(more)) => room.merge(more),
            (room @ None, more) => *room = more,
            (Some(_), None) => {}
        }
    }
}

/// How many messages a multiplexed connection's task takes before what they wake runs: as with HTTP/2's frames, both sides then work
/// at a time.
const MESSAGES_A_TURN: usize = 16;

/// Writes the messages of a multiplexed connection, all that are there by one system call, until no one sends more.
async fn write_queued(
    mut io: WriteHalf<BoxIo>,
    mut queue: mpsc::UnboundedReceiver<Queued>,
    pause: Option<Duration>,
) -> io::Result<()> {
    const MOST: usize = 256;
    let mut batch = Vec::new();
    let mut is_shared = false;
    while queue.recv_many(&mut batch, MOST).await > 0 {
        // Where several are under way, the others get a moment to add theirs; a lone call leaves at once.
        if is_shared || batch.len() > 1 {
            step_aside().await;
            batch.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(MOST));
        }
        is_shared = batch.len() > 1;
        let mut queued = batch.drain(..);
        let Some(mut all) = queued.next() else { continue };
        queued.for_each(|queued| all.append(queued));
        write(&mut io, all.message, pause).await?;
    }
    io.shutdown().await
}

/// Lets what else can run do so once. Unlike tokio's `yield_now` it does not wait until nothing else can.
async fn step_aside() {
    let mut has_stepped = false;
    poll_fn(|task| {
        if std::mem::replace(&mut has_stepped, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Writes a message, as long as the peer takes something of it before each `pause` is over.
async fn write(io: &mut (impl AsyncWrite + Unpin), message: Buffer, pause: Option<Duration>) -> io::Result<()> {
    match write_now(io, message)? {
        None => Ok(()),
        // Boxed, so that a call does not carry the room for what it rarely does.
        Some(rest) => Box::pin(write_slowly(io, rest, pause)).await,
    }
}

/// Writes what the peer takes of a message at once, which mostly is all of it, and gives the rest.
fn write_now(io: &mut (impl AsyncWrite + Unpin), mut message: Buffer) -> io::Result<Option<Payload>> {
    let mut rest = message.take();
    // Mostly the bytes are in a row, for which the system has a cheaper call than for many segments.
    if rest.chunk().len() == rest.remaining() {
        if let Some(written) = io.write(rest.chunk()).now_or_never() {
            rest.advance(written?);
        }
        if !rest.has_remaining() {
            return Ok(None);
        }
    }
    match io.write_all_buf(&mut rest).now_or_never() {
        Some(written) => written.map(|()| None),
        None => Ok(Some(rest)),
    }
}

/// Writes what the peer takes little by little.
async fn write_slowly(
    io: &mut (impl AsyncWrite + Unpin),
    mut rest: Payload,
    pause: Option<Duration>,
) -> io::Result<()> {
    let Some(pause) = pause else { return io.write_all_buf(&mut rest).await };
    while rest.has_remaining() {
        let written = timeout(pause, io.write_buf(&mut rest)).await;
        if written.unwrap_or_else(|_| Err(paused("taken", pause)))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// The peer did nothing for too long.
fn paused(what: &str, pause: Duration) -> io::Error {
    let text = format!("nothing was {what} for {pause:?} (option `read_write_timeout`)");
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// How much room a read has at least, where a connection has one call at a time: for most messages, and malloc keeps memory
/// up to this length at hand.
const READ: usize = 1000;
