//! A server's multiplexed connection: its calls run at the same time.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::ReadHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use super::call::{Call, Caller, Found, Replied};
use super::handling::connection_lost;
use super::input::{Came, Input};
use super::message::{Heads, Layout, Message};
use super::server::{Config, Event, Watch, not_written};
use super::{MESSAGES_A_TURN, Queued, step_aside, write_queued};
use crate::codec::Buffer;
use crate::codec::envelope::{Envelope, MessageKind, Protocol};
use crate::context::Cancellation;
use crate::error::Result;
use crate::net::BoxIo;
use crate::transport::LAST_CALL;
use crate::transport::http2::EOF;
use crate::wire::ttheader::{self, Header};

/// Runs the calls of a connection at the same time, and answers each when it is done.
pub(super) async fn multiplex(first: Message, input: Input<BoxIo>, caller: Caller, config: &Config) -> Result<()> {
    let Input { io, bytes, reader, .. } = input;
    let (read, write) = tokio::io::split(io);
    let mut input: Input<ReadHalf<BoxIo>> = Input::new(read, bytes, reader);
    input.looks = 0;
    let (replies, queue) = mpsc::unbounded_channel();
    let pause = Some(config.read_write_timeout);
    let mut writing = pin!(write_queued(write, queue, pause));
    let room = Room::new(config);
    let lost: Arc<Cancellation> = Arc::default();
    let caller = Arc::new(caller);
    let mut watch = Watch::new(&caller.host.shutdown, config.max_idle_time);
    let (mut last_call, mut known) = (None, None);
    let (mut next, mut in_turn) = (Some(first), 0);
    // No one is there to be answered: replies could not be written for too long, or at all.
    let unheard = |written: io::Result<()>| {
        written.map_err(|err| {
            lost.cancel(connection_lost(&err.to_string()));
            not_written(&caller.peer, &err)
        })
    };
    let end = 'calls: loop {
        let Some(message) = next.take() else { break Ok(()) };
        let begin = async {
            in_turn = (in_turn + 1) % MESSAGES_A_TURN;
            if in_turn == 0 {
                step_aside().await;
            }
            room.take(message.bytes.len()).await
        };
        let taken = tokio::select! {
            biased;
            taken = begin => taken,
            written = &mut writing => return unheard(written),
        };
        let call = match Call::read(message) {
            Ok(call) => call,
            Err(err) => break Err(err),
        };
        let found = caller.find_again(&call, &mut known);
        let answering = answer_later(Arc::clone(&caller), Arc::clone(&lost), call, found, replies.clone(), taken);
        caller.host.handlers.spawn(answering);
        watch.is_used = true;
        next = loop {
            let next = input.next(config.read_write_timeout);
            if let Some(at) = last_call {
                break match timeout_at(at, next).await {
                    Ok(Ok(Came::Message(message))) => {
                        // The client has not read the stop frame yet. It has once this is answered, which is behind it.
                        last_call = Some(Instant::now() + LAST_CALL);
                        Some(message)
                    }
                    Ok(Ok(Came::Part)) => continue,
                    _ => None,
                };
            }
            tokio::select! {
                biased;
                came = next => match came {
                    Ok(Came::Message(message)) => break Some(message),
                    // Whatever its method is, others are on this connection: it is answered when all of it has come.
                    Ok(Came::Part) => {}
                    Ok(Came::End) => {
                        lost.cancel(connection_lost(EOF));
                        break None;
                    }
                    Ok(Came::Lost(err)) => {
                        lost.cancel(connection_lost(&err.to_string()));
                        break 'calls Err(err);
                    }
                    Ok(Came::Silence(err)) => {
                        if let Some(message) = input.begun().and_then(|message| caller.answer_begun(message)) {
                            drop(replies.send(Queued { message, room: None }));
                        }
                        break 'calls Err(err);
                    }
                    Err(err) => break 'calls Err(err),
                },
                written = &mut writing => return unheard(written),
                event = &mut watch.event => match event {
                    Event::Draining => {
                        // As Kitex: a frame of no call tells the client to use another connection.
                        drop(replies.send(Queued { message: stop_frame()?, room: None }));
                        last_call = Some(Instant::now() + LAST_CALL);
                    }
                    Event::TimePassed => if watch.is_idle(room.is_taken() || !input.is_between()) {
                        break None;
                    },
                },
            }
        };
    };
    // What still runs is answered: its senders keep the queue open.
    drop(replies);
    let _ = writing.await;
    end
}

/// What the calls of one connection share: how many run, and how many bytes they have, from the request's arrival until
/// the reply is written. A client that sends more waits, as does one that does not read its replies.
struct Room {
    bytes: Arc<Semaphore>,
    /// What a call has at least, so that so many run at most.
    least: usize,
    most: usize,
}

impl Room {
    fn new(config: &Config) -> Self {
        let calls = config.max_concurrent_calls.max(1);
        let most = config.limits.message.clamp(calls, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { bytes: Arc::new(Semaphore::new(most)), least: most / calls, most }
    }

    /// Whether a call runs, or its reply waits to be written.
    fn is_taken(&self) -> bool {
        self.bytes.available_permits() < self.most
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.clamp(self.least, self.most) as u32;
        Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()
    }
}

async fn answer_later(
    caller: Arc<Caller>,
    lost: Arc<Cancellation>,
    call: Call,
    found: Found,
    replies: mpsc::UnboundedSender<Queued>,
    room: Option<OwnedSemaphorePermit>,
) {
    let mut lost = pin!(lost.wait());
    match caller.answer(call, found, |task| lost.as_mut().poll(task)).await {
        // Where the connection is gone, so is who waits for the reply.
        Ok(Replied { reply: Some(message), .. }) => drop(replies.send(Queued { message, room })),
        Ok(Replied { reply: None, .. }) => {}
        Err(err) => tracing::debug!(peer = %caller.peer, %err, "a multiplexed call could not be answered"),
    }
}

/// Kitex's frame of no call, which says that the connection is about to end.
fn stop_frame() -> Result<Buffer> {
    let mut header = Header::default();
    header.strings.push(ttheader::CONNECTION_RESET, "1")?;
    let envelope = Envelope { name: b"none", kind: MessageKind::Reply, seq_id: 0 };
    let mut buffer = Buffer::new();
    let put_header = |buffer: &mut Buffer| header.put(buffer);
    let layout = Layout::TtHeader { is_framed: false };
    let heads = Heads::put(layout, put_header, Protocol::Binary, &envelope, &mut buffer)?;
    buffer.put(&[0]);
    heads.close(&mut buffer)?;
    Ok(buffer)
}
