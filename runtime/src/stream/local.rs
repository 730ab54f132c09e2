//! A stream within this process: what a layer gives in place of one that goes over a connection.

use std::any::TypeId;
use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as Task, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};

use super::{BidiStream, Receiver, Sender};
use crate::codec::envelope::Protocol;
use crate::codec::{Buffer, Encode, Message};
use crate::context::{Cancel, Context, lock};
use crate::error::{Error, Result, Stage};
use crate::metadata::Metadata;
use crate::middleware::{Stream, wrong_kind};
use crate::transport::{Frame, Halves, RecvHalf, SendHalf};

/// How many bytes one side may be ahead of the other before it waits.
const UNREAD: usize = 64 << 10;

impl Stream {
    /// A stream of a layer's own, and its other end: what the stream's user receives is what the layer sends, and the other way
    /// round. With it a client's layer answers without a server, and a server's gives its handler another stream.
    ///
    /// `In` is what the user receives: on a client the response, on a server the request. Another type than the method's is an
    /// error of the user's `recv` and `send`.
    ///
    /// The layer's end says how the stream ends: [`close`](BidiStream::close) is a good end, [`finish`](BidiStream::finish) any,
    /// and dropping it a failure. A call's deadline and cancellation hold for this stream too, and its layers run around the
    /// messages of the user's end.
    ///
    /// A cache, or a mock:
    ///
    /// ```
    /// # use thrill::middleware::{Reply, Stream, layer};
    /// # #[derive(thrill::Thrift, Clone, Debug, Default, PartialEq)] struct Note { #[thrift(id = 1)] text: String }
    /// # #[thrill::service] trait News {
    /// #     #[streaming(mode = "server")]
    /// #     async fn latest(&self, about: Note, notes: thrill::Sender<Note>) -> thrill::Result<()>;
    /// # }
    /// # #[tokio::main] async fn main() -> thrill::Result<()> {
    /// let mock = layer(|cx, _, _| {
    ///     Box::pin(async move {
    ///         let (stream, mut server) = Stream::pair::<Note, Note>(&cx);
    ///         tokio::spawn(async move {
    ///             while let Some(asked) = server.recv().await? {
    ///                 server.send(Note { text: format!("nothing about {}", asked.text) }).await?;
    ///             }
    ///             server.close().await
    ///         });
    ///         Ok(Reply::Stream(stream))
    ///     })
    /// });
    /// let client = NewsStreamClient::builder("news").host_ports(["127.0.0.1:1"]).layer(mock).build()?;
    /// let mut notes = client.latest(Note { text: "me".into() }).await?;
    /// assert_eq!(notes.recv().await?, Some(Note { text: "nothing about me".into() }));
    /// assert_eq!(notes.recv().await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn pair<In: Message, Out: Message>(cx: &Context) -> (Self, BidiStream<Out, In>) {
        let (inward, outward) = (Arc::new(Pipe::default()), Arc::new(Pipe::default()));
        let role = if cx.destination().is_some() { Role::Client } else { Role::Server };
        for pipe in [&inward, &outward] {
            cx.adopt(pipe);
        }
        let (near, far) = (ends(&inward, &outward, cx, role), ends(&outward, &inward, cx, Role::Layer));
        let mut stream = Self::new(near, cx.clone());
        stream.types = Some((TypeId::of::<In>(), TypeId::of::<Out>()));
        let Halves { send, recv } = far;
        let far =
            BidiStream::new(Sender::new(send, cx.clone(), Vec::new()), Receiver::new(recv, cx.clone(), Vec::new()));
        (stream, far)
    }

    /// The stream with its types: for a layer that reads and writes it itself, and gives its user one made by [`Stream::pair`].
    ///
    /// `In` is what comes: on a client the response, on a server the request. The layers that were put on it are around its
    /// messages. Of other types than the method's, its messages are misread.
    ///
    /// ```
    /// # use thrill::middleware::{Args, Stream, layer};
    /// # #[derive(thrill::Thrift, Clone, Debug, Default, PartialEq)] struct Line { #[thrift(id = 1)] text: String }
    /// // A server's handler gets the lines of each message one by one.
    /// let split = layer(|cx, args, next| {
    ///     Box::pin(async move {
    ///         let Args::Stream(stream) = args else { return next.run(&cx, args).await };
    ///         let (mut replies, mut lines) = stream.typed::<Line, Line>().split();
    ///         let (own, far) = Stream::pair::<Line, Line>(&cx);
    ///         let (mut to_handler, mut from_handler) = far.split();
    ///         let inward = async move {
    ///             while let Some(line) = lines.recv().await? {
    ///                 for text in line.text.lines() {
    ///                     to_handler.send(Line { text: text.to_owned() }).await?;
    ///                 }
    ///             }
    ///             to_handler.close().await
    ///         };
    ///         let outward = async move {
    ///             while let Some(line) = from_handler.recv().await? {
    ///                 replies.send(line).await?;
    ///             }
    ///             Ok(())
    ///         };
    ///         let (reply, outward, _) = tokio::join!(next.run(&cx, Args::Stream(own)), outward, inward);
    ///         outward.and(reply)
    ///     })
    /// });
    /// # let _ = thrill::Server::new().layer(split);
    /// ```
    #[must_use]
    pub fn typed<In: Message, Out: Message>(self) -> BidiStream<In, Out> {
        let (sender, receiver) = self.into_ends();
        BidiStream::new(sender, receiver)
    }

    /// The stream for who receives and sends these types. One of a layer's own that has others fails.
    pub(super) fn checked(self, received: TypeId, sent: Option<TypeId>) -> Self {
        let is_of_type = |(of_in, of_out)| of_in == received && sent.is_none_or(|sent| sent == of_out);
        if self.types.is_none_or(is_of_type) {
            return self;
        }
        let broken = Arc::new(Pipe::default());
        broken.break_off(&wrong_kind(&self.cx, "the stream of a call", &format_args!("a stream of other messages")));
        Self { halves: ends(&broken, &broken, &self.cx, Role::Layer), ..self }
    }
}

/// Whose end of a stream it is: it decides what dropping it means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
    Layer,
}

fn ends(inward: &Arc<Pipe>, outward: &Arc<Pipe>, cx: &Context, role: Role) -> Halves {
    let ways = || Ways { inward: Arc::clone(inward), outward: Arc::clone(outward) };
    // A server's transport looks after the deadline of its calls, and cancels them.
    let deadline = || Deadline::of(cx, role == Role::Client);
    let (message, metadata) = (Bytes::new(), Metadata::new());
    Halves {
        send: Box::new(Sending { ways: ways(), role, deadline: deadline() }),
        recv: Box::new(Receiving { ways: ways(), role, deadline: deadline(), message, metadata, end: None }),
    }
}

/// When a client's call must be over.
struct Deadline(Option<(Pin<Box<Sleep>>, Duration)>);

impl Deadline {
    fn of(cx: &Context, is_kept: bool) -> Self {
        let deadline = cx.deadline().zip(cx.timeout()).filter(|_| is_kept);
        Self(deadline.map(|(at, after)| (Box::pin(sleep_until(at.into())), after)))
    }

    /// Ends what waits when the time has come.
    fn look(&mut self, task: &mut Task<'_>, ways: &Ways) {
        let Some((timer, after)) = &mut self.0 else { return };
        if timer.as_mut().poll(task).is_ready() {
            ways.break_off(&Error::DeadlineExceeded { during: Stage::Exchange, after: *after, peer: None });
            self.0 = None;
        }
    }
}

/// One direction of a stream.
#[derive(Default)]
struct Pipe(Mutex<Flow>);

#[derive(Default)]
struct Flow {
    messages: VecDeque<Bytes>,
    /// How many bytes the messages have.
    unread: usize,
    /// What comes behind the messages.
    end: Option<Result<()>>,
    /// Why no more messages are taken.
    refused: Option<Error>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

impl Pipe {
    fn poll_ready(&self, task: &Task<'_>, most: usize) -> Poll<Result<()>> {
        let mut flow = lock(&self.0);
        if let Some(err) = &flow.refused {
            return Poll::Ready(Err(err.clone()));
        }
        if flow.unread < most {
            return Poll::Ready(Ok(()));
        }
        flow.sender = Some(task.waker().clone());
        Poll::Pending
    }

    fn push(&self, message: Bytes) -> Result<()> {
        let mut flow = lock(&self.0);
        if let Some(err) = &flow.refused {
            return Err(err.clone());
        }
        if flow.end.is_some() {
            return Err(Error::misuse("`send` after `close`: nothing can follow the end of the stream"));
        }
        flow.unread += message.len();
        flow.messages.push_back(message);
        wake(flow);
        Ok(())
    }

    fn poll_next(&self, task: &Task<'_>) -> Poll<Result<Option<Bytes>>> {
        let mut flow = lock(&self.0);
        if let Some(message) = flow.messages.pop_front() {
            flow.unread -= message.len();
            wake(flow);
            return Poll::Ready(Ok(Some(message)));
        }
        if let Some(end) = &flow.end {
            return Poll::Ready(end.clone().map(|()| None));
        }
        flow.receiver = Some(task.waker().clone());
        Poll::Pending
    }

    /// Says how it ends, behind what was sent. The first word counts.
    fn finish(&self, end: Result<()>) {
        let mut flow = lock(&self.0);
        flow.end.get_or_insert(end);
        wake(flow);
    }

    /// No one receives any more.
    fn refuse(&self, err: &Error) {
        let mut flow = lock(&self.0);
        flow.refused.get_or_insert_with(|| err.clone());
        wake(flow);
    }

    /// Ends it at once for both sides; what is unread is lost.
    fn break_off(&self, err: &Error) {
        let mut flow = lock(&self.0);
        if !matches!(flow.end, Some(Err(_))) {
            flow.end = Some(Err(err.clone()));
        }
        flow.messages.clear();
        flow.unread = 0;
        flow.refused.get_or_insert_with(|| err.clone());
        wake(flow);
    }
}

/// Lets both sides look again.
fn wake(mut flow: MutexGuard<'_, Flow>) {
    let waiting = [flow.receiver.take(), flow.sender.take()];
    drop(flow);
    waiting.into_iter().flatten().for_each(Waker::wake);
}

impl Cancel for Pipe {
    fn cancel(self: Arc<Self>, cause: &Error) {
        self.break_off(cause);
    }
}

/// Both directions, as one end sees them.
struct Ways {
    inward: Arc<Pipe>,
    outward: Arc<Pipe>,
}

impl Ways {
    fn break_off(&self, err: &Error) {
        self.inward.break_off(err);
        self.outward.break_off(err);
    }
}

struct Sending {
    ways: Ways,
    role: Role,
    deadline: Deadline,
}

impl SendHalf for Sending {
    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.deadline.look(task, &self.ways);
        self.ways.outward.poll_ready(task, UNREAD)
    }

    fn send(&mut self, message: &dyn Encode) -> Result<usize> {
        let mut buffer = Buffer::new();
        message.encode(Protocol::Binary, &mut buffer)?;
        let message = buffer.take().into_bytes();
        let size = message.len();
        self.ways.outward.push(message).map(|()| size)
    }

    fn poll_flush(&mut self, task: &mut Task<'_>) -> Poll<Result<()>> {
        self.deadline.look(task, &self.ways);
        self.ways.outward.poll_ready(task, 1)
    }

    fn close(&mut self) {
        // As over a connection: a server's stream ends when its handler returns.
        if self.role != Role::Server {
            self.ways.outward.finish(Ok(()));
        }
    }

    fn cancel(&mut self, cause: Error) {
        self.ways.break_off(&cause);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let is_ended = lock(&self.ways.outward.0).end.is_some();
        match self.role {
            Role::Server => self.ways.outward.finish(Ok(())),
            Role::Client | Role::Layer if is_ended => {}
            Role::Client => {
                self.ways.break_off(&Error::dropped("the sending half was dropped; call `close` to end it"))
            }
            Role::Layer => self.ways.outward.finish(Err(Error::dropped("a layer dropped its end of the stream"))),
        }
    }
}

struct Receiving {
    ways: Ways,
    role: Role,
    deadline: Deadline,
    message: Bytes,
    /// Such a stream has none.
    metadata: Metadata,
    end: Option<Result<()>>,
}

impl RecvHalf for Receiving {
    fn poll_recv(&mut self, task: &mut Task<'_>) -> Poll<Result<Option<Frame<'_>>>> {
        if let Some(end) = &self.end {
            return Poll::Ready(end.clone().map(|()| None));
        }
        self.deadline.look(task, &self.ways);
        match ready!(self.ways.inward.poll_next(task)) {
            Ok(Some(message)) => {
                self.message = message;
                Poll::Ready(Ok(Some(Frame::new(&self.message, 0..self.message.len()))))
            }
            Ok(None) => {
                self.end = Some(Ok(()));
                Poll::Ready(Ok(None))
            }
            Err(err) => {
                self.end = Some(Err(err.clone()));
                Poll::Ready(Err(err))
            }
        }
    }

    fn poll_header(&mut self, _: &mut Task<'_>) -> Poll<Result<&Metadata>> {
        Poll::Ready(Ok(&self.metadata))
    }

    fn trailer(&self) -> Option<&Metadata> {
        self.end.as_ref().map(|_| &self.metadata)
    }

    fn end(&self) -> Option<&Result<()>> {
        self.end.as_ref()
    }

    fn finish(&mut self, end: Result<()>) {
        if self.role == Role::Layer {
            self.ways.outward.finish(end);
        }
    }

    fn cancel(&mut self, cause: Error) {
        self.ways.break_off(&cause);
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let dropped = Error::dropped("the receiving half was dropped");
        match self.role {
            Role::Client if self.end.is_none() => self.ways.break_off(&dropped),
            _ => self.ways.inward.refuse(&dropped),
        }
    }
}
