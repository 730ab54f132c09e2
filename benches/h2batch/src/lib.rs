//! A write buffer between h2 and the socket, so that streams share a system call.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Gathers writes; its flush yields to the scheduler once, so that other streams can add their frames.
///
/// Even a lone stream pays for that yield here, which is what the comparison with `h2raw` shows.
#[derive(Debug)]
pub struct Batch {
    tcp: TcpStream,
    buffer: Vec<u8>,
    /// How much of `buffer` the socket has taken.
    written: usize,
    yielded: bool,
}

impl Batch {
    /// Wraps a connection.
    pub fn new(tcp: TcpStream) -> Self {
        Self { tcp, buffer: Vec::with_capacity(FULL), written: 0, yielded: false }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.buffer.len() {
            let rest = &self.buffer[self.written..];
            self.written += ready!(Pin::new(&mut self.tcp).poll_write(cx, rest))?;
        }
        self.buffer.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Batch {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, into)
    }
}

impl AsyncWrite for Batch {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.buffer.len() - self.written >= FULL {
            ready!(self.poll_drain(cx))?;
        }
        self.buffer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.yielded && self.buffer.len() < ENOUGH {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(self.poll_drain(cx))?;
        self.yielded = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Past this a write waits for the socket.
const FULL: usize = 64 << 10;

/// Past this a flush does not wait for more.
const ENOUGH: usize = 16 << 10;
