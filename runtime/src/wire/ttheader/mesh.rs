//! The header of a mesh, before a message without a TTHeader.

use bytes::Bytes;

use super::{Limits, MESH_MAGIC, Strings, too_large};
use crate::error::{Error, Result};

/// Reads the mesh header that `input` begins with: keys and values as [`Header::strings`], and where the Buffered or
/// Framed message behind it begins. `None`: it is not all there.
///
/// Only proxies write it, and no reply has one.
///
/// # Errors
/// What is no mesh header, or one beyond the limit or whose pairs do not fit it.
pub(crate) fn parse_mesh(input: &[u8], limits: &Limits) -> Result<Option<(Strings, usize)>> {
    let Some([magic @ .., s0, s1]) = input.first_chunk::<4>() else { return Ok(None) };
    if *magic != MESH_MAGIC {
        return Err(Error::protocol("message has no mesh header: it does not begin with FF AF"));
    }
    let len = usize::from(u16::from_be_bytes([*s0, *s1]));
    if len > limits.header {
        return Err(too_large("received mesh header", len, limits.header));
    }
    let Some(info) = input.get(4..4 + len) else { return Ok(None) };
    let info = Bytes::copy_from_slice(info);
    let mut strings = Strings::default();
    if strings.parse(&info, &mut &*info).is_none() {
        return Err(Error::protocol(format!("mesh header's keys and values do not fit its {len} bytes")));
    }
    // What may follow the pairs inside the header is not looked at, as in Kitex.
    Ok(Some((strings, 4 + len)))
}
