//! By chance, by weight.

use super::{Balance, Candidates, Pick};
use crate::client::discovery::Instance;

/// Any instance, as likely as its weight says. Needs no state, so nothing that many threads wait for.
#[derive(Clone, Copy, Debug, Default)]
pub struct WeightedRandom;

impl Balance for WeightedRandom {
    fn picker(&self, instances: &[Instance]) -> Box<dyn Pick> {
        Box::new(Weighted::new(instances))
    }
}

/// Draws places of a list, as likely as their weights say.
pub(super) struct Weighted {
    /// The sum of the weights up to each place, its own included.
    sums: Vec<u64>,
}

impl Weighted {
    pub(super) fn new(instances: &[Instance]) -> Self {
        let mut sum = 0;
        let sums = instances.iter().map(|it| {
            sum += u64::from(it.weight);
            sum
        });
        Self { sums: sums.collect() }
    }

    pub(super) fn weight(&self, at: usize) -> u64 {
        let before = at.checked_sub(1).and_then(|before| self.sums.get(before)).copied().unwrap_or(0);
        self.sums.get(at).map_or(0, |sum| sum - before)
    }

    /// Draws one of those that `is_usable`.
    pub(super) fn draw(&self, is_usable: impl Fn(usize) -> bool) -> Option<usize> {
        let total = self.sums.last().copied().filter(|total| *total > 0)?;
        let drawn = fastrand::u64(..total);
        let at = self.sums.partition_point(|sum| *sum <= drawn);
        if is_usable(at) {
            return Some(at);
        }
        // Another draw among those that are left, so that they share evenly.
        let usable = || (0..self.sums.len()).filter(|at| is_usable(*at));
        let total = usable().map(|at| self.weight(at)).sum::<u64>();
        let mut drawn = if total == 0 { return None } else { fastrand::u64(..total) };
        usable().find(|at| {
            let weight = self.weight(*at);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        })
    }
}

impl Pick for Weighted {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        self.draw(|at| candidates.is_usable(at))
    }
}
