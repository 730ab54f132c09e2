//! Ping-pong: one message for a call, one for its answer, over Buffered, Framed, TTHeader and TTHeaderFramed.
//!
//! Each message says by its first bytes how it is laid out, and its answer is laid out the same ([`message`]).

pub(crate) mod client;
pub(crate) mod message;
pub(crate) mod mux;
pub(crate) mod server;

use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::codec::Buffer;
use crate::net::BoxIo;

/// A message that waits to be written on a multiplexed connection.
struct Queued {
    message: Buffer,
    /// Given back once the message is written, so that a peer that does not read gets no more.
    _room: Option<OwnedSemaphorePermit>,
}

/// Writes the messages of a multiplexed connection, all that are there by one system call, until no one sends more.
async fn write_queued(mut io: WriteHalf<BoxIo>, mut queue: mpsc::UnboundedReceiver<Queued>) -> std::io::Result<()> {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, 256).await > 0 {
        let mut messages = batch.iter_mut().map(|queued: &mut Queued| std::mem::take(&mut queued.message));
        let Some(mut all) = messages.next() else { continue };
        messages.for_each(|message| all.append(message));
        io.write_all_buf(&mut all.take()).await?;
        batch.clear();
    }
    io.shutdown().await
}
