//! What comes first on a client's stream.
//!
//! The connection's task waits for it, not the stream's user: the answers that came together are looked at together, and
//! the user is woken once for all of it. What comes later the user takes from the h2 crate.

use std::task::{Context as Task, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, Response};

use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::wire::grpc;

/// The response headers, and what came with them.
pub(super) struct Arrival {
    pub(super) header: Metadata,
    pub(super) trailer: Metadata,
    /// The first DATA.
    pub(super) data: Bytes,
    pub(super) then: Then,
}

/// What follows the first DATA.
pub(super) enum Then {
    /// This DATA, where it is not empty, and what is still to come.
    Body(Bytes, RecvStream),
    End(End),
}

/// How a stream ends.
pub(super) enum End {
    /// As the server said.
    Told(Result<()>),
    /// It failed.
    Failed(Error),
    /// This side ends it: the server got something wrong.
    Refused(Error),
}

const ENDED: Then = Then::End(End::Told(Ok(())));

impl Arrival {
    fn new(then: Then) -> Self {
        Self { header: Metadata::new(), trailer: Metadata::new(), data: Bytes::new(), then }
    }

    /// The stream has failed before anything came.
    pub(super) fn failed(err: Error) -> Self {
        Self::new(Then::End(End::Failed(err)))
    }

    fn refused(err: Error) -> Self {
        Self::new(Then::End(End::Refused(err)))
    }

    /// Looks at a response, and takes what came with it. `explain` says what an error means to the stream.
    pub(super) fn of(
        response: Response<RecvStream>,
        task: &mut Task<'_>,
        explain: impl Fn(&h2::Error) -> Error,
    ) -> Self {
        let (parts, mut body) = response.into_parts();
        let content_type = parts.headers.get(http::header::CONTENT_TYPE);
        if content_type.is_none_or(|value| grpc::content_subtype(value.as_bytes()).is_none()) {
            return Self::refused(grpc::not_grpc(parts.status, content_type));
        }
        if body.is_end_stream() {
            // Trailers-Only: all of it is trailer, and the header is empty.
            return Self::new(ENDED).with_trailers(parts.headers);
        }
        let mut arrival = Self::new(ENDED);
        arrival.header = Metadata::received(parts.headers);
        let mut next = poll_body(&mut body, task);
        if let Poll::Ready(Body::Data(data)) = next {
            arrival.data = data;
            next = poll_body(&mut body, task);
        }
        match next {
            Poll::Pending => Self { then: Then::Body(Bytes::new(), body), ..arrival },
            Poll::Ready(Body::Data(data)) => Self { then: Then::Body(data, body), ..arrival },
            Poll::Ready(Body::Trailers(trailers)) => arrival.with_trailers(trailers),
            Poll::Ready(Body::End) => Self { then: Then::End(End::Failed(without_trailers())), ..arrival },
            Poll::Ready(Body::Failed(err)) => Self { then: Then::End(End::Failed(explain(&err))), ..arrival },
        }
    }

    fn with_trailers(self, trailers: HeaderMap) -> Self {
        let end = End::by(&trailers);
        Self { trailer: Metadata::received(trailers), then: Then::End(end), ..self }
    }

    /// Takes the DATA and what follows it.
    pub(super) fn take(&mut self) -> (Bytes, Then) {
        (std::mem::take(&mut self.data), std::mem::replace(&mut self.then, ENDED))
    }

    /// Whether all that the server had to say has come.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.then, Then::End(End::Told(_) | End::Failed(_)))
    }
}

impl End {
    /// How trailers say that the stream ends.
    pub(super) fn by(trailers: &HeaderMap) -> Self {
        grpc::parse_status(trailers).map_or_else(Self::Refused, Self::Told)
    }
}

/// What the body of a response gives.
pub(super) enum Body {
    Data(Bytes),
    Trailers(HeaderMap),
    /// The end without trailers.
    End,
    Failed(h2::Error),
}

pub(super) fn poll_body(body: &mut RecvStream, task: &mut Task<'_>) -> Poll<Body> {
    match body.poll_data(task) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Some(Ok(data))) => Poll::Ready(Body::Data(data)),
        Poll::Ready(Some(Err(err))) => Poll::Ready(Body::Failed(err)),
        Poll::Ready(None) => body.poll_trailers(task).map(|trailers| match trailers {
            Ok(Some(trailers)) => Body::Trailers(trailers),
            Ok(None) => Body::End,
            Err(err) => Body::Failed(err),
        }),
    }
}

pub(super) fn without_trailers() -> Error {
    Error::status(13, "server closed the stream without sending trailers")
}
