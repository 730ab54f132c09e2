//! Typed streams: the only place where messages become bytes and back.

mod bidi;
mod client;
mod lent;
mod local;
mod meta;
mod observed;
mod receiver;
mod sender;
mod timed;

pub use bidi::BidiStream;
pub use client::ClientStream;
pub(crate) use meta::WriteOnce;
pub use receiver::Receiver;
pub use sender::Sender;
pub(crate) use timed::timed;

use std::any::TypeId;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use crate::codec::Message;
use crate::error::{Error, Result};
use crate::middleware::Stream;
use crate::transport::Halves;

impl Stream {
    /// The ends of the stream, now that the types of its messages are known.
    pub(crate) fn into_ends<In: Message, Out: Message>(self) -> (Sender<Out>, Receiver<In>) {
        let stream = self.checked(TypeId::of::<In>(), Some(TypeId::of::<Out>()));
        let Self { halves: Halves { send, recv }, cx, sends, recvs, .. } = stream;
        (Sender::new(send, cx.clone(), sends), Receiver::new(recv, cx, recvs))
    }

    /// The end that receives, where all is sent and the other is closed.
    pub(crate) fn into_receiver<In: Message>(self) -> Receiver<In> {
        let Self { halves: Halves { recv, .. }, cx, recvs, .. } = self.checked(TypeId::of::<In>(), None);
        Receiver::new(recv, cx, recvs)
    }
}

/// Gives a call so long, and drops it then. Zero is without limit. Kitex's `streaming.CallWithTimeout`, for any future.
///
/// A dropped `recv` or `send` leaves its stream as it was: the next one goes on. To end the stream, drop it. Where each message
/// of a stream has the same time, `recv_timeout` and `send_timeout` of the client's builder or call are simpler.
///
/// ```
/// # use std::time::Duration;
/// # use thrill::{BidiStream, Error, Result, call_with_timeout};
/// # #[derive(thrill::Thrift, Debug)] struct Note { #[thrift(id = 1)] text: String }
/// async fn first(stream: &mut BidiStream<Note, Note>) -> Result<Option<Note>> {
///     match call_with_timeout(Duration::from_secs(1), stream.recv()).await {
///         Err(Error::CallTimeout { .. }) => Ok(None),
///         received => received,
///     }
/// }
/// ```
///
/// # Errors
/// The call's own, or [`Error::CallTimeout`].
pub async fn call_with_timeout<T>(after: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    if after.is_zero() {
        return call.await;
    }
    tokio::time::timeout(after, call).await.unwrap_or(Err(Error::CallTimeout { after }))
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
