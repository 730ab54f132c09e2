//! The one way from a connection's streams to its task.
//!
//! Streams queue themselves here when they have something for the task; the task empties the queue whenever it runs. The
//! task alone owns the h2 send handles, so nothing that drops an [`Outbox`] can reach into the h2 crate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use h2::SendStream;
use h2::server::SendResponse;
use slab::Slab;

use super::Config;
use super::gather::Pulse;
use super::outbox::{Outbox, Outgoing, Work};
use super::spares::Spares;
use crate::context::lock;
use crate::error::Error;

/// The most that a stream takes before it gives the window back.
const WINDOW_STEP: usize = 16 << 10;

/// A connection's queue.
pub(super) struct Lane {
    queue: Mutex<Queue>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) spares: Spares,
    /// What the peer may send before it is read: on a stream, and on the connection.
    windows: (usize, usize),
    /// Who is at the other end, for errors.
    pub(super) peer: String,
    /// Whether a client's connection gets no more streams, and ends with its last.
    is_left: AtomicBool,
}

#[derive(Default)]
struct Queue {
    opened: Vec<(Arc<Outbox>, Handle)>,
    /// Keys of streams. One that is outdated is looked at in vain.
    ready: Vec<usize>,
    task: Option<Waker>,
    /// Why the task has ended.
    closed: Option<Error>,
}

/// What sends on a stream.
pub(super) enum Handle {
    /// A server's stream before its response headers.
    Respond(SendResponse<Outgoing>),
    /// A stream whose headers are sent.
    Send(SendStream<Outgoing>),
}

impl Handle {
    /// Asks for a reset by the peer, and to be woken by one.
    pub(super) fn poll_reset(&mut self, task: &mut Context<'_>) -> Poll<Result<h2::Reason, h2::Error>> {
        match self {
            Self::Respond(respond) => respond.poll_reset(task),
            Self::Send(send) => send.poll_reset(task),
        }
    }

    pub(super) fn reset(&mut self, reason: h2::Reason) {
        match self {
            Self::Respond(respond) => respond.send_reset(reason),
            Self::Send(send) => send.send_reset(reason),
        }
    }
}

impl Lane {
    pub(super) fn new(pulse: Arc<Pulse>, peer: String, config: &Config) -> Arc<Self> {
        let windows = (config.stream_window as usize, config.connection_window as usize);
        Arc::new(Self {
            queue: Mutex::default(),
            pulse,
            spares: Spares::default(),
            windows,
            peer,
            is_left: AtomicBool::new(false),
        })
    }

    /// How much a stream may have taken before it gives the window back to the peer. A small part of either window, so
    /// that the peer never waits for it: of the connection's, all streams together hold a small part.
    pub(super) fn window_step(&self) -> usize {
        let (stream, connection) = self.windows;
        (stream / 8).min(connection / 16 / self.pulse.active().max(1)).min(WINDOW_STEP)
    }

    /// Hands a stream that was just opened to the task.
    ///
    /// # Errors
    /// The task has ended, and why.
    pub(super) fn open(&self, outbox: Arc<Outbox>, handle: Handle) -> Result<(), Error> {
        self.push(|queue| queue.opened.push((outbox, handle)))
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
        let task = if self.is_left.load(Ordering::Relaxed) { queue.task.take() } else { None };
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// No more streams are opened: the task ends the connection with the last of them.
    pub(super) fn leave(&self) {
        let mut queue = lock(&self.queue);
        self.is_left.store(true, Ordering::Relaxed);
        let task = queue.task.take();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn push(&self, add: impl FnOnce(&mut Queue)) -> Result<(), Error> {
        let mut queue = lock(&self.queue);
        if let Some(err) = &queue.closed {
            return Err(err.clone());
        }
        add(&mut queue);
        let task = queue.task.take();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
        Ok(())
    }
}

/// The streams of a connection, as its task has them.
pub(super) struct Streams {
    lane: Arc<Lane>,
    open: Slab<(Arc<Outbox>, Handle)>,
    opened: Vec<(Arc<Outbox>, Handle)>,
    ready: Vec<usize>,
    /// Short memory for the streams.
    memory: Vec<Vec<u8>>,
}

impl Streams {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self { lane, open: Slab::new(), opened: Vec::new(), ready: Vec::new(), memory: Vec::new() }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes over a stream, asks to be told of a reset, and sends what the stream has already.
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>, handle: Handle) {
        let entry = self.open.vacant_entry();
        let key = entry.key();
        let (outbox, handle) = entry.insert((outbox, handle));
        outbox.take_over(key, handle);
        self.lane.pulse.set_active(self.open.len());
        self.flush(key);
    }

    /// Empties the queue: sends what the streams have, and asks to be woken for more.
    pub(super) fn drain(&mut self, task: &mut Context<'_>) {
        let mut opened = {
            let mut queue = lock(&self.lane.queue);
            if !queue.task.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
                queue.task = Some(task.waker().clone());
            }
            std::mem::swap(&mut queue.ready, &mut self.ready);
            std::mem::swap(&mut queue.opened, &mut self.opened);
            std::mem::take(&mut self.opened)
        };
        self.lane.spares.refill(&mut self.memory);
        for (outbox, handle) in opened.drain(..) {
            self.insert(outbox, handle);
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
            self.drain(&mut Context::from_waker(Waker::noop()));
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
        let opened = opened.into_iter().chain(self.open.drain());
        for (outbox, _) in opened {
            outbox.break_off(err.clone());
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
