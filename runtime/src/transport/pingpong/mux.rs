//! A client's multiplexed connection: many calls at a time, told apart by TTHeader's sequence id.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use fnv::FnvHasher;
use futures_util::future::BoxFuture;
use tokio::io::ReadHalf;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::message::{Layout, Message, Reader};
use super::{MESSAGES_A_TURN, Queued, paused, step_aside, write_queued};
use crate::codec::Buffer;
use crate::context::lock;
use crate::error::{Error, Result};
use crate::net::BoxIo;
use crate::transport::http2::connection_lost;
use crate::wire::ttheader::{CONNECTION_RESET, Limits};

/// A connection; clones share it. It ends with the last of them.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Ends>);

/// What calls use of a connection.
struct Ends {
    requests: mpsc::UnboundedSender<Queued>,
    /// How many bytes more may wait to be written.
    room: Arc<Semaphore>,
    calls: Arc<Calls>,
}

/// The calls that wait for an answer.
#[derive(Default)]
struct Calls {
    waiting: Mutex<Waiting>,
    /// Whether [`Waiting::closed`] is there: what every call asks first.
    is_closed: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    /// By sequence ids, which this side chooses: no one can make them collide.
    answers: HashMap<i32, oneshot::Sender<Message>, BuildHasherDefault<FnvHasher>>,
    /// Why no more calls are taken. Those that wait may still be answered.
    closed: Option<Error>,
}

impl Calls {
    /// From now on no more calls are taken.
    fn close(&self, waiting: &mut Waiting, why: Error) {
        waiting.closed.get_or_insert(why);
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

/// A call that waits; given up by dropping it.
pub(crate) struct Ticket {
    /// Held, so that the connection stays as long as a call waits on it.
    connection: Connection,
    seq_id: i32,
    answer: oneshot::Receiver<Message>,
    /// Whether the call is still among those that wait, for all that is known here.
    is_waiting: bool,
}

impl Drop for Ticket {
    /// An answer that comes later belongs to no one.
    fn drop(&mut self) {
        if self.is_waiting {
            lock(&self.connection.0.calls.waiting).answers.remove(&self.seq_id);
        }
    }
}

impl Connection {
    /// `pause` is how long the server may take nothing of a request, or send nothing while a call waits.
    pub(crate) fn new(io: BoxIo, peer: &str, limits: Limits, pause: Option<Duration>) -> Self {
        let (read, write) = tokio::io::split(io);
        let (requests, queue) = mpsc::unbounded_channel();
        let calls = Arc::new(Calls::default());
        let reading = read_answers(read, Arc::clone(&calls), peer.to_owned(), limits, pause);
        tokio::spawn(async move {
            let (mut reading, mut writing) = (pin!(reading), pin!(write_queued(write, queue, pause)));
            tokio::select! {
                biased;
                () = &mut reading => {}
                // Where no one calls any more, no one waits either. What cannot be written may still have been answered.
                written = &mut writing => if written.is_err() {
                    reading.await;
                },
            }
        });
        Self(Arc::new(Ends { requests, room: Arc::new(Semaphore::new(UNSENT)), calls }))
    }

    /// Whether calls may still be made on it.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.requests.is_closed() && !self.0.calls.is_closed.load(Ordering::Relaxed)
    }

    /// Gives a call its place: from here on, the connection's end is the call's.
    ///
    /// # Errors
    /// The connection takes no more calls. Nothing of this one was sent: another may take it.
    pub(crate) fn reserve(self, seq_id: i32, oneway: bool) -> Result<Place> {
        let (send, answer) = oneshot::channel();
        let mut waiting = lock(&self.0.calls.waiting);
        if let Some(err) = &waiting.closed {
            return Err(err.clone());
        }
        if !oneway {
            waiting.answers.insert(seq_id, send);
        }
        drop(waiting);
        let ticket = (!oneway).then(|| Ticket { connection: self.clone(), seq_id, answer, is_waiting: true });
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
    /// Sends a request. What it gives waits for room, where the server does not read, and sends it then.
    pub(crate) fn send<'a>(&'a mut self, request: Buffer, peer: &'a str) -> Result<Option<BoxFuture<'a, Result<()>>>> {
        let ends = &*self.connection.0;
        let len = request.len().min(UNSENT) as u32;
        let send = move |message, room| ends.requests.send(Queued { message, room }).map_err(|_| lost(peer));
        match Arc::clone(&ends.room).try_acquire_many_owned(len) {
            Ok(room) => send(request, Some(room)).map(|()| None),
            Err(_) => Ok(Some(Box::pin(async move {
                let room = Arc::clone(&ends.room).acquire_many_owned(len).await.ok();
                send(request, room)
            }))),
        }
    }

    /// What waits for the answer, if there is to be one.
    pub(crate) fn into_ticket(self) -> Option<Ticket> {
        self.ticket
    }
}

impl Ticket {
    /// Waits for the answer.
    pub(crate) fn poll_answer(&mut self, peer: &str, task: &mut Task<'_>) -> Poll<Result<Message>> {
        let answer = ready!(Pin::new(&mut self.answer).poll(task));
        // Either way who answers has taken it from those that wait.
        self.is_waiting = false;
        let why = |_| lock(&self.connection.0.calls.waiting).closed.clone().unwrap_or_else(|| lost(peer));
        Poll::Ready(answer.map_err(why))
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
    let mut answers = Vec::new();
    let end = loop {
        let read = take_answers(&mut reader, &mut input, &mut answers);
        hand_out(&mut answers, &calls, &peer);
        match read {
            Ok(true) => {}
            Ok(false) => {
                step_aside().await;
                continue;
            }
            Err(err) => break err,
        }
        let reading = reader.read(&mut io, &mut input, READ);
        let read = match pause {
            None => reading.await,
            Some(pause) => {
                let is_waited_for = || !lock(&calls.waiting).answers.is_empty();
                let was_waited_for = is_waited_for();
                match timeout(pause, reading).await {
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
    calls.close(&mut waiting, end);
    waiting.answers.clear();
}

/// Takes the answers of a turn; whether those are all that are there.
fn take_answers(reader: &mut Reader, input: &mut BytesMut, answers: &mut Vec<Message>) -> Result<bool> {
    while answers.len() < MESSAGES_A_TURN {
        let Some(message) = reader.next(input)? else { return Ok(true) };
        if !matches!(message.layout, Layout::TtHeader { .. }) {
            return Err(Error::protocol("a multiplexed answer has no TTHeader, and so belongs to no call"));
        }
        answers.push(message);
    }
    Ok(false)
}

/// Hands answers out under one lock, and wakes who waits for them when it is free again.
fn hand_out(answers: &mut Vec<Message>, calls: &Calls, peer: &str) {
    if answers.is_empty() {
        return;
    }
    let mut waiting = lock(&calls.waiting);
    let found: Vec<_> = answers
        .drain(..)
        .filter_map(|message| {
            if message.header().strings.value(CONNECTION_RESET).is_some() {
                // The server is about to end: no more calls here. Those that wait are still answered.
                calls.close(&mut waiting, connection_lost(peer, "the server is about to close it"));
            }
            // 0 is no call's: Kitex's servers say with it that they stop.
            Some((waiting.answers.remove(&message.header().seq_id)?, message))
        })
        .collect();
    drop(waiting);
    for (answer, message) in found {
        // Where the call was given up meanwhile, its answer is too.
        let _ = answer.send(message);
    }
}

/// How many bytes wait to be written at most; a larger request waits alone.
const UNSENT: usize = 16 << 20;

/// How much room a read has at least.
const READ: usize = 16 << 10;
