//! Metadata: the headers and trailers of a stream that belong to the user.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// A multimap of lower-case names to values: what gRPC calls metadata and Kitex `metadata.MD`.
///
/// A name may repeat; its values keep their order. Values are text without control characters, UTF-8 allowed; the
/// values of a name that ends in `-bin` are bytes. Names that the protocol itself uses (`grpc-status`, `te`,
/// `content-type` …) cannot be set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    map: HeaderMap,
}

impl Metadata {
    /// Makes an empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value after those that the name has already.
    ///
    /// # Errors
    /// A name with capital letters or characters that a header name cannot have, a name that the protocol uses itself,
    /// a `-bin` name (see [`Metadata::append_bin`]), or a value with control characters.
    pub fn append(&mut self, name: &str, value: impl AsRef<str>) -> Result<()> {
        if name.ends_with("-bin") {
            return Err(Error::misuse(format!("metadata {name:?} is binary by its suffix; use `append_bin`")));
        }
        let value = value.as_ref();
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| Error::misuse(format!("the value of metadata {name:?} has a control character: {value:?}")))?;
        self.map.append(parse_name(name)?, value);
        Ok(())
    }

    /// Adds a binary value; the name must end in `-bin`.
    ///
    /// # Errors
    /// A name without that suffix, or one that [`Metadata::append`] would refuse.
    pub fn append_bin(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        if !name.ends_with("-bin") {
            return Err(Error::misuse(format!("the name of binary metadata ends in `-bin`, and {name:?} does not")));
        }
        self.map.append(parse_name(name)?, encode_bin(value.as_ref()));
        Ok(())
    }

    /// The first value of a name, decoded leniently where it is not UTF-8. `None` for a `-bin` name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get_all(name).next()
    }

    /// All values of a name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = Cow<'_, str>> {
        let hidden = is_hidden(name) || name.ends_with("-bin");
        let values = (!hidden).then(|| self.map.get_all(name).iter());
        values.into_iter().flatten().map(|value| String::from_utf8_lossy(value.as_bytes()))
    }

    /// The values of a `-bin` name. A value that is not base64 is left out.
    pub fn get_bin(&self, name: &str) -> impl Iterator<Item = Bytes> + '_ {
        let values = (name.ends_with("-bin") && !is_hidden(name)).then(|| self.map.get_all(name).iter());
        values.into_iter().flatten().filter_map(|value| decode_bin(value.as_bytes()))
    }

    /// The names, each once, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(HeaderName::as_str).filter(|name| !is_hidden(name))
    }

    /// Whether there is nothing a user could see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// What a peer sent, as it came.
    pub(crate) fn received(map: HeaderMap) -> Self {
        Self { map }
    }

    pub(crate) fn raw(&self) -> &HeaderMap {
        &self.map
    }

    /// Adds everything of `other` that can be set: what a peer sent may be passed on, without the protocol's own names in it.
    pub fn merge(&mut self, other: &Self) {
        for (name, value) in
            other.map.iter().filter(|(name, _)| !is_reserved(name.as_str()) && !is_hidden(name.as_str()))
        {
            self.map.append(name, value.clone());
        }
    }

    /// Adds everything to the headers of a request or response.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.map {
            headers.append(name, value.clone());
        }
    }

    /// Replaces a header without the checks of [`Metadata::append`]: for names of this crate.
    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.map.insert(name, value);
    }
}

/// Unpadded on the way out, lenient on the way in, as Kitex.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn encode_bin(value: &[u8]) -> HeaderValue {
    // The base64 alphabet is within what a header value may have.
    HeaderValue::try_from(BASE64.encode(value)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(crate) fn decode_bin(value: &[u8]) -> Option<Bytes> {
    BASE64.decode(value).ok().map(Bytes::from)
}

fn parse_name(name: &str) -> Result<HeaderName> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = name.to_ascii_lowercase();
        return Err(Error::misuse(format!("metadata names are lower-case: write {lower:?} instead of {name:?}")));
    }
    if is_reserved(name) {
        return Err(Error::misuse(format!("metadata {name:?} belongs to the protocol and cannot be set")));
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        Error::misuse(format!("metadata {name:?} is no header name: use lower-case letters, digits, `-` and `_`"))
    })
}

/// What Kitex drops on send.
fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 9] = [
        "content-type",
        "user-agent",
        "grpc-message-type",
        "grpc-encoding",
        "grpc-message",
        "grpc-status",
        "grpc-timeout",
        "grpc-status-details-bin",
        "te",
    ];
    // RFC 9113, 8.2.2: connection-specific fields make a message malformed, and the h2 crate refuses to send them.
    const CONNECTION: [&str; 5] = ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"];
    name.starts_with(':') || RESERVED.contains(&name) || CONNECTION.contains(&name)
}

/// What Kitex keeps from the user on receipt.
fn is_hidden(name: &str) -> bool {
    const PARSED: [&str; 3] = ["grpc-accept-encoding", "biz-status", "biz-extra"];
    const SHOWN: [&str; 2] = ["content-type", "user-agent"];
    PARSED.contains(&name) || (is_reserved(name) && !SHOWN.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_where_they_are_set() {
        let rows = [
            ("x-ok", None),
            ("X-Upper", Some("write \"x-upper\"")),
            ("te", Some("belongs to the protocol")),
            ("grpc-status", Some("belongs to the protocol")),
            ("upgrade", Some("belongs to the protocol")),
            ("a b", Some("no header name")),
            ("", Some("no header name")),
            ("x-bin", Some("use `append_bin`")),
        ];
        for (name, want) in rows {
            let got = Metadata::new().append(name, "v").map_err(|err| err.to_string());
            match want {
                None => assert_eq!(got, Ok(())),
                Some(part) => assert!(got.as_ref().is_err_and(|text| text.contains(part)), "{name}: {got:?}"),
            }
        }
        assert!(Metadata::new().append("x-ok", "a\nb").is_err());
        assert!(Metadata::new().append_bin("x-ok", b"a").is_err());
    }

    #[test]
    fn values_keep_their_order_and_binary_values_their_bytes() {
        let mut metadata = Metadata::new();
        for value in ["1", "é", "1"] {
            metadata.append("x-list", value).unwrap();
        }
        metadata.append_bin("x-bin", [0, 255, 7]).unwrap();
        assert_eq!(metadata.get_all("x-list").collect::<Vec<_>>(), ["1", "é", "1"]);
        assert_eq!(metadata.get_bin("x-bin").collect::<Vec<_>>(), [Bytes::from_static(&[0, 255, 7])]);
        assert_eq!(metadata.map["x-bin"], "AP8H");
        assert_eq!(metadata.get("x-bin"), None);
    }

    #[test]
    fn what_a_peer_sent_is_passed_on_without_the_protocols_own() {
        let mut received = HeaderMap::new();
        for name in ["content-type", "te", "grpc-timeout", "user-agent", "biz-extra", "grpc-accept-encoding", "x-own"] {
            received.append(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let mut passed_on = Metadata::new();
        passed_on.merge(&Metadata::received(received));
        assert_eq!(passed_on.map.keys().collect::<Vec<_>>(), ["x-own"]);
    }

    #[test]
    fn received_binary_values_may_be_padded() {
        for (text, want) in [("AP8", Some(&[0u8, 255][..])), ("AP8=", Some(&[0, 255])), ("A?", None)] {
            assert_eq!(decode_bin(text.as_bytes()).as_deref(), want, "{text}");
        }
    }
}
