//! A stream's bytes on their way through the h2 crate.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Buf;

use super::outbox::Outbox;
use crate::codec::Payload;

/// Bytes in the h2 crate's hands, which tell their stream when they are written.
pub(super) struct Outgoing {
    payload: Payload,
    outbox: Option<Arc<Outbox>>,
}

impl Outgoing {
    pub(super) fn new(payload: Payload, outbox: Arc<Outbox>) -> Self {
        Self { payload, outbox: Some(outbox) }
    }

    /// A text of no stream's.
    pub(super) fn of_text(text: &'static str) -> Self {
        Self { payload: bytes::Bytes::from_static(text.as_bytes()).into(), outbox: None }
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.payload.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.payload.chunk()
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        self.payload.chunks_vectored(dst)
    }

    fn advance(&mut self, count: usize) {
        self.payload.advance(count);
        if let Some(outbox) = &self.outbox {
            outbox.sent(count);
        }
    }
}

impl Drop for Outgoing {
    /// What the h2 crate threw away, after a reset, is off the account too.
    fn drop(&mut self) {
        let Some(outbox) = &self.outbox else { return };
        let left = self.payload.remaining();
        if left > 0 {
            outbox.sent(left);
        }
        outbox.lane().spares.keep(self.payload.take_memory());
    }
}
