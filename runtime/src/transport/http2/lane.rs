//! The one way from a connection's streams to its task.
//!
//! Streams queue themselves here when they have something for the task; the task empties the queue whenever it runs. The
//! task alone owns the h2 send handles, so nothing that drops an [`Outbox`] can reach into the h2 crate.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use slab::Slab;

use super::Config;
use super::gather::Pulse;
use super::opener::{self, Ask, Refused};
use super::outbox::{Outbox, Work};
use super::outgoing::Outgoing;
use super::spares::Spares;
use crate::context::lock;
use crate::error::Error;

/// The most that a stream takes before it gives the window back.
const WINDOW_STEP: usize = 16 << 10;

/// How many streams the task opens on a connection. HTTP/2 has numbers for 2^30, and those that are asked for together must
/// not run out of them.
const MOST_STREAMS: usize = (1 << 30) - (1 << 20);

/// A connection's queue.
pub(super) struct Lane {
    queue: Mutex<Queue>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) spares: Spares,
    /// What the peer may send before it is read: on a stream, and on the connection.
    windows: (usize, usize),
    /// Who is at the other end, for errors.
    pub(super) peer: String,
}

#[derive(Default)]
struct Queue {
    opened: Vec<(Arc<Outbox>, Opened)>,
    /// Keys of streams. One that is outdated is looked at in vain.
    ready: Vec<usize>,
    /// Wakes the task, where something new must.
    task: Option<Waker>,
    /// Whether the task is looking at the connection, and at this queue thereafter.
    is_busy: bool,
    /// Why the task has ended.
    closed: Option<Error>,
    /// Why a client's connection takes no more streams, though its task goes on.
    refuses: Option<Error>,
    /// Whether no streams follow those in `opened`: a client's connection ends with its last.
    is_left: bool,
}

/// A stream that is new to the task.
enum Opened {
    /// The task is to open it.
    Asked(Ask),
    Open(Handle),
}

/// What the h2 crate has for a stream, as far as it is the task's.
pub(super) enum Handle {
    /// A server's stream before its response headers.
    Respond(SendResponse<Outgoing>),
    /// A stream whose headers are sent; and a client's response, until its headers come.
    Send(SendStream<Outgoing>, Option<ResponseFuture>),
}

impl Handle {
    /// Asks for a reset by the peer, and to be woken by one.
    pub(super) fn poll_reset(&mut self, task: &mut Context<'_>) -> Poll<Result<h2::Reason, h2::Error>> {
        match self {
            Self::Respond(respond) => respond.poll_reset(task),
            Self::Send(send, _) => send.poll_reset(task),
        }
    }

    pub(super) fn reset(&mut self, reason: h2::Reason) {
        match self {
            Self::Respond(respond) => respond.send_reset(reason),
            Self::Send(send, _) => send.send_reset(reason),
        }
    }

    /// What sends data, once headers are sent.
    pub(super) fn sender(&mut self) -> Option<&mut SendStream<Outgoing>> {
        match self {
            Self::Respond(_) => None,
            Self::Send(send, _) => Some(send),
        }
    }
}

impl Lane {
    pub(super) fn new(pulse: Arc<Pulse>, peer: String, config: &Config) -> Arc<Self> {
        let windows = (config.stream_window as usize, config.connection_window as usize);
        Arc::new(Self { queue: Mutex::default(), pulse, spares: Spares::default(), windows, peer })
    }

    /// How much a stream may have taken before it gives the window back to the peer. A small part of either window, so
    /// that the peer never waits for it: of the connection's, all streams together hold a small part.
    pub(super) fn window_step(&self) -> usize {
        let (stream, connection) = self.windows;
        (stream / 8).min(connection / 16 / self.pulse.active().max(1)).min(WINDOW_STEP)
    }

    /// Lets the task open a stream. Where it is looking at the connection, it may find that it takes no more: then only a stream
    /// that `can_repeat` is taken, which hears of it as [`Outbox::turn_away`] says.
    pub(super) fn ask(&self, outbox: &Arc<Outbox>, ask: Ask, can_repeat: bool) -> Result<(), NotTaken> {
        let mut queue = lock(&self.queue);
        if let Some(err) = queue.closed.as_ref().or(queue.refuses.as_ref()) {
            return Err(NotTaken::Refused(err.clone()));
        }
        if queue.is_busy && !can_repeat {
            return Err(NotTaken::Busy(Box::new(ask)));
        }
        queue.opened.push((Arc::clone(outbox), Opened::Asked(ask)));
        wake(queue);
        Ok(())
    }

    /// Hands a stream to the task that was just opened.
    ///
    /// # Errors
    /// The task has ended, and why.
    pub(super) fn open(&self, outbox: Arc<Outbox>, handle: Handle) -> Result<(), Error> {
        self.push(|queue| queue.opened.push((outbox, Opened::Open(handle))))
    }

    /// The connection takes no more streams.
    fn refuse(&self, err: Error) {
        lock(&self.queue).refuses.get_or_insert(err);
    }

    /// Queues a stream that has something for the task.
    ///
    /// # Errors
    /// As [`Lane::open`].
    pub(super) fn ready(&self, key: usize) -> Result<(), Error> {
        self.push(|queue| queue.ready.push(key))
    }

    /// As [`Lane::ready`], for what can wait until the task runs anyway; or not, where it may be the connection's end.
    pub(super) fn ready_some_time(&self, key: usize) {
        let mut queue = lock(&self.queue);
        if queue.closed.is_none() {
            queue.ready.push(key);
        }
        if queue.is_left {
            wake(queue);
        }
    }

    /// No more streams are opened: the task ends the connection with the last of them.
    pub(super) fn leave(&self) {
        let mut queue = lock(&self.queue);
        queue.is_left = true;
        wake(queue);
    }

    fn push(&self, add: impl FnOnce(&mut Queue)) -> Result<(), Error> {
        let mut queue = lock(&self.queue);
        if let Some(err) = &queue.closed {
            return Err(err.clone());
        }
        add(&mut queue);
        wake(queue);
        Ok(())
    }
}

/// Lets go of the queue, and the task look at it.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let task = if queue.is_busy { None } else { queue.task.take() };
    drop(queue);
    if let Some(task) = task {
        task.wake();
    }
}

/// Why the task is not to open a stream.
pub(super) enum NotTaken {
    /// It is looking at the connection.
    Busy(Box<Ask>),
    /// The connection takes no more.
    Refused(Error),
}

/// The streams of a connection, as its task has them.
pub(super) struct Streams {
    lane: Arc<Lane>,
    /// What opens a client's streams.
    requests: Option<SendRequest<Outgoing>>,
    /// How many streams there were.
    asked: usize,
    /// Whether no streams follow those that were taken from the queue.
    is_left: bool,
    open: Slab<(Arc<Outbox>, Handle)>,
    opened: Vec<(Arc<Outbox>, Opened)>,
    ready: Vec<usize>,
    /// Short memory for the streams.
    memory: Vec<Vec<u8>>,
}

impl Streams {
    pub(super) fn new(lane: Arc<Lane>, requests: Option<SendRequest<Outgoing>>) -> Self {
        Self {
            lane,
            requests,
            asked: 0,
            is_left: false,
            open: Slab::new(),
            opened: Vec::new(),
            ready: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// Lets go of what opens a client's streams, once there are none and none follow; whether that is now.
    pub(super) fn stop_opening(&mut self) -> bool {
        self.is_left && self.is_empty() && self.requests.take().is_some()
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes over a stream, asks to be told of a reset, and sends what the stream has already. Answers whether the peer has reset it
    /// already.
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>, handle: Handle) -> bool {
        self.asked += 1;
        let entry = self.open.vacant_entry();
        let key = entry.key();
        let (outbox, handle) = entry.insert((outbox, handle));
        let is_reset = outbox.take_over(key, handle);
        self.lane.pulse.set_active(self.open.len());
        self.flush(key);
        is_reset
    }

    /// Opens a client's stream, unless it is over or the connection takes no more.
    fn ask(&mut self, outbox: &Outbox, ask: Ask) -> Option<Handle> {
        if outbox.ended().is_some() {
            return None;
        }
        let peer = &self.lane.peer;
        let opened = match &self.requests {
            Some(requests) => opener::open(requests, ask, outbox.deadline(), peer),
            None => Err(Refused::Connection(super::connection_lost(peer, "it was closed"))),
        };
        let err = match opened {
            Ok((response, send)) => return Some(Handle::Send(send, Some(response))),
            Err(Refused::Stream(err)) => err,
            Err(Refused::Connection(err)) => {
                let err = super::not_looked_at(err, peer);
                self.lane.refuse(err.clone());
                err
            }
        };
        outbox.turn_away(err);
        None
    }

    /// Empties the queue before the task looks at the connection: sends what the streams have. Until [`Streams::settle`], what
    /// else comes wakes no one.
    pub(super) fn drain(&mut self) {
        let mut queue = lock(&self.lane.queue);
        queue.is_busy = true;
        Self::take(&mut queue, &mut self.opened, &mut self.ready);
        drop(queue);
        self.work();
    }

    /// Empties the queue after the task has looked at the connection: gives the streams what came for them, and asks to be woken
    /// for more. What it gives the h2 crate to send has that crate wake the task.
    pub(super) fn settle(&mut self, task: &mut Context<'_>) {
        let refuses = self.refuses();
        let mut queue = lock(&self.lane.queue);
        queue.is_busy = false;
        if !queue.task.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            queue.task = Some(task.waker().clone());
        }
        if let Some(err) = refuses {
            queue.refuses.get_or_insert(err);
        }
        Self::take(&mut queue, &mut self.opened, &mut self.ready);
        self.is_left = queue.is_left;
        drop(queue);
        self.work();
    }

    /// Why a client's connection takes no more streams.
    fn refuses(&mut self) -> Option<Error> {
        let (requests, peer) = (self.requests.as_mut()?, &self.lane.peer);
        if self.asked >= MOST_STREAMS {
            return Some(super::connection_lost(peer, "it has had all the streams that it can have"));
        }
        opener::refuses(requests, peer).map(|err| super::not_looked_at(err, peer))
    }

    fn take(queue: &mut Queue, opened: &mut Vec<(Arc<Outbox>, Opened)>, ready: &mut Vec<usize>) {
        std::mem::swap(&mut queue.ready, ready);
        std::mem::swap(&mut queue.opened, opened);
    }

    /// Does what was queued.
    fn work(&mut self) {
        if self.opened.is_empty() && self.ready.is_empty() {
            return;
        }
        self.lane.spares.refill(&mut self.memory);
        let mut opened = std::mem::take(&mut self.opened);
        for (outbox, opened) in opened.drain(..) {
            let handle = match opened {
                Opened::Asked(ask) => self.ask(&outbox, ask),
                Opened::Open(handle) => Some(handle),
            };
            if let Some(handle) = handle {
                self.insert(outbox, handle);
            }
        }
        self.opened = opened;
        let mut ready = std::mem::take(&mut self.ready);
        for key in ready.drain(..) {
            self.flush(key);
        }
        self.ready = ready;
    }

    fn flush(&mut self, key: usize) {
        let Some((outbox, handle)) = self.open.get_mut(key) else { return };
        if outbox.flush(handle, &mut self.memory) == Work::More {
            return;
        }
        self.open.remove(key);
        self.lane.pulse.set_active(self.open.len());
        if self.open.is_empty() {
            self.memory = Vec::new();
            self.lane.spares.clear();
        }
    }

    /// Ends every stream in its own way, without waiting for it to ask.
    pub(super) fn each(&self, mut end: impl FnMut(&Arc<Outbox>)) {
        for (_, (outbox, _)) in &self.open {
            end(outbox);
        }
    }
}

impl Streams {
    /// The connection has ended: what its last bytes said to single streams is heard first, then all others fail.
    pub(super) fn close(&mut self, err: Error) {
        // Where the connection broke, the h2 crate would give that as the reset of each stream.
        if matches!(&err, Error::ConnectionLost(lost) if lost.reason == super::EOF) {
            self.drain();
        }
        self.fail_all(err);
    }

    /// Fails every stream, the queued ones too. Only the first reason counts.
    fn fail_all(&mut self, err: Error) {
        let (err, opened) = {
            let mut queue = lock(&self.lane.queue);
            queue.ready.clear();
            (queue.closed.get_or_insert(err).clone(), std::mem::take(&mut queue.opened))
        };
        for (outbox, opened) in opened {
            match opened {
                Opened::Asked(_) => outbox.turn_away(super::not_looked_at(err.clone(), &self.lane.peer)),
                Opened::Open(handle) => outbox.lose(handle, err.clone()),
            }
        }
        for (outbox, handle) in self.open.drain() {
            outbox.lose(handle, err.clone());
        }
        self.lane.pulse.set_active(0);
    }
}

impl Drop for Streams {
    /// The task has ended, or was dropped with its runtime: nothing on this connection can be sent any more.
    fn drop(&mut self) {
        self.fail_all(super::connection_lost(&self.lane.peer, "it was closed"));
    }
}
