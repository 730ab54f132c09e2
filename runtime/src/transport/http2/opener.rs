//! Opens a client's streams.

use std::sync::LazyLock;
use std::task::{Context as Task, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::header::{HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::outgoing::Outgoing;
use super::{CONTENT_TYPE, GRPC_TIMEOUT, stream_error};
use crate::context::now;
use crate::error::{Error, Result, Stage};
use crate::metadata::Metadata;
use crate::wire::grpc;

/// What a stream asks for in its headers.
pub(super) struct Ask {
    pub(super) path: &'static str,
    pub(super) authority: Authority,
    pub(super) metadata: Metadata,
}

/// Why a stream could not be opened on a connection.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The connection takes no more streams; another may.
    Connection(Error),
    /// The stream itself is at fault.
    Stream(Error),
}

/// Opens a stream; `deadline` is when it must be over, and how long it was given.
pub(super) fn open(
    requests: &SendRequest<Outgoing>,
    ask: Ask,
    deadline: Option<(Instant, Duration)>,
    peer: &str,
) -> Result<(ResponseFuture, SendStream<Outgoing>), Refused> {
    let request = request(ask, deadline).map_err(Refused::Stream)?;
    // A handle of its own lets each stream wait in the h2 crate for the server's limit of concurrent streams, as Kitex's
    // waits, until its deadline. To be told that one handle waits already would cost its stream the notice of a reset.
    requests.clone().send_request(request, false).map_err(|err| {
        let is_ours = err.is_io() || err.is_go_away() || err.is_remote();
        let error = stream_error(&err, peer);
        if is_ours { Refused::Connection(error) } else { Refused::Stream(error) }
    })
}

/// Why a connection takes no more streams, where it does not.
pub(super) fn refuses(requests: &mut SendRequest<Outgoing>, peer: &str) -> Option<Error> {
    match requests.poll_ready(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(Err(err)) => Some(stream_error(&err, peer)),
        _ => None,
    }
}

/// What every request has. To copy it is quicker than to put it together.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let agent = HeaderValue::from_static(concat!("thrill/", env!("CARGO_PKG_VERSION")));
    let trailers = HeaderValue::from_static("trailers");
    [(http::header::CONTENT_TYPE, CONTENT_TYPE), (USER_AGENT, agent), (TE, trailers)].into_iter().collect()
});

fn request(ask: Ask, deadline: Option<(Instant, Duration)>) -> Result<Request<()>> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(ask.authority);
    let bad_path = |err: http::Error| Error::misuse(format!("the method's name makes no path, {}: {err}", ask.path));
    let path = PathAndQuery::from_maybe_shared(Bytes::from_static(ask.path.as_bytes()));
    parts.path_and_query = Some(path.map_err(|err| bad_path(err.into()))?);
    let uri = Uri::from_parts(parts).map_err(|err| bad_path(err.into()))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    *headers = HEADERS.clone();
    if let Some((at, after)) = deadline {
        let left = at.saturating_duration_since(now());
        if left.is_zero() {
            return Err(Error::DeadlineExceeded { during: Stage::Open, after, peer: None });
        }
        headers.insert(GRPC_TIMEOUT, grpc::encode_timeout(left));
    }
    ask.metadata.write_to(headers);
    Ok(request)
}
