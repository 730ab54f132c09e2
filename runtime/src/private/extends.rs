//! A service that extends another: what it finds out about it, at compile time, by the name of its server alone.

use std::marker::PhantomData;

use crate::client::{Channel, FromChannel, StreamChannel};
use crate::schema::{Method, Mode, Service};

/// A service that others can extend. `…Server` is, whatever it serves.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the server of a Thrift service",
    note = "a supertrait that is none of the standard library's is the service that is extended"
)]
pub trait Extensible {
    /// The service.
    const SCHEMA: &'static Service;
    /// The client of its ping-pong methods.
    type Client: FromChannel<Channel = Channel>;
    /// The client of its other methods.
    type StreamClient: FromChannel<Channel = StreamChannel>;
}

/// The client of a service that has no methods for one.
#[derive(Clone, Debug)]
pub struct NoMethods<C>(PhantomData<fn() -> C>);

impl<C> FromChannel for NoMethods<C> {
    type Channel = C;

    fn schema() -> &'static Service {
        &Service { name: "", namespace: "", docs: "", extends: None, methods: &[] }
    }

    fn from_channel(_: C, _: &'static [Method]) -> Self {
        Self(PhantomData)
    }
}

/// What stands in a place that is not written yet.
const BLANK: Method = Method {
    service: "",
    name: "",
    path: "",
    mode: Mode::PingPong,
    oneway: false,
    docs: "",
    arguments: &[],
    result: None,
    throws: &[],
};

/// Whether a service has a method of this name.
#[must_use]
pub const fn has_method(service: &Service, name: &str) -> bool {
    let mut at = 0;
    while at < service.methods.len() {
        if is_same(service.methods[at].name.as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// How long the paths are that a service's methods have behind another prefix, one after another.
#[must_use]
pub const fn paths_len(prefix: &str, base: &Service) -> usize {
    let (mut len, mut at) = (0, 0);
    while at < base.methods.len() {
        len += prefix.len() + base.methods[at].name.len();
        at += 1;
    }
    len
}

/// Those paths.
#[must_use]
pub const fn paths<const LEN: usize>(prefix: &str, base: &Service) -> [u8; LEN] {
    let mut paths = [0; LEN];
    let (mut end, mut at) = (0, 0);
    while at < base.methods.len() {
        end = put(&mut paths, end, prefix.as_bytes());
        end = put(&mut paths, end, base.methods[at].name.as_bytes());
        at += 1;
    }
    paths
}

const fn put(into: &mut [u8], start: usize, text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        into[start + at] = text[at];
        at += 1;
    }
    start + text.len()
}

/// A service's own methods, and behind them those of its base, under the service's name and its [`paths`].
#[must_use]
pub const fn inherit<const N: usize>(
    own: &'static [Method],
    base: &'static Service,
    service: &'static str,
    prefix: &str,
    mut paths: &'static [u8],
) -> [Method; N] {
    // Every place is written below: the two lists are `N` methods together.
    let mut all = [BLANK; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < own.len() {
            own[at]
        } else {
            let method = base.methods[at - own.len()];
            let (path, rest) = paths.split_at(prefix.len() + method.name.len());
            paths = rest;
            let Ok(path) = std::str::from_utf8(path) else { panic!("two texts are one") };
            Method { service, path, ..method }
        };
        at += 1;
    }
    all
}
