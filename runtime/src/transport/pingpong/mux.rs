//! A client's multiplexed connection: many calls at a time, told apart by TTHeader's sequence id.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, ReadHalf};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::message::{Layout, Message, Reader};
use super::{Queued, paused, write_queued};
use crate::codec::Buffer;
use crate::context::lock;
use crate::error::{Error, Result};
use crate::net::BoxIo;
use crate::transport::http2::connection_lost;
use crate::wire::ttheader::{CONNECTION_RESET, Limits};

/// A connection; clones share it. It ends with the last of them.
#[derive(Clone)]
pub(crate) struct Connection {
    requests: mpsc::UnboundedSender<Queued>,
    /// How many bytes more may wait to be written.
    room: Arc<Semaphore>,
    calls: Arc<Calls>,
}

/// The calls that wait for an answer.
#[derive(Default)]
struct Calls {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    answers: HashMap<i32, oneshot::Sender<Message>>,
    /// Why no more calls are taken. Those that wait may still be answered.
    closed: Option<Error>,
}

/// A call that waits; given up by dropping it.
pub(crate) struct Ticket {
    /// Held, so that the connection stays as long as a call waits on it.
    connection: Connection,
    seq_id: i32,
    answer: oneshot::Receiver<Message>,
}

impl Drop for Ticket {
    /// An answer that comes later belongs to no one.
    fn drop(&mut self) {
        lock(&self.connection.calls.waiting).answers.remove(&self.seq_id);
    }
}

impl Connection {
    /// `pause` is how long the server may take nothing of a request, or send nothing while a call waits.
    pub(crate) fn new(io: BoxIo, peer: &str, limits: Limits, pause: Option<Duration>) -> Self {
        let (read, write) = tokio::io::split(io);
        let (requests, queue) = mpsc::unbounded_channel();
        let calls = Arc::new(Calls::default());
        let mut writing = AbortOnDropHandle::new(tokio::spawn(write_queued(write, queue, pause)));
        let reading = read_answers(read, Arc::clone(&calls), peer.to_owned(), limits, pause);
        tokio::spawn(async move {
            let mut reading = pin!(reading);
            tokio::select! {
                () = &mut reading => {}
                // Where no one calls any more, no one waits either. What cannot be written may still have been answered.
                written = &mut writing => if !matches!(written, Ok(Ok(()))) {
                    reading.await;
                },
            }
        });
        Self { requests, room: Arc::new(Semaphore::new(UNSENT)), calls }
    }

    /// Whether calls may still be made on it.
    pub(crate) fn is_open(&self) -> bool {
        !self.requests.is_closed() && lock(&self.calls.waiting).closed.is_none()
    }

    /// Gives a call its place: from here on, the connection's end is the call's.
    ///
    /// # Errors
    /// The connection takes no more calls. Nothing of this one was sent: another may take it.
    pub(crate) fn reserve(self, seq_id: i32, oneway: bool) -> Result<Place> {
        let mut waiting = lock(&self.calls.waiting);
        if let Some(err) = &waiting.closed {
            return Err(err.clone());
        }
        let ticket = (!oneway).then(|| {
            let (send, answer) = oneshot::channel();
            waiting.answers.insert(seq_id, send);
            Ticket { connection: self.clone(), seq_id, answer }
        });
        drop(waiting);
        Ok(Place { connection: self, ticket })
    }
}

/// A call's place on a connection.
pub(crate) struct Place {
    connection: Connection,
    /// `None`: the call gets no answer.
    ticket: Option<Ticket>,
}

impl Place {
    /// Sends a request; waits for room where the server does not read. What it gives waits for the answer, if there is to
    /// be one.
    pub(crate) async fn send(self, request: Buffer, peer: &str) -> Result<Option<Ticket>> {
        let Self { connection: Connection { requests, room, .. }, ticket } = self;
        let len = request.len().min(UNSENT) as u32;
        let room = room.acquire_many_owned(len).await.ok();
        requests.send(Queued { message: request, _room: room }).map_err(|_| lost(peer))?;
        Ok(ticket)
    }
}

impl Ticket {
    /// Waits for the answer.
    pub(crate) async fn answer(mut self, peer: &str) -> Result<Message> {
        let ended = |_| lock(&self.connection.calls.waiting).closed.clone().unwrap_or_else(|| lost(peer));
        (&mut self.answer).await.map_err(ended)
    }
}

fn lost(peer: &str) -> Error {
    connection_lost(peer, "it ended before the answer")
}

/// Hands each answer to the call that waits for it.
async fn read_answers(
    mut io: ReadHalf<BoxIo>,
    calls: Arc<Calls>,
    peer: String,
    limits: Limits,
    pause: Option<Duration>,
) {
    let (mut input, mut reader) = (BytesMut::new(), Reader::new(limits));
    let end = loop {
        match reader.next(&mut input) {
            Ok(Some(message)) if !matches!(message.layout, Layout::TtHeader { .. }) => {
                break Error::protocol("a multiplexed answer has no TTHeader, and so belongs to no call");
            }
            Ok(Some(message)) => {
                let mut waiting = lock(&calls.waiting);
                if message.header.strings.value(CONNECTION_RESET).is_some() {
                    // The server is about to end: no more calls here. Those that wait are still answered.
                    waiting.closed.get_or_insert_with(|| connection_lost(&peer, "the server is about to close it"));
                }
                // 0 is no call's: Kitex's servers say with it that they stop.
                if let Some(answer) = waiting.answers.remove(&message.header.seq_id) {
                    // Where the call was given up meanwhile, its answer is too.
                    let _ = answer.send(message);
                }
                continue;
            }
            Ok(None) => {}
            Err(err) => break err,
        }
        input.reserve(READ);
        let read = match pause {
            None => io.read_buf(&mut input).await,
            Some(pause) => {
                let is_waited_for = || !lock(&calls.waiting).answers.is_empty();
                let was_waited_for = is_waited_for();
                match timeout(pause, io.read_buf(&mut input)).await {
                    Ok(read) => read,
                    Err(_) if was_waited_for && is_waited_for() => Err(paused("sent", pause)),
                    Err(_) => continue,
                }
            }
        };
        match read {
            Ok(0) => break connection_lost(&peer, "the server closed it"),
            Ok(_) => {}
            Err(err) => break connection_lost(&peer, err.to_string()),
        }
    };
    let mut waiting = lock(&calls.waiting);
    waiting.closed.get_or_insert(end);
    waiting.answers.clear();
}

/// How many bytes wait to be written at most; a larger request waits alone.
const UNSENT: usize = 16 << 20;

/// How much room a read has at least.
const READ: usize = 16 << 10;
