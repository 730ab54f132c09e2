//! The same instance for the same key.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::{Balance, Candidates, Pick};
use crate::client::discovery::Instance;
use crate::context::Context;

type Key = Arc<dyn Fn(&Context) -> Option<String> + Send + Sync>;

/// The same instance for the same key, as long as it can be used; when instances come and go, few keys move.
///
/// The key is the call's `hash_key`, or what [`ConsistentHash::by`] makes of the call. A call without one, or with an empty
/// one, fails: it could go anywhere. All processes agree on the instance of a key (Kitex's do not, its hash has a seed per
/// process). Where the instance of a key cannot be used, the key's calls go to the next on the ring.
///
/// ```
/// use thrill::balance::ConsistentHash;
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
/// # async fn example() -> thrill::Result<()> {
/// let by_user = ConsistentHash::by(|cx| cx.persistent("USER").map(str::to_owned));
/// let client = EchoClient::builder("echo").host_ports(["10.0.0.1:8888", "10.0.0.2:8888"]).balance(by_user).build()?;
/// client.echo("hi".into()).persistent("USER", "kim").await?;
///
/// let client = EchoClient::builder("echo").host_ports(["10.0.0.1:8888"]).balance(ConsistentHash::new()).build()?;
/// client.echo("hi".into()).hash_key("kim").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ConsistentHash {
    key: Option<Key>,
    virtual_nodes: u32,
    is_weighted: bool,
}

impl ConsistentHash {
    /// By the `hash_key` of the call.
    #[must_use]
    pub fn new() -> Self {
        Self { key: None, virtual_nodes: 100, is_weighted: true }
    }

    /// By what a function makes of the call's context: of its metadata, its metainfo, or its extensions.
    pub fn by(key: impl Fn(&Context) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { key: Some(Arc::new(key)), ..Self::new() }
    }

    /// Sets how many points of the ring an instance has per unit of its weight. More points spread the keys more evenly and
    /// take more memory, 16 bytes each. Default 100, as Kitex, which makes 1,000 for the default weight of 10. A ring has at
    /// most a million points: beyond that all instances have fewer, in proportion.
    #[must_use]
    pub fn virtual_nodes(mut self, per_weight: u32) -> Self {
        self.virtual_nodes = per_weight.max(1);
        self
    }

    /// Sets whether the weights of instances count. Default true; if not, each has as many points as one of weight 1.
    #[must_use]
    pub fn weighted(mut self, is_weighted: bool) -> Self {
        self.is_weighted = is_weighted;
        self
    }

    /// How many points each instance has.
    pub(super) fn points(&self, instances: &[Instance]) -> Vec<u64> {
        let weight = |it: &Instance| if self.is_weighted { u64::from(it.weight) } else { 1 };
        let wanted = instances.iter().map(|it| weight(it) * u64::from(self.virtual_nodes)).collect::<Vec<_>>();
        let total = wanted.iter().fold(0, |sum: u64, points| sum.saturating_add(*points));
        let share = |points: u64| {
            let scaled = u128::from(points) * u128::from(MOST_POINTS) / u128::from(total.max(1));
            u64::try_from(scaled).unwrap_or(MOST_POINTS).max(1)
        };
        if total <= MOST_POINTS { wanted } else { wanted.into_iter().map(share).collect() }
    }
}

/// The most points of a ring.
pub(super) const MOST_POINTS: u64 = 1 << 20;

impl Default for ConsistentHash {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConsistentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsistentHash")
            .field("virtual_nodes", &self.virtual_nodes)
            .field("is_weighted", &self.is_weighted)
            .finish_non_exhaustive()
    }
}

impl Balance for ConsistentHash {
    fn picker(&self, instances: &[Instance]) -> Box<dyn Pick> {
        let mut points = Vec::new();
        for (at, (instance, count)) in instances.iter().zip(self.points(instances)).enumerate() {
            let mut name = instance.address.clone().into_bytes();
            name.push(b'#');
            let stem = name.len();
            for number in 0..count {
                name.truncate(stem);
                name.extend(number.to_le_bytes());
                points.push((xxh3_64(&name), at));
            }
        }
        // Two instances at the same point: all processes agree on the order, however their lists are sorted.
        points.sort_unstable_by(|(a, at), (b, bt)| {
            let address = |at: &usize| instances.get(*at).map(|it| &it.address);
            a.cmp(b).then_with(|| address(at).cmp(&address(bt)))
        });
        Box::new(Ring { points, key: self.key.clone() })
    }
}

struct Ring {
    /// Where each point is, and whose it is.
    points: Vec<(u64, usize)>,
    key: Option<Key>,
}

impl Ring {
    fn hash(&self, candidates: &Candidates<'_>) -> Option<u64> {
        let hash = |key: &str| (!key.is_empty()).then(|| xxh3_64(key.as_bytes()));
        match &self.key {
            Some(key) => key(candidates.context()).as_deref().and_then(hash),
            None => candidates.hash_key().and_then(hash),
        }
    }
}

impl Pick for Ring {
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
        let hash = self.hash(candidates)?;
        let start = self.points.partition_point(|(point, _)| *point <= hash);
        let (before, from) = self.points.split_at(start);
        from.iter().chain(before).map(|(_, at)| *at).find(|at| candidates.is_usable(*at))
    }
}
