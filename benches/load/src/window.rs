//! Keeps a pipelined sender near its receiver.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

use tokio::sync::Notify;

use crate::stopped;

/// Lets a sender be some messages ahead of its receiver and no more.
///
/// Not every peer has flow control of its own: without this its queues would grow for as long as the run lasts.
#[derive(Debug)]
pub struct Window {
    received: AtomicI64,
    moved: Notify,
    closed: AtomicBool,
    limit: i64,
}

impl Window {
    /// A window of `limit` messages, and what its receiver holds on to.
    pub fn new(limit: usize) -> (Arc<Self>, CloseOnDrop) {
        let window = Arc::new(Self {
            received: AtomicI64::new(0),
            moved: Notify::new(),
            closed: AtomicBool::new(false),
            limit: limit as i64,
        });
        (window.clone(), CloseOnDrop(window))
    }

    /// Waits for room after `sent` messages. False: stop sending.
    pub async fn may_send(&self, sent: i64) -> bool {
        loop {
            if stopped() || self.closed.load(Relaxed) {
                return false;
            }
            if sent - self.received.load(Relaxed) < self.limit {
                return true;
            }
            self.moved.notified().await;
        }
    }
}

/// The receiver's end: the sender stops when it goes away.
#[derive(Debug)]
pub struct CloseOnDrop(Arc<Window>);

impl CloseOnDrop {
    /// Says how many messages have come by now.
    pub fn received(&self, messages: i64) {
        self.0.received.store(messages, Relaxed);
        // The sender is woken four times a window, not for each message.
        if messages % (self.0.limit / 4) == 0 {
            self.0.moved.notify_one();
        }
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.closed.store(true, Relaxed);
        self.0.moved.notify_one();
    }
}
