//! What stands in for the half of a stream while layers work with it.

use std::task::{Context as Task, Poll};

use crate::codec::Encode;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::transport::{Frame, RecvHalf, SendHalf};

/// A half that layers have. It comes back with their future, which is driven before anything else is done.
#[derive(Debug)]
pub(super) struct Lent;

fn lent() -> Error {
    Error::misuse("a layer of this stream panicked")
}

impl SendHalf for Lent {
    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<()>> {
        Poll::Ready(Err(lent()))
    }

    fn send(&mut self, _: &dyn Encode) -> Result<usize> {
        Err(lent())
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<()>> {
        Poll::Ready(Err(lent()))
    }

    fn close(&mut self) {}

    fn cancel(&mut self, _: Error) {}
}

impl RecvHalf for Lent {
    fn poll_recv(&mut self, _: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        Poll::Ready(Err(lent()))
    }

    fn poll_header(&mut self, _: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        Poll::Ready(Err(lent()))
    }

    fn trailer(&self) -> Option<&Metadata> {
        None
    }

    fn end(&self) -> Option<&Result<()>> {
        None
    }

    fn cancel(&mut self, _: Error) {}
}
