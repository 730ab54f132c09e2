//! How a call ends in the peer's words: a gRPC [`Status`], or a [`BizStatusError`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

/// A gRPC status code: any `i32`, since Kitex sends numbers beyond gRPC's sixteen (20 is an unknown service).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub i32);

impl Code {
    /// The call succeeded.
    pub const OK: Self = Self(0);
    /// The call was cancelled. Kitex also answers an unknown method with it.
    pub const CANCELLED: Self = Self(1);
    /// An error without a code of its own.
    pub const UNKNOWN: Self = Self(2);
    /// The caller sent something that is never right.
    pub const INVALID_ARGUMENT: Self = Self(3);
    /// The deadline passed.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// Something asked for was not there.
    pub const NOT_FOUND: Self = Self(5);
    /// Something to be made was there already.
    pub const ALREADY_EXISTS: Self = Self(6);
    /// The caller may not do this. Kitex also answers undecodable bytes with it.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// A limit was reached.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// The state does not allow the call.
    pub const FAILED_PRECONDITION: Self = Self(9);
    /// The call was given up, for example for a conflict.
    pub const ABORTED: Self = Self(10);
    /// Beyond the valid range.
    pub const OUT_OF_RANGE: Self = Self(11);
    /// Not implemented; gRPC's answer to an unknown method.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// A broken invariant; Kitex's code for a handler's plain error and for a panic.
    pub const INTERNAL: Self = Self(13);
    /// The service cannot be reached now.
    pub const UNAVAILABLE: Self = Self(14);
    /// Data was lost.
    pub const DATA_LOSS: Self = Self(15);
    /// The caller did not prove who it is.
    pub const UNAUTHENTICATED: Self = Self(16);
    /// One `recv` or `send` took longer than the client allows. Kitex's own; it never travels.
    pub const RECV_DEADLINE_EXCEEDED: Self = Self(17);
    /// Kitex's answer to a service name that the server does not have.
    pub const UNKNOWN_SERVICE: Self = Self(20);
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<i32> for Code {
    fn from(code: i32) -> Self {
        Self(code)
    }
}

/// A gRPC status: code, text and optional details.
///
/// Prints as Kitex prints it: `rpc error: code = 5 desc = not found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: Code,
    message: Cow<'static, str>,
    details: Bytes,
}

impl Status {
    /// Makes a status. A handler that returns it as an error ends its call with this code.
    #[must_use]
    pub fn new(code: impl Into<Code>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), details: Bytes::new() }
    }

    /// Adds a serialized `google.rpc.Status`, sent as `grpc-status-details-bin`. Its code and message win over this
    /// status's own on a Kitex client.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Bytes>) -> Self {
        self.details = details.into();
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// The text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The serialized `google.rpc.Status`; empty where there is none.
    #[must_use]
    pub fn details(&self) -> &Bytes {
        &self.details
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rpc error: code = {} desc = {}", self.code, self.message)
    }
}

impl std::error::Error for Status {}

/// A business status error: the call worked, the business said no. Kitex's `BizStatusError`.
///
/// A handler returns it as its error; the client gets it as [`Error::Biz`](crate::Error::Biz). It counts as no failure
/// of the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BizStatusError {
    code: i32,
    message: String,
    extra: BTreeMap<String, String>,
    status: Option<Box<Status>>,
}

impl BizStatusError {
    /// Makes a business status error. Zero is not a code: Kitex's clients read it as success on most transports.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), extra: BTreeMap::new(), status: None }
    }

    /// Adds a pair to the extra information.
    #[must_use]
    pub fn with_extra(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.insert(key.into(), value.into());
        self
    }

    /// Sets the gRPC status that travels with the error over HTTP/2. Without it the code is 13 and the text the message.
    /// A status of code 0 makes Kitex's clients see success.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = Some(Box::new(status));
        self
    }

    /// The business code.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The text.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The extra information.
    #[must_use]
    pub fn extra(&self) -> &BTreeMap<String, String> {
        &self.extra
    }

    /// The gRPC status that travels with the error, where one was set or received.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.status.as_deref()
    }

    pub(crate) fn with_all_extra(mut self, extra: BTreeMap<String, String>) -> Self {
        self.extra = extra;
        self
    }
}

impl fmt::Display for BizStatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "biz error: code={}, msg={}", self.code, self.message)
    }
}

impl std::error::Error for BizStatusError {}
