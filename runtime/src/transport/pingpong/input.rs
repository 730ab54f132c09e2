//! The reading side of a server's ping-pong connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::READ;
use super::handling::connection_lost;
use super::message::{Message, Named, Reader};
use super::silence::Silence;
use crate::error::{Error, Result};
use crate::transport::http2::EOF;

/// The reading side of a connection.
pub(super) struct Input<R> {
    pub(super) io: R,
    pub(super) bytes: BytesMut,
    pub(super) reader: Reader,
    /// How often what came of a message may still be looked at for its method.
    pub(super) looks: u8,
    /// Whether something came that was not looked at.
    is_new: bool,
    /// Since when the peer has sent nothing, inside a message.
    silence: Silence,
}

/// How many pieces a method's name may come in, to be known before the end of its message. Each costs a look at all before it.
pub(super) const LOOKS: u8 = 8;

/// What comes on a connection.
pub(super) enum Came {
    Message(Message),
    /// More of a message that is not all there, and whose method is not known.
    Part,
    /// The peer has closed the connection, between messages.
    End,
    /// The connection broke.
    Lost(Error),
    /// Nothing for too long, inside a message.
    Silence(Error),
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// What comes on a connection, of which `bytes` have come.
    pub(super) fn new(io: R, bytes: BytesMut, reader: Reader) -> Self {
        Self { io, bytes, reader, looks: LOOKS, is_new: true, silence: Silence::default() }
    }

    /// Whether nothing of the next message has come.
    pub(super) fn is_between(&self) -> bool {
        self.bytes.is_empty() && !self.reader.is_inside()
    }

    /// Which method the message is of that is not all there, where that has come.
    pub(super) fn named(&self) -> Option<Named<'_>> {
        self.reader.named(&self.bytes)
    }

    /// Takes what came of a message that does not go on.
    pub(super) fn begun(&mut self) -> Option<Message> {
        self.reader.begun(&mut self.bytes)
    }

    /// Waits for the next message, or the end of the connection.
    pub(super) async fn next(&mut self, pause: Duration) -> Result<Came> {
        poll_fn(|task| self.poll_next(pause, task)).await
    }

    /// As [`Input::next`].
    pub(super) fn poll_next(&mut self, pause: Duration, task: &mut Task<'_>) -> Poll<Result<Came>> {
        loop {
            if let Some(message) = self.reader.next(&mut self.bytes)? {
                (self.looks, self.is_new) = (LOOKS, true);
                return Poll::Ready(Ok(Came::Message(message)));
            }
            if std::mem::take(&mut self.is_new) && self.looks > 0 && !self.bytes.is_empty() {
                self.looks -= 1;
                return Poll::Ready(Ok(Came::Part));
            }
            // Between messages a peer may rest; inside one it may not.
            let is_between = self.is_between();
            let read = self.reader.poll_read(&mut self.io, &mut self.bytes, READ, task);
            if read.is_pending() && !is_between {
                let silence = ready!(self.silence.poll("sent inside a message", pause, task));
                self.silence.end();
                return Poll::Ready(Ok(Came::Silence(Error::protocol(silence.to_string()))));
            }
            let read = ready!(read);
            self.silence.end();
            return Poll::Ready(Ok(match read {
                Ok(0) if is_between => Came::End,
                Ok(0) => Came::Lost(Error::protocol("the connection ended inside a message")),
                Ok(_) => {
                    self.is_new = true;
                    continue;
                }
                Err(err) => Came::Lost(Error::protocol(err.to_string())),
            }));
        }
    }

    /// Ready once the peer has closed the connection, or broken it. What it sends meanwhile is kept, and not looked beyond.
    pub(super) fn poll_lost(&mut self, task: &mut Task<'_>) -> Poll<Error> {
        if !self.bytes.is_empty() {
            return Poll::Pending;
        }
        // Mostly nothing comes, and no room is made for it.
        let mut space = [0; 64];
        let mut ahead = ReadBuf::new(&mut space);
        let read = ready!(Pin::new(&mut self.io).poll_read(task, &mut ahead));
        match read {
            Ok(()) if ahead.filled().is_empty() => Poll::Ready(connection_lost(EOF)),
            Ok(()) => {
                self.bytes.extend_from_slice(ahead.filled());
                Poll::Pending
            }
            Err(err) => Poll::Ready(connection_lost(&err.to_string())),
        }
    }
}
