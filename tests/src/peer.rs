//! The Kitex peer, run as a process.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::skip::say_skipped;

/// Where the Kitex peer is: the environment's `KITEX_PEER`. Without it, says loudly what is not tested.
///
/// # Panics
/// In CI without the peer: there, nothing is skipped.
#[must_use]
pub fn kitex_peer(what: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("KITEX_PEER").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    assert!(
        std::env::var_os("THRILL_REQUIRE_KITEX").is_none(),
        "KITEX_PEER is not set, and THRILL_REQUIRE_KITEX asks for it"
    );
    say_skipped(what, "set KITEX_PEER to the Kitex peer's binary to test against real Kitex");
    None
}

/// A server in a process of its own, ended with this value.
#[derive(Debug)]
pub struct PeerServer {
    /// Where it listens.
    pub addr: String,
    _child: Child,
}

impl PeerServer {
    /// Starts a server that prints `listening HOST:PORT`.
    ///
    /// # Errors
    /// It did not start, or said something else.
    pub async fn start(binary: &PathBuf, args: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(binary).args(args).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no output to read"))?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let addr =
            line.trim().strip_prefix("listening ").ok_or_else(|| io::Error::other(format!("it said {line:?}")))?;
        Ok(Self { addr: addr.to_owned(), _child: child })
    }
}
