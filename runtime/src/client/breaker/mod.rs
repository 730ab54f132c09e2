//! Stops calls to what mostly fails, and tries it again later.
//!
//! A [`CircuitBreaker`] watches each method of each service that is called through it, and each instance. Where, within ten
//! seconds, at least [`min_sample`](BreakerConfig::min_sample) were made and
//! [`error_rate`](BreakerConfig::error_rate) of them failed, it opens: calls fail at once with
//! [`Error::CircuitOpen`], and an instance is passed over. After [`cool_off`](BreakerConfig::cool_off) it is half open: one
//! call per [`probe_interval`](BreakerConfig::probe_interval) goes through, and decides whether it closes or opens again.
//!
//! What counts is a ping-pong or unary call as a whole and, for other streams, the opening alone; how a stream goes on does not
//! count. For an instance only that it could not be connected to counts as a failure. All of it as Kitex.

mod circuit;
mod window;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

pub use circuit::CircuitState;
pub use window::CircuitCounts;

use self::circuit::{Circuit, Transition};
use crate::context::{lock, now};
use crate::error::{Cancelled, Error, Result, Stage};

/// When a circuit opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// Whether it is in use. Default true.
    pub enabled: bool,
    /// The part of the calls that may fail, 0.0 to 1.0. Default 0.5, as Kitex.
    pub error_rate: f64,
    /// How many calls of the last ten seconds it takes to judge. Default 200, as Kitex.
    pub min_sample: u64,
    /// How long an open circuit lets nothing through. Default 5 s, as Kitex.
    pub cool_off: Duration,
    /// How often a half-open circuit lets a call through. Default 200 ms, as Kitex.
    pub probe_interval: Duration,
    /// How many of those must succeed, one after another, to close it. Default 2, as Kitex.
    pub probe_successes: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            error_rate: 0.5,
            min_sample: 200,
            cool_off: Duration::from_secs(5),
            probe_interval: Duration::from_millis(200),
            probe_successes: 2,
        }
    }
}

impl BreakerConfig {
    /// The default, with another error rate and another number of calls.
    #[must_use]
    pub fn new(error_rate: f64, min_sample: u64) -> Self {
        Self { error_rate, min_sample, ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::misuse(format!("`circuit_breaker` has {what}")));
        if !self.enabled {
            Ok(())
        } else if !(self.error_rate > 0.0 && self.error_rate <= 1.0) {
            wrong(&format!(
                "an `error_rate` of {}: it is a part of the calls, more than 0.0 and 1.0 at most",
                self.error_rate
            ))
        } else if self.min_sample == 0 || self.probe_successes == 0 {
            wrong("a `min_sample` or `probe_successes` of 0: nothing could be judged by no call")
        } else if self.cool_off.is_zero() {
            wrong("a `cool_off` of 0: a circuit that opens would let all calls through")
        } else {
            Ok(())
        }
    }

    /// One that is not in use.
    #[must_use]
    pub fn disabled() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}

/// What a call says about who was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Succeeded,
    /// It does not.
    Failed,
    /// It takes too long: a failure that is counted apart.
    TimedOut,
    /// Nothing.
    Ignored,
}

impl Outcome {
    /// What an error means unless [`CircuitBreaker::classify`] says otherwise: a business error is a success; what this side did
    /// (a wrong argument, a cancellation, a deadline that had passed before) and a lack of instances say nothing; the rest,
    /// timeouts and the peer's exceptions among it, are failures.
    #[must_use]
    pub fn of(err: &Error) -> Self {
        match err {
            Error::Biz(_) => Self::Succeeded,
            Error::DeadlineExceeded { during: Stage::Open, .. }
            | Error::Misuse(_)
            | Error::Encode(_)
            | Error::Handler(_)
            | Error::NoInstance(_) => Self::Ignored,
            Error::DeadlineExceeded { .. } => Self::TimedOut,
            Error::Cancelled(cancelled) => match &**cancelled {
                Cancelled::ByPeer { .. } | Cancelled::ConnectionLost { .. } => Self::Failed,
                _ => Self::Ignored,
            },
            _ => Self::Failed,
        }
    }
}

/// What a circuit is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitScope {
    /// The calls of one method.
    Method {
        /// The service's name, as the client was given it.
        service: String,
        /// The method's name on the wire.
        method: &'static str,
    },
    /// The connections to one address.
    Instance {
        /// The address.
        address: String,
    },
}

impl fmt::Display for CircuitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { service, method } => write!(f, "{service}/{method}"),
            Self::Instance { address } => f.write_str(address),
        }
    }
}

/// A circuit has opened, half opened or closed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CircuitChange {
    /// Whose circuit.
    pub scope: CircuitScope,
    /// What it was.
    pub from: CircuitState,
    /// What it is.
    pub to: CircuitState,
    /// What it counted before the change.
    pub counts: CircuitCounts,
}

/// The circuits of a client. Clones share them, and a client keeps one: hold another to look at the circuits, and to change
/// their limits, while the client runs.
///
/// ```
/// use thrill::breaker::{BreakerConfig, CircuitBreaker};
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
///
/// let breaker = CircuitBreaker::new()
///     .on_change(|change| eprintln!("{}: {:?} -> {:?}", change.scope, change.from, change.to));
/// let client = EchoClient::builder("echo-server")
///     .host_ports(["127.0.0.1:8888"])
///     .circuit_breaker(breaker.clone())
///     .build()?;
///
/// breaker.set_config(BreakerConfig::new(0.3, 100)); // all methods
/// breaker.set_method_config("echo-server", "echo", BreakerConfig::disabled()); // wins for this one
/// # drop(client); Ok::<_, thrill::Error>(())
/// ```
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

type Circuits<Key> = HashMap<Key, Arc<Mutex<Circuit>>>;
type OnChange = Arc<dyn Fn(&CircuitChange) + Send + Sync>;
type Classify = Arc<dyn Fn(&Error) -> Outcome + Send + Sync>;

struct Shared {
    configs: RwLock<Configs>,
    /// By service, and by method.
    methods: RwLock<HashMap<String, Circuits<&'static str>>>,
    instances: RwLock<Circuits<String>>,
    on_change: RwLock<Vec<OnChange>>,
    classify: RwLock<Classify>,
}

#[derive(Default)]
struct Configs {
    all: BreakerConfig,
    methods: HashMap<String, HashMap<String, BreakerConfig>>,
    instance: BreakerConfig,
}

impl Configs {
    fn of_method(&self, service: &str, method: &str) -> BreakerConfig {
        self.methods.get(service).and_then(|methods| methods.get(method)).copied().unwrap_or(self.all)
    }
}

impl CircuitBreaker {
    /// Makes circuits with the limits of [`BreakerConfig::default`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                configs: RwLock::default(),
                methods: RwLock::default(),
                instances: RwLock::default(),
                on_change: RwLock::default(),
                classify: RwLock::new(Arc::new(Outcome::of)),
            }),
        }
    }

    /// Calls a function whenever a circuit opens, half opens or closes. It runs in the call that caused it, and should be quick.
    #[must_use]
    pub fn on_change(self, on_change: impl Fn(&CircuitChange) + Send + Sync + 'static) -> Self {
        write(&self.shared.on_change).push(Arc::new(on_change));
        self
    }

    /// Sets what the error of a call says about its method. Default [`Outcome::of`].
    #[must_use]
    pub fn classify(self, classify: impl Fn(&Error) -> Outcome + Send + Sync + 'static) -> Self {
        *write(&self.shared.classify) = Arc::new(classify);
        self
    }

    /// # Errors
    /// Limits that cannot be, by their names.
    pub(super) fn check(&self) -> Result<()> {
        let configs = read(&self.shared.configs);
        let of_methods = configs.methods.values().flat_map(HashMap::values);
        of_methods.chain([&configs.all, &configs.instance]).try_for_each(BreakerConfig::check)
    }

    /// Sets the limits of the methods that have none of their own. What was counted stays.
    pub fn set_config(&self, config: BreakerConfig) {
        write(&self.shared.configs).all = config;
    }

    /// Sets the limits of one method, by the service's name that its clients were given and its own on the wire.
    pub fn set_method_config(&self, service: impl Into<String>, method: impl Into<String>, config: BreakerConfig) {
        write(&self.shared.configs).methods.entry(service.into()).or_default().insert(method.into(), config);
    }

    /// Sets the limits of all instances.
    pub fn set_instance_config(&self, config: BreakerConfig) {
        write(&self.shared.configs).instance = config;
    }

    /// Whether a method's calls go through.
    #[must_use]
    pub fn method_state(&self, service: &str, method: &str) -> CircuitState {
        let methods = read(&self.shared.methods);
        let circuit = methods.get(service).and_then(|methods| methods.get(method));
        circuit.map_or(CircuitState::Closed, |circuit| lock(circuit).state())
    }

    /// Whether connections to an address are made.
    #[must_use]
    pub fn instance_state(&self, address: &str) -> CircuitState {
        read(&self.shared.instances).get(address).map_or(CircuitState::Closed, |circuit| lock(circuit).state())
    }

    /// All circuits that have seen a call, with what they are and what they counted in the last ten seconds.
    #[must_use]
    pub fn circuits(&self) -> Vec<(CircuitScope, CircuitState, CircuitCounts)> {
        let now = now();
        let seen = |circuit: &Arc<Mutex<Circuit>>| {
            let mut circuit = lock(circuit);
            (circuit.state(), circuit.counts(now))
        };
        let mut all = Vec::new();
        for (service, methods) in &*read(&self.shared.methods) {
            for (method, circuit) in methods {
                let (state, counts) = seen(circuit);
                all.push((CircuitScope::Method { service: service.clone(), method }, state, counts));
            }
        }
        for (address, circuit) in &*read(&self.shared.instances) {
            let (state, counts) = seen(circuit);
            all.push((CircuitScope::Instance { address: address.clone() }, state, counts));
        }
        all
    }

    /// Lets a call of a method through, or not.
    pub(super) fn admit_call(&self, service: &str, method: &'static str) -> Result<Admitted<'_>> {
        let config = read(&self.shared.configs).of_method(service, method);
        if !config.enabled {
            return Ok(Admitted::unguarded());
        }
        let known = read(&self.shared.methods).get(service).and_then(|methods| methods.get(method)).cloned();
        let circuit = known.unwrap_or_else(|| {
            let mut methods = write(&self.shared.methods);
            Arc::clone(methods.entry(service.to_owned()).or_default().entry(method).or_default())
        });
        let scope = || CircuitScope::Method { service: service.to_owned(), method };
        let admitted = self.admit(&circuit, &config, scope);
        admitted.map_err(|counts| {
            Error::CircuitOpen(Arc::from(format!(
                "service circuitbreak: {} of the calls of {service}/{method} fail ({counts})",
                percent(&counts)
            )))
        })?;
        Ok(Admitted { circuit: Some((self, circuit, scope())) })
    }

    /// Lets a call go to an instance, or not.
    pub(super) fn admit_instance(&self, address: &str) -> Result<()> {
        let config = read(&self.shared.configs).instance;
        let known = read(&self.shared.instances).get(address).cloned();
        let (true, Some(circuit)) = (config.enabled, known) else { return Ok(()) };
        let scope = || CircuitScope::Instance { address: address.to_owned() };
        self.admit(&circuit, &config, scope).map_err(|counts| {
            Error::CircuitOpen(Arc::from(format!(
                "instance circuitbreak: {} of the connections to {address} fail ({counts})",
                percent(&counts)
            )))
        })
    }

    /// Counts that an instance could be connected to, or not.
    pub(super) fn record_instance(&self, address: &str, outcome: Outcome) {
        let config = read(&self.shared.configs).instance;
        if !config.enabled {
            return;
        }
        let known = read(&self.shared.instances).get(address).cloned();
        let circuit =
            known.unwrap_or_else(|| Arc::clone(write(&self.shared.instances).entry(address.to_owned()).or_default()));
        self.record(&circuit, &config, outcome, || CircuitScope::Instance { address: address.to_owned() });
    }

    /// Forgets an instance that is gone.
    pub(super) fn forget_instance(&self, address: &str) {
        write(&self.shared.instances).remove(address);
    }

    fn admit(
        &self,
        circuit: &Mutex<Circuit>,
        config: &BreakerConfig,
        scope: impl FnOnce() -> CircuitScope,
    ) -> Result<(), CircuitCounts> {
        let mut circuit = lock(circuit);
        let (admitted, transition) = circuit.admit(now(), config);
        drop(circuit);
        self.tell(transition, scope);
        admitted
    }

    fn record(
        &self,
        circuit: &Mutex<Circuit>,
        config: &BreakerConfig,
        outcome: Outcome,
        scope: impl FnOnce() -> CircuitScope,
    ) {
        let transition = lock(circuit).record(now(), config, outcome);
        self.tell(transition, scope);
    }

    fn tell(&self, transition: Option<Transition>, scope: impl FnOnce() -> CircuitScope) {
        let Some(Transition { from, to, counts }) = transition else { return };
        let change = CircuitChange { scope: scope(), from, to, counts };
        tracing::warn!(circuit = %change.scope, ?from, ?to, %counts, "a circuit breaker has changed");
        let on_change = read(&self.shared.on_change).clone();
        on_change.iter().for_each(|tell| tell(&change));
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("circuits", &self.circuits()).finish()
    }
}

/// A call that a circuit let through, and that it is to hear of. Dropped unheard, it says nothing.
pub(super) struct Admitted<'a> {
    circuit: Option<(&'a CircuitBreaker, Arc<Mutex<Circuit>>, CircuitScope)>,
}

impl Admitted<'_> {
    /// A call that nothing watches.
    pub(super) fn unguarded() -> Self {
        Self { circuit: None }
    }

    /// Counts how the call went.
    pub(super) fn record<T>(self, result: &Result<T>) {
        let Some((breaker, circuit, scope)) = self.circuit else { return };
        let outcome = match result {
            Ok(_) => Outcome::Succeeded,
            Err(err) => {
                let classify = Arc::clone(&read(&breaker.shared.classify));
                classify(err)
            }
        };
        let config = match &scope {
            CircuitScope::Method { service, method } => read(&breaker.shared.configs).of_method(service, method),
            CircuitScope::Instance { .. } => read(&breaker.shared.configs).instance,
        };
        breaker.record(&circuit, &config, outcome, || scope);
    }
}

fn percent(counts: &CircuitCounts) -> String {
    format!("{:.0} %", counts.error_rate() * 100.0)
}

/// Reads what no panic can leave half-done.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
