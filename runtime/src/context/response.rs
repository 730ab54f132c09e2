//! What a call says besides its messages: a handler's headers, trailers and backward values, and what a client got of them.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, Weak};

use super::{Context, lock};
use crate::error::{Error, Result};
use crate::metadata::Metadata;

/// What an answer says besides its messages.
#[derive(Debug, Default)]
pub(super) struct Response {
    header_sent: bool,
    trailer_sent: bool,
    /// Most handlers say nothing.
    said: Option<Box<Said>>,
}

#[derive(Debug, Default)]
struct Said {
    header: Metadata,
    trailer: Metadata,
    backward: BTreeMap<String, String>,
}

impl Response {
    fn said(&mut self) -> &mut Said {
        self.said.get_or_insert_default()
    }
}

/// The transport's hand for [`Context::send_header`].
pub(crate) trait SendHeader: Send + Sync {
    fn send_header(self: Arc<Self>);
}

impl Context {
    /// Adds header metadata to the answer. The headers go out with the first message, with the end of the call, or when
    /// [`Context::send_header`] is called.
    ///
    /// # Errors
    /// A name or value that [`Metadata::append`] refuses, or headers that are sent already.
    pub fn set_header(&self, name: &str, value: impl AsRef<str>) -> Result<()> {
        self.change_header(|header| header.append(name, value))
    }

    /// As [`Context::set_header`], for several at once, binary ones too.
    ///
    /// # Errors
    /// Headers that are sent already.
    pub fn set_headers(&self, metadata: &Metadata) -> Result<()> {
        self.change_header(|header| {
            header.merge(metadata);
            Ok(())
        })
    }

    fn change_header(&self, set: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        let mut response = self.response();
        if response.header_sent {
            return Err(headers_sent());
        }
        set(&mut response.said().header)
    }

    /// Sends the response headers now, before any message.
    ///
    /// # Errors
    /// Headers that are sent already.
    pub fn send_header(&self) -> Result<()> {
        if self.response().header_sent {
            return Err(headers_sent());
        }
        self.seal_header();
        if let Some(sender) = self.inner.sender.get().and_then(Weak::upgrade) {
            sender.send_header();
        }
        Ok(())
    }

    /// Adds trailer metadata to the answer. Trailers go out when the handler returns.
    ///
    /// # Errors
    /// A name or value that [`Metadata::append`] refuses, or a call that has ended.
    pub fn set_trailer(&self, name: &str, value: impl AsRef<str>) -> Result<()> {
        self.change_trailer(|trailer| trailer.append(name, value))
    }

    /// As [`Context::set_trailer`], for several at once, binary ones too.
    ///
    /// # Errors
    /// A call that has ended.
    pub fn set_trailers(&self, metadata: &Metadata) -> Result<()> {
        self.change_trailer(|trailer| {
            trailer.merge(metadata);
            Ok(())
        })
    }

    fn change_trailer(&self, set: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        let mut response = self.response();
        if response.trailer_sent {
            return Err(Error::misuse("the call has ended: set trailers before the handler returns"));
        }
        set(&mut response.said().trailer)
    }

    /// Sends a metainfo value back to the caller, with the answer of a ping-pong call over TTHeader. Other transports have no
    /// way back, in Kitex either; use header and trailer metadata on a stream.
    pub fn send_backward(&self, key: impl Into<String>, value: impl Into<String>) {
        self.response().said().backward.insert(key.into(), value.into());
    }

    /// On a client, the header metadata of the answer to a unary call; where there is a [`MetaHandler`], also of a stream's. Empty
    /// until it is there; beside an error, it is for layers and observers.
    ///
    /// [`MetaHandler`]: crate::middleware::MetaHandler
    #[must_use]
    pub fn header(&self) -> Metadata {
        self.response().said.as_ref().map(|said| said.header.clone()).unwrap_or_default()
    }

    /// On a client, the trailer metadata of a unary call's answer, once it is there; beside an error as [`Context::header`].
    #[must_use]
    pub fn trailer(&self) -> Metadata {
        self.response().said.as_ref().map(|said| said.trailer.clone()).unwrap_or_default()
    }

    /// On a client, a value that came back with the answer of a ping-pong call over TTHeader, its error included. Kitex's
    /// `RecvBackwardValue`.
    #[must_use]
    pub fn backward(&self, key: &str) -> Option<String> {
        self.response().said.as_ref().and_then(|said| said.backward.get(key).cloned())
    }

    /// What came back with the answer, for a client's layers.
    pub(crate) fn answered(&self, header: Metadata, trailer: Metadata, backward: BTreeMap<String, String>) {
        self.response().said = Some(Box::new(Said { header, trailer, backward }));
    }

    pub(crate) fn take_backward(&self) -> BTreeMap<String, String> {
        self.response().said.as_mut().map(|said| std::mem::take(&mut said.backward)).unwrap_or_default()
    }

    pub(crate) fn on_send_header(&self, sender: &Arc<impl SendHeader + 'static>) {
        let weak: Weak<dyn SendHeader> = Arc::<_>::downgrade(sender) as _;
        // Set once, where the call begins.
        let _ = self.inner.sender.set(weak);
    }

    /// From now on headers count as sent: they are on their way.
    pub(crate) fn seal_header(&self) {
        self.response().header_sent = true;
    }

    /// Takes the header metadata, to send it.
    pub(crate) fn take_header(&self) -> Metadata {
        let mut response = self.response();
        response.header_sent = true;
        response.said.as_mut().map(|said| std::mem::take(&mut said.header)).unwrap_or_default()
    }

    /// Takes the header metadata and the backward metainfo, to send them; `None` where the handler set none.
    pub(crate) fn take_said(&self) -> Option<(Metadata, BTreeMap<String, String>)> {
        let mut response = self.response();
        response.header_sent = true;
        response.said.as_mut().map(|said| (std::mem::take(&mut said.header), std::mem::take(&mut said.backward)))
    }

    /// Whether the handler set a header that no one has taken.
    pub(crate) fn has_header(&self) -> bool {
        self.response().said.as_ref().is_some_and(|said| !said.header.raw().is_empty())
    }

    /// Takes the trailer metadata: from now on trailers count as sent.
    pub(crate) fn take_trailer(&self) -> Metadata {
        let mut response = self.response();
        response.header_sent = true;
        response.trailer_sent = true;
        response.said.as_mut().map(|said| std::mem::take(&mut said.trailer)).unwrap_or_default()
    }

    fn response(&self) -> MutexGuard<'_, Response> {
        lock(&self.inner.response)
    }
}

fn headers_sent() -> Error {
    Error::misuse("the headers are sent already: set them before the first message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_set_before_they_are_sent() {
        let cx = Context::new(None, None, None, Metadata::new());
        cx.set_header("x-a", "1").unwrap();
        assert!(cx.set_header("X-A", "1").is_err());
        assert_eq!(cx.take_header().get("x-a").as_deref(), Some("1"));
        assert!(cx.set_header("x-b", "2").unwrap_err().to_string().contains("sent already"));
        assert!(cx.send_header().is_err());
        cx.set_trailer("x-t", "3").unwrap();
        assert_eq!(cx.take_trailer().get("x-t").as_deref(), Some("3"));
        assert!(cx.set_trailer("x-t", "3").is_err());
    }
}
