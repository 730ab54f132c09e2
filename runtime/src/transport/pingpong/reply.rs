//! The reply to a ping-pong request, in the request's layout and protocol.

use bytes::{Buf as _, Bytes};

use super::message::{HEADS, Heads, Layout, is_metadata, kind_text};
use crate::codec::envelope::{ApplicationException, Envelope, MessageKind, Protocol};
use crate::codec::{Buffer, Encode};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::status::BizStatusError;
use crate::wire::ttheader::{ProtocolId, Strings, Writer, key};

/// What a reply takes from its request.
pub(super) struct Request {
    pub(super) layout: Layout,
    pub(super) protocol: Protocol,
    pub(super) name: Bytes,
    pub(super) seq_id: i32,
}

/// What stands before the result of a call that succeeds: known, mostly, before that is.
pub(super) struct Begun {
    heads: Heads,
    /// Where the result begins.
    start: usize,
}

impl Request {
    /// Begins a reply, which the result wrapper is to follow.
    pub(super) fn begin(&self) -> Result<(Buffer, Begun)> {
        const SHORT: usize = 128;
        let mut buffer = Buffer::with_capacity(HEADS + self.name.len() + SHORT);
        let heads = self.put_heads(MessageKind::Reply, &Strings::default(), &mut buffer)?;
        let start = buffer.run_len();
        Ok((buffer, Begun { heads, start }))
    }

    fn put_heads(&self, kind: MessageKind, strings: &Strings, buffer: &mut Buffer) -> Result<Heads> {
        let header = |buffer: &mut Buffer| {
            let mut writer = Writer::new(buffer, 0, self.seq_id, ProtocolId::Binary);
            writer.strings(strings);
            writer.int(key::MSG_TYPE, kind_text(kind))?;
            writer.finish()
        };
        let envelope = Envelope { name: &self.name, kind, seq_id: self.seq_id };
        Heads::put(self.layout, header, self.protocol, &envelope, buffer)
    }

    fn put(&self, kind: MessageKind, body: impl IntoIterator<Item = Bytes>, strings: &Strings) -> Result<Buffer> {
        let mut buffer = Buffer::new();
        let heads = self.put_heads(kind, strings, &mut buffer)?;
        body.into_iter().for_each(|bytes| buffer.link(bytes));
        heads.close(&mut buffer)?;
        Ok(buffer)
    }

    /// Whether a TTHeader can say something beside the answer.
    pub(super) fn has_header(&self) -> bool {
        matches!(self.layout, Layout::TtHeader { .. })
    }

    /// Ends a reply that has its result. `strings` is what a TTHeader says beside it.
    pub(super) fn finish(
        &self,
        mut buffer: Buffer,
        Begun { heads, start }: Begun,
        strings: &Strings,
    ) -> Result<Buffer> {
        if strings.is_empty() {
            heads.close(&mut buffer)?;
            return Ok(buffer);
        }
        // It stands before what is written already.
        let mut result = buffer.take();
        result.advance(start);
        self.put(MessageKind::Reply, result, strings)
    }

    pub(super) fn except(&self, kind: i32, text: &str, strings: &Strings) -> Result<Buffer> {
        let mut body = Buffer::new();
        Encode::encode(&ApplicationException::new(kind, text), self.protocol, &mut body)?;
        self.put(MessageKind::Exception, body.take(), strings)
    }

    /// Tells an error that no method declares.
    pub(super) fn fail(&self, err: &Error, failed: Failed, strings: &mut Strings) -> Result<Buffer> {
        let biz = err.biz().filter(|_| failed == Failed::InHandler && self.has_header());
        if let Some(biz) = biz {
            // An empty result with the error beside it: Kitex's clients look for the latter first.
            put_biz(strings, biz)?;
            return self.put(MessageKind::Reply, [Bytes::from_static(&[0])], strings);
        }
        if let (Error::Application(exception), Failed::InHandler) = (err, failed) {
            return self.except(exception.kind, &format!("{exception} [biz error]"), strings);
        }
        let text = match failed {
            // Framed and Buffered carry no business error: a failure is better than Kitex's silent success. It says what it is.
            Failed::InHandler if matches!(err, Error::Biz(_)) => err.to_string(),
            // Kitex's mark.
            Failed::InHandler => format!("biz error: {err}"),
            Failed::InFramework => err.message(),
        };
        self.except(ApplicationException::INTERNAL_ERROR, &text, strings)
    }
}

fn put_biz(strings: &mut Strings, biz: &BizStatusError) -> Result<()> {
    strings.push("biz-status", biz.code().to_string())?;
    strings.push("biz-message", biz.message())?;
    if !biz.extra().is_empty() {
        let extra = serde_json::to_string(biz.extra()).map_err(|err| Error::protocol(err.to_string()))?;
        strings.push("biz-extra", extra)?;
    }
    Ok(())
}

/// Writes what a handler sends beside its answer, whatever that is.
pub(super) fn put_beside(strings: &mut Strings, context: &Context) -> Result<()> {
    let Some((metadata, backward)) = context.take_said() else { return Ok(()) };
    for (name, value) in metadata.raw().iter().filter(|(name, _)| is_metadata(name.as_str())) {
        strings.push(name.as_str(), value.as_bytes())?;
    }
    for (key, value) in backward {
        strings.push(&key, &value)?;
    }
    Ok(())
}
