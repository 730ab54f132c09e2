//! A client's ping-pong connection: one call at a time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};

use super::message::{Message, Reader};
use super::silence::Silence;
use super::{READ, write_now, write_slowly};
use crate::codec::{Buffer, Payload};
use crate::error::{Error, Result};
use crate::net::BoxIo;
use crate::transport::http2::connection_lost;
use crate::wire::ttheader::Limits;

/// A connection that belongs to one call, or to none.
pub(crate) struct Connection {
    io: BoxIo,
    input: BytesMut,
    reader: Reader,
    /// How long the server may take nothing of a request, or send nothing of an answer.
    pause: Option<Duration>,
    /// Since when the server has sent nothing, while a call waits for it to.
    silence: Silence,
}

impl Connection {
    pub(crate) fn new(io: BoxIo, limits: Limits, pause: Option<Duration>) -> Self {
        Self { io, input: BytesMut::new(), reader: Reader::new(limits), pause, silence: Silence::default() }
    }

    /// Sends a request, and gives what the server does not take of it at once, for [`Connection::send_rest`].
    ///
    /// Failed or left half-way, the connection is of no use any more.
    pub(crate) fn send(&mut self, request: Buffer, peer: &str) -> Result<Option<Payload>> {
        write_now(&mut self.io, request).map_err(|err| not_written(peer, &err))
    }

    /// Sends the rest of a request.
    pub(crate) fn send_rest(
        mut self: Box<Self>,
        rest: Payload,
        peer: Arc<str>,
    ) -> BoxFuture<'static, Result<Box<Self>>> {
        Box::pin(async move {
            let written = write_slowly(&mut self.io, rest, self.pause).await;
            written.map(|()| self).map_err(|err| not_written(&peer, &err))
        })
    }

    /// Waits for the answer to the request that was sent.
    pub(crate) fn poll_recv(&mut self, peer: &str, task: &mut Task<'_>) -> Poll<Result<Message>> {
        loop {
            if let Some(message) = self.reader.next(&mut self.input)? {
                self.silence.end();
                return Poll::Ready(Ok(message));
            }
            let read = match self.reader.poll_read(&mut self.io, &mut self.input, READ, task) {
                Poll::Pending => ready!(self.poll_silence(task)),
                Poll::Ready(read) => read,
            };
            match read {
                Ok(0) => return Poll::Ready(Err(connection_lost(peer, "it ended before the answer"))),
                Ok(_) => self.silence.end(),
                Err(err) => {
                    let err = connection_lost(peer, format!("the answer could not be read: {err}"));
                    return Poll::Ready(Err(err));
                }
            }
        }
    }

    /// Ready once the server has sent nothing for too long.
    fn poll_silence(&mut self, task: &mut Task<'_>) -> Poll<io::Result<usize>> {
        let Some(pause) = self.pause else { return Poll::Pending };
        self.silence.poll("sent", pause, task).map(Err)
    }

    /// Closes the sending direction, so that what was sent still arrives.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// Whether a connection that rests may be used: nothing came on it, the end included, that no one asked for.
    pub(crate) fn is_fresh(&mut self) -> bool {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut self.io).poll_read(&mut Task::from_waker(Waker::noop()), &mut buf);
        self.input.is_empty() && matches!(read, Poll::Pending)
    }
}

fn not_written(peer: &str, err: &io::Error) -> Error {
    connection_lost(peer, format!("the request could not be written: {err}"))
}
