//! A ping-pong call on a server: its method is found, its handler runs, and what it came to is written.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::handling::handle;
use super::message::{Message, Named, is_metadata};
use super::reply::{Begun, Request, put_beside};
use super::server::not_written;
use super::{READ, write};
use crate::codec::Buffer;
use crate::codec::envelope::{ApplicationException, Envelope, MessageKind};
use crate::context::{self, Context};
use crate::error::{Error, Failed, Result};
use crate::metadata::Metadata;
use crate::metainfo::Metainfo;
use crate::net::{Address, BoxIo};
use crate::schema::{Method, Mode};
use crate::transport::{Answer, Exchange, Host, Route, Stopping};
use crate::wire::ttheader::{self, Header, Strings, key};

/// Who calls, and whom.
pub(super) struct Caller {
    pub(super) peer: Address,
    pub(super) host: Host,
}

/// What a call leaves to be done.
pub(super) struct Replied {
    pub(super) reply: Option<Buffer>,
    /// Whether the connection goes on.
    pub(super) keep: bool,
}

/// Which method a request is for, or an exception's code and text.
pub(super) type Found = Result<Route, (i32, String)>;

/// The method that was called last on a connection, which mostly is that of the next call, too.
pub(super) struct Known {
    service: Option<Box<[u8]>>,
    name: Box<[u8]>,
    route: Route,
}

/// A request whose envelope was read.
pub(super) struct Call {
    message: Message,
    /// Where the arguments are in the message's bytes.
    args: Range<usize>,
    request: Request,
}

impl Call {
    /// # Errors
    /// What is no request. It closes the connection without a word, as in Kitex.
    pub(super) fn read(message: Message) -> Result<Self> {
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
    pub(super) async fn answer(
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
            return request.except(ApplicationException::INTERNAL_ERROR, &text, &self.beside()?).map(keep);
        }
        let context = context(method, &self.peer, message.header());
        let admission = match self.host.dispatch.admit(&context) {
            Ok(admission) => admission,
            Err(_) if method.oneway => return Ok(Replied { reply: None, keep: true }),
            Err(err) => return request.fail(&err, Failed::InFramework, &mut self.beside()?).map(keep),
        };
        let (reply, begun) = request.begin()?;
        let exchange = Exchange::Message { body: message.bytes, range: args, protocol: message.protocol, reply };
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
        let told = |err: Error| request.fail(&err, Failed::InFramework, &mut self.beside()?).map(keep);
        self.reply(&request, begun, outcome, &context).or_else(told)
    }

    /// Refuses a request as soon as its envelope has come, where there is no such method; as Kitex.
    pub(super) fn refuse_named(&self, named: &Named<'_>) -> Option<Result<Replied>> {
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
    pub(super) async fn last_word(&self, mut io: BoxIo, word: Option<Buffer>, pause: Duration) -> Result<()> {
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
    pub(super) fn answer_begun(&self, message: Message) -> Option<Buffer> {
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
    pub(super) fn find_again(&self, call: &Call, known: &mut Option<Known>) -> Found {
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
    fn reply(
        &self,
        request: &Request,
        begun: Begun,
        outcome: Result<Answer, (Error, Failed)>,
        context: &Context,
    ) -> Result<Replied> {
        let beside = || -> Result<Strings> {
            if !request.has_header() {
                return Ok(Strings::default());
            }
            let mut strings = self.beside()?;
            put_beside(&mut strings, context)?;
            Ok(strings)
        };
        match outcome {
            Ok(Answer::Message(reply)) => request.finish(reply, begun, &beside()?).map(keep),
            Ok(Answer::Streamed | Answer::Nothing) => Ok(Replied { reply: None, keep: true }),
            Err((Error::Decode(err), Failed::InFramework)) => {
                self.refuse(request, ApplicationException::PROTOCOL_ERROR, &err.to_string())
            }
            Err((err, failed)) => request.fail(&err, failed, &mut beside()?).map(keep),
        }
    }

    /// Refuses a message that could not be read: the caller is told, and the connection ends.
    fn refuse(&self, request: &Request, kind: i32, text: &str) -> Result<Replied> {
        let mut strings = Strings::default();
        strings.push(ttheader::CONNECTION_RESET, "1")?;
        let reply = request.except(kind, text, &strings)?;
        Ok(Replied { reply: Some(reply), keep: false })
    }

    /// What every reply says: whether the connection is about to end.
    fn beside(&self) -> Result<Strings> {
        let mut strings = Strings::default();
        if self.host.shutdown.has_reached(Stopping::Draining) {
            strings.push(ttheader::CONNECTION_RESET, "1")?;
        }
        Ok(strings)
    }
}

fn keep(reply: Buffer) -> Replied {
    Replied { reply: Some(reply), keep: true }
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
