//! The halves of a stream whose headers meta handlers read and write.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::task::{Context as Task, Poll, ready};

use crate::codec::Encode;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::middleware::Layers;
use crate::transport::{Frame, Halves, RecvHalf, SendHalf};

impl Halves {
    /// Lets the meta handlers of a client read, once the server's headers are there.
    pub(crate) fn read_by_metas(self, cx: &Context, layers: &Layers) -> Self {
        if layers.metas.is_empty() {
            return self;
        }
        let Self { send, recv } = self;
        let reading = Reading { half: recv, cx: cx.clone(), layers: layers.clone(), is_read: false, failed: None };
        Self { send, recv: Box::new(reading) }
    }

    /// Lets the meta handlers of a server write, before the first message is sent.
    pub(crate) fn written_by_metas(self, metas: &Arc<WriteOnce>) -> Self {
        if metas.layers.metas.is_empty() {
            return self;
        }
        let Self { send, recv } = self;
        Self { send: Box::new(Writing { half: send, metas: Arc::clone(metas) }), recv }
    }
}

/// What the meta handlers of a server write on a stream, once.
pub(crate) struct WriteOnce {
    cx: Context,
    layers: Arc<Layers>,
    done: OnceLock<Result<()>>,
}

impl WriteOnce {
    pub(crate) fn new(cx: Context, layers: Arc<Layers>) -> Arc<Self> {
        Arc::new(Self { cx, layers, done: OnceLock::new() })
    }

    /// Lets them write, unless they have. Repeats what came of it.
    pub(crate) fn write(&self) -> Result<()> {
        self.done.get_or_init(|| self.layers.write_meta(&self.cx)).clone()
    }
}

struct Writing {
    half: Box<dyn SendHalf>,
    metas: Arc<WriteOnce>,
}

impl SendHalf for Writing {
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.half.poll_ready(task)
    }

    fn send(&mut self, message: &dyn Encode) -> Result<usize> {
        self.metas.write()?;
        self.half.send(message)
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

struct Reading {
    half: Box<dyn RecvHalf>,
    cx: Context,
    layers: Layers,
    is_read: bool,
    /// What a meta handler ended the stream with.
    failed: Option<Result<()>>,
}

impl Reading {
    /// Waits for the headers, and lets the meta handlers read them.
    fn poll_read(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        if let Some(failed) = &self.failed {
            return Poll::Ready(failed.clone());
        }
        if self.is_read {
            return Poll::Ready(Ok(()));
        }
        let header = ready!(self.half.poll_header(task)).cloned();
        self.is_read = true;
        // As with a ping-pong call: of one that failed there is nothing to read.
        let (Ok(header), Some(Ok(())) | None) = (header, self.half.end()) else { return Poll::Ready(Ok(())) };
        self.cx.answered(header, self.half.trailer().cloned().unwrap_or_default(), BTreeMap::new());
        let read = self.layers.read_meta(&self.cx);
        if let Err(err) = &read {
            self.half.cancel(err.clone());
            self.failed = Some(read.clone());
        }
        Poll::Ready(read)
    }
}

impl RecvHalf for Reading {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        ready!(self.poll_read(task))?;
        self.half.poll_recv(task)
    }

    fn poll_header(&mut self, task: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        ready!(self.poll_read(task))?;
        self.half.poll_header(task)
    }

    fn trailer(&self) -> Option<&Metadata> {
        self.half.trailer()
    }

    fn end(&self) -> Option<&Result<()>> {
        self.failed.as_ref().or_else(|| self.half.end())
    }

    fn cancel(&mut self, cause: Error) {
        self.half.cancel(cause);
    }
}
