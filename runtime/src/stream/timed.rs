//! Halves of a stream that wait no longer than they may.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use tokio::time::{Sleep, sleep};

use crate::codec::Encode;
use crate::context::{later, now};
use crate::error::{Error, Result, Stage, StreamTimeout};
use crate::metadata::Metadata;
use crate::transport::{Frame, Halves, RecvHalf, SendHalf};

/// Bounds each `recv` and `send` of a stream. One without a timeout is as it was, and costs nothing.
pub(crate) fn timed(halves: Halves, recv: StreamTimeout, send: StreamTimeout) -> Halves {
    let Halves { send: mut sender, recv: mut receiver } = halves;
    if !recv.timeout.is_zero() {
        receiver = Box::new(TimedRecv { half: receiver, watch: Watch::new(Stage::Recv, recv), expired: None });
    }
    if !send.timeout.is_zero() {
        sender = Box::new(TimedSend { half: sender, watch: Watch::new(Stage::Send, send) });
    }
    Halves { send: sender, recv: receiver }
}

/// Measures one wait after another. Nothing is measured of what does not wait.
struct Watch {
    during: Stage,
    timeout: StreamTimeout,
    /// Made with the first wait.
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Watch {
    fn new(during: Stage, timeout: StreamTimeout) -> Self {
        Self { during, timeout, timer: None, is_waiting: false }
    }

    /// Ready when the wait has taken too long. It begins with the first call since the last one ended.
    fn poll_expired(&mut self, task: &mut Task<'_>) -> Poll<Error> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.timeout.timeout)));
        if !std::mem::replace(&mut self.is_waiting, true) {
            timer.as_mut().reset(later(now(), self.timeout.timeout).into());
        }
        ready!(timer.as_mut().poll(task));
        self.is_waiting = false;
        Poll::Ready(Error::StreamTimeout { during: self.during, timeout: self.timeout })
    }
}

struct TimedRecv {
    half: Box<dyn RecvHalf>,
    watch: Watch,
    /// The wait that was too long, until it is told.
    expired: Option<Error>,
}

impl RecvHalf for TimedRecv {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        if let Some(err) = self.expired.take() {
            if !self.watch.timeout.disable_cancel_remote {
                self.half.cancel(err.clone());
            }
            return Poll::Ready(Err(err));
        }
        if let Poll::Ready(frame) = self.half.poll_recv(task) {
            self.watch.is_waiting = false;
            return Poll::Ready(frame);
        }
        // Told with the next poll: a frame that could have come borrows the half until then.
        self.expired = Some(ready!(self.watch.poll_expired(task)));
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_header(&mut self, task: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        self.half.poll_header(task)
    }

    fn trailer(&self) -> Option<&Metadata> {
        self.half.trailer()
    }

    fn end(&self) -> Option<&Result<()>> {
        self.half.end()
    }

    fn cancel(&mut self, cause: Error) {
        self.half.cancel(cause);
    }
}

struct TimedSend {
    half: Box<dyn SendHalf>,
    watch: Watch,
}

impl TimedSend {
    fn poll_in_time(&mut self, task: &mut Task<'_>, waited: Poll<Result<()>>) -> Poll<Result<()>> {
        if waited.is_ready() {
            self.watch.is_waiting = false;
            return waited;
        }
        let err = ready!(self.watch.poll_expired(task));
        if !self.watch.timeout.disable_cancel_remote {
            self.half.cancel(err.clone());
        }
        Poll::Ready(Err(err))
    }
}

impl SendHalf for TimedSend {
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        let waited = self.half.poll_ready(task);
        self.poll_in_time(task, waited)
    }

    fn send(&mut self, message: &dyn Encode) -> Result<usize> {
        self.half.send(message)
    }

    fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        let waited = self.half.poll_flush(task);
        self.poll_in_time(task, waited)
    }

    fn close(&mut self) {
        self.half.close();
    }

    fn cancel(&mut self, cause: Error) {
        self.half.cancel(cause);
    }
}
