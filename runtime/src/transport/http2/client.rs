//! A client's HTTP/2 connection and the streams on it.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::uri::Authority;

use super::arrival::{Arrival, Body, End, Then, poll_body, without_trailers};
use super::gather::{Gather, Pulse};
use super::hush::Hush;
use super::inbox::Inbox;
use super::keepalive::Probe;
use super::lane::{Handle, Lane, NotTaken, Streams};
use super::opener::{self, Ask};
use super::outbox::{Half, Outbox};
use super::outgoing::Outgoing;
use super::{Config, MOST_STREAM_ERRORS, RESETS_REMEMBERED, connection_lost, stream_error};
use crate::codec::Encode;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::net::BoxIo;
use crate::transport::{ConnectionId, Frame, Halves, Load, RecvHalf, SendHalf};

pub(crate) use super::opener::Refused;

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    requests: SendRequest<Outgoing>,
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
    pub(crate) metadata: Metadata,
    /// When the stream must be over, and how long it was given.
    pub(crate) deadline: Option<(Instant, Duration)>,
    /// The call that this one is part of: its end ends this one.
    pub(crate) parent: Option<&'a Context>,
    /// Counts the stream as long as it runs.
    pub(crate) load: &'a Load,
    /// Whether its user can make it again where the connection turns out to take no more streams.
    pub(crate) can_repeat: bool,
}

impl Connection {
    /// Speaks HTTP/2 on a connection that was just made. Does not wait for the server.
    ///
    /// # Errors
    /// The server has closed it already.
    pub(crate) async fn handshake(io: BoxIo, peer: &str, config: Config) -> std::io::Result<Self> {
        let pulse = Arc::new(Pulse::new());
        let gather = Gather::client(io, Arc::clone(&pulse));
        let outlet = gather.outlet();
        let (requests, mut connection) = h2::client::Builder::new()
            .initial_window_size(config.stream_window)
            .initial_connection_window_size(config.connection_window)
            .max_frame_size(config.max_frame_size())
            .max_header_list_size(config.max_header_list_size)
            .max_send_buffer_size(config.send_buffer)
            .data_frame_budget(config.data_frame_budget())
            .max_concurrent_reset_streams(RESETS_REMEMBERED)
            .max_local_error_reset_streams(Some(MOST_STREAM_ERRORS))
            // Until the server has told its limit, one stream goes ahead and the others wait for it to be known.
            .initial_max_send_streams(1)
            .enable_push(false)
            .handshake(gather)
            .await
            .map_err(std::io::Error::other)?;
        let lane = Lane::new(pulse, peer.to_owned(), &config);
        // The h2 crate closes a connection without handles at once, resets unsent: the task lets go of its own last.
        let mut streams = Streams::new(Arc::clone(&lane), Some(requests.clone()));
        let mut probe = config.keepalive.and_then(|keepalive| Probe::new(keepalive, connection.ping_pong()));
        let shared = Arc::new(Shared { requests, lane, config });
        // The preface leaves now: what a server that takes no more connections has closed is noticed before a call is on it.
        match poll_fn(|task| Poll::Ready(Pin::new(&mut connection).poll(task))).await {
            Poll::Pending => {}
            Poll::Ready(Err(err)) => return Err(std::io::Error::other(err)),
            Poll::Ready(Ok(())) => return Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let mut hush = Hush::new();
            outlet.open(true);
            let end = poll_fn(|task| {
                streams.lane().pulse.begin_turn();
                hush.begin(task.waker());
                streams.drain();
                hush.end();
                if let Poll::Ready(end) = connection.as_mut().poll(&mut Task::from_waker(hush.waker())) {
                    return Poll::Ready(end.map_err(|err| stream_error(&err, &streams.lane().peer)));
                }
                streams.settle(task);
                outlet.write(task);
                if streams.stop_opening() {
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
        opener::refuses(&mut self.shared.requests.clone(), &self.shared.lane.peer).is_none()
    }

    /// Opens a stream; nothing waits for the server. Mostly the connection's task opens it; where its user can repeat it, the
    /// receiving half may be told that the server did not look at it.
    pub(crate) fn open(&self, open: Open<'_>) -> Result<Halves, Refused> {
        let outbox = self.start(open)?;
        Ok(Halves {
            send: Box::new(ClientSend { outbox: Arc::clone(&outbox) }),
            recv: Box::new(ClientRecv {
                outbox,
                inbox: Inbox::new(self.shared.config.max_message_size),
                phase: Phase::Headers,
                arrival: None,
            }),
        })
    }

    fn start(&self, open: Open<'_>) -> Result<Arc<Outbox>, Refused> {
        let lane = &self.shared.lane;
        let ask = Ask { path: open.path, authority: open.authority.clone(), metadata: open.metadata };
        let outbox = Outbox::client(Arc::clone(lane), self.shared.config.send_buffer, open.deadline, open.load.begin());
        match lane.ask(&outbox, ask, open.can_repeat) {
            Ok(()) => {}
            Err(NotTaken::Refused(err)) => return Err(Refused::Connection(err)),
            Err(NotTaken::Busy(ask)) => {
                let (response, send) = opener::open(&self.shared.requests, *ask, open.deadline, &lane.peer)?;
                lane.open(Arc::clone(&outbox), Handle::Send(send, Some(response))).map_err(Refused::Connection)?;
            }
        }
        outbox.start_timer();
        if let Some(parent) = open.parent {
            parent.adopt(&outbox);
        }
        Ok(outbox)
    }
}

fn id(lane: &Arc<Lane>) -> ConnectionId {
    ConnectionId(Arc::as_ptr(lane).addr())
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
    /// What came first, and then the trailer.
    arrival: Option<Box<Arrival>>,
}

enum Phase {
    /// The response headers have not come.
    Headers,
    /// Messages come; the DATA here came already.
    Body(Bytes, RecvStream),
    /// The end came, behind messages that are not taken yet.
    Ending(End),
    /// The end.
    Ended(Result<()>),
}

impl ClientRecv {
    /// Goes on until the response headers, or the end, are there.
    fn poll_headers(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if matches!(self.phase, Phase::Headers) {
            let arrival = ready!(self.outbox.poll_arrival(task));
            self.begin(arrival);
        }
        Poll::Ready(())
    }

    fn begin(&mut self, mut arrival: Box<Arrival>) {
        let (data, then) = arrival.take();
        // A failure and Trailers-Only have none: then there was nothing before the end.
        let has_header = !arrival.header.raw().is_empty();
        self.arrival = Some(arrival);
        self.phase = match then {
            Then::Body(more, body) => Phase::Body(more, body),
            Then::End(end) if has_header => Phase::Ending(end),
            Then::End(end) => return self.end_by(end),
        };
        if !data.is_empty() {
            self.take(data);
        }
    }

    /// The header and trailer that came so far.
    fn metadata(&self) -> (&Metadata, &Metadata) {
        static NONE: LazyLock<Metadata> = LazyLock::new(Metadata::new);
        self.arrival.as_ref().map_or((&NONE, &NONE), |arrival| (&arrival.header, &arrival.trailer))
    }

    /// Takes DATA that came.
    fn take(&mut self, data: Bytes) {
        let taken = match &mut self.phase {
            Phase::Body(_, body) => {
                let step = self.outbox.lane().window_step();
                self.inbox.take(data, body.flow_control(), step)
            }
            // Its window went back with the stream.
            _ => self.inbox.push(data),
        };
        if let Err(err) = taken {
            self.refuse(err);
        }
    }

    fn read_trailers(&mut self, trailers: HeaderMap) {
        let end = End::by(&trailers);
        if let Some(arrival) = &mut self.arrival {
            arrival.trailer = Metadata::received(trailers);
        }
        self.end_by(end);
    }

    fn end_by(&mut self, end: End) {
        match end {
            // A message that the server left unfinished is worse than what it said.
            End::Told(end) => self.finish(self.inbox.finish().and(end)),
            End::Failed(err) => self.finish(Err(err)),
            End::Refused(err) => self.refuse(err),
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

    /// Takes the next DATA, or the end.
    fn poll_data(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let next = match &mut self.phase {
            Phase::Headers => return self.poll_headers(task),
            Phase::Body(more, _) if !more.is_empty() => Body::Data(std::mem::take(more)),
            Phase::Body(_, body) => ready!(poll_body(body, task)),
            Phase::Ending(end) => {
                let end = std::mem::replace(end, End::Told(Ok(())));
                self.end_by(end);
                return Poll::Ready(());
            }
            Phase::Ended(_) => return Poll::Ready(()),
        };
        match next {
            Body::Data(data) => self.take(data),
            Body::Trailers(trailers) => self.read_trailers(trailers),
            Body::End => self.finish(Err(without_trailers())),
            Body::Failed(err) => self.finish(Err(self.outbox.explain(&err))),
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
        let (header, trailer) = self.metadata();
        Poll::Ready(match &self.phase {
            // An answer that is all trailer has an empty header, whatever its status; a failure has none.
            Phase::Ended(Err(err)) if header.raw().is_empty() && trailer.raw().is_empty() => Err(err.clone()),
            _ => Ok(header),
        })
    }

    fn trailer(&self) -> Option<&Metadata> {
        matches!(self.phase, Phase::Ended(_)).then_some(self.metadata().1)
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
