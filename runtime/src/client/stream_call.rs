//! The opening of a stream before it is made: a value with options, awaited.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::header::HeaderValue;

use super::call::{Pending, sent};
use super::channel::Shared;
use super::cluster::Picked;
use super::future::StreamCallFuture;
use super::options::{CallOptions, call_options};
use crate::codec::Message;
use crate::context::Context;
use crate::error::{Error, Result, StreamTimeout};
use crate::metadata::Metadata;
use crate::middleware::{AnyMessage, Stream};
use crate::observe::Watch;
use crate::schema::Method;
use crate::stream::{BidiStream, ClientStream, Receiver};

/// The opening of a stream: set its options, then await it. The server is not waited for.
///
/// Nothing happens before it is awaited.
#[must_use = "a stream is opened when its call is awaited"]
pub struct StreamCall<S> {
    shared: Arc<Shared>,
    method: &'static Method,
    options: CallOptions,
    /// The one request of a method that takes one.
    request: Option<Box<dyn AnyMessage>>,
    stream: PhantomData<fn() -> S>,
}

impl<S: Open> StreamCall<S> {
    pub(super) fn new(shared: Arc<Shared>, method: &'static Method, request: Option<Box<dyn AnyMessage>>) -> Self {
        Self { shared, method, options: CallOptions::default(), request, stream: PhantomData }
    }

    call_options!();

    /// Sets how long one `recv` of this stream may wait; see [`StreamTimeout`]. Zero: without limit, whatever the client says.
    pub fn recv_timeout(mut self, timeout: impl Into<StreamTimeout>) -> Self {
        self.options.recv_timeout = Some(timeout.into());
        self
    }

    /// Sets how long one `send` of this stream may wait; see [`StreamTimeout`]. Zero: without limit, whatever the client says.
    pub fn send_timeout(mut self, timeout: impl Into<StreamTimeout>) -> Self {
        self.options.send_timeout = Some(timeout.into());
        self
    }
}

impl<S> fmt::Debug for StreamCall<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCall").field("method", &self.method.path).finish_non_exhaustive()
    }
}

impl<S: Open> IntoFuture for StreamCall<S> {
    type Output = Result<S>;
    type IntoFuture = StreamCallFuture<S>;

    fn into_future(self) -> Self::IntoFuture {
        StreamCallFuture::new(self)
    }
}

impl<S: Open> StreamCall<S> {
    /// Opens the stream where nothing has to be waited for.
    ///
    /// # Errors
    /// As [`Shared::open_now`].
    pub(super) fn open_now(&mut self, cx: &Context) -> Result<Result<S>, Option<Picked>> {
        let Self { shared, options, request, .. } = self;
        if request.is_some() && !shared.layers.sends.is_empty() {
            return Err(None);
        }
        let halves = shared.open_now(cx, options, false)?;
        let mut stream = shared.dressed(Stream::new(halves, cx.clone()), options, None);
        let sent = request.take().map_or(Ok(()), |mut request| sent(stream.send_now(&mut *request)));
        Ok(sent.map(|()| S::open(Opened(stream))))
    }

    /// Opens the stream, whatever has to be waited for; on the instance that was picked.
    pub(super) fn boxed(self, cx: Context, picked: Option<Picked>) -> Pending<Result<S>> {
        Box::pin(async move {
            let Self { shared, options, request, .. } = self;
            let Some(watch) = shared.observers.watch(&cx) else {
                return Ok(S::open(Opened(open(&shared, &cx, &options, request, None, picked).await?)));
            };
            let opened = watch.within(open(&shared, &cx, &options, request, Some(&watch), None)).boxed().await;
            // From now on the receiving half tells of the end.
            watch.opened();
            opened.inspect_err(|err| watch.finish(&Err(err.clone()))).map(|stream| S::open(Opened(stream)))
        })
    }
}

/// Opens a stream, and sends the one request of a method that takes one.
async fn open(
    shared: &Shared,
    cx: &Context,
    options: &CallOptions,
    request: Option<Box<dyn AnyMessage>>,
    watch: Option<&Watch>,
    picked: Option<Picked>,
) -> Result<Stream> {
    let admitted = shared.admit(cx)?;
    let opened = shared.open_layered(cx, options, watch, picked).await;
    admitted.record(&opened);
    let mut stream = opened?;
    if let Some(mut request) = request {
        sent(stream.send_request(&mut *request).await)?;
    }
    Ok(stream)
}

/// What a client's call of a streaming method gives. Sealed: these are the three kinds of streams.
pub trait Open: Send + 'static {
    /// Wraps what was opened.
    #[doc(hidden)]
    fn open(opened: Opened) -> Self;
}

/// A stream that was just opened.
#[doc(hidden)]
pub struct Opened(Stream);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl<In: Message, Out: Message> Open for BidiStream<In, Out> {
    fn open(Opened(stream): Opened) -> Self {
        let (sender, receiver) = stream.into_ends();
        Self::new(sender, receiver)
    }
}

impl<Request: Message, Response: Message> Open for ClientStream<Request, Response> {
    fn open(Opened(stream): Opened) -> Self {
        let (sender, receiver) = stream.into_ends();
        Self::new(sender, receiver)
    }
}

impl<Response: Message> Open for Receiver<Response> {
    fn open(Opened(stream): Opened) -> Self {
        // Its one request is sent, and it is closed.
        stream.into_receiver()
    }
}
