//! The less busy of two.

use super::random::Weighted;
use super::{Balance, Candidates, Pick};
use crate::client::discovery::Instance;

/// Of two instances drawn by weight, the one with fewer streams and calls of this client running, in proportion to its weight.
///
/// Instances that are slow, and streams that stay open, make themselves felt without anyone measuring them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastLoaded;

impl Balance for LeastLoaded {
    fn picker(&self, instances: &[Instance]) -> Box<dyn Pick> {
        Box::new(OfTwo(Weighted::new(instances)))
    }
}

struct OfTwo(Weighted);

impl Pick for OfTwo {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let one = self.0.draw(|at| candidates.is_usable(at))?;
        let Some(other) = self.0.draw(|at| at != one && candidates.is_usable(at)) else { return Some(one) };
        // What each has per weight, compared without a division. Where they have the same, the first draw stands.
        let load = |at: usize| u128::try_from(candidates.load(at)).unwrap_or(u128::MAX);
        let is_busier = load(one).saturating_mul(self.0.weight(other).into())
            > load(other).saturating_mul(self.0.weight(one).into());
        Some(if is_busier { other } else { one })
    }
}
