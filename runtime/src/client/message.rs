//! A ping-pong call: one message there, one back.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context as Task, Poll, ready};
use std::time::Instant;

use super::call::count;
use super::channel::{Messages, Shared, check_deadline};
use super::cluster::Picked;
use super::exchange::{Exchange, Kept, With};
use super::options::CallOptions;
use super::pool::{LongConnection, Peer, Use};
use crate::codec::envelope::{ApplicationException, Envelope, MessageKind, Protocol};
use crate::codec::{Buffer, Reply, Success, Thrift, Throws, binary, compact};
use crate::context::{Context, now};
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::middleware::{AnyMessage, BoxFuture};
use crate::observe::Stats;
use crate::status::BizStatusError;
use crate::transport::http2::client::Refused;
use crate::transport::pingpong::message::{HEADS, Heads, Layout, Message, is_metadata, kind_text};
use crate::transport::pingpong::{client, mux};
use crate::wire::framed::Length;
use crate::wire::ttheader::{self, Header, ProtocolId, Writer, key};

/// What answered a call.
pub(super) struct Answer {
    /// `None`: the method is oneway.
    message: Option<(Message, Range<usize>)>,
    /// Rests once the answer is known to be one.
    kept: Option<Kept>,
}

/// Makes a call, within its deadline and as long as the call that it is part of; on the instance that was picked.
///
/// Boxed, so that a call over a stream has no room for it.
pub(super) fn call<'a>(
    shared: &'a Shared,
    messages: Messages,
    cx: &'a Context,
    options: &'a CallOptions,
    args: &'a mut dyn AnyMessage,
    picked: Option<Picked>,
) -> BoxFuture<'a, Result<Answer>> {
    let called = call_unbounded(shared, messages, cx, options, args, picked);
    let Some(parent) = cx.parent() else { return Box::pin(called) };
    Box::pin(async move {
        tokio::select! {
            biased;
            called = called => called,
            cause = parent.cancelled() => Err(cause.cascade()),
        }
    })
}

/// Makes a call that no other call can end.
async fn call_unbounded(
    shared: &Shared,
    messages: Messages,
    cx: &Context,
    options: &CallOptions,
    args: &mut dyn AnyMessage,
    picked: Option<Picked>,
) -> Result<Answer> {
    check_deadline(cx.deadline().zip(cx.timeout()))?;
    let seq_id = next_seq_id();
    let request = request(shared, messages, cx, options, seq_id, args)?;
    let (taken, peer, since) = take(shared, messages.usage, cx, options, seq_id, picked).await?;
    let with = With::new(peer, since, cx);
    match taken {
        Taken::Shared(place) => match with.share(place, request).await? {
            Some(message) => check(message, None, cx, seq_id),
            None => Ok(Answer::NONE),
        },
        Taken::Own(connection, long) => {
            let mut exchange = Exchange::begin(with, connection, long, request)?;
            if cx.is_oneway() {
                return exchange.finish().await.map(|()| Answer::NONE);
            }
            let message = poll_fn(|task| exchange.poll(task)).await?;
            let kept = exchange.into_kept(&message);
            check(message, kept, cx, seq_id)
        }
    }
}

/// A call that found its connection resting, and waits for its answer.
pub(super) struct Sent {
    exchange: Exchange,
    seq_id: i32,
    /// Ready once the call is cancelled that this one is part of. No room for it where most calls need none.
    cancelled: Option<BoxFuture<'static, Error>>,
}

/// Sends the request of a call where nothing has to be waited for.
///
/// # Errors
/// Something has to be; and the instance that was picked by then.
pub(super) fn send_now(
    shared: &Shared,
    messages: Messages,
    cx: &Context,
    options: &CallOptions,
    args: &mut dyn AnyMessage,
) -> Result<Result<Sent>, Option<Picked>> {
    let Use::Long(long) = messages.usage else { return Err(None) };
    let (attempts, peer) = shared.pick_now(cx, options).ok_or(None)?;
    let since = now();
    let Some(connection) = peer.rested(long, since) else { return Err(attempts.into_picked(None)) };
    let seq_id = next_seq_id();
    let request = match request(shared, messages, cx, options, seq_id, args) {
        Ok(request) => request,
        Err(err) => {
            peer.rest(connection, long);
            return Ok(Err(err));
        }
    };
    let exchange = Exchange::begin(With::new(peer, since, cx), connection, Some(long), request);
    Ok(exchange.map(|exchange| Sent { exchange, seq_id, cancelled: None }))
}

impl Sent {
    /// Waits for the answer, within the call's deadline and as long as the call that it is part of.
    pub(super) fn poll(&mut self, cx: &Context, task: &mut Task<'_>) -> Poll<Result<Message>> {
        if let Poll::Ready(message) = self.exchange.poll(task) {
            return Poll::Ready(message);
        }
        let Some(parent) = cx.parent() else { return Poll::Pending };
        let wait = || {
            let parent = parent.clone();
            Box::pin(async move { parent.cancelled().await }) as _
        };
        let cause = ready!(self.cancelled.get_or_insert_with(wait).as_mut().poll(task));
        Poll::Ready(Err(cause.cascade()))
    }

    /// What such a message says to the call.
    pub(super) fn into_answer(self, message: Message, cx: &Context) -> Result<Answer> {
        let kept = self.exchange.into_kept(&message);
        check(message, kept, cx, self.seq_id)
    }
}

/// Writes the request, all in one buffer.
fn request(
    shared: &Shared,
    messages: Messages,
    cx: &Context,
    options: &CallOptions,
    seq_id: i32,
    args: &mut dyn AnyMessage,
) -> Result<Buffer> {
    // What a header usually says, and a short struct.
    const SHORT: usize = 256;
    let mut buffer = Buffer::with_capacity(HEADS + cx.method().len() + SHORT);
    let header = |buffer: &mut Buffer| put_header(shared, messages, cx, options, seq_id, buffer);
    let envelope = Envelope { name: cx.method().as_bytes(), kind: kind(cx), seq_id };
    let heads = Heads::put(messages.layout, header, messages.protocol, &envelope, &mut buffer)?;
    let start = buffer.len();
    args.as_encode().encode(messages.protocol, &mut buffer)?;
    count(cx, Stats::count_sent, buffer.len() - start);
    heads.close(&mut buffer)?;
    Ok(buffer)
}

fn kind(cx: &Context) -> MessageKind {
    if cx.is_oneway() { MessageKind::Oneway } else { MessageKind::Call }
}

/// A connection for a call.
enum Taken {
    Shared(mux::Place),
    /// It rests afterwards where that is allowed.
    Own(Box<client::Connection>, Option<LongConnection>),
}

/// Takes a connection that can carry the call, and tells since when it has it.
async fn take(
    shared: &Shared,
    usage: Use,
    cx: &Context,
    options: &CallOptions,
    seq_id: i32,
    picked: Option<Picked>,
) -> Result<(Taken, Arc<Peer>, Instant)> {
    let mut attempts = shared.attempts(cx, options, picked).await?;
    while let Some(peer) = attempts.next() {
        cx.set_instance(Arc::clone(&peer.address));
        let patience = attempts.patience();
        let (taken, since) = match usage {
            Use::Multiplexed(_) => match shared.pool.mux(&peer, patience).await {
                Ok(connection) => match connection.reserve(seq_id, cx.is_oneway()) {
                    Ok(place) => (Ok(Taken::Shared(place)), now()),
                    Err(err) => {
                        attempts.refused(Refused::Connection(err))?;
                        continue;
                    }
                },
                Err(err) => (Err(err), now()),
            },
            Use::Short => (shared.pool.exclusive(&peer, patience).await.map(|it| Taken::Own(it, None)), now()),
            Use::Long(long) => {
                let since = now();
                match peer.rested(long, since) {
                    Some(rested) => (Ok(Taken::Own(rested, Some(long))), since),
                    None => {
                        let made = shared.pool.exclusive(&peer, patience).await;
                        (made.map(|made| Taken::Own(made, Some(long))), now())
                    }
                }
            }
        };
        match taken {
            Ok(taken) => {
                attempts.reached(&peer);
                return Ok((taken, peer, since));
            }
            Err(err) => attempts.unreachable(&peer, err),
        }
    }
    Err(attempts.into_error(&shared.pool.service))
}

/// Kitex's rule: one counter for the process, and no 0, which is no call's.
fn next_seq_id() -> i32 {
    static LAST: AtomicI32 = AtomicI32::new(0);
    loop {
        let id = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if id != 0 {
            return id;
        }
    }
}

/// Writes what TTHeader says of the call.
fn put_header(
    shared: &Shared,
    messages: Messages,
    cx: &Context,
    options: &CallOptions,
    seq_id: i32,
    buffer: &mut Buffer,
) -> Result<Length> {
    let flags = if matches!(messages.usage, Use::Multiplexed(_)) { ttheader::OUT_OF_ORDER } else { 0 };
    let protocol_id = match messages.protocol {
        Protocol::Binary => ProtocolId::Binary,
        Protocol::Compact => ProtocolId::Compact,
    };
    let mut header = Writer::new(buffer, flags, seq_id, protocol_id);
    if cx.travels_light() {
        header.string("", ttheader::SERVICE.as_bytes(), cx.service().as_bytes())?;
    } else {
        put_strings(&mut header, cx)?;
    }
    let is_framed = matches!(messages.layout, Layout::TtHeader { is_framed: true });
    let caller = shared.caller.as_ref().map_or(&b""[..], |caller| caller.as_bytes());
    let from = cx.parent().map_or("", Context::method);
    header.int(key::TRANSPORT_TYPE, if is_framed { "framed" } else { "unframed" })?;
    header.int(key::FROM_SERVICE, caller)?;
    header.int(key::TO_SERVICE, &*shared.pool.service)?;
    header.int(key::TO_METHOD, cx.method())?;
    header.int(key::FROM_METHOD, from)?;
    header.int(key::MSG_TYPE, kind_text(kind(cx)))?;
    if let Some(log_id) = cx.log_id() {
        header.int(key::LOG_ID, &*log_id)?;
    }
    if let Some(timeout) = options.connect_timeout.or(shared.connect_timeout) {
        // As Kitex: only what was set, not the default.
        header.int(key::CONNECT_TIMEOUT, timeout.as_millis().max(1).to_string())?;
    }
    if let Some(at) = cx.deadline() {
        let left = at.saturating_duration_since(now()).as_millis().max(1);
        header.int(key::RPC_TIMEOUT, left.to_string())?;
    }
    header.finish()
}

/// Writes the service's name with what travels with a call.
fn put_strings(header: &mut Writer<'_>, cx: &Context) -> Result<()> {
    let (metadata, metainfo) = cx.travels();
    if let Some(token) = metainfo.transient.get(ACL_TOKEN).filter(|token| !token.is_empty()) {
        header.token(token.as_bytes())?;
    }
    header.string("", ttheader::SERVICE.as_bytes(), cx.service().as_bytes())?;
    for (name, value) in metadata.raw().iter().filter(|(name, _)| is_metadata(name.as_str())) {
        header.string("", name.as_str().as_bytes(), value.as_bytes())?;
    }
    for (prefix, pairs) in [("RPC_TRANSIT_", &metainfo.transient), ("RPC_PERSIST_", &metainfo.persistent)] {
        for (key, value) in pairs.iter().filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
            if key != ACL_TOKEN || prefix != "RPC_TRANSIT_" {
                header.string(prefix, key.as_bytes(), value.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// The transient metainfo that travels as the ACL token.
const ACL_TOKEN: &str = "gdpr-token";

/// Looks whether a message answers the call, and how. The connection goes with what does not, as in Kitex.
fn check(message: Message, kept: Option<Kept>, cx: &Context, seq_id: i32) -> Result<Answer> {
    let method = cx.method();
    let (envelope, range) = message.envelope()?;
    let biz = biz(message.header());
    match (envelope.kind, &biz) {
        (MessageKind::Reply, _) | (MessageKind::Exception, Some(_)) => {}
        // Proxies send exceptions with any name and id.
        (MessageKind::Exception, None) => {
            let exception: ApplicationException = decode(&message, range)?;
            keep_beside(&message, cx);
            return Err(exception.into());
        }
        (kind, _) => return Err(Error::protocol(format!("client side, invalid message type {}", kind as u8))),
    }
    // Kitex's texts and numbers.
    if envelope.seq_id != seq_id {
        let got = envelope.seq_id;
        let text = format!("method[{method}] out of order sequence response, expect[{seq_id}], receive[{got}]");
        return Err(ApplicationException::new(ApplicationException::BAD_SEQUENCE_ID, text).into());
    }
    if envelope.name != method.as_bytes() {
        let text = format!("wrong method name, expect={method}, actual={}", envelope.name_text());
        return Err(ApplicationException::new(ApplicationException::WRONG_METHOD_NAME, text).into());
    }
    match biz {
        None => Ok(Answer { message: Some((message, range)), kept }),
        Some(biz) => {
            keep_beside(&message, cx);
            if let Some(kept) = kept {
                kept.rest();
            }
            Err(biz.into())
        }
    }
}

/// What came beside an error is for layers and observers.
fn keep_beside(message: &Message, cx: &Context) {
    cx.answered(Metadata::new(), Metadata::new(), backward(message));
}

/// What a server sent back beside its answer: Kitex's keys are bare, Volo's have a prefix.
fn backward(message: &Message) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = message.header().strings.iter().map(|(name, value)| (text(name), text(value)));
    pairs
        .filter(|(name, _)| is_metadata(name))
        .map(|(name, value)| (name.strip_prefix("RPC_BACKWARD_").map_or(name.clone(), str::to_owned), value))
        .collect()
}

/// The business error beside a reply; a malformed one is none, as in Kitex.
fn biz(header: &Header) -> Option<BizStatusError> {
    let text = |name: &str| header.strings.value(name).map(String::from_utf8_lossy);
    let code = text("biz-status")?.parse().ok().filter(|code| *code != 0)?;
    let extra = text("biz-extra").map_or(Ok(BTreeMap::new()), |extra| serde_json::from_str(&extra)).ok()?;
    Some(BizStatusError::new(code, text("biz-message").unwrap_or_default()).with_all_extra(extra))
}

fn decode<T: Thrift>(message: &Message, range: Range<usize>) -> Result<T> {
    Ok(match message.protocol {
        Protocol::Binary => T::decode(&mut binary::Reader::over(&message.bytes, range))?,
        Protocol::Compact => T::decode(&mut compact::Reader::over(&message.bytes, range))?,
    })
}

impl Answer {
    /// That of a oneway method.
    const NONE: Self = Self { message: None, kept: None };

    /// The size of the result wrapper; 0 where the method is oneway.
    pub(super) fn len(&self) -> usize {
        self.message.as_ref().map_or(0, |(_, range)| range.len())
    }

    /// Reads the result wrapper.
    pub(super) fn decode<T: Success, E: Throws>(&mut self) -> Result<Reply<T, E>> {
        let Some((message, range)) = &self.message else { return Ok(Reply(Ok(T::absent()?))) };
        let range = range.clone();
        let reply = match message.protocol {
            Protocol::Binary => Reply::decode(&mut binary::Reader::over(&message.bytes, range))?,
            Protocol::Compact => Reply::decode(&mut compact::Reader::over(&message.bytes, range))?,
        };
        if let Some(kept) = self.kept.take() {
            kept.rest();
        }
        Ok(reply)
    }

    /// What the server sent back beside the reply.
    pub(super) fn backward(&self) -> BTreeMap<String, String> {
        self.message.as_ref().map(|(message, _)| backward(message)).unwrap_or_default()
    }
}
