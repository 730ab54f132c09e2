//! Thrift streaming over HTTP/2: gRPC framing around bare Thrift structs, by the h2 crate.
//!
//! A connection has one task. It owns the h2 connection and the send handle of every stream ([`lane`]); a stream's user
//! encodes messages into the stream's [`outbox`], which the task empties, one DATA frame for all that is there, whenever
//! it runs. It opens a client's streams ([`opener`]), and takes what comes first on them ([`arrival`]); what follows the user
//! takes. DATA is cut into messages by an [`inbox`], in the user's own task.

mod arrival;
pub(crate) mod client;
mod gather;
mod hush;
mod inbox;
mod keepalive;
mod lane;
mod lifetime;
mod opener;
mod outbox;
mod outgoing;
mod resets;
pub(crate) mod server;
mod spares;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

pub use keepalive::{Keepalive, KeepaliveEnforcement};

use crate::error::{ConnectionLost, Error, Result};

/// What both sides of an HTTP/2 connection can set.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// How much a peer may send on one stream before this side reads it.
    pub(crate) stream_window: u32,
    /// How much a peer may send on all streams of a connection before this side reads it.
    pub(crate) connection_window: u32,
    /// The header list that is accepted, in bytes, 32 per field included.
    pub(crate) max_header_list_size: u32,
    /// The message that is accepted, in bytes.
    pub(crate) max_message_size: usize,
    /// How many streams a peer may have open on one connection.
    pub(crate) max_concurrent_streams: u32,
    /// How much of one stream may wait to be sent before `send` waits.
    pub(crate) send_buffer: usize,
    /// Whether and when the connection is probed.
    pub(crate) keepalive: Option<Keepalive>,
    /// How often a client may probe a server's connection.
    pub(crate) keepalive_enforcement: Option<KeepaliveEnforcement>,
    /// How long a server's connection may have no stream.
    pub(crate) max_idle_time: Option<Duration>,
    /// How long a server's connection takes streams, give or take a tenth.
    pub(crate) max_age: Option<Duration>,
    /// How long the streams of a connection of that age may go on.
    pub(crate) max_age_grace: Option<Duration>,
    /// How long a peer may leave a preface, frame or header block unfinished.
    pub(crate) partial_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stream_window: 1 << 20,
            connection_window: 16 << 20,
            max_header_list_size: 64 << 10,
            max_message_size: 16 << 20,
            max_concurrent_streams: 1_000,
            send_buffer: 64 << 10,
            keepalive: None,
            keepalive_enforcement: None,
            max_idle_time: None,
            max_age: None,
            max_age_grace: None,
            partial_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// # Errors
    /// A value that cannot be, by the name of its option.
    pub(crate) fn check(&self) -> Result<()> {
        // RFC 9113, 6.9.1
        const MAX_WINDOW: u32 = (1 << 31) - 1;
        for (option, window) in
            [("initial_window_size", self.stream_window), ("initial_connection_window_size", self.connection_window)]
        {
            if window == 0 || window > MAX_WINDOW {
                return Err(Error::misuse(format!("`{option}` is {window}: it must be 1 to {MAX_WINDOW} bytes")));
            }
        }
        for (option, is_zero) in [
            ("max_header_list_size", self.max_header_list_size == 0),
            ("max_message_size", self.max_message_size == 0),
            ("max_concurrent_streams", self.max_concurrent_streams == 0),
            ("send_buffer_size", self.send_buffer == 0),
            ("partial_timeout", self.partial_timeout.is_zero()),
        ] {
            if is_zero {
                return Err(Error::misuse(format!("`{option}` is 0: nothing could pass")));
            }
        }
        for (option, time) in [("max_connection_idle_time", self.max_idle_time), ("max_connection_age", self.max_age)] {
            if time.is_some_and(|time| time.is_zero()) {
                return Err(Error::misuse(format!(
                    "`{option}` is 0: no connection could be used; use `None` for no limit"
                )));
            }
        }
        if self.max_age_grace.is_some() && self.max_age.is_none() {
            return Err(Error::misuse("`max_connection_age_grace` without `max_connection_age` does nothing"));
        }
        match &self.keepalive {
            Some(keepalive) if keepalive.time.is_zero() || keepalive.timeout.is_zero() => {
                Err(Error::misuse("`keepalive` has a time of 0: use `None` for no probes"))
            }
            _ => Ok(()),
        }
    }

    /// The frame that is accepted. Larger than HTTP/2's 16 KiB, so that a long message comes in few pieces; Kitex never sends
    /// more than 16 KiB, whatever it is allowed.
    ///
    /// The h2 crate takes as many CONTINUATION frames as a header list of the limit needs in frames of this size, and at
    /// least five, so that a limit beyond 64 KiB has to allow for peers that split at 16 KiB.
    fn max_frame_size(&self) -> u32 {
        if self.max_header_list_size <= 64 << 10 { 128 << 10 } else { 16 << 10 }
    }

    /// What the h2 crate lets wait unread in small DATA frames before it closes the connection; each costs 256 bytes less
    /// its own. A peer that fills half of the connection's window with frames of 16 bytes stays within it: it is only
    /// talkative, and its handlers slow. A hostile one costs some 75 MiB with the default window, at 145 bytes a frame.
    fn data_frame_budget(&self) -> usize {
        (self.connection_window as usize).saturating_mul(8)
    }
}

/// How many streams that this side reset are remembered for a second: what the peer sent before it knew is no error. The h2
/// crate's 50 is less than a busy connection has in one round trip. Each costs some 600 bytes.
const RESETS_REMEMBERED: usize = 200;

/// How many frames on forgotten streams, and other errors of single streams, a connection answers with a reset before it
/// is closed. The h2 crate counts them as long as the connection lasts, and its 1,024 would end one that is honest and old.
/// A peer that does not read these resets costs as much memory for each as a stream.
const MOST_STREAM_ERRORS: usize = 64 << 10;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc+thrift");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The reason of a connection that simply ended, in Kitex's word.
pub(crate) const EOF: &str = "connection EOF";

/// What an error of the h2 crate means to a stream.
fn stream_error(err: &h2::Error, peer: &str) -> Error {
    let lost = |reason: String, draining| {
        Error::ConnectionLost(Arc::new(ConnectionLost { draining, ..ConnectionLost::new(peer, reason) }))
    };
    if err.is_go_away() {
        let calm = err.reason() == Some(h2::Reason::NO_ERROR);
        return lost(err.to_string(), calm && err.is_remote());
    }
    if let Some(io) = err.get_io() {
        let is_end = matches!(io.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        return lost(if is_end { EOF.to_owned() } else { err.to_string() }, false);
    }
    match err.reason() {
        Some(reason) if err.is_reset() && err.is_remote() => Error::Reset { code: reason.into() },
        _ => Error::protocol(format!("the HTTP/2 of {peer} is broken: {err}")),
    }
}

pub(super) fn connection_lost(peer: &str, reason: impl Into<String>) -> Error {
    Error::ConnectionLost(Arc::new(ConnectionLost::new(peer, reason)))
}

/// The error of a stream that no peer has looked at, so that it may run elsewhere.
fn not_looked_at(err: Error, peer: &str) -> Error {
    let lost = match err {
        Error::ConnectionLost(lost) => ConnectionLost::clone(&lost),
        err => ConnectionLost::new(peer, err.to_string()),
    };
    Error::ConnectionLost(Arc::new(ConnectionLost { draining: true, ..lost }))
}
