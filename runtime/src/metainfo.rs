//! Metainfo: key-value pairs that travel with a call beside its arguments.
//!
//! Transient pairs go one hop, persistent pairs go down the whole chain of calls. On HTTP/2 they are headers:
//! `FOO_BAR` is `rpc-transit-foo-bar` or `rpc-persist-foo-bar`. Over streams there is no way back (Kitex has none either);
//! use header and trailer metadata for that.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::metadata::Metadata;

const TRANSIENT: &str = "rpc-transit-";
const PERSISTENT: &str = "rpc-persist-";

/// The pairs of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metainfo {
    /// The pairs that go one hop.
    pub transient: BTreeMap<String, String>,
    /// The pairs that go down the whole chain.
    pub persistent: BTreeMap<String, String>,
}

impl Metainfo {
    /// Reads the pairs from request headers. Keys become upper-case with underscores; an empty value is none, and only
    /// the first value of a repeated header counts, as in Kitex.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut metainfo = Self::default();
        for name in headers.keys() {
            let (pairs, key) = if let Some(key) = name.as_str().strip_prefix(TRANSIENT) {
                (&mut metainfo.transient, key)
            } else if let Some(key) = name.as_str().strip_prefix(PERSISTENT) {
                (&mut metainfo.persistent, key)
            } else {
                continue;
            };
            let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            if let (false, Some(value)) = (key.is_empty(), value.filter(|value| !value.is_empty())) {
                pairs.insert(key.to_ascii_uppercase().replace('-', "_"), value);
            }
        }
        metainfo
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.transient.is_empty() && self.persistent.is_empty()
    }

    /// Adds pairs; they win over those of the same key.
    pub(crate) fn extend(&mut self, pairs: &Self) {
        for (mine, theirs) in [(&mut self.transient, &pairs.transient), (&mut self.persistent, &pairs.persistent)] {
            mine.extend(theirs.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }

    /// Writes the pairs as request headers, over metadata of the same name.
    pub(crate) fn write_to(&self, metadata: &mut Metadata) {
        for (prefix, pairs) in [(TRANSIENT, &self.transient), (PERSISTENT, &self.persistent)] {
            for (key, value) in pairs {
                match parse_pair(prefix, key, value) {
                    Some((name, value)) => metadata.set(name, value),
                    // Kitex's peers would see another key than the one written here.
                    None => tracing::warn!(
                        key,
                        "metainfo is dropped: keys are upper-case letters, digits and underscores, values have no control characters"
                    ),
                }
            }
        }
    }
}

fn parse_pair(prefix: &str, key: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let survives = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if key.is_empty() || value.is_empty() || !key.bytes().all(survives) {
        return None;
    }
    let name = format!("{prefix}{}", key.to_ascii_lowercase().replace('_', "-"));
    Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_snake_keys_survive_and_others_are_dropped() {
        let mut sent = Metainfo::default();
        for (key, value) in [
            ("TRACE_ID", "t-1"),
            ("lower", "x"),
            ("A-B", "x"),
            ("", "x"),
            ("EMPTY", ""),
            ("UTF8", "é"),
            ("BAD", "a\nb"),
        ] {
            sent.transient.insert(key.to_owned(), value.to_owned());
        }
        sent.persistent.insert("TENANT".to_owned(), "p-1".to_owned());
        let mut metadata = Metadata::new();
        sent.write_to(&mut metadata);
        assert_eq!(metadata.raw()["rpc-transit-trace-id"], "t-1");
        let got = Metainfo::from_headers(metadata.raw());
        assert_eq!(
            got.transient.into_iter().collect::<Vec<_>>(),
            [("TRACE_ID".into(), "t-1".into()), ("UTF8".into(), "é".into())]
        );
        assert_eq!(got.persistent.into_iter().collect::<Vec<_>>(), [("TENANT".into(), "p-1".into())]);
    }
}
