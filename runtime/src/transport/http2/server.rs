//! A server's HTTP/2 connection and the streams on it.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::HeaderValue;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::{Sleep, sleep};

use super::gather::{Gather, Outlet, Pulse};
use super::hush::Hush;
use super::inbox::Inbox;
use super::keepalive::{Probe, Strikes};
use super::lane::{Handle, Lane, Streams};
use super::lifetime::{Lifetime, Over};
use super::outbox::{Outbox, cancelled_by_peer};
use super::outgoing::Outgoing;
use super::resets::{EarlyResets, MOST_EARLY_RESETS};
use super::{Config, EOF, MOST_STREAM_ERRORS, RESETS_REMEMBERED, connection_lost, stream_error};
use crate::codec::Encode;
use crate::context::{Context, now};
use crate::error::{Cancelled, Error, Failed, GRACEFUL_SHUTDOWN, Result};
use crate::metadata::Metadata;
use crate::net::{Address, BoxIo};
use crate::transport::{Exchange, Frame, Halves, Host, RecvHalf, Route, SendHalf, Shutdown, Stopping};
use crate::wire::grpc;

/// Serves a connection to its end. `ahead` was read from it already.
pub(crate) async fn serve(io: BoxIo, ahead: Bytes, peer: Address, config: &Config, host: Host) -> Result<()> {
    let pulse = Arc::new(Pulse::new());
    let strikes = config.keepalive_enforcement.map(Strikes::new);
    let gather = Gather::server(io, Arc::clone(&pulse), ahead, strikes);
    let outlet = gather.outlet();
    let handshake = h2::server::Builder::new()
        .initial_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .max_frame_size(config.max_frame_size())
        .max_header_list_size(config.max_header_list_size)
        .max_concurrent_streams(config.max_concurrent_streams)
        .max_send_buffer_size(config.send_buffer)
        .max_pending_accept_reset_streams(MOST_EARLY_RESETS)
        .data_frame_budget(config.data_frame_budget())
        .max_concurrent_reset_streams(RESETS_REMEMBERED)
        .max_local_error_reset_streams(Some(MOST_STREAM_ERRORS))
        .handshake(gather);
    let name = peer.to_string();
    let mut shutdown = host.shutdown.clone();
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(config.partial_timeout, handshake) => handshake,
        // There is no stream yet that could be drained.
        () = shutdown.last_call() => return Ok(()),
    };
    let connection = match handshake {
        Ok(connection) => connection.map_err(|err| stream_error(&err, &name))?,
        Err(_) => return Err(unfinished(&name, config.partial_timeout)),
    };
    let mut connection = Connection {
        h2: connection,
        outlet,
        streams: Streams::new(Lane::new(pulse, name, config), None),
        hush: Hush::new(),
        accepted: Vec::new(),
        early_resets: EarlyResets::default(),
        peer,
        host,
        config: config.clone(),
        probe: None,
        watch: None,
        lifetime: Lifetime::new(config),
    };
    let keepalive = config.keepalive;
    connection.probe = keepalive.and_then(|keepalive| Probe::new(keepalive, connection.h2.ping_pong()));
    let end = connection.run(&mut shutdown).await;
    let err = end.as_ref().err().cloned();
    let lane = Arc::clone(connection.streams.lane());
    connection.streams.close(err.unwrap_or_else(|| connection_lost(&lane.peer, EOF)));
    end
}

struct Connection {
    h2: h2::server::Connection<Gather, Outgoing>,
    outlet: Outlet,
    streams: Streams,
    hush: Hush,
    /// Streams that came and are not looked at yet.
    accepted: Vec<(Request<RecvStream>, SendResponse<Outgoing>)>,
    early_resets: EarlyResets,
    peer: Address,
    host: Host,
    config: Config,
    probe: Option<Probe>,
    watch: Option<Watch>,
    lifetime: Lifetime,
}

/// How a connection comes to its end.
enum End {
    /// It is closed.
    Closed,
    /// The client pings more than it may.
    TooManyPings,
    /// The client opens streams to reset them.
    TooManyResets,
    /// It has lasted long enough.
    Over(Over),
}

/// Waits for a peer to finish the frame that it began.
struct Watch {
    frame: u64,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    async fn run(&mut self, shutdown: &mut Shutdown) -> Result<()> {
        self.outlet.open(true);
        let over = tokio::select! {
            end = poll_fn(|task| self.poll(task)) => match end? {
                End::Closed => return Ok(()),
                End::TooManyPings => return self.too_many_pings().await,
                End::TooManyResets => return self.too_many_resets().await,
                End::Over(over) => Some(over),
            },
            () = shutdown.reached(Stopping::Draining) => None,
        };
        // Two steps, as Kitex: a GOAWAY that still admits every stream, a PING, and on its answer the GOAWAY that does not.
        self.h2.graceful_shutdown();
        self.lifetime.drain(over, self.config.partial_timeout);
        tokio::select! {
            end = poll_fn(|task| self.poll(task)) => match end? {
                End::Closed => {}
                End::TooManyPings => return self.too_many_pings().await,
                End::TooManyResets => return self.too_many_resets().await,
                End::Over(Over::Idle) => self.close(Reason::NO_ERROR).await,
                End::Over(Over::Age) => {
                    self.streams.each(|outbox| outbox.fail(too_old()));
                    self.close(Reason::NO_ERROR).await;
                }
            },
            () = shutdown.reached(Stopping::Forced) => {
                let cause = || Error::Cancelled(Arc::new(Cancelled::Shutdown));
                self.streams.each(|outbox| outbox.reset(GRACEFUL_SHUTDOWN.into(), cause()));
                // The resets are written; a peer that does not read cannot hold this up.
                let is_done = |this: &Self| this.streams.is_empty();
                let last = poll_fn(|task| if is_done(self) { Poll::Ready(()) } else { self.poll(task).map(drop) });
                let _ = tokio::time::timeout(LAST_WORDS, last).await;
                self.close(Reason::NO_ERROR).await;
            }
        }
        Ok(())
    }

    /// Ends the connection of a client that pings more than it may.
    async fn too_many_pings(&mut self) -> Result<()> {
        self.close(Reason::ENHANCE_YOUR_CALM).await;
        let peer = &self.streams.lane().peer;
        Err(connection_lost(peer, format!("{peer} sent too many pings (option `keepalive_enforcement`)")))
    }

    /// Ends the connection of a client that opens streams to reset them.
    async fn too_many_resets(&mut self) -> Result<()> {
        self.close(Reason::ENHANCE_YOUR_CALM).await;
        let peer = &self.streams.lane().peer;
        let what = format!("{peer} reset more than {MOST_EARLY_RESETS} streams in a second before they were looked at");
        Err(connection_lost(peer, what))
    }

    /// Says goodbye, and closes the connection whatever runs on it.
    async fn close(&mut self, reason: Reason) {
        self.outlet.open(false);
        self.h2.abrupt_shutdown(reason);
        let closed = poll_fn(|task| {
            self.streams.lane().pulse.begin_turn();
            self.h2.poll_closed(task)
        });
        let _ = tokio::time::timeout(LAST_WORDS, closed).await;
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Result<End>> {
        self.streams.lane().pulse.begin_turn();
        loop {
            self.hush.begin(task.waker());
            self.accept_gathered();
            self.streams.drain();
            self.hush.end();
            if let Poll::Ready(end) = self.gather_accepted() {
                self.accept_gathered();
                return Poll::Ready(end);
            }
            if self.accepted.is_empty() {
                break;
            }
        }
        self.streams.settle(task);
        self.outlet.write(task);
        let pulse = &self.streams.lane().pulse;
        if pulse.has_too_many_pings() {
            return Poll::Ready(Ok(End::TooManyPings));
        }
        if self.early_resets.are_too_many() {
            return Poll::Ready(Ok(End::TooManyResets));
        }
        if let Some(probe) = &mut self.probe {
            if probe.poll_dead(task, pulse).is_ready() {
                return Poll::Ready(Err(connection_lost(&self.streams.lane().peer, "keepalive ping was not answered")));
            }
        }
        if let Poll::Ready(err) = self.poll_unfinished(task) {
            return Poll::Ready(Err(err));
        }
        self.lifetime.poll_over(task, !self.streams.is_empty()).map(|over| Ok(End::Over(over)))
    }

    /// Takes all streams that have come; ready when there will be no more.
    fn gather_accepted(&mut self) -> Poll<Result<End>> {
        let mut task = Task::from_waker(self.hush.waker());
        loop {
            match ready!(self.h2.poll_accept(&mut task)) {
                Some(Ok(accepted)) => self.accepted.push(accepted),
                Some(Err(err)) => return Poll::Ready(Err(stream_error(&err, &self.streams.lane().peer))),
                None => return Poll::Ready(Ok(End::Closed)),
            }
        }
    }

    /// One step for all of them, and then the next: what a step runs stays in the processor's cache.
    fn accept_gathered(&mut self) {
        let mut accepted = std::mem::take(&mut self.accepted);
        for (request, respond) in accepted.drain(..) {
            self.accept(request, respond);
        }
        if accepted.capacity() <= KEEP_ACCEPTED {
            self.accepted = accepted;
        }
    }

    /// Ready: the peer left a frame unfinished for too long.
    fn poll_unfinished(&mut self, task: &mut Task<'_>) -> Poll<Error> {
        let timeout = self.config.partial_timeout;
        loop {
            let Some(frame) = self.streams.lane().pulse.unfinished() else {
                self.watch = None;
                return Poll::Pending;
            };
            let watch = self.watch.get_or_insert_with(|| Watch { frame, timer: Box::pin(sleep(timeout)) });
            ready!(watch.timer.as_mut().poll(task));
            if watch.frame == frame {
                return Poll::Ready(unfinished(&self.streams.lane().peer, timeout));
            }
            // Another frame by now: a busy connection is looked at once in a while, not at every read.
            self.watch = None;
        }
    }

    /// Takes a stream: checks its headers, finds its method, and lets its handler run.
    fn accept(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Outgoing>) {
        let (parts, body) = request.into_parts();
        let (route, timeout) = match self.admit(&parts) {
            Ok(admitted) => admitted,
            Err(Refusal::NotGrpc) => {
                self.note_reset(&mut respond);
                tokio::spawn(answer_not_grpc(body, respond, self.config.partial_timeout));
                return;
            }
            Err(refusal) => return self.refuse(&mut respond, refusal, &parts.headers),
        };
        let deadline = timeout.and_then(|given| Some((now().checked_add(given)?, given)));
        let method = self.host.dispatch.method(route);
        let context = Context::new(Some(method), Some(self.peer.clone()), deadline, Metadata::received(parts.headers));
        let admission = match self.host.dispatch.admit(&context) {
            Ok(admission) => admission,
            Err(err) => return self.refuse(&mut respond, Refusal::Status(err), context.metadata().raw()),
        };
        let lane = Arc::clone(self.streams.lane());
        let outbox = Outbox::server(lane, self.config.send_buffer, context.clone());
        context.on_send_header(&outbox);
        if self.streams.insert(Arc::clone(&outbox), Handle::Respond(respond)) {
            self.early_resets.note();
        }
        outbox.start_timer();
        let halves = Halves {
            send: Box::new(ServerSend { outbox: Arc::clone(&outbox), is_closed: false }),
            recv: Box::new(ServerRecv {
                outbox: Arc::clone(&outbox),
                context: context.clone(),
                body,
                inbox: Inbox::new(self.config.max_message_size),
                waker: None,
                end: None,
            }),
        };
        let call = self.host.dispatch.call(route, context.clone(), Exchange::Stream(halves));
        self.host.handlers.spawn(async move {
            let outcome = call.await;
            drop(admission);
            let mut trailers = grpc::status(outcome.as_ref().map(drop).map_err(|(err, failed)| (err, *failed)));
            context.take_trailer().write_to(&mut trailers);
            outbox.finish(trailers);
        });
    }
}

impl Connection {
    fn admit(&self, parts: &Parts) -> Result<(Route, Option<Duration>), Refusal> {
        let head = grpc::parse_head(&parts.headers).ok_or(Refusal::Reset)?;
        let subtype = head.subtype.ok_or(Refusal::NotGrpc)?;
        if subtype != b"thrift" {
            let subtype = String::from_utf8_lossy(subtype);
            let text =
                format!("grpc invalid payload: this server reads application/grpc+thrift, not the subtype {subtype:?}");
            return Err(Refusal::Status(Error::status(13, text)));
        }
        let path = parts.uri.path();
        let Some(path) = grpc::parse_path(path) else {
            let text = format!("malformed method name, method={path:?}");
            return Err(Refusal::Status(Error::status(13, text)));
        };
        let route = self.host.dispatch.find(path.service, path.method).map_err(Refusal::Status)?;
        Ok((route, head.timeout))
    }

    /// Counts a stream that its client has reset already.
    fn note_reset(&mut self, respond: &mut SendResponse<Outgoing>) {
        if respond.poll_reset(&mut Task::from_waker(Waker::noop())).is_ready() {
            self.early_resets.note();
        }
    }

    fn refuse(&mut self, respond: &mut SendResponse<Outgoing>, refusal: Refusal, headers: &HeaderMap) {
        self.note_reset(respond);
        let mut response = Response::new(());
        match refusal {
            Refusal::Reset | Refusal::NotGrpc => return respond.send_reset(Reason::INTERNAL_ERROR),
            Refusal::Status(err) => {
                response.headers_mut().insert(http::header::CONTENT_TYPE, answer_type(headers));
                grpc::put_error(response.headers_mut(), &err, Failed::InFramework);
            }
        }
        self.streams.lane().pulse.note_sent();
        if let Err(err) = respond.send_response(response, true) {
            tracing::debug!(%err, "a refused stream was gone before its answer");
        }
    }
}

/// For how many streams at a time a connection keeps the room.
const KEEP_ACCEPTED: usize = 64;

fn unfinished(peer: &str, timeout: Duration) -> Error {
    connection_lost(
        peer,
        format!("{peer} left a preface or frame unfinished for {timeout:?} (option `partial_timeout`)"),
    )
}

/// What handlers hear whose connection is too old, in Kitex's words.
fn too_old() -> Error {
    let reason = "closing server transport due to maximum connection age".to_owned();
    Error::Cancelled(Arc::new(Cancelled::ConnectionLost { reason }))
}

/// How long the end of a connection waits for its last words to be written.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Why a request gets no handler.
#[derive(Debug)]
enum Refusal {
    /// It is not gRPC: answered as HTTP.
    NotGrpc,
    /// Its headers break the protocol: reset, as Kitex does.
    Reset,
    /// The call fails: answered with a status.
    Status(Error),
}

/// Answers a request that is not gRPC as HTTP does: when all of it has come, with a status and a text.
async fn answer_not_grpc(mut body: RecvStream, mut respond: SendResponse<Outgoing>, patience: Duration) {
    let drained = async {
        while let Some(Ok(data)) = body.data().await {
            // Cannot fail: it releases what was just received.
            let _ = body.flow_control().release_capacity(data.len());
        }
    };
    // A client that does not end its request is answered all the same.
    let _ = tokio::time::timeout(patience, drained).await;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    let err = Error::status(13, "this port speaks application/grpc+thrift");
    grpc::put_error(headers, &err, Failed::InFramework);
    let text = Outgoing::of_text("this port speaks gRPC: content-type application/grpc+thrift\n");
    let sent = respond.send_response(response, false).and_then(|mut send| send.send_data(text, true));
    if let Err(err) = sent {
        tracing::debug!(%err, "a request that is not gRPC was gone before its answer");
    }
}

/// The content type of an answer names the subtype that the request named, as Kitex's does.
fn answer_type(headers: &HeaderMap) -> HeaderValue {
    const PLAIN: &[u8] = b"application/grpc";
    let subtype = headers.get(http::header::CONTENT_TYPE).and_then(|value| grpc::content_subtype(value.as_bytes()));
    let full = subtype.filter(|subtype| !subtype.is_empty()).map(|subtype| [PLAIN, b"+", subtype].concat());
    full.and_then(|full| HeaderValue::from_bytes(&full).ok())
        .unwrap_or_else(|| HeaderValue::from_static("application/grpc"))
}

struct ServerSend {
    outbox: Arc<Outbox>,
    is_closed: bool,
}

impl SendHalf for ServerSend {
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.outbox.poll_ready(task)
    }

    fn send(&mut self, message: &dyn Encode) -> Result<usize> {
        if self.is_closed {
            return Err(Error::misuse("`send` after `close`: return from the handler to end the call"));
        }
        self.outbox.send(message)
    }

    fn poll_send(&mut self, task: &mut Task<'_>, message: &dyn Encode) -> Poll<Result<usize>> {
        if self.is_closed {
            return Poll::Ready(self.send(message));
        }
        self.outbox.poll_send(task, message)
    }

    fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.outbox.poll_flush(task)
    }

    fn close(&mut self) {
        self.is_closed = true;
    }

    fn cancel(&mut self, cause: Error) {
        self.outbox.reset(Reason::CANCEL, cause);
    }
}

struct ServerRecv {
    outbox: Arc<Outbox>,
    context: Context,
    body: RecvStream,
    inbox: Inbox,
    /// Who the outbox wakes when the stream is ended from outside the h2 crate.
    waker: Option<Waker>,
    end: Option<Result<()>>,
}

impl ServerRecv {
    fn finish(&mut self, end: Result<()>) {
        self.end = Some(end);
    }

    /// Takes the next DATA, or the end.
    fn poll_data(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match self.body.poll_data(task) {
            Poll::Ready(Some(Ok(data))) => {
                let step = self.outbox.lane().window_step();
                if let Err(err) = self.inbox.take(data, self.body.flow_control(), step) {
                    self.finish(Err(err));
                }
            }
            Poll::Ready(Some(Err(err))) => self.cancelled(&err),
            Poll::Ready(None) => self.finish(self.inbox.finish()),
            Poll::Pending => {
                // The h2 crate wakes this for what the peer does; the rest is the deadline and the shutdown.
                if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
                    self.outbox.register_receiver(task);
                    self.waker = Some(task.waker().clone());
                }
                match self.outbox.ended() {
                    Some(err) => self.finish(Err(err.clone())),
                    None => return Poll::Pending,
                }
            }
        }
        Poll::Ready(())
    }

    /// The stream is gone. The connection's task may hear of it later than this: one reason for both.
    fn cancelled(&mut self, err: &h2::Error) {
        let seen = stream_error(err, &self.outbox.lane().peer);
        self.outbox.fail(match seen {
            Error::Reset { code } => cancelled_by_peer(&self.context, code),
            other => other,
        });
        let err = self.outbox.ended().cloned();
        self.finish(err.map_or(Ok(()), Err));
    }
}

impl RecvHalf for ServerRecv {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        // An end is only known once there is no message before it.
        if let Some(range) = self.inbox.next_whole() {
            return Poll::Ready(Ok(Some(self.inbox.frame(range))));
        }
        loop {
            match (&self.end, self.inbox.next()) {
                (Some(Err(err)), _) => return Poll::Ready(Err(err.clone())),
                (_, Ok(Some(range))) => return Poll::Ready(Ok(Some(self.inbox.frame(range)))),
                (Some(Ok(())), Ok(None)) => return Poll::Ready(Ok(None)),
                (None, Ok(None)) => ready!(self.poll_data(task)),
                (_, Err(err)) => self.finish(Err(err)),
            }
        }
    }

    fn poll_header(&mut self, _: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        Poll::Ready(Ok(self.context.metadata()))
    }

    fn trailer(&self) -> Option<&Metadata> {
        // A request has none in gRPC.
        None
    }

    fn end(&self) -> Option<&Result<()>> {
        self.end.as_ref()
    }

    fn cancel(&mut self, cause: Error) {
        self.outbox.reset(Reason::CANCEL, cause);
    }
}
