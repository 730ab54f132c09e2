//! A client's HTTP/2 connection and the streams on it.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context as Task, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::{HeaderValue, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::gather::{Gather, Pulse};
use super::inbox::Inbox;
use super::keepalive::Probe;
use super::lane::{Handle, Lane, Streams};
use super::outbox::{Half, Outbox, Outgoing};
use super::{CONTENT_TYPE, Config, GRPC_TIMEOUT, connection_lost, stream_error};
use crate::codec::Encode;
use crate::context::{Context, lock, now};
use crate::error::{Error, Result, Stage};
use crate::metadata::Metadata;
use crate::net::BoxIo;
use crate::transport::{ConnectionId, Frame, Halves, Load, RecvHalf, SendHalf};
use crate::wire::grpc;

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    requests: Mutex<SendRequest<Outgoing>>,
    lane: Arc<Lane>,
    config: Config,
}

impl Drop for Shared {
    /// The last user is gone: the task closes the connection once its streams are.
    fn drop(&mut self) {
        self.lane.leave();
    }
}

/// What opens a stream.
pub(crate) struct Open<'a> {
    pub(crate) path: &'static str,
    pub(crate) authority: &'a Authority,
    pub(crate) metadata: &'a Metadata,
    /// When the stream must be over, and how long it was given.
    pub(crate) deadline: Option<(Instant, Duration)>,
    /// The call that this one is part of: its end ends this one.
    pub(crate) parent: Option<&'a Context>,
    /// Counts the stream as long as it runs.
    pub(crate) load: &'a Load,
}

/// Why a stream could not be opened on a connection.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The connection takes no more streams; another may.
    Connection(Error),
    /// The stream itself is at fault.
    Stream(Error),
}

impl Connection {
    /// Speaks HTTP/2 on a connection that was just made. Does not wait for the server.
    ///
    /// # Errors
    /// The server has closed it already.
    pub(crate) async fn handshake(io: BoxIo, peer: &str, config: Config) -> std::io::Result<Self> {
        let pulse = Arc::new(Pulse::new());
        let (requests, mut connection) = h2::client::Builder::new()
            .initial_window_size(config.stream_window)
            .initial_connection_window_size(config.connection_window)
            .max_frame_size(config.max_frame_size())
            .max_header_list_size(config.max_header_list_size)
            .max_send_buffer_size(config.send_buffer)
            .data_frame_budget(config.data_frame_budget())
            // Until the server has told its limit, one stream goes ahead and the others wait for it to be known.
            .initial_max_send_streams(1)
            .enable_push(false)
            .handshake(Gather::client(io, Arc::clone(&pulse)))
            .await
            .map_err(std::io::Error::other)?;
        let lane = Lane::new(pulse, peer.to_owned(), &config);
        let mut streams = Streams::new(Arc::clone(&lane));
        let mut probe = config.keepalive.and_then(|keepalive| Probe::new(keepalive, connection.ping_pong()));
        // The h2 crate closes a connection without handles at once, resets unsent: the task lets go of its own last.
        let mut last_handle = Some(requests.clone());
        let shared = Arc::new(Shared { requests: Mutex::new(requests), lane, config });
        let users = Arc::downgrade(&shared);
        // The preface leaves now: what a server that takes no more connections has closed is noticed before a call is on it.
        match poll_fn(|task| Poll::Ready(Pin::new(&mut connection).poll(task))).await {
            Poll::Pending => {}
            Poll::Ready(Err(err)) => return Err(std::io::Error::other(err)),
            Poll::Ready(Ok(())) => return Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let end = poll_fn(|task| {
                streams.drain(task);
                if let Poll::Ready(end) = connection.as_mut().poll(task) {
                    return Poll::Ready(end.map_err(|err| stream_error(&err, &streams.lane().peer)));
                }
                if users.strong_count() == 0 && streams.is_empty() && last_handle.take().is_some() {
                    task.waker().wake_by_ref();
                }
                match &mut probe {
                    Some(probe) => probe.poll_dead(task, &streams.lane().pulse).map(|()| {
                        let reason = "keepalive ping failed to receive ACK within timeout";
                        Err(connection_lost(&streams.lane().peer, reason))
                    }),
                    None => Poll::Pending,
                }
            });
            let end = end.await;
            let err = end.err().unwrap_or_else(|| connection_lost(&streams.lane().peer, "the server closed it"));
            streams.close(err);
        });
        Ok(Self { shared })
    }

    pub(crate) fn id(&self) -> ConnectionId {
        id(&self.shared.lane)
    }

    /// Whether the connection takes new streams: it does not after GOAWAY or a failure.
    pub(crate) fn is_open(&self) -> bool {
        let mut requests = lock(&self.shared.requests);
        !matches!(requests.poll_ready(&mut Task::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    }

    /// Opens a stream. Its headers leave at once; nothing waits for the server's.
    pub(crate) fn open(&self, open: &Open<'_>) -> Result<Halves, Refused> {
        let (outbox, response) = self.start(open)?;
        Ok(Halves {
            send: Box::new(ClientSend { outbox: Arc::clone(&outbox) }),
            recv: Box::new(ClientRecv {
                outbox,
                inbox: Inbox::new(self.shared.config.max_message_size),
                phase: Phase::Headers(response),
                header: Metadata::new(),
                trailer: Metadata::new(),
            }),
        })
    }

    fn start(&self, open: &Open<'_>) -> Result<(Arc<Outbox>, ResponseFuture), Refused> {
        let lane = &self.shared.lane;
        let request = request(open).map_err(Refused::Stream)?;
        let (response, send) = self.send_request(request)?;
        let outbox = Outbox::client(Arc::clone(lane), self.shared.config.send_buffer, open.deadline, open.load.begin());
        lane.open(Arc::clone(&outbox), Handle::Send(send)).map_err(Refused::Connection)?;
        outbox.start_timer();
        if let Some(parent) = open.parent {
            parent.adopt(&outbox);
        }
        Ok((outbox, response))
    }

    fn send_request(&self, request: Request<()>) -> Result<(ResponseFuture, SendStream<Outgoing>), Refused> {
        let mut shared = lock(&self.shared.requests);
        let mut own;
        let requests = match shared.poll_ready(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => &mut *shared,
            Poll::Ready(Err(err)) => return Err(Refused::Connection(stream_error(&err, &self.shared.lane.peer))),
            Poll::Pending => {
                // The server's limit of concurrent streams is reached, and this handle already waits with one: a handle
                // of its own lets the stream wait in the h2 crate, as Kitex's waits, until its deadline.
                own = shared.clone();
                &mut own
            }
        };
        requests.send_request(request, false).map_err(|err| {
            let is_ours = err.is_io() || err.is_go_away() || err.is_remote();
            let error = stream_error(&err, &self.shared.lane.peer);
            if is_ours { Refused::Connection(error) } else { Refused::Stream(error) }
        })
    }
}

fn id(lane: &Arc<Lane>) -> ConnectionId {
    ConnectionId(Arc::as_ptr(lane).addr())
}

/// What every request has. To copy it is quicker than to put it together.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let agent = HeaderValue::from_static(concat!("thrill/", env!("CARGO_PKG_VERSION")));
    let trailers = HeaderValue::from_static("trailers");
    [(http::header::CONTENT_TYPE, CONTENT_TYPE), (USER_AGENT, agent), (TE, trailers)].into_iter().collect()
});

fn request(open: &Open<'_>) -> Result<Request<()>> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(open.authority.clone());
    let bad_path = |err: http::Error| Error::misuse(format!("the method's name makes no path, {}: {err}", open.path));
    let path = PathAndQuery::from_maybe_shared(Bytes::from_static(open.path.as_bytes()));
    parts.path_and_query = Some(path.map_err(|err| bad_path(err.into()))?);
    let uri = Uri::from_parts(parts).map_err(|err| bad_path(err.into()))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    *headers = HEADERS.clone();
    if let Some((at, after)) = open.deadline {
        let left = at.saturating_duration_since(now());
        if left.is_zero() {
            return Err(Error::DeadlineExceeded { during: Stage::Open, after, peer: None });
        }
        headers.insert(GRPC_TIMEOUT, grpc::encode_timeout(left));
    }
    open.metadata.write_to(headers);
    Ok(request)
}

struct ClientSend {
    outbox: Arc<Outbox>,
}

impl SendHalf for ClientSend {
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.outbox.poll_ready(task)
    }

    fn send(&mut self, message: &dyn Encode) -> Result<usize> {
        self.outbox.send(message)
    }

    fn poll_send(&mut self, task: &mut Task<'_>, message: &dyn Encode) -> Poll<Result<usize>> {
        self.outbox.poll_send(task, message)
    }

    fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.outbox.poll_flush(task)
    }

    fn close(&mut self) {
        self.outbox.close();
    }

    fn cancel(&mut self, cause: Error) {
        self.outbox.reset(Reason::CANCEL, cause);
    }
}

impl Drop for ClientSend {
    fn drop(&mut self) {
        self.outbox.drop_half(Half::Send);
    }
}

struct ClientRecv {
    outbox: Arc<Outbox>,
    inbox: Inbox,
    phase: Phase,
    header: Metadata,
    trailer: Metadata,
}

enum Phase {
    /// The response headers have not come.
    Headers(ResponseFuture),
    /// Messages come.
    Body(RecvStream),
    /// The end came.
    Ended(Result<()>),
}

impl ClientRecv {
    /// Goes on until the response headers, or the end, are there.
    fn poll_headers(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let Phase::Headers(response) = &mut self.phase else { return Poll::Ready(()) };
        match ready!(Pin::new(response).poll(task)) {
            Ok(response) => self.begin(response),
            Err(err) => self.finish(Err(self.explain(&err))),
        }
        Poll::Ready(())
    }

    fn begin(&mut self, response: http::Response<RecvStream>) {
        let (parts, body) = response.into_parts();
        let content_type = parts.headers.get(http::header::CONTENT_TYPE);
        if content_type.is_none_or(|value| grpc::content_subtype(value.as_bytes()).is_none()) {
            return self.refuse(grpc::not_grpc(parts.status, content_type));
        }
        if body.is_end_stream() {
            // Trailers-Only: all of it is trailer, and the header is empty.
            return self.read_trailers(parts.headers);
        }
        self.header = Metadata::received(parts.headers);
        self.phase = Phase::Body(body);
    }

    fn read_trailers(&mut self, trailers: HeaderMap) {
        let end = grpc::parse_status(&trailers);
        self.trailer = Metadata::received(trailers);
        match end {
            Ok(end) => self.finish(self.inbox.finish().and(end)),
            Err(err) => self.refuse(err),
        }
    }

    /// Ends the stream for what the server got wrong.
    fn refuse(&mut self, err: Error) {
        self.outbox.reset(Reason::PROTOCOL_ERROR, err.clone());
        self.finish(Err(err));
    }

    fn finish(&mut self, end: Result<()>) {
        self.outbox.over(&end);
        self.phase = Phase::Ended(end);
    }

    /// What this side did to the stream, or to its connection, explains an error better than what the h2 crate saw of it.
    fn explain(&self, err: &h2::Error) -> Error {
        let ours = self.outbox.ended().or_else(|| self.outbox.broken().filter(|_| err.is_io()));
        ours.cloned().unwrap_or_else(|| stream_error(err, &self.outbox.lane().peer))
    }

    /// Takes the next DATA, or the end.
    fn poll_data(&mut self, task: &mut Task<'_>) -> Poll<()> {
        ready!(self.poll_headers(task));
        let Phase::Body(body) = &mut self.phase else { return Poll::Ready(()) };
        match ready!(body.poll_data(task)) {
            Some(Ok(data)) => {
                let step = self.outbox.lane().window_step();
                if let Err(err) = self.inbox.take(data, body.flow_control(), step) {
                    self.refuse(err);
                }
            }
            Some(Err(err)) => self.finish(Err(self.explain(&err))),
            None => match ready!(body.poll_trailers(task)) {
                Ok(Some(trailers)) => self.read_trailers(trailers),
                Ok(None) => self.finish(Err(Error::status(13, "server closed the stream without sending trailers"))),
                Err(err) => self.finish(Err(self.explain(&err))),
            },
        }
        Poll::Ready(())
    }
}

impl RecvHalf for ClientRecv {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        // An end is only known once there is no message before it.
        if let Some(range) = self.inbox.next_whole() {
            return Poll::Ready(Ok(Some(self.inbox.frame(range))));
        }
        loop {
            if let Phase::Ended(Err(err)) = &self.phase {
                return Poll::Ready(Err(err.clone()));
            }
            match self.inbox.next() {
                Ok(Some(range)) => return Poll::Ready(Ok(Some(self.inbox.frame(range)))),
                Ok(None) if matches!(self.phase, Phase::Ended(_)) => return Poll::Ready(Ok(None)),
                Ok(None) => ready!(self.poll_data(task)),
                Err(err) => self.refuse(err),
            }
        }
    }

    fn poll_header(&mut self, task: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        ready!(self.poll_headers(task));
        Poll::Ready(match &self.phase {
            // An answer that is all trailer has an empty header, whatever its status; a failure has none.
            Phase::Ended(Err(err)) if self.header.raw().is_empty() && self.trailer.raw().is_empty() => Err(err.clone()),
            _ => Ok(&self.header),
        })
    }

    fn trailer(&self) -> Option<&Metadata> {
        matches!(self.phase, Phase::Ended(_)).then_some(&self.trailer)
    }

    fn end(&self) -> Option<&Result<()>> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    fn connection(&self) -> Option<ConnectionId> {
        Some(id(self.outbox.lane()))
    }

    fn cancel(&mut self, cause: Error) {
        self.outbox.reset(Reason::CANCEL, cause);
    }
}

impl Drop for ClientRecv {
    fn drop(&mut self) {
        self.outbox.drop_half(Half::Recv);
    }
}
