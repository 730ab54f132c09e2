//! In turn, by weight.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Balance, Candidates, Pick};
use crate::client::discovery::Instance;
use crate::context::lock;

/// Instances in turn, as often as their weights say, and as evenly mixed as they can be: with the weights 5, 1 and 1 the turns
/// are a a b a c a a. Starts anywhere, so that many clients do not begin with the same instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct WeightedRoundRobin;

impl Balance for WeightedRoundRobin {
    fn picker(&self, instances: &[Instance]) -> Box<dyn Pick> {
        let Some(first) = instances.first() else { return Box::new(InTurn::starting_at(0)) };
        if instances.iter().all(|it| it.weight == first.weight) {
            return Box::new(InTurn::starting_at(fastrand::usize(..instances.len())));
        }
        Box::new(Smooth::new(instances.iter().map(|it| it.weight.into()).collect()))
    }
}

/// All weights are the same: a counter does.
struct InTurn {
    next: AtomicUsize,
}

impl InTurn {
    fn starting_at(next: usize) -> Self {
        Self { next: AtomicUsize::new(next) }
    }
}

impl Pick for InTurn {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let count = candidates.len();
        // Each that is passed over has had its turn: its calls spread over all others, not over its neighbour.
        let turns = (0..count).map(|_| self.next.fetch_add(1, Ordering::Relaxed) % count);
        // Other calls may have taken all the turns of the one that is left.
        turns.chain(0..count).find(|at| candidates.is_usable(*at))
    }
}

/// The smooth algorithm of nginx: each instance earns its weight in every round, the richest is picked and pays for all.
struct Smooth {
    weights: Vec<i64>,
    earned: Mutex<Vec<i64>>,
}

impl Smooth {
    fn new(weights: Vec<i64>) -> Self {
        let mut earned = vec![0; weights.len()];
        // As if some rounds had been.
        for _ in 0..fastrand::usize(..weights.len()).min(64) {
            round(&weights, &mut earned, |_| true);
        }
        Self { weights, earned: Mutex::new(earned) }
    }
}

impl Pick for Smooth {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        round(&self.weights, &mut lock(&self.earned), |at| candidates.is_usable(at))
    }
}

fn round(weights: &[i64], earned: &mut [i64], is_usable: impl Fn(usize) -> bool) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, i64)> = None;
    for (at, (weight, earned)) in weights.iter().zip(earned.iter_mut()).enumerate() {
        if is_usable(at) {
            *earned += weight;
            total += weight;
            if best.is_none_or(|(_, most)| *earned > most) {
                best = Some((at, *earned));
            }
        }
    }
    let (at, _) = best?;
    if let Some(earned) = earned.get_mut(at) {
        *earned -= total;
    }
    Some(at)
}
