//! The one way from a connection's streams to its task.
//!
//! Streams queue themselves here when they have something for the task; the task empties the queue whenever it runs. The
//! task alone owns the h2 send handles, so nothing that drops an [`Outbox`] can reach into the h2 crate.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use h2::SendStream;
use h2::server::SendResponse;
use slab::Slab;

use super::gather::Pulse;
use super::outbox::{Outbox, Outgoing, Work};
use crate::context::lock;
use crate::error::Error;

/// A connection's queue.
pub(super) struct Lane {
    queue: Mutex<Queue>,
    pub(super) pulse: Arc<Pulse>,
    /// Who is at the other end, for errors.
    pub(super) peer: String,
}

#[derive(Default)]
struct Queue {
    opened: Vec<(Arc<Outbox>, Handle)>,
    ready: Vec<Arc<Outbox>>,
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
    pub(super) fn new(pulse: Arc<Pulse>, peer: String) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::default(), pulse, peer })
    }

    /// Hands a stream that was just opened to the task.
    ///
    /// # Errors
    /// The task has ended, and why.
    pub(super) fn open(&self, outbox: Arc<Outbox>, handle: Handle) -> Result<(), Error> {
        self.push(|queue| queue.opened.push((outbox, handle)))
    }

    /// Queues a stream that has something for the task. Where the task has ended, the stream fails.
    pub(super) fn ready(&self, outbox: &Arc<Outbox>) {
        if let Err(err) = self.push(|queue| queue.ready.push(Arc::clone(outbox))) {
            outbox.break_off(err);
        }
    }

    /// As [`Lane::ready`], for what can wait until the task runs anyway.
    pub(super) fn ready_some_time(&self, outbox: &Arc<Outbox>) {
        let mut queue = lock(&self.queue);
        if queue.closed.is_none() {
            queue.ready.push(Arc::clone(outbox));
        }
    }

    /// Lets the task look around.
    pub(super) fn wake(&self) {
        let task = lock(&self.queue).task.take();
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
    ready: Vec<Arc<Outbox>>,
}

impl Streams {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self { lane, open: Slab::new(), ready: Vec::new() }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes over a stream, and asks to be told of a reset.
    pub(super) fn insert(&mut self, outbox: Arc<Outbox>, handle: Handle) {
        let entry = self.open.vacant_entry();
        outbox.set_key(entry.key());
        let (outbox, handle) = entry.insert((outbox, handle));
        outbox.watch_reset(handle);
        self.lane.pulse.set_active(self.open.len());
    }

    /// Empties the queue: sends what the streams have, and asks to be woken for more.
    pub(super) fn drain(&mut self, task: &mut Context<'_>) {
        let opened = {
            let mut queue = lock(&self.lane.queue);
            if !queue.task.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
                queue.task = Some(task.waker().clone());
            }
            std::mem::swap(&mut queue.ready, &mut self.ready);
            std::mem::take(&mut queue.opened)
        };
        for (outbox, handle) in opened {
            self.insert(outbox, handle);
        }
        let mut ready = std::mem::take(&mut self.ready);
        for outbox in ready.drain(..) {
            self.flush(&outbox);
        }
        self.ready = ready;
    }

    fn flush(&mut self, outbox: &Arc<Outbox>) {
        let Some((_, handle)) = self.open.get_mut(outbox.key()).filter(|(owner, _)| Arc::ptr_eq(owner, outbox)) else {
            return;
        };
        if outbox.flush(handle) == Work::Done {
            self.open.remove(outbox.key());
            self.lane.pulse.set_active(self.open.len());
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
