//! Which instance takes a call.
//!
//! A client has one [`Balance`], which is asked once for each call and each stream that is opened; the messages of a stream
//! stay where it was opened. Instances that cannot take the call are passed over at once: those that just could not be
//! reached, those whose circuit breaker is open, those without the call's tags, and those that this call has tried.
//!
//! | | Kitex |
//! | --- | --- |
//! | [`WeightedRoundRobin`], the default | `NewWeightedRoundRobinBalancer` |
//! | [`InterleavedWeightedRoundRobin`] | `NewInterleavedWeightedRoundRobinBalancer` |
//! | [`WeightedRandom`] | `NewWeightedRandomBalancer` |
//! | [`ConsistentHash`] | `NewConsistBalancer` |
//! | [`LeastLoaded`] | – |
//!
//! One of your own:
//!
//! ```
//! use thrill::balance::{Balance, Candidates, Pick};
//! use thrill::discovery::Instance;
//!
//! /// The first that can be used, and the others only where it cannot.
//! #[derive(Debug)]
//! struct InOrder;
//!
//! impl Balance for InOrder {
//!     fn picker(&self, _instances: &[Instance]) -> Box<dyn Pick> {
//!         Box::new(Self)
//!     }
//! }
//!
//! impl Pick for InOrder {
//!     fn pick(&self, candidates: &Candidates<'_>) -> Option<usize> {
//!         (0..candidates.len()).find(|at| candidates.is_usable(*at))
//!     }
//! }
//! # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
//!
//! let client = EchoClient::builder("echo").host_ports(["10.0.0.1:8888", "10.0.0.2:8888"]).balance(InOrder).build()?;
//! # drop(client); Ok::<_, thrill::Error>(())
//! ```

mod consistent_hash;
mod interleaved;
mod least_loaded;
mod random;
mod round_robin;
#[cfg(test)]
mod tests;

use std::fmt;

pub use consistent_hash::ConsistentHash;
pub use interleaved::InterleavedWeightedRoundRobin;
pub use least_loaded::LeastLoaded;
pub use random::WeightedRandom;
pub use round_robin::WeightedRoundRobin;

use super::discovery::Instance;
use crate::context::Context;

/// Spreads the calls of a client over the instances of its service.
pub trait Balance: fmt::Debug + Send + Sync + 'static {
    /// Makes what picks from a list of instances. Asked anew for each list that the client's
    /// [`Discover`](crate::discovery::Discover) gives; none of its instances has weight 0, and it may be empty.
    fn picker(&self, instances: &[Instance]) -> Box<dyn Pick>;
}

/// Picks from one list of instances.
pub trait Pick: Send + Sync + 'static {
    /// Chooses the instance for a call by its place in the list; one for which [`Candidates::is_usable`] holds. `None`: there
    /// is none.
    ///
    /// Asked again, in the same call, where the chosen one turns out not to be reachable; that one is not usable then.
    fn pick(&self, candidates: &Candidates<'_>) -> Option<usize>;
}

/// The instances that a call may go to, and what the call says.
#[derive(Clone, Copy)]
pub struct Candidates<'a> {
    pub(super) context: &'a Context,
    pub(super) hash_key: Option<&'a str>,
    pub(super) instances: &'a dyn Usable,
}

/// What a client knows of instances, by their places in its list.
pub(super) trait Usable {
    fn len(&self) -> usize;
    fn is_usable(&self, at: usize) -> bool;
    fn load(&self, at: usize) -> usize;
}

impl Candidates<'_> {
    /// How many instances the list has, usable or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether the list has no instance.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an instance can take this call.
    #[must_use]
    pub fn is_usable(&self, at: usize) -> bool {
        self.instances.is_usable(at)
    }

    /// How many streams and calls of this client an instance has running.
    #[must_use]
    pub fn load(&self, at: usize) -> usize {
        self.instances.load(at)
    }

    /// The call: its method, its metadata and metainfo, its extensions.
    #[must_use]
    pub fn context(&self) -> &Context {
        self.context
    }

    /// What the call was given as `hash_key`.
    #[must_use]
    pub fn hash_key(&self) -> Option<&str> {
        self.hash_key
    }
}

impl fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usable = (0..self.len()).filter(|at| self.is_usable(*at)).collect::<Vec<_>>();
        f.debug_struct("Candidates").field("usable", &usable).field("context", &self.context).finish_non_exhaustive()
    }
}
