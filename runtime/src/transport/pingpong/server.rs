//! A server's ping-pong connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout, timeout_at};

use super::call::{Call, Caller, Replied};
use super::input::{Came, Input};
use super::message::Reader;
use super::multiplexed::multiplex;
use super::seldom::Seldom;
use super::write;
use crate::error::{Error, Result};
use crate::net::{Address, BoxIo};
use crate::transport::{Host, LAST_CALL, Shutdown, Stopping};
use crate::wire::ttheader::{self, Limits};

/// What a server sets for ping-pong connections.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The largest header and message that are accepted.
    pub(crate) limits: Limits,
    /// How long a peer may pause inside a message, or take nothing of an answer.
    pub(crate) read_write_timeout: Duration,
    /// How long a connection may have no call.
    pub(crate) max_idle_time: Option<Duration>,
    /// How many calls of one multiplexed connection run at a time.
    pub(crate) max_concurrent_calls: usize,
}

impl Config {
    /// # Errors
    /// A value that cannot be, by the name of its option. Those of streams, too, are checked with them.
    pub(crate) fn check(&self) -> Result<()> {
        if self.read_write_timeout.is_zero() {
            return Err(Error::misuse("`read_write_timeout` is 0: nothing could pass"));
        }
        Ok(())
    }
}

/// Serves a connection to its end. `ahead` was read from it already.
pub(crate) async fn serve(io: BoxIo, ahead: Bytes, peer: Address, config: &Config, host: Host) -> Result<()> {
    let mut shutdown = host.shutdown.clone();
    let forced = Seldom::new(async move { shutdown.reached(Stopping::Forced).await });
    tokio::select! {
        biased;
        served = converse(io, ahead, peer, config, host) => served,
        // Neither a handler that does not return nor a peer that does not read holds it up.
        () = forced => Ok(()),
    }
}

/// Answers one request after another.
async fn converse(io: BoxIo, ahead: Bytes, peer: Address, config: &Config, host: Host) -> Result<()> {
    let mut input = Input::new(io, BytesMut::from(ahead), Reader::new(config.limits));
    let mut watch = Watch::new(&host.shutdown, config.max_idle_time);
    let caller = Caller { peer, host };
    let mut last_call = None;
    let mut known = None;
    loop {
        let next = poll_fn(|task| match input.poll_next(config.read_write_timeout, task) {
            Poll::Ready(came) => Poll::Ready(Next::Came(came)),
            // Once it is to end, nothing else is waited for.
            Poll::Pending if last_call.is_some() => Poll::Pending,
            Poll::Pending => Pin::new(&mut watch.event).poll(task).map(Next::Event),
        });
        let next = match last_call {
            None => next.await,
            Some(at) => timeout_at(at, next).await.unwrap_or(Next::Came(Ok(Came::End))),
        };
        let came = match next {
            Next::Came(came) => came?,
            Next::Event(Event::Draining) => {
                last_call = Some(Instant::now() + LAST_CALL);
                continue;
            }
            Next::Event(Event::TimePassed) if watch.is_idle(!input.is_between()) => return Ok(()),
            Next::Event(Event::TimePassed) => continue,
        };
        let message = match came {
            Came::Message(message) => message,
            Came::Part => match input.named().map(|named| caller.refuse_named(&named)) {
                None => continue,
                Some(None) => {
                    input.looks = 0;
                    continue;
                }
                Some(Some(refused)) => {
                    let Replied { reply, .. } = refused?;
                    return caller.last_word(input.io, reply, config.read_write_timeout).await;
                }
            },
            Came::End => return Ok(()),
            Came::Lost(err) => return Err(err),
            Came::Silence(err) => {
                if let Some(reply) = input.begun().and_then(|message| caller.answer_begun(message)) {
                    let written = write(&mut input.io, reply, Some(config.read_write_timeout)).await;
                    written.map_err(|err| not_written(&caller.peer, &err))?;
                }
                return Err(err);
            }
        };
        watch.is_used = true;
        if message.header().flags & ttheader::OUT_OF_ORDER != 0 {
            return multiplex(message, input, caller, config).await;
        }
        let call = Call::read(message)?;
        let found = caller.find_again(&call, &mut known);
        let Replied { reply, keep } = caller.answer(call, found, |task| input.poll_lost(task)).await?;
        if let Some(reply) = reply {
            let written = write(&mut input.io, reply, Some(config.read_write_timeout)).await;
            written.map_err(|err| not_written(&caller.peer, &err))?;
        }
        if !keep {
            return Ok(());
        }
        if caller.host.shutdown.has_reached(Stopping::Draining) {
            // Behind its answer, so that the client finds the connection closed before it sends the next on it.
            last_call = Some(Instant::now());
        }
    }
}

/// What a connection has waited for.
enum Next {
    Came(Result<Came>),
    Event(Event),
}

/// What a connection waits for beside its next call.
pub(super) struct Watch {
    pub(super) event: Seldom<Event>,
    shutdown: Shutdown,
    max_idle_time: Option<Duration>,
    /// Whether there was a call since the time began.
    pub(super) is_used: bool,
}

pub(super) enum Event {
    /// A shutdown has begun.
    Draining,
    /// The time that a connection may be idle for.
    TimePassed,
}

impl Watch {
    pub(super) fn new(shutdown: &Shutdown, max_idle_time: Option<Duration>) -> Self {
        let event = Self::next(shutdown.clone(), max_idle_time);
        Self { event, shutdown: shutdown.clone(), max_idle_time, is_used: false }
    }

    fn next(mut shutdown: Shutdown, max_idle_time: Option<Duration>) -> Seldom<Event> {
        Seldom::new(async move {
            let draining = shutdown.reached(Stopping::Draining);
            let Some(time) = max_idle_time else {
                draining.await;
                return Event::Draining;
            };
            match timeout(time, draining).await {
                Ok(()) => Event::Draining,
                Err(_) => Event::TimePassed,
            }
        })
    }

    /// Whether the connection was idle for all the time that has passed; else the time begins anew. So it is noticed between once
    /// and twice the time, and calls need not look at the clock.
    pub(super) fn is_idle(&mut self, is_busy: bool) -> bool {
        let is_used = std::mem::take(&mut self.is_used) || is_busy;
        if is_used {
            self.event = Self::next(self.shutdown.clone(), self.max_idle_time);
        }
        !is_used
    }
}

pub(super) fn not_written(peer: &Address, err: &io::Error) -> Error {
    Error::protocol(format!("the answer could not be written to {peer}: {err}"))
}
