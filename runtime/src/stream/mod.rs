//! Typed streams: the only place where messages become bytes and back.

mod bidi;
mod client;
mod receiver;
mod sender;

pub use bidi::BidiStream;
pub use client::ClientStream;
pub use receiver::Receiver;
pub use sender::Sender;

use std::task::{Context as Task, Poll};

/// Lets a stream that never waits give way to others: takes from tokio's cooperative budget, once in a while.
///
/// A message is far cheaper than what the budget is meant to count, and asking costs about as much as a small message.
#[derive(Debug, Default)]
struct Turn(u8);

impl Turn {
    const MESSAGES: u8 = 16;

    #[inline]
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<()> {
        self.0 += 1;
        if self.0 < Self::MESSAGES {
            return Poll::Ready(());
        }
        let Poll::Ready(budget) = tokio::task::coop::poll_proceed(task) else { return Poll::Pending };
        budget.made_progress();
        self.0 = 0;
        Poll::Ready(())
    }
}
