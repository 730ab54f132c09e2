//! What happened in the last ten seconds.

use std::fmt;
use std::time::{Duration, Instant};

use super::Outcome;

/// How many calls ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitCounts {
    /// Those that succeeded.
    pub successes: u64,
    /// Those that failed, timeouts apart.
    pub failures: u64,
    /// Those that took too long.
    pub timeouts: u64,
}

impl CircuitCounts {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.successes + self.failures + self.timeouts
    }

    /// The part of them that failed or timed out, 0.0 to 1.0; 0.0 where there are none.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        // Exact below 2^53 calls in ten seconds.
        #[expect(clippy::cast_precision_loss)]
        let (errors, total) = ((self.failures + self.timeouts) as f64, self.total().max(1) as f64);
        errors / total
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded => self.successes += 1,
            Outcome::Failed => self.failures += 1,
            Outcome::TimedOut => self.timeouts += 1,
            Outcome::Ignored => {}
        }
    }

    fn remove(&mut self, old: Self) {
        self.successes -= old.successes;
        self.failures -= old.failures;
        self.timeouts -= old.timeouts;
    }
}

impl fmt::Display for CircuitCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { successes, failures, timeouts } = self;
        write!(f, "successes {successes}, failures {failures}, timeouts {timeouts}")
    }
}

/// A window that moves with the time, a bucket at a time. As Kitex's.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The bucket of now, by its number since `begin`.
    latest: u64,
    begin: Option<Instant>,
    buckets: Vec<CircuitCounts>,
    total: CircuitCounts,
}

const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS: u64 = 100;

impl Window {
    pub(super) fn count(&mut self, now: Instant, outcome: Outcome) {
        self.advance(now);
        self.total.count(outcome);
        let at = usize::try_from(self.latest % BUCKETS).unwrap_or(0);
        if let Some(bucket) = self.buckets.get_mut(at) {
            bucket.count(outcome);
        }
    }

    pub(super) fn total(&mut self, now: Instant) -> CircuitCounts {
        self.advance(now);
        self.total
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets the buckets that are too old.
    fn advance(&mut self, now: Instant) {
        let begin = *self.begin.get_or_insert(now);
        self.buckets.resize(usize::try_from(BUCKETS).unwrap_or(0), CircuitCounts::default());
        let age = now.saturating_duration_since(begin).as_millis() / BUCKET.as_millis();
        let latest = u64::try_from(age).unwrap_or(u64::MAX);
        let passed = latest.saturating_sub(self.latest).min(BUCKETS);
        for number in 1..=passed {
            let at = usize::try_from((latest - passed + number) % BUCKETS).unwrap_or(0);
            if let Some(bucket) = self.buckets.get_mut(at) {
                self.total.remove(std::mem::take(bucket));
            }
        }
        self.latest = self.latest.max(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_ten_seconds_is_forgotten() {
        let begin = Instant::now();
        let at = |millis: u64| begin + Duration::from_millis(millis);
        let mut window = Window::default();
        assert_eq!(window.total(begin).total(), 0);
        for millis in [0, 50, 100, 5_000] {
            window.count(at(millis), Outcome::Failed);
        }
        window.count(at(5_000), Outcome::Succeeded);
        window.count(at(5_000), Outcome::TimedOut);
        window.count(at(5_000), Outcome::Ignored);
        let rows =
            [(5_000, 6), (9_999, 6), (10_000, 4), (10_099, 4), (10_100, 3), (14_999, 3), (15_000, 0), (90_000, 0)];
        for (millis, want) in rows {
            assert_eq!(window.total(at(millis)).total(), want, "after {millis} ms");
        }
        // A clock that goes back changes nothing.
        window.count(at(1_000), Outcome::Succeeded);
        assert_eq!(window.total(at(90_000)), CircuitCounts { successes: 1, ..CircuitCounts::default() });
        window.count(at(1_000_000), Outcome::Failed);
        assert_eq!(window.total(at(1_000_000)).error_rate(), 1.0);
        window.clear();
        assert_eq!(window.total(at(1_000_000)).error_rate(), 0.0);
    }
}
