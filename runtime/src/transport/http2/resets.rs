//! Watches for a client that opens streams only to reset them.

use std::time::Duration;

use tokio::time::Instant;

/// How many streams their client has reset before this side looked at them: each cost it two short frames, and this side a call.
///
/// The h2 crate counts those that wait at a time, and with a few frames a turn no more than a few do.
#[derive(Default)]
pub(super) struct EarlyResets {
    since: Option<Instant>,
    count: usize,
}

/// How many there may be within [`WHILE`]. The h2 crate's 20 is less than what honest clients with short deadlines do to a server that
/// was stalled for a moment; a flood is still a flood beyond this.
pub(super) const MOST_EARLY_RESETS: usize = 200;

const WHILE: Duration = Duration::from_secs(1);

impl EarlyResets {
    /// Counts one more.
    pub(super) fn note(&mut self) {
        let now = Instant::now();
        if self.since.is_none_or(|since| now - since > WHILE) {
            (self.since, self.count) = (Some(now), 0);
        }
        self.count += 1;
    }

    /// Whether there were more than there may be.
    pub(super) fn are_too_many(&self) -> bool {
        self.count > MOST_EARLY_RESETS
    }
}
