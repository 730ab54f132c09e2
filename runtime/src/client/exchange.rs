//! A ping-pong call that has its connection: its request goes, its answer comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::{Duration, Instant};

use tokio::task::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep_until};

use super::pool::{LongConnection, Peer};
use crate::codec::Buffer;
use crate::context::{Context, now};
use crate::error::{Error, Result, Stage};
use crate::middleware::BoxFuture;
use crate::transport::Running;
use crate::transport::pingpong::client::Connection;
use crate::transport::pingpong::message::Message;
use crate::transport::pingpong::mux;
use crate::wire::ttheader;

/// Whom a call is made with, since when, and until when.
pub(super) struct With {
    peer: Arc<Peer>,
    since: Instant,
    deadline: Option<(Instant, Duration)>,
    /// Runs out at the deadline. No room for it where most calls need none.
    timer: Option<Pin<Box<Unconstrained<Sleep>>>>,
    _running: Running,
}

impl With {
    pub(super) fn new(peer: Arc<Peer>, since: Instant, cx: &Context) -> Self {
        let deadline = cx.deadline().zip(cx.timeout());
        Self { since, deadline, timer: None, _running: peer.load.begin(), peer }
    }

    /// Makes a call on a connection that others share. `None`: the method is oneway.
    pub(super) async fn share(mut self, mut place: mux::Place, request: Buffer) -> Result<Option<Message>> {
        let peer = Arc::clone(&self.peer);
        let waits = place.send(request, &peer.address);
        if let Some(mut room) = waits.map_err(|err| self.failed(Stage::Write, err))? {
            poll_fn(|task| {
                let room = Pin::new(&mut room).poll(task);
                self.in_time(Stage::Write, room, task)
            })
            .await?;
        }
        let Some(mut ticket) = place.into_ticket() else { return Ok(None) };
        let answer = poll_fn(|task| {
            let answer = ticket.poll_answer(&peer.address, task);
            self.in_time(Stage::Read, answer, task)
        });
        answer.await.map(Some)
    }

    /// What a stage of the call has come to, or that the deadline has come before it. An error says which stage it was.
    fn in_time<T>(&mut self, during: Stage, stage: Poll<Result<T>>, task: &mut Task<'_>) -> Poll<Result<T>> {
        if let Poll::Ready(ended) = stage {
            return Poll::Ready(ended.map_err(|err| self.failed(during, err)));
        }
        let Some((at, after)) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(unconstrained(sleep_until(at.into()))));
        ready!(timer.as_mut().poll(task));
        Poll::Ready(Err(Error::DeadlineExceeded { during, after, peer: Some(Arc::clone(&self.peer.address)) }))
    }

    #[cold]
    fn failed(&self, during: Stage, err: Error) -> Error {
        err.lost_during(during, now().saturating_duration_since(self.since))
    }
}

/// A call on a connection of its own.
///
/// Dropped before its end, the connection goes with it: a late answer finds no one.
pub(super) struct Exchange {
    with: With,
    request: Request,
    /// How the connection may rest afterwards.
    long: Option<LongConnection>,
}

/// How far the request has come.
enum Request {
    /// The server takes it little by little.
    Leaving(BoxFuture<'static, Result<Box<Connection>>>),
    Left(Box<Connection>),
}

impl Exchange {
    /// Sends the request, as much as the server takes at once.
    pub(super) fn begin(
        with: With,
        mut connection: Box<Connection>,
        long: Option<LongConnection>,
        request: Buffer,
    ) -> Result<Self> {
        let address = &with.peer.address;
        let rest = connection.send(request, address).map_err(|err| with.failed(Stage::Write, err))?;
        let request = match rest {
            None => Request::Left(connection),
            Some(rest) => Request::Leaving(connection.send_rest(rest, Arc::clone(address))),
        };
        Ok(Self { with, request, long })
    }

    /// Sends the rest of the request, and waits for its answer.
    pub(super) fn poll(&mut self, task: &mut Task<'_>) -> Poll<Result<Message>> {
        let Self { with, request, .. } = self;
        let connection = ready!(request.poll_left(with, task))?;
        let answer = connection.poll_recv(&with.peer.address, task);
        with.in_time(Stage::Read, answer, task)
    }

    /// Sends the rest of a request that has no answer.
    pub(super) async fn finish(mut self) -> Result<()> {
        poll_fn(|task| self.request.poll_left(&mut self.with, task).map_ok(drop)).await?;
        // As Kitex: what would come on the connection now belongs to no one.
        let Request::Left(mut connection) = self.request else { return Ok(()) };
        let address = &self.with.peer.address;
        let closed = connection.close().await;
        closed.map_err(|err| Error::protocol(format!("{address} could not be told the end: {err}")))
    }

    /// The connection, where it may be used again after such an answer.
    pub(super) fn into_kept(self, answer: &Message) -> Option<Kept> {
        let Self { with: With { peer, .. }, request, long } = self;
        if answer.header().strings.value(ttheader::CONNECTION_RESET).is_some() {
            // It is the server that is about to end, and would close the others without a word.
            peer.dismiss();
            return None;
        }
        match (request, long) {
            (Request::Left(connection), Some(long)) => Some(Kept { connection, peer, long }),
            _ => None,
        }
    }
}

impl Request {
    /// Sends what the server has not taken yet.
    fn poll_left(&mut self, with: &mut With, task: &mut Task<'_>) -> Poll<Result<&mut Connection>> {
        if let Self::Leaving(rest) = self {
            let left = rest.as_mut().poll(task);
            *self = Self::Left(ready!(with.in_time(Stage::Write, left, task))?);
        }
        match self {
            Self::Leaving(_) => Poll::Pending,
            Self::Left(connection) => Poll::Ready(Ok(connection)),
        }
    }
}

/// A connection that was a call's own, and may be another's.
pub(super) struct Kept {
    connection: Box<Connection>,
    peer: Arc<Peer>,
    long: LongConnection,
}

impl Kept {
    pub(super) fn rest(self) {
        self.peer.rest(self.connection, self.long);
    }
}
