//! Connections that are counted, and that can be cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use thrill::async_trait;
use thrill::net::{BoxIo, Connect};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// How many connections clients hold.
pub(crate) fn open() -> usize {
    OPEN.load(Ordering::SeqCst)
}

/// Connects by TCP. Clones share their scissors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dial(Arc<Scissors>);

#[derive(Debug, Default)]
struct Scissors {
    is_cut: AtomicBool,
    cut: Notify,
}

impl Dial {
    /// Lets all connections fail, as when a cable breaks.
    pub(crate) fn cut(&self) {
        self.0.is_cut.store(true, Ordering::SeqCst);
        self.0.cut.notify_waiters();
    }
}

#[async_trait]
impl Connect for Dial {
    async fn connect(&self, address: &str) -> io::Result<BoxIo> {
        let scissors = Arc::clone(&self.0);
        let cut = Box::pin({
            let scissors = Arc::clone(&scissors);
            async move { scissors.cut.notified().await }
        });
        let io = TcpStream::connect(address).await?;
        io.set_nodelay(true)?;
        OPEN.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Wire { io, scissors, cut: Some(cut) }))
    }
}

struct Wire {
    io: TcpStream,
    scissors: Arc<Scissors>,
    /// Wakes the reader when the wire is cut.
    cut: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        if self.scissors.is_cut.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().is_some_and(|cut| cut.as_mut().poll(task).is_ready()) {
            self.cut = None;
        }
        self.check()?;
        Pin::new(&mut self.io).poll_read(task, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.io).poll_write(task, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}
