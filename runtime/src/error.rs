//! What can go wrong, by who caused it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{ApplicationException, DecodeError, EncodeError};
use crate::status::{BizStatusError, Code, Status};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`Error::origin`] tells who caused it, [`Error::code`] the gRPC code that it is or would be sent as.
///
/// Errors are cheap to clone: a stream repeats its final error on every further call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer ended the call with this status; or, returned by a handler, the status to end it with.
    Status(Box<Status>),
    /// The peer's business said no; or, returned by a handler, what its business says.
    Biz(Box<BizStatusError>),
    /// The peer answered a ping-pong call with this; or, returned by a handler, the exception to answer with.
    Application(Box<ApplicationException>),
    /// An error of the handler's own. It travels as code 13 with its text.
    Handler(Arc<dyn std::error::Error + Send + Sync>),
    /// The deadline passed here, before the peer answered.
    DeadlineExceeded {
        /// What was going on.
        during: Stage,
        /// How long the call was given.
        after: Duration,
        /// The address that it was going on with; `None` where none was chosen yet.
        peer: Option<Arc<str>>,
    },
    /// One `recv` or `send` took longer than the client allows; see [`StreamTimeout`]. Code 17, Kitex's, which never travels.
    StreamTimeout {
        /// [`Stage::Recv`] or [`Stage::Send`].
        during: Stage,
        /// What was allowed.
        timeout: StreamTimeout,
    },
    /// What was given to [`call_with_timeout`](crate::call_with_timeout) took longer than it was given.
    CallTimeout {
        /// How long it was given.
        after: Duration,
    },
    /// The call was cancelled.
    Cancelled(Arc<Cancelled>),
    /// The peer reset the stream, with this HTTP/2 error code.
    Reset {
        /// The number on the wire; 1000 is Kitex's graceful shutdown.
        code: u32,
    },
    /// There is no instance of the service that the call could go to, or none was found; the text says why.
    NoInstance(Arc<str>),
    /// A circuit breaker is open, so that nothing was tried; the text says which and why.
    CircuitOpen(Arc<str>),
    /// No connection could be made.
    Connect(Arc<ConnectError>),
    /// The connection broke, or the peer is closing it, under a stream that was open.
    ConnectionLost(Arc<ConnectionLost>),
    /// The peer broke the protocol, or sent what this side does not speak.
    Protocol(Arc<str>),
    /// The peer's bytes are not the message that the schema says.
    Decode(DecodeError),
    /// A message of this side has no wire form.
    Encode(EncodeError),
    /// A message is larger than the limit.
    TooLarge {
        /// Whose message and where: `received message`, `header list` …
        what: &'static str,
        /// Its size, as claimed or counted, in bytes.
        got: usize,
        /// The limit, in bytes. The option that raises it is in the text.
        limit: usize,
    },
    /// This side used the API in a way that cannot work; the text says how to mend it.
    Misuse(Arc<str>),
}

/// What a call was doing when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Waiting for a connection that another call was making, to share it.
    Pool,
    /// Making a connection.
    Connect,
    /// Agreeing with the peer on how to use the connection.
    Handshake,
    /// Opening the stream, or setting out for a call.
    Open,
    /// Exchanging messages over a stream.
    Exchange,
    /// Writing the request of a ping-pong call.
    Write,
    /// Waiting for the reply of a ping-pong call.
    Read,
    /// Receiving one message.
    Recv,
    /// Sending one message.
    Send,
}

/// How long one `recv` or `send` of a client's stream may take: Kitex's `TimeoutConfig`. Zero is without limit.
///
/// A timeout cancels the stream, so that the peer does not work for no one. A [`Duration`] alone says just that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTimeout {
    /// How long.
    pub timeout: Duration,
    /// Whether the stream goes on after a timeout: the next `recv` or `send` may still succeed. Dropping the stream still
    /// cancels it; keep it, in a task for instance, to let the peer come to its end.
    pub disable_cancel_remote: bool,
}

impl From<Duration> for StreamTimeout {
    fn from(timeout: Duration) -> Self {
        Self { timeout, disable_cancel_remote: false }
    }
}

/// As Kitex prints it.
impl fmt::Display for StreamTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timeout, disable_cancel_remote } = self;
        write!(f, "{{Timeout:{timeout:?} DisableCancelRemote:{disable_cancel_remote}}}")
    }
}

/// Who caused an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The code that uses thrill on this side: a handler's error, a wrong argument, its own deadline or cancellation.
    User,
    /// The peer: its answer, or its breach of the protocol.
    Remote,
    /// What lies between: a connection that cannot be made, or that broke.
    Network,
}

/// Why a call was cancelled, and by whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cancelled {
    /// The peer reset the stream.
    ByPeer {
        /// The HTTP/2 error code of the reset.
        code: u32,
        /// The `source-service` that the caller named; empty where it named none.
        caller: String,
    },
    /// The connection to the peer ended.
    ConnectionLost {
        /// What is known of the reason.
        reason: String,
    },
    /// This server is shutting down and the time to drain is over.
    Shutdown,
    /// The handler returned, and what it left open is closed.
    HandlerReturned,
    /// This side dropped the stream, or a half of it that was not closed.
    Dropped {
        /// Which part was dropped.
        what: &'static str,
    },
    /// The call was made with another call's context, and that call was cancelled. Code and text are its cause's.
    Cascade {
        /// Why: what [`Context::cancelled`](crate::Context::cancelled) of that call tells.
        cause: Error,
    },
}

/// Where an error that ends a call came from: it decides whether the text is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The handler returned it. Kitex marks the text with ` [biz error]`, and its users' tests look for that.
    InHandler,
    /// The framework found it: unknown method, panic.
    InFramework,
}

/// A connection that could not be made.
#[derive(Debug)]
pub struct ConnectError {
    pub(crate) service: String,
    pub(crate) address: String,
    pub(crate) during: Stage,
    pub(crate) after: Duration,
    pub(crate) source: std::io::Error,
}

impl ConnectError {
    /// The address that was dialled.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How far it came: [`Stage::Pool`], [`Stage::Connect`] or [`Stage::Handshake`].
    #[must_use]
    pub fn during(&self) -> Stage {
        self.during
    }

    /// How long it was tried.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, address, during, after, source } = self;
        write!(f, "cannot connect to {address} for service {service:?} (tried for {after:?}")?;
        if *during != Stage::Connect {
            write!(f, ", during {during}")?;
        }
        write!(f, "): {source}")
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A connection that ended under its streams.
#[derive(Clone, Debug)]
pub struct ConnectionLost {
    pub(crate) peer: String,
    pub(crate) reason: String,
    /// The peer did not look at this stream, so that it may run elsewhere: it said so (GOAWAY), or was not asked.
    pub(crate) draining: bool,
    /// What a call was doing with it, and for how long.
    pub(crate) during: Option<(Stage, Duration)>,
}

impl ConnectionLost {
    pub(crate) fn new(peer: &str, reason: impl Into<String>) -> Self {
        Self { peer: peer.to_owned(), reason: reason.into(), draining: false, during: None }
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// What a ping-pong call was doing when it ended: [`Stage::Write`] or [`Stage::Read`]. `None` for a stream.
    #[must_use]
    pub fn during(&self) -> Option<Stage> {
        self.during.map(|(stage, _)| stage)
    }

    /// How long after its begin a ping-pong call lost the connection. `None` for a stream.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        self.during.map(|(_, after)| after)
    }

    /// Whether the peer refused the stream without running it, so that the call may be made again elsewhere.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }
}

impl Error {
    /// Wraps any error, text or `anyhow::Error` as a handler's own: `Err(Error::new("no such user"))`.
    pub fn new(err: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Handler(Arc::from(err.into()))
    }

    /// Makes a status to end a call with.
    pub fn status(code: impl Into<Code>, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::Status(Box::new(Status::new(code, message)))
    }

    pub(crate) fn misuse(text: impl Into<String>) -> Self {
        Self::Misuse(Arc::from(text.into()))
    }

    pub(crate) fn no_instance(text: impl Into<String>) -> Self {
        Self::NoInstance(Arc::from(text.into()))
    }

    pub(crate) fn protocol(text: impl Into<String>) -> Self {
        Self::Protocol(Arc::from(text.into()))
    }

    /// Says of a lost connection what a call was doing with it, and for how long.
    pub(crate) fn lost_during(self, stage: Stage, after: Duration) -> Self {
        match self {
            Self::ConnectionLost(mut lost) => {
                Arc::make_mut(&mut lost).during = Some((stage, after));
                Self::ConnectionLost(lost)
            }
            other => other,
        }
    }

    pub(crate) fn dropped(what: &'static str) -> Self {
        Self::Cancelled(Arc::new(Cancelled::Dropped { what }))
    }

    /// What a call ends with whose parent was cancelled for this.
    pub(crate) fn cascade(&self) -> Self {
        Self::Cancelled(Arc::new(Cancelled::Cascade { cause: self.clone() }))
    }

    /// The business error that this is, or that is anywhere among the causes of a handler's own error.
    pub(crate) fn biz(&self) -> Option<&BizStatusError> {
        let mut cause: &(dyn std::error::Error + 'static) = match self {
            Self::Biz(biz) => return Some(biz),
            Self::Handler(err) => &**err,
            _ => return None,
        };
        loop {
            if let Some(biz) = cause.downcast_ref::<BizStatusError>() {
                return Some(biz);
            }
            if let Some(Self::Biz(biz)) = cause.downcast_ref::<Self>() {
                return Some(biz);
            }
            cause = cause.source()?;
        }
    }

    /// Whether this is a clone of the other, or says just the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Status(a), Self::Status(b)) => a == b,
            (Self::Biz(a), Self::Biz(b)) => a == b,
            (Self::Handler(a), Self::Handler(b)) => Arc::ptr_eq(a, b),
            (Self::Cancelled(a), Self::Cancelled(b)) => Arc::ptr_eq(a, b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other) && self.message() == other.message(),
        }
    }

    /// The gRPC code: the peer's, or the one that this error has for Kitex.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Status(status) => status.code(),
            Self::Biz(biz) => biz.status().map_or(Code::INTERNAL, Status::code),
            Self::Application(exception) => Code(exception.kind),
            Self::DeadlineExceeded { .. } | Self::CallTimeout { .. } => Code::DEADLINE_EXCEEDED,
            Self::StreamTimeout { .. } => Code::RECV_DEADLINE_EXCEEDED,
            Self::Cancelled(cancelled) => cancelled.code(),
            Self::Reset { code } => reset_code(*code),
            Self::NoInstance(_) | Self::CircuitOpen(_) | Self::Connect(_) | Self::ConnectionLost(_) => {
                Code::UNAVAILABLE
            }
            // Kitex's protocol exception, 7, goes out as the gRPC code 7.
            Self::Decode(_) => Code(7),
            Self::TooLarge { .. } => Code::RESOURCE_EXHAUSTED,
            Self::Handler(_) | Self::Protocol(_) | Self::Encode(_) | Self::Misuse(_) => Code::INTERNAL,
        }
    }

    /// Who caused it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Status(_)
            | Self::Biz(_)
            | Self::Application(_)
            | Self::Reset { .. }
            | Self::Protocol(_)
            | Self::Decode(_) => Origin::Remote,
            Self::Cancelled(cancelled) => match &**cancelled {
                Cancelled::ByPeer { .. } => Origin::Remote,
                Cancelled::ConnectionLost { .. } => Origin::Network,
                _ => Origin::User,
            },
            Self::NoInstance(_) | Self::Connect(_) | Self::ConnectionLost(_) => Origin::Network,
            Self::TooLarge { what, .. } if what.starts_with("received") => Origin::Remote,
            _ => Origin::User,
        }
    }

    /// The text that would travel as `grpc-message`: Kitex's where Kitex has one.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Status(status) => status.message().to_owned(),
            Self::Biz(biz) => biz.message().to_owned(),
            Self::Application(exception) => exception.to_string(),
            Self::Handler(err) => err.to_string(),
            Self::DeadlineExceeded { .. } => "context deadline exceeded".to_owned(),
            Self::StreamTimeout { during, timeout } => format!("stream {during} timeout, timeout config={timeout}"),
            // Kitex's words.
            Self::CallTimeout { after } => {
                format!("rpc timeout: CallWithTimeout: timeout in business code, timeout_config={after:?}")
            }
            Self::Cancelled(cancelled) => cancelled.to_string(),
            Self::Reset { code: GRACEFUL_SHUTDOWN } => "graceful shutdown".to_owned(),
            Self::Reset { code } => {
                format!("stream terminated by RST_STREAM with error code: {}", reset_name(*code))
            }
            // Kitex's words.
            Self::CircuitOpen(text) => format!("forbidden by circuitbreaker: {text}"),
            Self::NoInstance(text) => format!("service discovery error: {text}"),
            Self::Connect(err) => err.to_string(),
            Self::ConnectionLost(lost) if lost.draining => "the connection is draining".to_owned(),
            Self::ConnectionLost(lost) => {
                let ConnectionLost { peer, reason, during, .. } = &**lost;
                let during = during.map(|(stage, after)| format!(" after {after:?}, during {stage}"));
                format!("connection to {peer} lost{}: {reason}", during.unwrap_or_default())
            }
            Self::Protocol(text) | Self::Misuse(text) => text.to_string(),
            Self::Decode(err) => err.to_string(),
            Self::Encode(err) => err.to_string(),
            Self::TooLarge { what, got, limit } => {
                format!("{what} of {got} bytes is larger than the limit of {limit} bytes")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Biz(biz) => biz.fmt(f),
            // Kitex's words.
            Self::Application(exception) => write!(f, "remote or network error[remote]: {exception}"),
            Self::Handler(err) => err.fmt(f),
            Self::DeadlineExceeded { during, after, peer } => {
                let code = Code::DEADLINE_EXCEEDED;
                let peer = peer.as_ref().map(|peer| format!(", peer {peer}")).unwrap_or_default();
                write!(
                    f,
                    "rpc error: code = {code} desc = context deadline exceeded (after {after:?}, during {during}{peer})"
                )
            }
            Self::StreamTimeout { .. } | Self::Cancelled(_) | Self::Reset { .. } | Self::ConnectionLost(_) => {
                write!(f, "rpc error: code = {} desc = {}", self.code(), self.message())
            }
            _ => f.write_str(&self.message()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Handler(err) => err.source(),
            Self::Connect(err) => Some(&err.source),
            Self::Decode(err) => Some(err),
            Self::Encode(err) => Some(err),
            Self::Cancelled(cancelled) => match &**cancelled {
                Cancelled::Cascade { cause } => Some(cause),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool => "the wait for a shared connection",
            Self::Connect => "connect",
            Self::Handshake => "the handshake",
            Self::Open => "opening the stream",
            Self::Exchange => "the exchange of messages",
            Self::Write => "writing the request",
            Self::Read => "the wait for the reply",
            Self::Recv => "Recv",
            Self::Send => "Send",
        })
    }
}

impl Cancelled {
    fn code(&self) -> Code {
        match self {
            Self::ByPeer { code: GRACEFUL_SHUTDOWN, .. } | Self::Shutdown => Code::UNAVAILABLE,
            Self::Cascade { cause } => cause.code(),
            _ => Code::CANCELLED,
        }
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer { code: GRACEFUL_SHUTDOWN, .. } | Self::Shutdown => f.write_str("graceful shutdown"),
            Self::ByPeer { code, caller } => {
                let name = reset_name(*code);
                write!(f, "transport: RSTStream Frame received with error code: {name} [triggered by {caller}]")
            }
            Self::ConnectionLost { reason } => write!(f, "transport: {reason} [triggered by remote service]"),
            Self::HandlerReturned => f.write_str("transport: canceled by business handler returning"),
            Self::Dropped { what } => write!(f, "context canceled: {what}"),
            Self::Cascade { cause } => f.write_str(&cause.message()),
        }
    }
}

/// Two cascades are equal where their causes say the same.
impl PartialEq for Cancelled {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ByPeer { code, caller }, Self::ByPeer { code: other, caller: by }) => code == other && caller == by,
            (Self::ConnectionLost { reason }, Self::ConnectionLost { reason: other }) => reason == other,
            (Self::Dropped { what }, Self::Dropped { what: other }) => what == other,
            (Self::Cascade { cause }, Self::Cascade { cause: other }) => cause.is_same(other),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Cancelled {}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl From<BizStatusError> for Error {
    fn from(biz: BizStatusError) -> Self {
        Self::Biz(Box::new(biz))
    }
}

impl From<ApplicationException> for Error {
    fn from(exception: ApplicationException) -> Self {
        Self::Application(Box::new(exception))
    }
}

impl From<DecodeError> for Error {
    fn from(err: DecodeError) -> Self {
        Self::Decode(err)
    }
}

impl From<EncodeError> for Error {
    fn from(err: EncodeError) -> Self {
        Self::Encode(err)
    }
}

impl From<std::io::Error> for Error {
    fn from(err: std::io::Error) -> Self {
        Self::new(err)
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(err: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::Handler(Arc::from(err))
    }
}

impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// The RST_STREAM code with which Kitex resets the streams that outlive a graceful shutdown.
pub(crate) const GRACEFUL_SHUTDOWN: u32 = 1000;

/// How a Kitex client reads a RST_STREAM.
fn reset_code(code: u32) -> Code {
    match code {
        0x3 | 0xb => Code::RESOURCE_EXHAUSTED,
        0x7 | GRACEFUL_SHUTDOWN => Code::UNAVAILABLE,
        0x8 => Code::CANCELLED,
        0xc => Code::PERMISSION_DENIED,
        0x0..=0xd => Code::INTERNAL,
        _ => Code::UNKNOWN,
    }
}

fn reset_name(code: u32) -> String {
    // RFC 9113, 7
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let name = usize::try_from(code).ok().and_then(|at| NAMES.get(at));
    name.map_or_else(|| format!("unknown error code 0x{code:x}"), |name| (*name).to_owned())
}
