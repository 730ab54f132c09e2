//! In turn, those of greater weight more often.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::{Balance, Candidates, Pick};
use crate::client::discovery::Instance;
use crate::context::lock;

/// Instances in turn; those of greater weight have further turns when the others have had theirs: with the weights 3, 1 and 2
/// the turns are a b c a c a. Takes the same time however many instances there are, and mixes less evenly than
/// [`WeightedRoundRobin`](super::WeightedRoundRobin).
#[derive(Clone, Copy, Debug, Default)]
pub struct InterleavedWeightedRoundRobin;

impl Balance for InterleavedWeightedRoundRobin {
    fn picker(&self, instances: &[Instance]) -> Box<dyn Pick> {
        let unit = instances.iter().fold(0, |unit, it| common_divisor(unit, it.weight)).max(1);
        let mut turns = instances.iter().enumerate().map(|(at, it)| (at, it.weight / unit)).collect::<VecDeque<_>>();
        if !turns.is_empty() {
            let start = fastrand::usize(..turns.len());
            turns.rotate_left(start);
        }
        let weights = instances.iter().map(|it| it.weight / unit).collect();
        Box::new(Interleaved { weights, round: Mutex::new(Round { now: turns, later: VecDeque::new() }) })
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

struct Interleaved {
    weights: Vec<u32>,
    round: Mutex<Round>,
}

/// Instances with the turns that they have left.
struct Round {
    now: VecDeque<(usize, u32)>,
    /// Those that have had all turns of this round.
    later: VecDeque<(usize, u32)>,
}

impl Pick for Interleaved {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let mut round = lock(&self.round);
        // In twice as many steps each has had a turn, whatever part of the round is over.
        for _ in 0..2 * self.weights.len() {
            if round.now.is_empty() {
                let Round { now, later } = &mut *round;
                std::mem::swap(now, later);
            }
            let (at, turns) = round.now.pop_front()?;
            let all = self.weights.get(at).copied()?;
            if !candidates.is_usable(at) {
                // It misses the rest of the round, not one turn after another.
                round.later.push_back((at, all));
                continue;
            }
            match turns {
                0 | 1 => round.later.push_back((at, all)),
                _ => round.now.push_back((at, turns - 1)),
            }
            return Some(at);
        }
        None
    }
}
