//! One circuit: closed, open, half open.

use std::time::Instant;

use super::window::{CircuitCounts, Window};
use super::{BreakerConfig, Outcome};

/// Whether calls go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// They do.
    #[default]
    Closed,
    /// They do not.
    Open,
    /// One does from time to time, to see.
    HalfOpen,
}

/// ```text
/// Closed ── too many failures ──► Open ── cool-off is over ──► HalfOpen ── successes ──► Closed
///                                  ▲                               │
///                                  └────────── a failure ──────────┘
/// ```
#[derive(Debug, Default)]
pub(super) struct Circuit {
    window: Window,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        since: Instant,
    },
    HalfOpen {
        last_probe: Instant,
        successes: u32,
    },
}

/// A circuit that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) from: CircuitState,
    pub(super) to: CircuitState,
    pub(super) counts: CircuitCounts,
}

impl Circuit {
    pub(super) fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    pub(super) fn counts(&mut self, now: Instant) -> CircuitCounts {
        self.window.total(now)
    }

    /// Lets a call through, or says why not.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        config: &BreakerConfig,
    ) -> (Result<(), CircuitCounts>, Option<Transition>) {
        match self.phase {
            Phase::Closed => (Ok(()), None),
            Phase::Open { since } if now.saturating_duration_since(since) >= config.cool_off => {
                let counts = self.window.total(now);
                (Ok(()), self.enter(Phase::HalfOpen { last_probe: now, successes: 0 }, counts))
            }
            Phase::HalfOpen { last_probe, successes }
                if now.saturating_duration_since(last_probe) >= config.probe_interval =>
            {
                self.phase = Phase::HalfOpen { last_probe: now, successes };
                (Ok(()), None)
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => (Err(self.window.total(now)), None),
        }
    }

    /// Counts how a call went.
    pub(super) fn record(&mut self, now: Instant, config: &BreakerConfig, outcome: Outcome) -> Option<Transition> {
        let is_error = matches!(outcome, Outcome::Failed | Outcome::TimedOut);
        if is_error || matches!(self.phase, Phase::Closed) {
            self.window.count(now, outcome);
        }
        let counts = self.window.total(now);
        match self.phase {
            Phase::Closed => {
                let trips = is_error && counts.total() >= config.min_sample && counts.error_rate() >= config.error_rate;
                if trips { self.enter(Phase::Open { since: now }, counts) } else { None }
            }
            // A call from before.
            Phase::Open { .. } => None,
            Phase::HalfOpen { .. } if is_error => self.enter(Phase::Open { since: now }, counts),
            Phase::HalfOpen { last_probe, successes } if outcome == Outcome::Succeeded => {
                let successes = successes + 1;
                if successes < config.probe_successes {
                    self.phase = Phase::HalfOpen { last_probe, successes };
                    return None;
                }
                self.window.clear();
                self.enter(Phase::Closed, counts)
            }
            Phase::HalfOpen { .. } => None,
        }
    }

    fn enter(&mut self, phase: Phase, counts: CircuitCounts) -> Option<Transition> {
        let from = self.state();
        self.phase = phase;
        Some(Transition { from, to: self.state(), counts })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    enum Step {
        /// Whether a call is let through.
        Ask(bool),
        /// How so many calls went.
        Went(usize, Outcome),
    }

    /// After so many milliseconds, what happens, and what the circuit is then.
    type Row = (u64, Step, CircuitState);

    #[test]
    fn a_circuit_goes_its_way() {
        use CircuitState::{Closed, HalfOpen, Open};
        use Outcome::{Failed, Ignored, Succeeded, TimedOut};
        use Step::{Ask, Went};
        let config = BreakerConfig::default();
        let rows: [(&str, Vec<Row>); 6] = [
            (
                "too few calls say nothing",
                vec![(0, Went(199, Failed), Closed), (1, Ask(true), Closed), (2, Went(1, TimedOut), Open)],
            ),
            (
                "half of the calls may not fail",
                vec![
                    (0, Went(101, Succeeded), Closed),
                    (1, Went(100, Failed), Closed),
                    (2, Went(50, Ignored), Closed),
                    (3, Went(1, TimedOut), Open),
                ],
            ),
            (
                "old failures do not count",
                vec![(0, Went(150, Failed), Closed), (10_000, Went(150, Failed), Closed), (10_001, Ask(true), Closed)],
            ),
            (
                "it cools off, lets probes through, and closes",
                vec![
                    (0, Went(200, Failed), Open),
                    (4_999, Ask(false), Open),
                    (5_000, Ask(true), HalfOpen),
                    (5_001, Ask(false), HalfOpen),
                    (5_100, Went(1, Succeeded), HalfOpen),
                    (5_199, Ask(false), HalfOpen),
                    (5_200, Ask(true), HalfOpen),
                    (5_201, Went(1, Succeeded), Closed),
                    (5_202, Ask(true), Closed),
                    // It begins anew.
                    (5_203, Went(199, Failed), Closed),
                    (5_204, Went(1, Failed), Open),
                ],
            ),
            (
                "a failing probe opens it again",
                vec![
                    (0, Went(200, TimedOut), Open),
                    (5_000, Ask(true), HalfOpen),
                    (5_001, Went(1, Succeeded), HalfOpen),
                    (5_300, Ask(true), HalfOpen),
                    (5_400, Went(1, TimedOut), Open),
                    (10_399, Ask(false), Open),
                    (10_400, Ask(true), HalfOpen),
                ],
            ),
            (
                "a probe that says nothing leaves it half open, and late answers leave it open",
                vec![
                    (0, Went(200, Failed), Open),
                    (1, Went(500, Succeeded), Open),
                    (5_000, Ask(true), HalfOpen),
                    (5_001, Went(1, Ignored), HalfOpen),
                    (5_200, Ask(true), HalfOpen),
                ],
            ),
        ];
        let begin = Instant::now();
        for (name, steps) in rows {
            let mut circuit = Circuit::default();
            for (at, step, state) in steps {
                let now = begin + Duration::from_millis(at);
                let before = circuit.state();
                let transitions = match step {
                    Ask(admits) => {
                        let (admitted, transition) = circuit.admit(now, &config);
                        assert_eq!(admitted.is_ok(), admits, "{name}, at {at} ms");
                        transition.into_iter().collect::<Vec<_>>()
                    }
                    Went(count, outcome) => (0..count).filter_map(|_| circuit.record(now, &config, outcome)).collect(),
                };
                assert_eq!(circuit.state(), state, "{name}, at {at} ms");
                let told = transitions.iter().map(|it| (it.from, it.to)).collect::<Vec<_>>();
                let want = if before == state { vec![] } else { vec![(before, state)] };
                assert_eq!(told, want, "{name}, at {at} ms");
            }
        }
    }
}
