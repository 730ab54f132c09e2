//! What happens around a server's serving: hooks, registries, signals.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::register::{Register, Registration};
use crate::error::Result;
use crate::net::Address;
use crate::transport::{Shutdown, Stopping};

pub(super) type Done = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a server does besides serving.
#[derive(Default)]
pub(super) struct Lifecycle {
    pub(super) on_start: Vec<Box<dyn FnOnce(Address) -> Done + Send>>,
    pub(super) on_stop: Vec<Box<dyn FnOnce() -> Done + Send>>,
    pub(super) registries: Vec<(Arc<dyn Register>, Registration)>,
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle")
            .field("on_start", &self.on_start.len())
            .field("on_stop", &self.on_stop.len())
            .field("registrations", &self.registries.iter().map(|(_, it)| it).collect::<Vec<_>>())
            .finish()
    }
}

/// How long a registry rests after an error.
const AGAIN: Duration = Duration::from_secs(1);

/// How long they may take in a stop that waits for nothing.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Lifecycle {
    /// Runs beside the serving: hooks and registration, and at the stop hooks and deregistration, each for `patience` at most,
    /// before the draining may begin.
    pub(super) async fn run(self, address: Address, stop: &watch::Sender<Stopping>, patience: Duration) {
        let Self { on_start, on_stop, mut registries } = self;
        let mut stopping = Shutdown(stop.subscribe());
        for (_, registration) in &mut registries {
            if registration.address.is_empty() {
                registration.address = address.to_string();
            }
        }
        let mut registered = Vec::new();
        let start = async {
            for hook in on_start {
                hook(address.clone()).await;
            }
            for (registry, registration) in &registries {
                // Known from here on: a registry that was not heard to the end may have it.
                registered.push((registry, registration));
                while let Err(err) = registry.register(registration).await {
                    tracing::error!(service = registration.service, %err, "cannot register the server; trying again");
                    sleep(AGAIN).await;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = start => {}
            () = stopping.reached(Stopping::Leaving) => {}
        }
        let leave = async {
            for hook in on_stop {
                hook().await;
            }
            for (registry, registration) in registered {
                if let Err(err) = registry.deregister(registration).await {
                    tracing::error!(service = registration.service, %err, "cannot deregister the server");
                }
            }
        };
        let out_of_time = async {
            if timeout(patience, stopping.reached(Stopping::Forced)).await.is_ok() {
                sleep(LAST_WORDS).await;
            }
        };
        tokio::select! {
            () = leave => {}
            () = out_of_time => tracing::error!(?patience, "stop hooks and deregistration took too long (option `exit_wait_time`)"),
        }
        raise(stop, Stopping::Draining);
    }
}

/// Brings a shutdown so far, if it is not further.
pub(super) fn raise(stop: &watch::Sender<Stopping>, stage: Stopping) {
    stop.send_if_modified(|now| {
        let is_new = *now < stage;
        *now = stage.max(*now);
        is_new
    });
}

/// Waits for a signal that asks the process to end: SIGINT, SIGTERM, or SIGHUP unless the process was started to ignore it
/// (`nohup`), as Kitex; on other systems Ctrl-C.
///
/// From its first call on, these signals do not end the process by themselves any more.
///
/// # Errors
/// A system that does not let the process listen for signals.
pub async fn shutdown_signal() -> Result<()> {
    Ok(Signals::listen()?.next().await?)
}

/// The signals that ask a process to end.
pub(super) struct Signals {
    #[cfg(unix)]
    kinds: Vec<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        if !is_hangup_ignored() {
            kinds.push(signal(SignalKind::hangup())?);
        }
        Ok(Self { kinds })
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> io::Result<()> {
        std::future::poll_fn(|task| {
            let came = self.kinds.iter_mut().any(|kind| kind.poll_recv(task).is_ready());
            if came { std::task::Poll::Ready(Ok(())) } else { std::task::Poll::Pending }
        })
        .await
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}

/// Whether the process ignores SIGHUP, the first of Linux's signals. Systems that do not tell are taken to hear it.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
