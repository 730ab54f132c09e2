//! A stream that is read no faster than its server allows.

use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use super::limits::{Limits, Pace};
use crate::context::{Context, now};
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::transport::{Frame, RecvHalf};

/// The receiving half of a stream whose messages are read at a pace.
pub(super) struct Paced {
    inner: Box<dyn RecvHalf>,
    context: Context,
    messages: Option<Pace>,
    bytes: Option<Pace>,
    /// Until the next message may be read, or the call is cancelled.
    rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Paced {
    /// The half as it is, where nothing limits it.
    pub(super) fn over(inner: Box<dyn RecvHalf>, context: &Context, limits: Limits) -> Box<dyn RecvHalf> {
        let (messages, bytes) = (limits.max_stream_messages_per_second, limits.max_stream_bytes_per_second);
        if messages.is_none() && bytes.is_none() {
            return inner;
        }
        let (messages, bytes) = (messages.map(Pace::new), bytes.map(Pace::new));
        Box::new(Self { inner, context: context.clone(), messages, bytes, rest: None })
    }
}

impl RecvHalf for Paced {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(task));
            self.rest = None;
        }
        let received = ready!(self.inner.poll_recv(task));
        if let Ok(Some(frame)) = &received {
            let now = now();
            let charge = |pace: &mut Option<Pace>, amount| pace.as_mut().map(|pace| pace.charge(now, amount));
            let rest = charge(&mut self.messages, 1).max(charge(&mut self.bytes, frame.len())).unwrap_or_default();
            if !rest.is_zero() {
                let context = self.context.clone();
                self.rest = Some(Box::pin(async move {
                    tokio::select! {
                        () = tokio::time::sleep(rest) => {}
                        _ = context.cancelled() => {}
                    }
                }));
            }
        }
        Poll::Ready(received)
    }

    fn poll_header(&mut self, task: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        self.inner.poll_header(task)
    }

    fn trailer(&self) -> Option<&Metadata> {
        self.inner.trailer()
    }

    fn end(&self) -> Option<&Result<()>> {
        self.inner.end()
    }

    fn cancel(&mut self, cause: Error) {
        self.inner.cancel(cause);
    }

    fn finish(&mut self, end: Result<()>) {
        self.inner.finish(end);
    }
}
