//! The instances of a client's service, as its source last gave them, and which of them a call goes to.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout_at};

use super::balance::{Balance, Candidates, Pick, Usable};
use super::breaker::{CircuitBreaker, Outcome};
use super::discovery::{Discover, Instance};
use super::options::CallOptions;
use super::pool::{Patience, Peer, Pool};
use crate::context::{Context, later, lock, now};
use crate::error::{Error, Result, Stage};
use crate::transport::http2::client::Refused;

/// How many instances or connections a call tries, as Kitex.
pub(super) const ATTEMPTS: usize = 6;

static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

/// How long a source of instances rests after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// The instances of a service.
pub(super) struct Cluster {
    known: watch::Receiver<Known>,
    balance: Arc<dyn Balance>,
    pub(super) breaker: Option<CircuitBreaker>,
    /// What tells of them, until the first call lets it.
    source: Mutex<Option<Source>>,
    pub(super) tags: BTreeMap<String, String>,
}

struct Source {
    discover: Box<dyn Discover>,
    known: watch::Sender<Known>,
}

/// What a source has told.
#[derive(Clone)]
enum Known {
    Nothing,
    Failed(Error),
    Instances(Arc<Instances>),
}

/// A list of instances, ready to be picked from.
pub(super) struct Instances {
    list: Vec<Instance>,
    peers: Vec<Arc<Peer>>,
    picker: Box<dyn Pick>,
}

impl Instances {
    fn new(mut list: Vec<Instance>, pool: &Pool, balance: &dyn Balance) -> Self {
        let mut seen = HashSet::new();
        list.retain(|it| it.weight > 0 && seen.insert(it.address.clone()));
        let peers = list.iter().map(|it| pool.peer(&it.address)).collect();
        Self { picker: balance.picker(&list), list, peers }
    }
}

impl Cluster {
    /// Instances that never change.
    pub(super) fn fixed(
        list: Vec<Instance>,
        pool: &Pool,
        balance: Arc<dyn Balance>,
        breaker: Option<CircuitBreaker>,
        tags: BTreeMap<String, String>,
    ) -> Self {
        let instances = Instances::new(list, pool, &*balance);
        let (_, known) = watch::channel(Known::Instances(Arc::new(instances)));
        Self { known, balance, breaker, source: Mutex::new(None), tags }
    }

    /// Instances that a source tells of, beginning with the first call.
    pub(super) fn discovered(
        discover: Box<dyn Discover>,
        balance: Arc<dyn Balance>,
        breaker: Option<CircuitBreaker>,
        tags: BTreeMap<String, String>,
    ) -> Self {
        let (sender, known) = watch::channel(Known::Nothing);
        Self { known, balance, breaker, source: Mutex::new(Some(Source { discover, known: sender })), tags }
    }

    /// The instances of now; waits for the first.
    ///
    /// Mostly they are known, and nothing waits; waiting for the first is boxed, so that calls do not carry the room for it.
    async fn instances(&self, pool: &Arc<Pool>, patience: Patience) -> Result<Arc<Instances>> {
        let known = match &*self.known.borrow() {
            Known::Instances(instances) => Some(Ok(Arc::clone(instances))),
            Known::Failed(err) => Some(Err(err.clone())),
            Known::Nothing => None,
        };
        match known {
            Some(known) => known,
            None => self.first_instances(pool, patience).boxed().await,
        }
    }

    async fn first_instances(&self, pool: &Arc<Pool>, patience: Patience) -> Result<Arc<Instances>> {
        if let Some(source) = lock(&self.source).take() {
            let breaker = self.breaker.clone();
            tokio::spawn(follow(source, Arc::clone(pool), Arc::clone(&self.balance), breaker));
        }
        let mut known = self.known.clone();
        let told = known.wait_for(|known| !matches!(known, Known::Nothing));
        let (until, late) = patience.until(|timeout| {
            Error::no_instance(format!(
                "nothing was heard of service {:?} within the option `connect_timeout` of {timeout:?}",
                pool.service
            ))
        });
        match timeout_at(until.into(), told).await {
            Err(_) => Err(late),
            Ok(Ok(known)) => match &*known {
                Known::Instances(instances) => Ok(Arc::clone(instances)),
                Known::Failed(err) => Err(err.clone()),
                Known::Nothing => Err(late),
            },
            Ok(Err(_)) => Err(Error::no_instance("the runtime of the client's first call is gone")),
        }
    }

    /// The instances of now that have the client's tags; waits for the first list.
    pub(super) async fn peers(&self, pool: &Arc<Pool>, patience: Patience) -> Result<Vec<Arc<Peer>>> {
        let all = self.instances(pool, patience).await?;
        let tags = Tags { of_client: &self.tags, of_call: &NO_TAGS };
        let view = View { all: &all, tried: &[], tags, any: true };
        Ok((0..view.len())
            .filter(|at| view.is_usable(*at))
            .filter_map(|at| all.peers.get(at).map(Arc::clone))
            .collect())
    }

    /// The instances that a call tries that names none itself, where they are known.
    pub(super) fn attempts_now<'a>(
        &'a self,
        context: &'a Context,
        options: &'a CallOptions,
        connect_timeout: Duration,
    ) -> Option<Attempts<'a>> {
        if options.instance.is_some() || options.host_port.is_some() {
            return None;
        }
        let Known::Instances(all) = &*self.known.borrow() else { return None };
        Some(Attempts::new(self, context, options, connect_timeout, Targets::of(Arc::clone(all))))
    }

    /// The instances that a call tries, one after another, until one takes it.
    pub(super) async fn attempts<'a>(
        &'a self,
        pool: &Arc<Pool>,
        context: &'a Context,
        options: &'a CallOptions,
        connect_timeout: Duration,
        picked: Option<Picked>,
    ) -> Result<Attempts<'a>> {
        if let Some(Picked { all, at, .. }) = picked {
            let targets = Targets::Instances { all, tried: Vec::new(), at };
            let mut attempts = Attempts::new(self, context, options, connect_timeout, targets);
            attempts.is_picked = true;
            return Ok(attempts);
        }
        let targets = match (&options.instance, options.host_port.as_deref()) {
            (Some(peer), _) => Targets::Named { peer: Arc::clone(peer), is_tried: false },
            (None, Some(address)) => Targets::Named { peer: pool.named(address), is_tried: false },
            (None, None) => {
                let all = self.instances(pool, Patience::of(context, connect_timeout)).await?;
                Targets::of(all)
            }
        };
        Ok(Attempts::new(self, context, options, connect_timeout, targets))
    }
}

/// Hears of instances until the client is gone.
async fn follow(
    Source { mut discover, known }: Source,
    pool: Arc<Pool>,
    balance: Arc<dyn Balance>,
    breaker: Option<CircuitBreaker>,
) {
    loop {
        let next = tokio::select! {
            next = discover.next(&pool.service) => next,
            () = known.closed() => return,
        };
        let is_failed = match next {
            Ok(list) => {
                let instances = Arc::new(Instances::new(list, &pool, &*balance));
                let last = known.send_replace(Known::Instances(Arc::clone(&instances)));
                if let Known::Instances(last) = last {
                    let is_gone = |peer: &&Arc<Peer>| !instances.peers.iter().any(|it| Arc::ptr_eq(it, peer));
                    for gone in last.peers.iter().filter(is_gone) {
                        pool.forget(gone);
                        if let Some(breaker) = &breaker {
                            breaker.forget_instance(&gone.address);
                        }
                    }
                }
                false
            }
            Err(err) => {
                let service = &*pool.service;
                tracing::warn!(service, %err, "the instances of a service cannot be found now");
                known.send_if_modified(|known| {
                    let is_without = !matches!(known, Known::Instances(_));
                    if is_without {
                        *known = Known::Failed(Error::no_instance(format!("service {service:?}: {err}")));
                    }
                    is_without
                });
                true
            }
        };
        if is_failed {
            tokio::select! {
                () = sleep(AGAIN) => {}
                () = known.closed() => return,
            }
        }
    }
}

/// The instances that a call tries.
pub(super) struct Attempts<'a> {
    cluster: &'a Cluster,
    context: &'a Context,
    options: &'a CallOptions,
    targets: Targets,
    /// Whether the one to try first is picked already.
    is_picked: bool,
    connect_timeout: Duration,
    left: usize,
    last: Option<Error>,
}

/// The instance that was picked for a call before it could go there.
pub(super) struct Picked {
    all: Arc<Instances>,
    at: usize,
    /// Which turn it had on the instance's connections.
    pub(super) turn: Option<usize>,
}

enum Targets {
    /// The call names its address.
    Named { peer: Arc<Peer>, is_tried: bool },
    Instances {
        all: Arc<Instances>,
        /// Those that turned out not to be reachable.
        tried: Vec<usize>,
        /// The one that is being tried.
        at: usize,
    },
}

impl Targets {
    fn of(all: Arc<Instances>) -> Self {
        Self::Instances { all, tried: Vec::new(), at: 0 }
    }
}

/// The tags that an instance must have.
#[derive(Clone, Copy)]
struct Tags<'a> {
    of_client: &'a BTreeMap<String, String>,
    /// These win.
    of_call: &'a BTreeMap<String, String>,
}

impl<'a> Tags<'a> {
    fn of(cluster: &'a Cluster, options: &'a CallOptions) -> Self {
        Self { of_client: &cluster.tags, of_call: &options.tags }
    }

    fn are_on(self, instance: &Instance) -> bool {
        let is_on = |(key, value): (&'a String, &'a String)| instance.tags.get(key) == Some(value);
        self.of_call.iter().all(is_on)
            && self.of_client.iter().filter(|(key, _)| !self.of_call.contains_key(*key)).all(is_on)
    }

    fn merged(self) -> BTreeMap<&'a String, &'a String> {
        self.of_client.iter().chain(self.of_call).collect()
    }
}

/// What a picker is shown.
struct View<'a> {
    all: &'a Instances,
    tried: &'a [usize],
    tags: Tags<'a>,
    /// Whether those that failed other calls count too.
    any: bool,
}

impl Usable for View<'_> {
    fn len(&self) -> usize {
        self.all.list.len()
    }

    fn is_usable(&self, at: usize) -> bool {
        let (Some(instance), Some(peer)) = (self.all.list.get(at), self.all.peers.get(at)) else { return false };
        (self.any || !peer.health.is_avoided()) && !self.tried.contains(&at) && self.tags.are_on(instance)
    }

    fn load(&self, at: usize) -> usize {
        self.all.peers.get(at).map_or(0, |peer| peer.load.running())
    }
}

impl<'a> Attempts<'a> {
    fn new(
        cluster: &'a Cluster,
        context: &'a Context,
        options: &'a CallOptions,
        connect_timeout: Duration,
        targets: Targets,
    ) -> Self {
        Self { cluster, context, options, targets, is_picked: false, connect_timeout, left: ATTEMPTS, last: None }
    }

    /// The instance that was picked last, on whose connections it was this turn.
    pub(super) fn into_picked(self, turn: Option<usize>) -> Option<Picked> {
        match self.targets {
            Targets::Instances { all, at, .. } => Some(Picked { all, at, turn }),
            Targets::Named { .. } => None,
        }
    }

    /// The instance to try next.
    pub(super) fn next(&mut self) -> Option<Arc<Peer>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let peer = self.pick()?;
            // Where layers are around each attempt, the circuit was asked before them.
            let breaker = self.breaker().filter(|_| self.options.instance.is_none());
            match breaker.map_or(Ok(()), |breaker| breaker.admit_instance(&peer.address)) {
                Ok(()) => return Some(peer),
                Err(err) => self.not_taken(err),
            }
        }
    }

    fn breaker(&self) -> Option<&CircuitBreaker> {
        self.cluster.breaker.as_ref()
    }

    fn pick(&mut self) -> Option<Arc<Peer>> {
        let (context, hash_key) = (self.context, self.options.hash_key.as_deref());
        let tags = Tags::of(self.cluster, self.options);
        let is_picked = std::mem::take(&mut self.is_picked);
        match &mut self.targets {
            Targets::Instances { all, at, .. } if is_picked => all.peers.get(*at).map(Arc::clone),
            Targets::Named { peer, is_tried } => (!*is_tried).then(|| Arc::clone(peer)),
            Targets::Instances { all, tried, at } => {
                let pick = |any| {
                    let view = View { all, tried, tags, any };
                    let picked = all.picker.pick(&Candidates { context, hash_key, instances: &view });
                    picked.filter(|at| view.is_usable(*at))
                };
                // Where all that are left failed lately, one of them is still better than none.
                *at = pick(false).or_else(|| pick(true))?;
                all.peers.get(*at).map(Arc::clone)
            }
        }
    }

    /// How long a connection may take to be made for this call.
    pub(super) fn patience(&self) -> Patience {
        Patience::of(self.context, self.connect_timeout)
    }

    /// There is a connection to the instance.
    pub(super) fn reached(&self, peer: &Peer) {
        if let Some(breaker) = self.breaker() {
            breaker.record_instance(&peer.address, Outcome::Succeeded);
        }
    }

    /// No connection could be made to the instance.
    pub(super) fn unreachable(&mut self, peer: &Peer, err: Error) {
        if matches!(err, Error::DeadlineExceeded { .. }) {
            // The call's time is over, which says nothing of the instance.
            self.left = 0;
        } else {
            peer.health.failed();
            if let Some(breaker) = self.breaker() {
                breaker.record_instance(&peer.address, Outcome::Failed);
            }
        }
        self.not_taken(err);
    }

    /// This call does not go to the instance that was picked last.
    pub(super) fn not_taken(&mut self, err: Error) {
        match &mut self.targets {
            Targets::Named { is_tried, .. } => *is_tried = true,
            Targets::Instances { tried, at, .. } => tried.push(*at),
        }
        self.last = Some(err);
    }

    /// A connection did not take the call; another may, unless the call itself is at fault.
    pub(super) fn refused(&mut self, refused: Refused) -> Result<()> {
        match refused {
            Refused::Stream(err) => Err(err),
            Refused::Connection(err) => {
                self.last = Some(err);
                Ok(())
            }
        }
    }

    /// Why none took the call.
    pub(super) fn into_error(self, service: &str) -> Error {
        if let Some(last) = self.last {
            return last;
        }
        let Targets::Instances { all, tried, .. } = &self.targets else {
            return Error::no_instance(format!("service {service:?}: nothing was tried"));
        };
        let tags = Tags::of(self.cluster, self.options);
        let view = View { all, tried, tags, any: true };
        let (known, usable) = (view.len(), (0..view.len()).filter(|at| view.is_usable(*at)).count());
        Error::no_instance(match (known, usable) {
            (0, _) => format!("service {service:?} has no instance"),
            (_, 0) => format!("none of the {known} instances of service {service:?} has the tags {:?}", tags.merged()),
            _ => format!(
                "the balancer chose none of the {usable} instances of service {service:?} that this call may go to (a consistent hash needs a key: set `hash_key` on the call)"
            ),
        })
    }
}

impl Patience {
    fn of(context: &Context, connect_timeout: Duration) -> Self {
        Self { connect_timeout, deadline: context.deadline().zip(context.timeout()) }
    }

    /// When it ends, and the error of that.
    fn until(&self, timed_out: impl FnOnce(Duration) -> Error) -> (Instant, Error) {
        let by_timeout = later(now(), self.connect_timeout);
        match self.deadline {
            Some((at, after)) if at < by_timeout => {
                (at, Error::DeadlineExceeded { during: Stage::Connect, after, peer: None })
            }
            _ => (by_timeout, timed_out(self.connect_timeout)),
        }
    }
}
