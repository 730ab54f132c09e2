//! What is counted of one call.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a call took, and how much went over it in each direction. Kitex's `rpcinfo.Stats`.
///
/// A size is that of an encoded message, without what frames it.
#[derive(Debug)]
pub struct Stats {
    begun: Instant,
    took: OnceLock<Duration>,
    sent: Direction,
    received: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    messages: AtomicU64,
    bytes: AtomicU64,
    last: AtomicUsize,
}

impl Direction {
    fn count(&self, size: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size as u64, Ordering::Relaxed);
        self.last.store(size, Ordering::Relaxed);
    }
}

impl Stats {
    pub(crate) fn new(begun: Instant) -> Self {
        Self { begun, took: OnceLock::new(), sent: Direction::default(), received: Direction::default() }
    }

    /// When the call began.
    #[must_use]
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// How long the call took; `None` while it runs.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.took.get().copied()
    }

    /// How many messages this side has sent.
    #[must_use]
    pub fn sent_messages(&self) -> u64 {
        self.sent.messages.load(Ordering::Relaxed)
    }

    /// How many messages this side has received. The end of a stream is none.
    #[must_use]
    pub fn received_messages(&self) -> u64 {
        self.received.messages.load(Ordering::Relaxed)
    }

    /// How many bytes all messages that this side has sent had.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes all messages that this side has received had.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received.bytes.load(Ordering::Relaxed)
    }

    /// The size of the last message sent; 0 before the first. Kitex's `LastSendSize`.
    #[must_use]
    pub fn last_send_size(&self) -> usize {
        self.sent.last.load(Ordering::Relaxed)
    }

    /// The size of the last message received; 0 before the first. Kitex's `LastRecvSize`.
    #[must_use]
    pub fn last_recv_size(&self) -> usize {
        self.received.last.load(Ordering::Relaxed)
    }

    pub(crate) fn count_sent(&self, size: usize) {
        self.sent.count(size);
    }

    pub(crate) fn count_received(&self, size: usize) {
        self.received.count(size);
    }

    /// Says that the call is over.
    pub(crate) fn finish(&self, now: Instant) {
        // Set once: what watches the call sees to that.
        let _ = self.took.set(now.saturating_duration_since(self.begun));
    }
}
