//! The reply to a ping-pong request, in the request's layout and protocol.

use bytes::Bytes;

use super::message::{Layout, is_metadata, kind_text, put};
use crate::codec::envelope::{ApplicationException, Envelope, MessageKind, Protocol};
use crate::codec::{Buffer, Encode};
use crate::context::Context;
use crate::error::{Error, Failed, Result};
use crate::status::BizStatusError;
use crate::wire::ttheader::{Header, key};

/// What a reply takes from its request.
pub(super) struct Request {
    pub(super) layout: Layout,
    pub(super) protocol: Protocol,
    pub(super) name: Bytes,
    pub(super) seq_id: i32,
}

impl Request {
    fn put(&self, kind: MessageKind, body: Buffer, header: &mut Header) -> Result<Buffer> {
        header.seq_id = self.seq_id;
        if matches!(self.layout, Layout::TtHeader { .. }) {
            header.ints.push(key::MSG_TYPE, kind_text(kind))?;
        }
        let envelope = Envelope { name: &self.name, kind, seq_id: self.seq_id };
        put(self.layout, header, self.protocol, &envelope, body)
    }

    pub(super) fn reply(&self, body: Buffer, header: &mut Header) -> Result<Buffer> {
        self.put(MessageKind::Reply, body, header)
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
            return self.reply(body, header);
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
