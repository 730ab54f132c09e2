//! A server's ping-pong connection.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf, ReadHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use super::handling::{connection_lost, handle};
use super::message::{Layout, Message, Named, Reader, is_metadata, kind_text, put};
use super::seldom::Seldom;
use super::{MESSAGES_A_TURN, Queued, READ, paused, step_aside, write, write_queued};
use crate::codec::envelope::{ApplicationException, Envelope, MessageKind, Protocol};
use crate::codec::{Buffer, Encode};
use crate::context::{self, Cancellation, Context};
use crate::error::{Error, Failed, Result};
use crate::metadata::Metadata;
use crate::metainfo::Metainfo;
use crate::net::{Address, BoxIo};
use crate::schema::{Method, Mode};
use crate::status::BizStatusError;
use crate::transport::http2::EOF;
use crate::transport::{Answer, Exchange, Host, LAST_CALL, Route, Shutdown, Stopping};
use crate::wire::ttheader::{self, Header, Limits, key};

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
    let mut input =
        Input { io, bytes: BytesMut::from(ahead), reader: Reader::new(config.limits), looks: LOOKS, is_new: true };
    let mut watch = Watch::new(&host.shutdown, config.max_idle_time);
    let caller = Caller { peer, host };
    let mut last_call = None;
    let mut known = None;
    loop {
        let next = input.next(config.read_write_timeout);
        let came = match last_call {
            Some(at) => timeout_at(at, next).await.unwrap_or(Ok(Came::End))?,
            None => tokio::select! {
                biased;
                came = next => came?,
                event = &mut watch.event => match event {
                    Event::Draining => {
                        last_call = Some(Instant::now() + LAST_CALL);
                        continue;
                    }
                    Event::TimePassed if watch.is_idle(!input.is_between()) => return Ok(()),
                    Event::TimePassed => continue,
                },
            },
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

/// What a connection waits for beside its next call.
struct Watch {
    event: Seldom<Event>,
    shutdown: Shutdown,
    max_idle_time: Option<Duration>,
    /// Whether there was a call since the time began.
    is_used: bool,
}

enum Event {
    /// A shutdown has begun.
    Draining,
    /// The time that a connection may be idle for.
    TimePassed,
}

impl Watch {
    fn new(shutdown: &Shutdown, max_idle_time: Option<Duration>) -> Self {
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
    fn is_idle(&mut self, is_busy: bool) -> bool {
        let is_used = std::mem::take(&mut self.is_used) || is_busy;
        if is_used {
            self.event = Self::next(self.shutdown.clone(), self.max_idle_time);
        }
        !is_used
    }
}

/// The reading side of a connection.
struct Input<R> {
    io: R,
    bytes: BytesMut,
    reader: Reader,
    /// How often what came of a message may still be looked at for its method.
    looks: u8,
    /// Whether something came that was not looked at.
    is_new: bool,
}

/// How many pieces a method's name may come in, to be known before the end of its message. Each costs a look at all before it.
const LOOKS: u8 = 8;

/// What comes on a connection.
enum Came {
    Message(Message),
    /// More of a message that is not all there, and whose method is not known.
    Part,
    /// The peer has closed the connection, between messages.
    End,
    /// The connection broke.
    Lost(Error),
    /// Nothing for too long, inside a message.
    Silence(Error),
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// Whether nothing of the next message has come.
    fn is_between(&self) -> bool {
        self.bytes.is_empty() && !self.reader.is_inside()
    }

    /// Which method the message is of that is not all there, where that has come.
    fn named(&self) -> Option<Named<'_>> {
        self.reader.named(&self.bytes)
    }

    /// Takes what came of a message that does not go on.
    fn begun(&mut self) -> Option<Message> {
        self.reader.begun(&mut self.bytes)
    }

    /// Waits for the next message, or the end of the connection.
    async fn next(&mut self, pause: Duration) -> Result<Came> {
        loop {
            if let Some(message) = self.reader.next(&mut self.bytes)? {
                (self.looks, self.is_new) = (LOOKS, true);
                return Ok(Came::Message(message));
            }
            if std::mem::take(&mut self.is_new) && self.looks > 0 && !self.bytes.is_empty() {
                self.looks -= 1;
                return Ok(Came::Part);
            }
            // Between messages a peer may rest; inside one it may not.
            let is_between = self.is_between();
            let reading = self.reader.read(&mut self.io, &mut self.bytes, READ);
            let count = if is_between {
                reading.await
            } else {
                match timeout(pause, reading).await {
                    Ok(count) => count,
                    Err(_) => {
                        let silence = paused("sent inside a message", pause);
                        return Ok(Came::Silence(Error::protocol(silence.to_string())));
                    }
                }
            };
            match count {
                Ok(0) if is_between => return Ok(Came::End),
                Ok(0) => return Ok(Came::Lost(Error::protocol("the connection ended inside a message"))),
                Ok(_) => self.is_new = true,
                Err(err) => return Ok(Came::Lost(Error::protocol(err.to_string()))),
            }
        }
    }

    /// Ready once the peer has closed the connection, or broken it. What it sends meanwhile is kept, and not looked beyond.
    fn poll_lost(&mut self, task: &mut Task<'_>) -> Poll<Error> {
        if !self.bytes.is_empty() {
            return Poll::Pending;
        }
        // Mostly nothing comes, and no room is made for it.
        let mut space = [0; 64];
        let mut ahead = ReadBuf::new(&mut space);
        let read = ready!(Pin::new(&mut self.io).poll_read(task, &mut ahead));
        match read {
            Ok(()) if ahead.filled().is_empty() => Poll::Ready(connection_lost(EOF)),
            Ok(()) => {
                self.bytes.extend_from_slice(ahead.filled());
                Poll::Pending
            }
            Err(err) => Poll::Ready(connection_lost(&err.to_string())),
        }
    }
}

/// Runs the calls of a connection at the same time, and answers each when it is done.
async fn multiplex(first: Message, input: Input<BoxIo>, caller: Caller, config: &Config) -> Result<()> {
    let Input { io, bytes, reader, .. } = input;
    let (read, write) = tokio::io::split(io);
    let mut input: Input<ReadHalf<BoxIo>> = Input { io: read, bytes, reader, looks: 0, is_new: false };
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
    let mut body = Buffer::new();
    body.put(&[0]);
    let envelope = Envelope { name: b"none", kind: MessageKind::Reply, seq_id: 0 };
    put(Layout::TtHeader { is_framed: false }, &header, Protocol::Binary, &envelope, body)
}

/// Who calls, and whom.
struct Caller {
    peer: Address,
    host: Host,
}

/// What a call leaves to be done.
struct Replied {
    reply: Option<Buffer>,
    /// Whether the connection goes on.
    keep: bool,
}

/// Which method a request is for, or an exception's code and text.
type Found = Result<Route, (i32, String)>;

/// The method that was called last on a connection, which mostly is that of the next call, too.
struct Known {
    service: Option<Box<[u8]>>,
    name: Box<[u8]>,
    route: Route,
}

/// A request whose envelope was read.
struct Call {
    message: Message,
    /// Where the arguments are in the message's bytes.
    args: Range<usize>,
    request: Request,
}

impl Call {
    /// # Errors
    /// What is no request. It closes the connection without a word, as in Kitex.
    fn read(message: Message) -> Result<Self> {
        let (envelope, args) = message.envelope()?;
        if !matches!(envelope.kind, MessageKind::Call | MessageKind::Oneway) {
            return Err(Error::protocol(format!("a message of kind {:?} is no request", envelope.kind)));
        }
        if envelope.name.is_empty() {
            return Err(Error::protocol("a request names no method"));
        }
        let request = Request {
            layout: message.layout,
            protocol: message.protocol,
            name: message.bytes.slice_ref(envelope.name),
            seq_id: envelope.seq_id,
        };
        Ok(Self { message, args, request })
    }
}

impl Caller {
    /// Runs a call. `lost` is ready once no one waits for its answer. An error closes the connection without a word.
    async fn answer(
        &self,
        Call { message, args, request }: Call,
        found: Found,
        mut lost: impl FnMut(&mut Task<'_>) -> Poll<Error>,
    ) -> Result<Replied> {
        let route = match found {
            Ok(route) => route,
            Err((kind, text)) => return self.refuse(&request, kind, &text),
        };
        let method = self.host.dispatch.method(route);
        if let Some(text) = not_pingpong(method) {
            return request.except(ApplicationException::INTERNAL_ERROR, &text, &mut self.reply_header()?).map(keep);
        }
        let context = context(method, &self.peer, message.header());
        let admission = match self.host.dispatch.admit(&context) {
            Ok(admission) => admission,
            Err(_) if method.oneway => return Ok(Replied { reply: None, keep: true }),
            Err(err) => return request.fail(&err, Failed::InFramework, &mut self.reply_header()?).map(keep),
        };
        let exchange = Exchange::Message { body: message.bytes, range: args, protocol: message.protocol };
        let outcome = self.host.dispatch.call(route, context.clone(), exchange);
        // A oneway call's caller has no reason to stay.
        let lost = |task: &mut Task<'_>| if method.oneway { Poll::Pending } else { lost(task) };
        let outcome = handle(outcome, &context, lost).await;
        drop(admission);
        // The method says whether there is an answer, not the message.
        if method.oneway {
            return Ok(Replied { reply: None, keep: true });
        }
        // A reply that cannot be written is told: the caller waits.
        let told = |err: Error| request.fail(&err, Failed::InFramework, &mut self.reply_header()?).map(keep);
        self.reply(&request, outcome, &context).or_else(told)
    }

    /// Refuses a request as soon as its envelope has come, where there is no such method; as Kitex.
    fn refuse_named(&self, named: &Named<'_>) -> Option<Result<Replied>> {
        let Envelope { name, kind, seq_id } = named.envelope;
        if !matches!(kind, MessageKind::Call | MessageKind::Oneway) || name.is_empty() {
            return None;
        }
        let (kind, text) = self.find(&named.header, name).err()?;
        let (layout, protocol) = (named.layout, named.protocol);
        let request = Request { layout, protocol, name: Bytes::copy_from_slice(name), seq_id };
        Some(self.refuse(&request, kind, &text))
    }

    /// Says the last word on a connection, and takes what the client still sends: it reads the word before it hears of a reset.
    async fn last_word(&self, mut io: BoxIo, word: Option<Buffer>, pause: Duration) -> Result<()> {
        if let Some(word) = word {
            write(&mut io, word, Some(pause)).await.map_err(|err| not_written(&self.peer, &err))?;
        }
        let rest = async {
            io.shutdown().await?;
            let mut rest = BytesMut::with_capacity(READ);
            while io.read_buf(&mut rest).await? > 0 {
                rest.clear();
            }
            io::Result::Ok(())
        };
        let mut shutdown = self.host.shutdown.clone();
        tokio::select! {
            // However it ends, all is said.
            _ = timeout(pause, rest) => {}
            () = shutdown.reached(Stopping::Draining) => {}
        }
        Ok(())
    }

    /// Tells who sends half a request that no one waits for the rest, as Kitex. A oneway method has no answer, nor has what
    /// does not name a method.
    fn answer_begun(&self, message: Message) -> Option<Buffer> {
        let Call { message, request, .. } = Call::read(message).ok()?;
        let refused = match self.find(message.header(), &request.name) {
            Ok(route) if self.host.dispatch.method(route).oneway => return None,
            Ok(_) => {
                let text = format!("connection read timeout {}", self.peer);
                self.refuse(&request, ApplicationException::PROTOCOL_ERROR, &text)
            }
            Err((kind, text)) => self.refuse(&request, kind, &text),
        };
        refused.ok()?.reply
    }

    /// Finds the method of a call, which mostly is the one that is known.
    fn find_again(&self, call: &Call, known: &mut Option<Known>) -> Found {
        let (header, name) = (call.message.header(), &*call.request.name);
        let service = header.strings.value(ttheader::SERVICE);
        match known {
            Some(known) if *known.name == *name && known.service.as_deref() == service => Ok(known.route),
            _ => self.find(header, name).inspect(|route| {
                let is_short = service.is_none_or(|service| service.len() <= 256);
                let new = || Known { service: service.map(Box::from), name: Box::from(name), route: *route };
                *known = is_short.then(new);
            }),
        }
    }

    /// Finds the method of a request.
    #[inline(never)]
    fn find(&self, header: &Header, name: &[u8]) -> Found {
        let service = header.strings.value(ttheader::SERVICE).map(text);
        self.host.dispatch.find_message(service.as_deref(), &text(name))
    }

    /// Writes what a call came to.
    fn reply(&self, request: &Request, outcome: Result<Answer, (Error, Failed)>, context: &Context) -> Result<Replied> {
        let mut header = self.reply_header()?;
        match outcome {
            Ok(Answer::Message(body)) => {
                put_beside(&mut header, context)?;
                request.reply(body, &mut header).map(keep)
            }
            Ok(Answer::Streamed | Answer::Nothing) => Ok(Replied { reply: None, keep: true }),
            Err((Error::Decode(err), Failed::InFramework)) => {
                self.refuse(request, ApplicationException::PROTOCOL_ERROR, &err.to_string())
            }
            Err((err, failed)) => {
                put_beside(&mut header, context)?;
                request.fail(&err, failed, &mut header).map(keep)
            }
        }
    }

    /// Refuses a message that could not be read: the caller is told, and the connection ends.
    fn refuse(&self, request: &Request, kind: i32, text: &str) -> Result<Replied> {
        let mut header = self.reply_header()?;
        if header.strings.value(ttheader::CONNECTION_RESET).is_none() {
            header.strings.push(ttheader::CONNECTION_RESET, "1")?;
        }
        let reply = request.except(kind, text, &mut header)?;
        Ok(Replied { reply: Some(reply), keep: false })
    }

    /// A header that says whether the connection is about to end.
    fn reply_header(&self) -> Result<Header> {
        let mut header = Header::default();
        if self.host.shutdown.has_reached(Stopping::Draining) {
            header.strings.push(ttheader::CONNECTION_RESET, "1")?;
        }
        Ok(header)
    }
}

/// Writes what a handler sends beside its answer, whatever that is.
fn put_beside(header: &mut Header, context: &Context) -> Result<()> {
    let Some((metadata, backward)) = context.take_said() else { return Ok(()) };
    for (name, value) in metadata.raw().iter().filter(|(name, _)| is_metadata(name.as_str())) {
        header.strings.push(name.as_str(), value.as_bytes())?;
    }
    for (key, value) in backward {
        header.strings.push(&key, &value)?;
    }
    Ok(())
}

fn keep(reply: Buffer) -> Replied {
    Replied { reply: Some(reply), keep: true }
}

/// What a reply takes from its request.
struct Request {
    layout: Layout,
    protocol: Protocol,
    name: Bytes,
    seq_id: i32,
}

impl Request {
    fn put(&self, kind: MessageKind, body: Buffer, header: &mut Header) -> Result<Buffer> {
        header.seq_id = self.seq_id;
        if matches!(self.layout, Layout::TtHeader { .. }) {
            header.ints.push(key::MSG_TYPE, kind_text(kind))?;
        }
        let envelope = Envelope { name: &self.name, kind, seq_id: self.seq_id };
        put(self.layout, header, self.protocol, &envelope, body)
    }

    fn reply(&self, body: Buffer, header: &mut Header) -> Result<Buffer> {
        self.put(MessageKind::Reply, body, header)
    }

    fn except(&self, kind: i32, text: &str, header: &mut Header) -> Result<Buffer> {
        let mut body = Buffer::new();
        Encode::encode(&ApplicationException::new(kind, text), self.protocol, &mut body)?;
        self.put(MessageKind::Exception, body, header)
    }

    /// Tells an error that no method declares.
    fn fail(&self, err: &Error, failed: Failed, header: &mut Header) -> Result<Buffer> {
        let biz = err.biz().filter(|_| failed == Failed::InHandler && matches!(self.layout, Layout::TtHeader { .. }));
        if let Some(biz) = biz {
            // An empty result with the error beside it: Kitex's clients look for the latter first.
            put_biz(header, biz)?;
            let mut body = Buffer::new();
            body.put(&[0]);
            return self.reply(body, header);
        }
        if let (Error::Application(exception), Failed::InHandler) = (err, failed) {
            return self.except(exception.kind, &format!("{exception} [biz error]"), header);
        }
        let text = match failed {
            // Framed and Buffered carry no business error: a failure is better than Kitex's silent success. It says what it is.
            Failed::InHandler if matches!(err, Error::Biz(_)) => err.to_string(),
            // Kitex's mark.
            Failed::InHandler => format!("biz error: {err}"),
            Failed::InFramework => err.message(),
        };
        self.except(ApplicationException::INTERNAL_ERROR, &text, header)
    }
}

fn put_biz(header: &mut Header, biz: &BizStatusError) -> Result<()> {
    header.strings.push("biz-status", biz.code().to_string())?;
    header.strings.push("biz-message", biz.message())?;
    if !biz.extra().is_empty() {
        let extra = serde_json::to_string(biz.extra()).map_err(|err| Error::protocol(err.to_string()))?;
        header.strings.push("biz-extra", extra)?;
    }
    Ok(())
}

/// Kitex's words to a ping-pong call of a method that streams.
fn not_pingpong(method: &Method) -> Option<String> {
    let (service, name) = (method.service, method.name);
    match method.mode {
        Mode::PingPong => None,
        Mode::Unary => Some(format!(
            "biz error: {service}.{name} is a thrift streaming unary method, please call with Kitex StreamClient or remove the annotation streaming.mode"
        )),
        _ => Some(format!(
            "biz error: {service}.{name} is a thrift streaming method, please call with Kitex StreamClient"
        )),
    }
}

/// Reads who calls, how long they wait, and their metainfo.
fn context(method: &'static Method, peer: &Address, header: &Header) -> Context {
    if header.is_empty() {
        return Context::new(Some(method), Some(peer.clone()), None, Metadata::new());
    }
    let text = |value: &[u8]| text(value).into_owned();
    let (mut caller, mut timeout) = (context::Caller::default(), None);
    for (key, value) in header.ints.iter() {
        let said = || Some(text(value)).filter(|value| !value.is_empty());
        match key {
            key::FROM_SERVICE => caller.service = said(),
            key::FROM_METHOD => caller.method = said(),
            key::LOG_ID => caller.log_id = said(),
            key::RPC_TIMEOUT => timeout = said().and_then(|millis| millis.parse().ok()).filter(|millis| *millis > 0),
            _ => {}
        }
    }
    let timeout = timeout.map(Duration::from_millis);
    let (mut metainfo, mut metadata) = (Metainfo::default(), Metadata::new());
    for (name, value) in header.strings.iter().filter(|(_, value)| !value.is_empty()) {
        let name = self::text(name);
        let (pairs, key) = if let Some(key) = name.strip_prefix("RPC_TRANSIT_") {
            (&mut metainfo.transient, key)
        } else if let Some(key) = name.strip_prefix("RPC_PERSIST_") {
            (&mut metainfo.persistent, key)
        } else {
            if is_metadata(&name) {
                // A name that metadata cannot have is no one's here.
                let _ = metadata.append(&name, text(value));
            }
            continue;
        };
        if !key.is_empty() {
            pairs.insert(key.to_owned(), text(value));
        }
    }
    if let Some(token) = &header.acl_token {
        metainfo.transient.insert("gdpr-token".to_owned(), text(token));
    }
    Context::of_message(method, peer.clone(), timeout, caller, metadata, metainfo)
}

/// A peer's bytes as text, which they mostly are.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn not_written(peer: &Address, err: &io::Error) -> Error {
    Error::protocol(format!("the answer could not be written to {peer}: {err}"))
}
