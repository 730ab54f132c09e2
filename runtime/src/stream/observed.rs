//! The halves of a stream that someone watches.

use std::task::{Context as Task, Poll, Waker, ready};

use crate::codec::Encode;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::observe::{Event, Watch};
use crate::transport::{Frame, Halves, RecvHalf, SendHalf};

impl Halves {
    /// Tells of all that goes over a client's stream, and of its end.
    pub(crate) fn watched_on_client(self, watch: &Watch) -> Self {
        self.watched(watch, true)
    }

    /// Tells of all that goes over a server's stream, whose end is its handler's.
    pub(crate) fn watched_on_server(self, watch: &Watch) -> Self {
        self.watched(watch, false)
    }

    fn watched(self, watch: &Watch, ends_call: bool) -> Self {
        watch.event(&Event::Start);
        let Self { send, recv } = self;
        Self {
            send: Box::new(Sending { half: send, watch: watch.clone() }),
            recv: Box::new(Receiving { half: recv, watch: watch.clone(), ends_call, has_header: false }),
        }
    }
}

struct Sending {
    half: Box<dyn SendHalf>,
    watch: Watch,
}

impl SendHalf for Sending {
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        let ready = ready!(self.half.poll_ready(task));
        if let Err(err) = &ready {
            self.watch.event(&Event::Send(Err(err)));
        }
        Poll::Ready(ready)
    }

    fn send(&mut self, message: &dyn Encode) -> Result<usize> {
        let sent = self.half.send(message);
        self.watch.sent(&sent);
        sent
    }

    fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.half.poll_flush(task)
    }

    fn close(&mut self) {
        self.half.close();
    }

    fn cancel(&mut self, cause: Error) {
        self.half.cancel(cause);
    }
}

struct Receiving {
    half: Box<dyn RecvHalf>,
    watch: Watch,
    /// Whether the end of the stream is that of the call.
    ends_call: bool,
    has_header: bool,
}

impl Receiving {
    /// Tells of the server's headers, once they are there.
    fn look_for_header(&mut self) {
        if !self.ends_call || self.has_header {
            return;
        }
        if let Poll::Ready(Ok(header)) = self.half.poll_header(&mut Task::from_waker(Waker::noop())) {
            self.has_header = true;
            self.watch.event(&Event::Header(header));
        }
    }
}

impl RecvHalf for Receiving {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        self.look_for_header();
        let Self { half, watch, ends_call, .. } = self;
        let received = ready!(half.poll_recv(task));
        match &received {
            Ok(Some(frame)) => watch.received(Ok(frame.len())),
            Ok(None) if *ends_call => watch.finish(&Ok(())),
            Ok(None) => {}
            Err(err) => {
                watch.received(Err(err));
                if *ends_call {
                    watch.finish(&Err(err.clone()));
                }
            }
        }
        Poll::Ready(received)
    }

    fn poll_header(&mut self, task: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        let is_first = self.ends_call && !self.has_header;
        let header = ready!(self.half.poll_header(task));
        if let (true, Ok(header)) = (is_first, &header) {
            self.has_header = true;
            self.watch.event(&Event::Header(header));
        }
        Poll::Ready(header)
    }

    fn trailer(&self) -> Option<&Metadata> {
        self.half.trailer()
    }

    fn end(&self) -> Option<&Result<()>> {
        self.half.end()
    }

    fn finish(&mut self, end: Result<()>) {
        self.watch.finish(&end);
    }

    fn cancel(&mut self, cause: Error) {
        self.half.cancel(cause);
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.ends_call {
            // A stream that is over ended as it did; any other is cancelled by this.
            let end = self.half.end().cloned().unwrap_or_else(|| Err(Error::dropped("the receiver")));
            self.watch.dropped(&end);
        }
    }
}
