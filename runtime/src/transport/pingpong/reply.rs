//! The reply to a ping-pong request, in the request's layout and protocol.

use bytes::Bytes;

use super::message::{Layout, is_metadata, kind_text, put, put_frame};
use crate::codec::envelope::{ApplicationException, Envelope, MessageKind, Protocol};
use crate::codec::{Buffer, Encode};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::status::BizStatusError;
use crate::wire::framed::Length;
use crate::wire::ttheader::{Header, key};

/// What a reply takes from its request.
pub(super) struct Request {
    pub(super) layout: Layout,
    pub(super) protocol: Protocol,
    pub(super) name: Bytes,
    pub(super) seq_id: i32,
}

/// A reply as far as it is written: what stands before its result, where that is known before the call has ended, and then the
/// result wrapper.
pub(crate) struct Draft {
    pub(crate) buffer: Buffer,
    /// Where the result wrapper begins. 0: nothing stands before it yet.
    start: usize,
    length: Option<Length>,
}

impl Draft {
    /// The size of the result wrapper.
    pub(crate) fn result_len(&self) -> usize {
        self.buffer.len() - self.start
    }
}

impl Request {
    /// Begins a reply. In a TTHeader, what the handler says beside its answer stands before that.
    pub(super) fn draft(&self) -> Result<Draft> {
        const SHORT: usize = 128;
        if matches!(self.layout, Layout::TtHeader { .. }) {
            return Ok(Draft { buffer: Buffer::new(), start: 0, length: None });
        }
        let mut buffer = Buffer::with_capacity(SHORT + self.name.len());
        let length = put_frame(self.layout, &mut buffer);
        self.envelope(MessageKind::Reply).put(self.protocol, &mut buffer)?;
        Ok(Draft { start: buffer.len(), buffer, length })
    }

    fn envelope(&self, kind: MessageKind) -> Envelope<'_> {
        Envelope { name: &self.name, kind, seq_id: self.seq_id }
    }

    fn put(&self, kind: MessageKind, body: Buffer, header: &mut Header) -> Result<Buffer> {
        header.seq_id = self.seq_id;
        if matches!(self.layout, Layout::TtHeader { .. }) {
            header.ints.push(key::MSG_TYPE, kind_text(kind))?;
        }
        put(self.layout, header, self.protocol, &self.envelope(kind), body)
    }

    /// Ends a reply. `header` is what a TTHeader says beside it.
    pub(super) fn finish(&self, draft: Draft, header: impl FnOnce() -> Result<Header>) -> Result<Buffer> {
        let Draft { mut buffer, start, length } = draft;
        if start == 0 {
            return self.put(MessageKind::Reply, buffer, &mut header()?);
        }
        if let Some(length) = length {
            length.close(&mut buffer)?;
        }
        Ok(buffer)
    }

    pub(super) fn except(&self, kind: i32, text: &str, header: &mut Header) -> Result<Buffer> {
        let mut body = Buffer::new();
        Encode::encode(&ApplicationException::new(kind, text), self.protocol, &mut body)?;
        self.put(MessageKind::Exception, body, header)
    }

    /// Tells an error that no method declares.
    pub(super) fn fail(&self, err: &Error, failed: Failed, header: &mut Header) -> Result<Buffer> {
        let biz = err.biz().filter(|_| failed == Failed::InHandler && matches!(self.layout, Layout::TtHeader { .. }));
        if let Some(biz) = biz {
            // An empty result with the error beside it: Kitex's clients look for the latter first.
            put_biz(header, biz)?;
            let mut body = Buffer::new();
            body.put(&[0]);
            return self.put(MessageKind::Reply, body, header);
        }
        if let (Error::Application(exception), Failed::InHandler) = (err, failed) {
            return self.except(exception.kind, &format!("{exception} [biz error]"), header);
        }
        let text = match failed {
            // Framed and Buffered carry no business error: a failure is better than Kitex's silent success. It says what it is.
            Failed::InHandler if matches!(err, Error::Biz(_)) => err.to_string(),
            // Kitex's mark.
            Failed::InHandler => format!("biz error: {err}"),
            Failed::InFramework => err.message(),
        };
        self.except(ApplicationException::INTERNAL_ERROR, &text, header)
    }
}

fn put_biz(header: &mut Header, biz: &BizStatusError) -> Result<()> {
    header.strings.push("biz-status", biz.code().to_string())?;
    header.strings.push("biz-message", biz.message())?;
    if !biz.extra().is_empty() {
        let extra = serde_json::to_string(biz.extra()).map_err(|err| Error::protocol(err.to_string()))?;
        header.strings.push("biz-extra", extra)?;
    }
    Ok(())
}

/// Writes what a handler sends beside its answer, whatever that is.
pub(super) fn put_beside(header: &mut Header, context: &Context) -> Result<()> {
    let Some((metadata, backward)) = context.take_said() else { return Ok(()) };
    for (name, value) in metadata.raw().iter().filter(|(name, _)| is_metadata(name.as_str())) {
        header.strings.push(name.as_str(), value.as_bytes())?;
    }
    for (key, value) in backward {
        header.strings.push(&key, &value)?;
    }
    Ok(())
}
