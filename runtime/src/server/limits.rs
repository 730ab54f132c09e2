//! How much a server takes on.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::paced::Paced;
use crate::context::{Context, lock, now};
use crate::error::{Error, Result};
use crate::net::Address;
use crate::status::Code;
use crate::transport::{Admission, Halves, Load};

/// How much a server takes on. Nothing is limited by default.
///
/// What is over a limit is refused at once: a connection is closed, a stream ends with code 8, a ping-pong call with an
/// exception of kind 6; the texts begin with Kitex's `request over limit`. Calls are counted one by one over HTTP/2 too (Kitex
/// counts its connections there). A stream counts when it is opened, not for each of its messages.
///
/// ```
/// # use std::time::Duration;
/// # use thrill::{Limits, Result, Server};
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> Result<String>; }
/// # struct Handler; impl Echo for Handler { async fn echo(&self, text: String) -> Result<String> { Ok(text) } }
/// # #[tokio::main] async fn main() -> Result<()> {
/// let limits = Limits::default().with_max_connections(1_000).with_max_qps(5_000);
/// let server = Server::new()
///     .add(EchoServer::new(Handler))
///     .limits(limits)
///     .on_limit(|refused| eprintln!("{refused}"))
///     .bind("127.0.0.1:0").await?.spawn();
///
/// server.handle().set_limits(limits.with_max_qps(10_000)); // while it runs
/// server.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many connections there are at a time.
    pub max_connections: Option<usize>,
    /// How many streams and calls run at a time, on all connections.
    pub max_concurrent_calls: Option<usize>,
    /// How many streams and calls begin in a second. After a quiet second, so many may begin at once.
    pub max_qps: Option<u32>,
    /// How many messages of one stream are read in a second; see [`Limits::max_stream_bytes_per_second`].
    pub max_stream_messages_per_second: Option<u32>,
    /// How many bytes of the messages of one stream are read in a second. A stream that brings more is not refused: its
    /// handler's `recv` waits, and flow control makes the client wait. Holds for streams that begin after it was set.
    pub max_stream_bytes_per_second: Option<u32>,
}

/// Makes the same limits with another value.
macro_rules! with {
    ($($with:ident $name:ident: $ty:ty,)*) => {$(
        #[doc = concat!("The same limits with another [`", stringify!($name), "`](Self::", stringify!($name), ").")]
        #[must_use]
        pub fn $with(mut self, limit: impl Into<Option<$ty>>) -> Self {
            self.$name = limit.into();
            self
        }
    )*};
}

impl Limits {
    with! {
        with_max_connections max_connections: usize,
        with_max_concurrent_calls max_concurrent_calls: usize,
        with_max_qps max_qps: u32,
        with_max_stream_messages_per_second max_stream_messages_per_second: u32,
        with_max_stream_bytes_per_second max_stream_bytes_per_second: u32,
    }

    /// # Errors
    /// A limit that lets nothing through.
    pub(super) fn check(&self) -> Result<()> {
        let rows = [
            ("max_connections", self.max_connections == Some(0)),
            ("max_concurrent_calls", self.max_concurrent_calls == Some(0)),
            ("max_qps", self.max_qps == Some(0)),
            ("max_stream_messages_per_second", self.max_stream_messages_per_second == Some(0)),
            ("max_stream_bytes_per_second", self.max_stream_bytes_per_second == Some(0)),
        ];
        match rows.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => {
                Err(Error::misuse(format!("`{name}` is 0: such a server serves nothing; use `None` for no limit")))
            }
            None => Ok(()),
        }
    }
}

/// A limit of one's own, asked after those of [`Limits`].
///
/// ```
/// use std::net::IpAddr;
/// use thrill::net::Address;
/// use thrill::{Context, Limiter, Permit};
///
/// /// Refuses who is not from this machine.
/// struct LocalOnly;
///
/// impl Limiter for LocalOnly {
///     fn connection(&self, peer: &Address) -> Result<Permit, String> {
///         match peer {
///             Address::Tcp(addr) if !addr.ip().is_loopback() => Err(format!("{} is far away", addr.ip())),
///             _ => Ok(Permit::new()),
///         }
///     }
///
///     fn call(&self, cx: &Context) -> Result<Permit, String> {
///         if cx.method() == "Slow" { Err("not now".to_owned()) } else { Ok(Permit::new()) }
///     }
/// }
/// ```
pub trait Limiter: Send + Sync + 'static {
    /// Lets a connection in, before anything is read from it.
    ///
    /// # Errors
    /// Why not, for the report.
    fn connection(&self, peer: &Address) -> Result<Permit, String> {
        let _ = peer;
        Ok(Permit::new())
    }

    /// Lets a stream or a call begin.
    ///
    /// # Errors
    /// Why not; it is told to the caller behind `request over limit: `.
    fn call(&self, cx: &Context) -> Result<Permit, String>;
}

/// What a [`Limiter`] let in; it is dropped when that has ended.
#[derive(Default)]
pub struct Permit(Option<Box<dyn Any + Send + Sync>>);

impl Permit {
    /// A permit that nothing has to be given back for.
    #[must_use]
    pub fn new() -> Self {
        Self(None)
    }

    /// A permit with a value whose drop gives it back, such as a permit of a semaphore.
    pub fn of(held: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(held)))
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("is_held", &self.0.is_some()).finish()
    }
}

/// What a server refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Which limit it is over.
    pub limit: LimitKind,
    /// Whose connection, or whose call.
    pub peer: Option<Address>,
    /// The service that was called; empty for a connection.
    pub service: &'static str,
    /// The method that was called; empty for a connection.
    pub method: &'static str,
    /// What the caller is told, without `request over limit: `.
    pub reason: String,
}

/// A kind of limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::max_connections`].
    Connections,
    /// [`Limits::max_concurrent_calls`].
    ConcurrentCalls,
    /// [`Limits::max_qps`].
    Qps,
    /// A [`Limiter`].
    Limiter,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request over limit: {}", self.reason)?;
        if !self.method.is_empty() {
            write!(f, ", {}.{}", self.service, self.method)?;
        }
        match &self.peer {
            Some(peer) => write!(f, ", from {peer}"),
            None => Ok(()),
        }
    }
}

/// What the permits of one call hold.
type Held = Vec<Box<dyn Any + Send + Sync>>;

pub(super) type OnLimit = Arc<dyn Fn(&Refused) + Send + Sync>;

/// Lets connections, streams and calls in, and counts them.
pub(crate) struct Gate {
    limits: Mutex<Limits>,
    most_connections: AtomicUsize,
    most_calls: AtomicUsize,
    is_paced: AtomicBool,
    are_streams_paced: AtomicBool,
    qps: Mutex<Option<Pace>>,
    pub(super) connections: Load,
    pub(super) calls: Load,
    limiters: Vec<Arc<dyn Limiter>>,
    on_limit: Vec<OnLimit>,
}

impl Gate {
    pub(super) fn new(limits: Limits, limiters: Vec<Arc<dyn Limiter>>, on_limit: Vec<OnLimit>) -> Self {
        let gate = Self {
            limits: Mutex::default(),
            most_connections: AtomicUsize::new(0),
            most_calls: AtomicUsize::new(0),
            is_paced: AtomicBool::new(false),
            are_streams_paced: AtomicBool::new(false),
            qps: Mutex::new(None),
            connections: Load::default(),
            calls: Load::default(),
            limiters,
            on_limit,
        };
        gate.set(limits);
        gate
    }

    pub(super) fn limits(&self) -> Limits {
        *lock(&self.limits)
    }

    pub(super) fn set(&self, limits: Limits) {
        let mut current = lock(&self.limits);
        self.most_connections.store(limits.max_connections.unwrap_or(usize::MAX), Ordering::Relaxed);
        self.most_calls.store(limits.max_concurrent_calls.unwrap_or(usize::MAX), Ordering::Relaxed);
        if current.max_qps != limits.max_qps {
            *lock(&self.qps) = limits.max_qps.map(Pace::new);
            self.is_paced.store(limits.max_qps.is_some(), Ordering::Relaxed);
        }
        let of_streams =
            limits.max_stream_messages_per_second.is_some() || limits.max_stream_bytes_per_second.is_some();
        self.are_streams_paced.store(of_streams, Ordering::Relaxed);
        *current = limits;
    }

    /// Lets a connection in.
    pub(super) fn connection(&self, peer: &Address) -> Option<Admission> {
        let refuse = |limit, reason| {
            self.tell(&Refused { limit, peer: Some(peer.clone()), service: "", method: "", reason });
            None
        };
        let most = self.most_connections.load(Ordering::Relaxed);
        let Some(running) = self.connections.begin_below(most) else {
            return refuse(LimitKind::Connections, format!("too many connections: {most} are open"));
        };
        match self.ask(|limiter| limiter.connection(peer)) {
            Ok(permits) => Some(Admission::new(running, permits)),
            Err(reason) => refuse(LimitKind::Limiter, reason),
        }
    }

    /// Lets a stream or a call begin.
    ///
    /// # Errors
    /// What its caller is told.
    pub(super) fn call(&self, cx: &Context) -> Result<Admission> {
        let refuse = |limit, reason| {
            let (peer, service, method) = (cx.peer().cloned(), cx.service(), cx.method());
            let refused = Refused { limit, peer, service, method, reason };
            self.tell(&refused);
            Err(Error::status(Code::RESOURCE_EXHAUSTED, format!("request over limit: {}", refused.reason)))
        };
        let most = self.most_calls.load(Ordering::Relaxed);
        let Some(running) = self.calls.begin_below(most) else {
            return refuse(LimitKind::ConcurrentCalls, format!("too many concurrent calls: {most} run"));
        };
        if self.is_paced.load(Ordering::Relaxed) && !lock(&self.qps).as_mut().is_none_or(|qps| qps.admit(now())) {
            // Kitex's words.
            return refuse(LimitKind::Qps, "request too frequent".to_owned());
        }
        match self.ask(|limiter| limiter.call(cx)) {
            Ok(permits) => Ok(Admission::new(running, permits)),
            Err(reason) => refuse(LimitKind::Limiter, reason),
        }
    }

    /// The stream, read no faster than allowed.
    pub(super) fn pace(&self, Halves { send, recv }: Halves, cx: &Context) -> Halves {
        if !self.are_streams_paced.load(Ordering::Relaxed) {
            return Halves { send, recv };
        }
        Halves { send, recv: Paced::over(recv, cx, self.limits()) }
    }

    fn ask(&self, ask: impl Fn(&dyn Limiter) -> Result<Permit, String>) -> Result<Held, String> {
        let permits = self.limiters.iter().map(|limiter| ask(&**limiter));
        permits.filter_map(|permit| permit.map(|Permit(held)| held).transpose()).collect()
    }

    fn tell(&self, refused: &Refused) {
        tracing::warn!(%refused, limit = ?refused.limit, "refused");
        self.on_limit.iter().for_each(|tell| tell(refused));
    }
}

/// So much per second, and a second's worth at once: the generic cell rate algorithm. By the runtime's clock.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    /// When all that was let through would have been, had it come evenly.
    even: Option<Instant>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, even: None }
    }

    /// How long so much takes.
    fn time_of(&self, amount: usize) -> Duration {
        let nanos = (amount as u128).saturating_mul(SECOND.as_nanos()) / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Lets one through, or not.
    fn admit(&mut self, now: Instant) -> bool {
        let even = self.even.map_or(now, |even| even.max(now)) + self.time_of(1);
        let is_early = self.per_second == 0 || even.saturating_duration_since(now) > SECOND;
        if !is_early {
            self.even = Some(even);
        }
        !is_early
    }

    /// Lets so much through, and answers how long to wait before more.
    pub(super) fn charge(&mut self, now: Instant, amount: usize) -> Duration {
        let even = self.even.map_or(now, |even| even.max(now));
        let even = even.checked_add(self.time_of(amount)).unwrap_or(even);
        self.even = Some(even);
        even.saturating_duration_since(now).saturating_sub(SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_lets_a_seconds_worth_through_at_once_and_then_evenly() {
        let begin = Instant::now();
        let mut pace = Pace::new(10);
        let mut admitted = |millis: u64, calls: usize| {
            (0..calls).filter(|_| pace.admit(begin + Duration::from_millis(millis))).count()
        };
        for (millis, calls, want) in
            [(0, 30, 10), (99, 5, 0), (100, 5, 1), (150, 5, 0), (400, 5, 3), (900, 3, 3), (60_000, 30, 10)]
        {
            assert_eq!(admitted(millis, calls), want, "at {millis} ms");
        }
    }

    #[test]
    fn what_is_larger_than_a_second_is_paid_for_afterwards() {
        let begin = Instant::now();
        let mut pace = Pace::new(1_000);
        assert_eq!(pace.charge(begin, 400), Duration::ZERO);
        assert_eq!(pace.charge(begin, 600), Duration::ZERO);
        assert_eq!(pace.charge(begin, 5_000), Duration::from_secs(5));
        assert_eq!(pace.charge(begin + Duration::from_secs(6), 1), Duration::ZERO);
        assert_eq!(Pace::new(1).charge(begin, usize::MAX), Duration::from_nanos(u64::MAX) - SECOND);
    }
}
