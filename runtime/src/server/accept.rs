//! Takes connections and finds out what they speak.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::Options;
use super::lifecycle::raise;
use super::limits::Gate;
use crate::net::sniff::sniff;
use crate::net::{Address, BoxIo, Listen};
use crate::transport::http2::server as http2;
use crate::transport::pingpong::server as pingpong;
use crate::transport::{Admission, Dispatch, Host, Shutdown, Stopping};
use crate::wire::detect::{Detected, detect};

/// How long a server without free file descriptors waits before it asks again, as Kitex.
const BACK_OFF: Duration = Duration::from_millis(10);

/// Serves until the stop, and then until the connections are done.
pub(super) async fn run(
    mut listener: Box<dyn Listen>,
    dispatch: Arc<dyn Dispatch>,
    gate: &Gate,
    options: Options,
    stop: Arc<watch::Sender<Stopping>>,
) {
    let options = Arc::new(options);
    let mut host = Host { dispatch, shutdown: Shutdown(stop.subscribe()), handlers: TaskTracker::new() };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = host.shutdown.reached(Stopping::Draining) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((io, peer)) => {
                if let Some(admission) = gate.connection(&peer) {
                    connections.spawn(serve(io, peer, admission, host.clone(), Arc::clone(&options)));
                }
            }
            Err(err) if err.kind() == io::ErrorKind::NotConnected => break,
            Err(err) => {
                tracing::warn!(%err, "cannot take a connection; trying again");
                sleep(BACK_OFF).await;
            }
        }
    }
    // Who has connected already is served, and told to go elsewhere.
    while let Some(Ok((io, peer))) = listener.accept().now_or_never() {
        if let Some(admission) = gate.connection(&peer) {
            connections.spawn(serve(io, peer, admission, host.clone(), Arc::clone(&options)));
        }
    }
    // The address is free for the next process while the last calls end.
    drop(listener);
    host.handlers.close();
    let drained = async {
        while connections.join_next().await.is_some() {}
        host.handlers.wait().await;
    };
    let mut shutdown = host.shutdown.clone();
    let out_of_time = async {
        // Not at once where the listener has ended by itself: then nothing asks for an end.
        shutdown.reached(Stopping::Draining).await;
        let _ = timeout(options.exit_wait_time, shutdown.reached(Stopping::Forced)).await;
    };
    let is_drained = tokio::select! {
        () = drained => true,
        () = out_of_time => false,
    };
    if !is_drained {
        raise(&stop, Stopping::Forced);
        while connections.join_next().await.is_some() {}
    }
}

/// Serves one connection to its end. What goes wrong on it concerns no other.
async fn serve(mut io: BoxIo, peer: Address, _admission: Admission, mut host: Host, options: Arc<Options>) {
    let detected = tokio::select! {
        detected = timeout(options.detection_timeout, sniff(&mut io, is_decided)) => detected,
        () = host.shutdown.last_call() => return,
    };
    let ahead = match detected {
        Ok(Ok(ahead)) => ahead,
        Ok(Err(err)) => return tracing::debug!(%peer, %err, "a connection ended before it showed what it speaks"),
        Err(_) => {
            return tracing::info!(%peer, after = ?options.detection_timeout, "a connection did not show what it speaks");
        }
    };
    if ahead.is_empty() {
        return;
    }
    let served = match detect(&ahead) {
        Detected::Http2 => http2::serve(io, ahead, peer.clone(), &options.http2, host).await,
        Detected::TtHeader | Detected::Mesh | Detected::Framed(_) | Detected::Buffered(_) => {
            pingpong::serve(io, ahead, peer.clone(), &options.pingpong, host).await
        }
        Detected::Undecided | Detected::TtStream | Detected::Unknown => {
            let seen = ahead.get(..ahead.len().min(16)).unwrap_or_default().escape_ascii().to_string();
            return tracing::warn!(%peer, seen, "a connection speaks no protocol of this server and is closed");
        }
    };
    if let Err(err) = served {
        tracing::debug!(%peer, %err, "a connection ended");
    }
}

/// Whether enough came to tell the protocol, or that there is none.
fn is_decided(seen: &[u8]) -> bool {
    detect(seen) != Detected::Undecided
}
