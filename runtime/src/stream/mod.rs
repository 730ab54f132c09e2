//! Typed streams: the only place where messages become bytes and back.

mod bidi;
mod client;
mod lent;
mod observed;
mod receiver;
mod sender;

pub use bidi::BidiStream;
pub use client::ClientStream;
pub use receiver::Receiver;
pub use sender::Sender;

use std::task::{Context as Task, Poll};

use crate::codec::Message;
use crate::middleware::Stream;
use crate::transport::Halves;

impl Stream {
    /// The ends of the stream, now that the types of its messages are known.
    pub(crate) fn into_ends<In: Message, Out: Message>(self) -> (Sender<Out>, Receiver<In>) {
        let Self { halves: Halves { send, recv }, cx, sends, recvs } = self;
        (Sender::new(send, cx.clone(), sends), Receiver::new(recv, cx, recvs))
    }
}

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
