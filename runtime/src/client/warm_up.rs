//! Connects before the first call.

use futures_util::stream::{self, StreamExt as _};

use super::channel::{CONNECT_TIMEOUT, Shared};
use super::pool::Patience;
use crate::error::{Error, Result};

/// What a client makes ready before its first call: Kitex's `warmup.ClientOption`.
///
/// ```no_run
/// use thrill::WarmUp;
/// # #[thrill::service] pub trait Echo { async fn echo(&self, text: String) -> thrill::Result<String>; }
/// # async fn run() -> thrill::Result<()> {
/// let client = EchoClient::builder("echo-server")
///     .host_ports(["127.0.0.1:8888"])
///     .build_warm(WarmUp { connections: 2, ..WarmUp::default() })
///     .await?;
/// # drop(client); Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// How many connections are made to each instance; no more than the client keeps. Default 1.
    pub connections: usize,
    /// How many instances are connected to at a time. Default 16.
    pub parallel: usize,
    /// Whether instances that are not found or cannot be reached are an error. Default no: the log tells of them, and calls try them
    /// again.
    pub fail_fast: bool,
}

impl Default for WarmUp {
    fn default() -> Self {
        Self { connections: 1, parallel: 16, fail_fast: false }
    }
}

impl WarmUp {
    pub(super) async fn run(self, shared: &Shared) -> Result<()> {
        self.check(shared)?;
        let connect_timeout = shared.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let patience = Patience { connect_timeout, deadline: None };
        let peers = match shared.cluster.peers(&shared.pool, patience).await {
            Ok(peers) => peers,
            Err(err) => return self.failed(shared, err),
        };
        let usage = shared.messages.map(|messages| messages.usage);
        let connecting = peers.iter().map(|peer| shared.pool.warm_up(peer, usage, self.connections, patience));
        let mut connecting = stream::iter(connecting).buffer_unordered(self.parallel);
        while let Some(connected) = connecting.next().await {
            connected.or_else(|err| self.failed(shared, err))?;
        }
        Ok(())
    }

    fn check(self, shared: &Shared) -> Result<()> {
        if self.connections == 0 || self.parallel == 0 {
            return Err(Error::misuse(
                "`build_warm` has 0 `connections` or 0 in `parallel`: nothing could be made ready",
            ));
        }
        if shared.pool.is_short() {
            return Err(Error::misuse("`build_warm` with `short_connection`: no connection could be kept for a call"));
        }
        Ok(())
    }

    fn failed(self, shared: &Shared, err: Error) -> Result<()> {
        if self.fail_fast {
            return Err(err);
        }
        tracing::warn!(service = &*shared.pool.service, %err, "a client could not be warmed up wholly");
        Ok(())
    }
}
