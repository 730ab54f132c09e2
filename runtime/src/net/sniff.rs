//! Reads the first bytes of a connection and gives them back.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;

use super::BoxIo;

/// Reads until `enough` says so of what came, or the connection ends.
///
/// What was read is in the answer, for the transport to read again.
pub(crate) async fn sniff(io: &mut BoxIo, enough: impl Fn(&[u8]) -> bool) -> io::Result<Bytes> {
    let mut seen = BytesMut::with_capacity(64);
    while !enough(&seen) {
        if io.read_buf(&mut seen).await? == 0 {
            break;
        }
    }
    Ok(seen.freeze())
}
