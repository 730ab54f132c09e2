//! Probes a connection that is quiet.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

use crate::context::{later, now};

use super::gather::Pulse;

/// When a quiet connection is probed, and when it counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// How long nothing may come before a PING is sent.
    pub time: Duration,
    /// How long the answer may take before the connection is closed.
    pub timeout: Duration,
    /// Whether a connection without streams is probed too. A default Kitex server closes the connection of a client that
    /// pings more than once in five minutes without sending data.
    pub without_streams: bool,
}

impl Keepalive {
    /// For networks that drop quiet connections: a probe after 20 s, 20 s for the answer.
    #[must_use]
    pub fn frequent() -> Self {
        Self { time: Duration::from_secs(20), timeout: Duration::from_secs(20), without_streams: false }
    }

    /// Kitex's server: a probe after 2 h, 20 s for the answer.
    pub(crate) fn server_default() -> Self {
        Self { time: Duration::from_secs(2 * 3600), timeout: Duration::from_secs(20), without_streams: true }
    }
}

/// How often a client may probe a server's connection: Kitex's `EnforcementPolicy`. The default has Kitex's values.
///
/// The third ping that comes too soon ends the connection: GOAWAY with `ENHANCE_YOUR_CALM` and `too_many_pings`. Whenever the server
/// sends headers or data, the count begins again.
///
/// ```
/// use std::time::Duration;
/// use thrill::{KeepaliveEnforcement, Server};
///
/// let server = Server::new()
///     .keepalive_enforcement(KeepaliveEnforcement { min_time: Duration::from_secs(10), without_streams: true })
///     .max_connection_idle_time(Duration::from_secs(15 * 60))
///     .max_connection_age(Duration::from_secs(3600))
///     .max_connection_age_grace(Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepaliveEnforcement {
    /// How far apart pings must be while there are streams. Default 5 min.
    pub min_time: Duration,
    /// Whether a connection without streams may be pinged as often. Default no: then every 2 h.
    pub without_streams: bool,
}

impl Default for KeepaliveEnforcement {
    fn default() -> Self {
        Self { min_time: Duration::from_secs(300), without_streams: false }
    }
}

/// The pings of a client that came too soon.
pub(super) struct Strikes {
    policy: KeepaliveEnforcement,
    last: Option<Instant>,
    count: u32,
}

/// How many are forgiven.
const FORGIVEN: u32 = 2;

/// How far apart pings must be on a connection without streams that may not be pinged.
const RARELY: Duration = Duration::from_secs(2 * 3600);

impl Strikes {
    pub(super) fn new(policy: KeepaliveEnforcement) -> Self {
        Self { policy, last: None, count: 0 }
    }

    /// A ping came; answers whether it is one too many.
    pub(super) fn ping(&mut self, pulse: &Pulse) -> bool {
        let now = Instant::now();
        let last = self.last.replace(now);
        if pulse.take_sent() {
            self.count = 0;
            return false;
        }
        let is_quiet = pulse.active() == 0 && !self.policy.without_streams;
        let apart = if is_quiet { RARELY } else { self.policy.min_time };
        if last.is_some_and(|last| now < last + apart) {
            self.count += 1;
        }
        self.count > FORGIVEN
    }
}

/// The probe of one connection.
pub(super) struct Probe {
    config: Keepalive,
    ping: PingPong,
    timer: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl Probe {
    /// `None` where the connection's pings are not to be had, which is once.
    pub(super) fn new(config: Keepalive, ping: Option<PingPong>) -> Option<Self> {
        let timer = Box::pin(sleep(config.time));
        Some(Self { config, ping: ping?, timer, is_waiting: false })
    }

    /// Ready: the peer did not answer.
    pub(super) fn poll_dead(&mut self, task: &mut Context<'_>, pulse: &Pulse) -> Poll<()> {
        loop {
            if self.is_waiting {
                match self.ping.poll_pong(task) {
                    Poll::Ready(Ok(_)) => {
                        self.is_waiting = false;
                        self.rest();
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return self.timer.as_mut().poll(task),
                }
            }
            ready!(self.timer.as_mut().poll(task));
            let quiet_until = Instant::from_std(later(pulse.last_read().into_std(), self.config.time));
            if quiet_until > Instant::now() {
                self.timer.as_mut().reset(quiet_until);
            } else if pulse.active() == 0 && !self.config.without_streams {
                self.rest();
            } else if self.ping.send_ping(Ping::opaque()).is_ok() {
                self.is_waiting = true;
                self.timer.as_mut().reset(later(now(), self.config.timeout).into());
            } else {
                return Poll::Ready(());
            }
        }
    }

    fn rest(&mut self) {
        self.timer.as_mut().reset(later(now(), self.config.time).into());
    }
}
