//! How long a server's connection lasts.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::Config;
use crate::context::later;

/// Ends a connection that is idle for too long, or too old.
pub(super) struct Lifetime {
    idle: Option<Idle>,
    age: Option<Pin<Box<Sleep>>>,
    grace: Option<Duration>,
}

struct Idle {
    time: Duration,
    timer: Pin<Box<Sleep>>,
    /// When the last stream ended; `None` where there is one.
    since: Option<Instant>,
}

/// Why a connection has lasted long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// It had no stream for too long.
    Idle,
    /// It is too old.
    Age,
}

impl Lifetime {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            idle: config.max_idle_time.map(Idle::new),
            age: config.max_age.map(|age| Box::pin(sleep(jittered(age)))),
            grace: config.max_age_grace,
        }
    }

    /// The connection takes no more streams, for the reason given or because the server ends: what is left to the streams that
    /// run, where that is limited, and to the client to go, once there are none.
    pub(super) fn drain(&mut self, over: Option<Over>, patience: Duration) {
        self.idle = Some(Idle::new(patience));
        self.age = self.grace.filter(|_| over == Some(Over::Age)).map(|grace| Box::pin(sleep(grace)));
    }

    /// Ready: the connection has lasted long enough.
    pub(super) fn poll_over(&mut self, task: &mut Context<'_>, has_streams: bool) -> Poll<Over> {
        if let Some(idle) = &mut self.idle {
            if idle.poll_over(task, has_streams).is_ready() {
                return Poll::Ready(Over::Idle);
            }
        }
        match &mut self.age {
            Some(age) => age.as_mut().poll(task).map(|()| Over::Age),
            None => Poll::Pending,
        }
    }
}

impl Idle {
    fn new(time: Duration) -> Self {
        Self { time, timer: Box::pin(sleep(time)), since: None }
    }

    /// The timer is set when it has passed, not when a stream comes or goes.
    fn poll_over(&mut self, task: &mut Context<'_>, has_streams: bool) -> Poll<()> {
        if has_streams {
            self.since = None;
        } else if self.since.is_none() {
            self.since = Some(Instant::now());
        }
        loop {
            ready!(self.timer.as_mut().poll(task));
            let since = self.since.unwrap_or_else(Instant::now);
            let until = Instant::from_std(later(since.into_std(), self.time));
            if self.since.is_some() && until <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until);
        }
    }
}

/// A tenth more or less, so that connections that were made together do not end together.
fn jittered(age: Duration) -> Duration {
    let factor = 0.9 + 0.2 * fastrand::f64();
    Duration::try_from_secs_f64(age.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}
