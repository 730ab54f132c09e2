//! Lets the streams of a connection share system calls.
//!
//! The h2 crate writes and flushes whenever its task runs, and in between behind each DATA frame that is not short: for many
//! streams that is a system call per message. [`Gather`] stands between it and the socket, and gathers what it writes. It leaves by
//! the task's [`Outlet`], once the h2 crate has no more: that first yields to the scheduler where more than one stream is active, so
//! that the others can add their frames. What a lone stream sends leaves at once.
//!
//! In the other direction it takes a few frames at a time, see [`FRAMES_A_TURN`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::keepalive::Strikes;
use crate::context::lock;
use crate::net::BoxIo;
use crate::wire::http2::{Progress, explain_goaway};

/// What a connection's task and its [`Gather`] know of each other.
#[derive(Debug)]
pub(crate) struct Pulse {
    active: AtomicUsize,
    began: Instant,
    /// How often the connection's task has begun to look at the connection.
    turn: AtomicUsize,
    /// When something was read last, in milliseconds from `began`.
    read: AtomicU64,
    /// Frames ended so far, shifted by one, and whether something is unfinished.
    progress: AtomicU64,
    /// Whether headers or data were sent since this was asked last.
    has_sent: AtomicBool,
    /// Whether the peer pings more than it may.
    has_too_many_pings: AtomicBool,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            active: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            began: Instant::now(),
            read: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            has_sent: AtomicBool::new(false),
            has_too_many_pings: AtomicBool::new(false),
        }
    }

    /// How many streams are open.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Only the connection's task says it.
    pub(crate) fn set_active(&self, streams: usize) {
        let before = self.active();
        self.active.store(streams, Ordering::Relaxed);
        match (before > 1, streams > 1) {
            (false, true) => BUSY.fetch_add(1, Ordering::Relaxed),
            (true, false) => BUSY.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }

    /// The connection's task begins to look at the connection: it reads some more.
    pub(super) fn begin_turn(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// When something was read last.
    pub(crate) fn last_read(&self) -> Instant {
        self.began + Duration::from_millis(self.read.load(Ordering::Relaxed))
    }

    /// The number of the frame that is unfinished; `None` between frames.
    pub(crate) fn unfinished(&self) -> Option<u64> {
        let progress = self.progress.load(Ordering::Relaxed);
        (progress & 1 == 1).then_some(progress >> 1)
    }

    /// Headers or data are sent.
    pub(crate) fn note_sent(&self) {
        self.has_sent.store(true, Ordering::Relaxed);
    }

    /// Whether headers or data were sent since this was asked last.
    pub(super) fn take_sent(&self) -> bool {
        self.has_sent.swap(false, Ordering::Relaxed)
    }

    /// Whether the peer pings more than it may.
    pub(crate) fn has_too_many_pings(&self) -> bool {
        self.has_too_many_pings.load(Ordering::Relaxed)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.set_active(0);
    }
}

/// How many connections of this process have several streams.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// An IO whose writes are gathered: the h2 crate's side of it.
pub(crate) struct Gather(Arc<Mutex<Gathering>>);

/// As [`Gather`]: the side of the connection's task.
pub(super) struct Outlet(Arc<Mutex<Gathering>>);

struct Gathering {
    io: BoxIo,
    pulse: Arc<Pulse>,
    /// Read already: before this wrapper was made, or more than one turn takes.
    ahead: Bytes,
    progress: Progress,
    turn: Turn,
    /// How many threads the runtime has.
    workers: usize,
    is_server: bool,
    strikes: Option<Strikes>,
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
    has_yielded: bool,
    /// Whether a flush leaves what is gathered to the [`Outlet`].
    has_outlet: bool,
    /// Why the outlet could not write, for the h2 crate to hear.
    failed: Option<io::Error>,
}

/// What a [`Gather`] reads while the connection's task looks at the connection once.
struct Turn {
    /// As [`Pulse`] counts them.
    number: usize,
    /// The number of the last frame that it takes.
    last_frame: u64,
    /// Whether it has taken that, and the task is woken for the next turn.
    has_paused: bool,
}

/// How many frames a turn of the connection's task takes. What they wake then runs, and what that sends leaves, before the next are
/// taken: so both sides of a connection work at a time, where otherwise all its streams would wait for one side and then for
/// the other, and what one turn needs stays in the processor's cache.
const FRAMES_A_TURN: u64 = 16;
/// A buffer of this size is written without waiting for a flush.
const FULL: usize = 64 << 10;
/// From this much on nothing is waited for: the system call is shared well enough.
const WORTH_A_CALL: usize = 16 << 10;
/// A single write of at least this much is not copied.
const LONG: usize = 16 << 10;
/// gRPC's word for a client that pings too often.
const TOO_MANY_PINGS: &[u8] = b"too_many_pings";
/// What is kept of the buffer between flushes.
const KEEP: usize = 80 << 10;
/// What is kept of it on a connection without streams.
const KEEP_IDLE: usize = 4 << 10;

impl Gather {
    /// A client's side: what the server sends is not watched.
    pub(crate) fn client(io: BoxIo, pulse: Arc<Pulse>) -> Self {
        Self::new(Gathering::new(io, pulse, Bytes::new(), Progress::of_server()))
    }

    /// A server's side: `ahead` was read for detection, and unfinished frames and too many pings are told to the pulse.
    pub(super) fn server(io: BoxIo, pulse: Arc<Pulse>, ahead: Bytes, strikes: Option<Strikes>) -> Self {
        let gathering = Gathering::new(io, pulse, ahead, Progress::of_client());
        Self::new(Gathering { is_server: true, strikes, ..gathering })
    }

    fn new(gathering: Gathering) -> Self {
        Self(Arc::new(Mutex::new(gathering)))
    }

    /// What the connection's task is to write by, once it looks at the connection.
    pub(super) fn outlet(&self) -> Outlet {
        Outlet(Arc::clone(&self.0))
    }
}

impl Outlet {
    /// From now on what the h2 crate flushes is left to [`Outlet::write`], or no longer.
    pub(super) fn open(&self, is_open: bool) {
        lock(&self.0).has_outlet = is_open;
    }

    /// Writes what was gathered, once the other streams had the time to add to it. What fails the h2 crate hears by its next flush.
    pub(super) fn write(&self, task: &mut Context<'_>) {
        let mut gathering = lock(&self.0);
        let pending = gathering.pending();
        if pending == 0 {
            return gathering.give_back();
        }
        if !gathering.has_yielded && pending < WORTH_A_CALL && gathering.pulse.active() > 1 {
            gathering.has_yielded = true;
            return task.waker().wake_by_ref();
        }
        if let Poll::Ready(Err(err)) = gathering.poll_out(task) {
            gathering.failed = Some(err);
            task.waker().wake_by_ref();
        }
    }
}

impl Gathering {
    fn new(io: BoxIo, pulse: Arc<Pulse>, ahead: Bytes, progress: Progress) -> Self {
        Self {
            io,
            pulse,
            ahead,
            progress,
            turn: Turn { number: 0, last_frame: u64::MAX, has_paused: false },
            workers: Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers()),
            is_server: false,
            strikes: None,
            out: Vec::new(),
            written: 0,
            has_yielded: false,
            has_outlet: false,
            failed: None,
        }
    }

    /// Waits for the next turn where this one has taken all that it may. Before the first there is no bound.
    fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        let (number, frames) = (self.pulse.turn.load(Ordering::Relaxed), self.progress.frames());
        if self.turn.number != number {
            // Where there are more busy connections than threads, one works while another waits, and long turns share more calls.
            let is_short = BUSY.load(Ordering::Relaxed) <= self.workers;
            let last_frame = if is_short { frames + FRAMES_A_TURN } else { u64::MAX };
            self.turn = Turn { number, last_frame, has_paused: false };
        }
        if frames < self.turn.last_frame {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.turn.has_paused, true) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Looks at bytes that were read; answers how many of them this turn takes.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = self.progress.feed(bytes, self.turn.last_frame);
        if self.is_server {
            let word = self.progress.frames() << 1 | u64::from(self.progress.is_partial());
            self.pulse.progress.store(word, Ordering::Relaxed);
            let pings = self.progress.take_pings();
            if let Some(strikes) = &mut self.strikes {
                if (0..pings).any(|_| strikes.ping(&self.pulse)) {
                    self.pulse.has_too_many_pings.store(true, Ordering::Relaxed);
                }
            }
        }
        taken
    }

    fn note_read(&self) {
        let millis = self.pulse.began.elapsed().as_millis();
        self.pulse.read.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn pending(&self) -> usize {
        self.out.len() - self.written
    }

    fn write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.out.clear();
        self.written = 0;
        if self.out.capacity() > KEEP {
            self.out.shrink_to(FULL);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that was gathered.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_out(cx))?;
        self.has_yielded = false;
        self.give_back();
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Gives the empty buffer's memory back where no stream is open: a connection may rest for long.
    fn give_back(&mut self) {
        if self.out.capacity() > KEEP_IDLE && self.pulse.active() == 0 {
            self.out = Vec::new();
        }
    }

    /// Writes what is pending and `bufs` by one system call; answers how much of `bufs` went.
    fn write_through(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let before = self.pending();
        let mut slices = [IoSlice::new(&[]); 8];
        let rest = self.out.get(self.written..).unwrap_or_default();
        let mut count = 0;
        for (slot, slice) in slices.iter_mut().zip(std::iter::once(rest).chain(bufs.iter().map(|buf| &**buf))) {
            *slot = IoSlice::new(slice);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let sent = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?;
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        if sent < before {
            self.written += sent;
            return self.write_through(cx, bufs);
        }
        self.out.clear();
        self.written = 0;
        match sent - before {
            0 => self.write_through(cx, bufs),
            taken => Poll::Ready(Ok(taken)),
        }
    }
}

impl AsyncRead for Gather {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *lock(&self.0);
        ready!(this.poll_turn(cx));
        let before = buf.filled().len();
        if this.ahead.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            this.note_read();
            let read = buf.filled().get(before..).unwrap_or_default();
            let taken = this.take(read);
            if let Some(later) = read.get(taken..).filter(|later| !later.is_empty()) {
                this.ahead = Bytes::copy_from_slice(later);
                buf.set_filled(before + taken);
            }
        } else {
            let mut ahead = std::mem::take(&mut this.ahead);
            let taken = this.take(ahead.get(..ahead.len().min(buf.remaining())).unwrap_or_default());
            buf.put_slice(ahead.get(..taken).unwrap_or_default());
            ahead.advance(taken);
            this.ahead = ahead;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gather {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *lock(&self.0);
        let len = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if len >= LONG {
            return this.write_through(cx, bufs);
        }
        if this.pending() >= FULL {
            ready!(this.write_out(cx))?;
        }
        for buf in bufs {
            this.out.extend_from_slice(buf);
        }
        if this.strikes.is_some() && this.pulse.has_too_many_pings() {
            // The h2 crate says goodbye without a word, and gRPC's clients look for this one.
            explain_goaway(&mut this.out, TOO_MANY_PINGS);
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *lock(&self.0);
        if let Some(err) = this.failed.take() {
            return Poll::Ready(Err(err));
        }
        if this.has_outlet { Poll::Ready(Ok(())) } else { this.poll_out(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *lock(&self.0);
        ready!(this.write_out(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn begin_turn(gather: &Gather) {
        lock(&gather.0).pulse.begin_turn();
    }

    /// Reads for one turn of the connection's task.
    fn read_turn(gather: &mut Gather, into: &mut Vec<u8>, step: usize) {
        begin_turn(gather);
        let mut memory = vec![0; step];
        loop {
            let mut buf = ReadBuf::new(&mut memory);
            match Pin::new(&mut *gather).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
                Poll::Ready(read) => read.unwrap(),
                Poll::Pending => return,
            }
            assert!(!buf.filled().is_empty(), "nothing is no end here");
            into.extend_from_slice(buf.filled());
        }
    }

    #[tokio::test]
    async fn what_comes_is_read_whole_however_many_turns_it_takes() {
        let frame = |len: u8| [&[0, 0, len, 0, 0, 0, 0, 0, 1][..], &vec![len; usize::from(len)]].concat();
        let frames: Vec<u8> = (0..200).flat_map(|number| frame(number % 7)).collect();
        for step in [1, 10, 100, 1000, 10_000] {
            let (io, mut peer) = tokio::io::duplex(1 << 20);
            let mut gather = Gather::client(Box::new(io), Arc::new(Pulse::new()));
            peer.write_all(&frames).await.unwrap();
            let mut got = Vec::new();
            while got.len() < frames.len() {
                let before = got.len();
                read_turn(&mut gather, &mut got, step);
                assert!(got.len() > before, "steps of {step}");
                // The runtime lets a task read only so often at a time.
                tokio::task::yield_now().await;
            }
            assert_eq!(got, frames, "steps of {step}");
            drop(peer);
            begin_turn(&gather);
            let mut memory = [0; 8];
            let mut buf = ReadBuf::new(&mut memory);
            poll_fn(|cx| Pin::new(&mut gather).poll_read(cx, &mut buf)).await.unwrap();
            assert!(buf.filled().is_empty(), "the end");
        }
    }

    #[tokio::test]
    async fn a_short_turn_takes_so_many_frames_and_asks_for_the_next() {
        let (io, mut peer) = tokio::io::duplex(1 << 20);
        let mut gather = Gather::client(Box::new(io), Arc::new(Pulse::new()));
        // However busy other connections of this process are.
        lock(&gather.0).workers = usize::MAX;
        peer.write_all(&[0; 9 * 40]).await.unwrap();
        let mut got = Vec::new();
        for most in [16, 32, 40] {
            read_turn(&mut gather, &mut got, 1000);
            assert_eq!(got.len(), 9 * most);
            assert_eq!(lock(&gather.0).turn.has_paused, most < 40);
        }
    }

    #[tokio::test]
    async fn what_is_flushed_leaves_by_the_outlet_once_the_other_streams_had_their_time() {
        let (io, mut peer) = tokio::io::duplex(1 << 10);
        let pulse = Arc::new(Pulse::new());
        let mut gather = Gather::client(Box::new(io), Arc::clone(&pulse));
        let outlet = gather.outlet();
        let task = &mut Context::from_waker(Waker::noop());
        let mut come = [0; 64];
        let mut came = || peer.read(&mut come).now_or_never().map(Result::unwrap);
        // Before the outlet is open, a flush writes: so does a handshake.
        gather.write_all(b"preface").await.unwrap();
        gather.flush().await.unwrap();
        assert_eq!(came(), Some(7));

        outlet.open(true);
        for (active, turns) in [(1, 1), (2, 2), (1, 1)] {
            pulse.set_active(active);
            for frame in [b"one", b"two"] {
                gather.write_all(frame).await.unwrap();
                gather.flush().await.unwrap();
            }
            for turn in 1..=turns {
                assert_eq!(came(), None, "{active} streams");
                outlet.write(task);
                assert_eq!(lock(&gather.0).pending() == 0, turn == turns, "{active} streams");
            }
            assert_eq!(came(), Some(6), "both frames by one call");
        }

        drop(peer);
        gather.write_all(b"lost").await.unwrap();
        gather.flush().await.unwrap();
        outlet.write(task);
        assert_eq!(gather.flush().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
