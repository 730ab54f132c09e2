//! A client's ping-pong connection: one call at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::message::{Message, Reader};
use super::{paused, write};
use crate::codec::Buffer;
use crate::error::Result;
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
}

impl Connection {
    pub(crate) fn new(io: BoxIo, limits: Limits, pause: Option<Duration>) -> Self {
        Self { io, input: BytesMut::new(), reader: Reader::new(limits), pause }
    }

    /// Sends a request. Dropped or failed half-way, the connection is of no use any more.
    pub(crate) async fn send(&mut self, request: Buffer, peer: &str) -> Result<()> {
        let sent = write(&mut self.io, request, self.pause).await;
        sent.map_err(|err| connection_lost(peer, format!("the request could not be written: {err}")))
    }

    /// Waits for the answer to the request that was sent.
    pub(crate) async fn recv(&mut self, peer: &str) -> Result<Message> {
        loop {
            if let Some(message) = self.reader.next(&mut self.input)? {
                return Ok(message);
            }
            self.reader.reserve(&mut self.input, READ);
            let reading = self.io.read_buf(&mut self.input);
            let read = match self.pause {
                None => reading.await,
                Some(pause) => timeout(pause, reading).await.unwrap_or_else(|_| Err(paused("sent", pause))),
            };
            match read {
                Ok(0) => return Err(connection_lost(peer, "it ended before the answer")),
                Ok(_) => {}
                Err(err) => return Err(connection_lost(peer, format!("the answer could not be read: {err}"))),
            }
        }
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

/// How much room a read has at least.
const READ: usize = 8 << 10;
