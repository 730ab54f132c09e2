//! Whether an instance could be reached lately.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::context::now;

/// How it went with an instance. One that could not be reached is left alone for a while: a second, and twice as long each
/// further time, up to ten. Calls that have nowhere else to go still try it.
#[derive(Debug)]
pub(super) struct Health {
    born: Instant,
    failures: AtomicU32,
    /// Milliseconds after `born`; 0: it is well.
    avoided_until: AtomicU64,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

impl Health {
    pub(super) fn new() -> Self {
        Self { born: now(), failures: AtomicU32::new(0), avoided_until: AtomicU64::new(0) }
    }

    fn millis(&self) -> u64 {
        u64::try_from(now().saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_avoided(&self) -> bool {
        let until = self.avoided_until.load(Ordering::Relaxed);
        until != 0 && self.millis() < until
    }

    /// It could not be reached.
    pub(super) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).min(8);
        let rest = (FIRST * (1 << failures)).min(LONGEST);
        let rest = u64::try_from(rest.as_millis()).unwrap_or(u64::MAX);
        self.avoided_until.store(self.millis().saturating_add(rest).max(1), Ordering::Relaxed);
    }

    /// It was reached.
    pub(super) fn reached(&self) {
        if self.avoided_until.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.avoided_until.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_fails_again_is_avoided_for_longer() {
        let health = Health::new();
        assert!(!health.is_avoided());
        for seconds in [1, 2, 4, 8, 10, 10] {
            health.failed();
            tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
            assert!(health.is_avoided(), "not for {seconds} s");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(!health.is_avoided(), "for more than {seconds} s");
        }
        health.failed();
        health.reached();
        assert!(!health.is_avoided());
        health.failed();
        tokio::time::advance(FIRST).await;
        assert!(!health.is_avoided());
    }
}
