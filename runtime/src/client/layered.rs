//! A call within the layers of its client: those around all of it, and those around each attempt on an instance.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex};

use super::channel::{Shared, check_deadline};
use super::options::CallOptions;
use crate::codec::Encode;
use crate::context::{Context, lock};
use crate::error::{Error, Result};
use crate::middleware::{AnyMessage, Args, BoxFuture, Next, Reply, wrong_kind};

/// What layers are around: a call, or the opening of a stream.
pub(super) type Attempt = for<'a> fn(&'a Shared, &'a Context, &'a CallOptions, Args) -> BoxFuture<'a, Result<Reply>>;

impl Shared {
    /// Makes a call within the client's layers.
    pub(super) async fn layered(
        &self,
        cx: &Context,
        options: &CallOptions,
        args: Args,
        attempt: Attempt,
    ) -> Result<Reply> {
        let kind = Kind::of(&args);
        let last = |cx: Context, args: Args| -> BoxFuture<'_, Result<Reply>> {
            Box::pin(async move {
                let args = kind.check(&cx, args)?;
                if self.layers.instances.is_empty() {
                    self.layers.write_meta(&cx)?;
                    return attempt(self, &cx, options, args).await;
                }
                self.by_instance(&cx, options, args, attempt).await
            })
        };
        Next::new(&self.layers.calls, last).run(cx, args).await
    }

    /// Makes a call within the instance layers: on one instance after another, until one takes it.
    async fn by_instance(&self, cx: &Context, options: &CallOptions, args: Args, attempt: Attempt) -> Result<Reply> {
        let (kind, home) = (Kind::of(&args), Home::new(args));
        let added = cx.added();
        let mut attempts = self.attempts(cx, options, None).await?;
        while let Some(peer) = attempts.next() {
            check_deadline(cx.deadline().zip(cx.timeout()))?;
            cx.set_instance(Arc::clone(&peer.address));
            // What layers added for an instance goes to that one alone.
            cx.restore_added(added.clone());
            let Some(args) = home.lend() else { break };
            let mut options = options.clone();
            options.instance = Some(peer);
            let options = &options;
            let last = |cx: Context, args: Args| -> BoxFuture<'_, Result<Reply>> {
                Box::pin(async move {
                    let args = kind.check(&cx, args)?;
                    self.layers.write_meta(&cx)?;
                    attempt(self, &cx, options, args).await
                })
            };
            match Next::new(&self.layers.instances, last).run(cx, args).await {
                Err(err) if is_not_taken(&err) => attempts.not_taken(err),
                ended => return ended,
            }
        }
        Err(attempts.into_error(&self.pool.service))
    }
}

/// Whether an error says that an instance did not take a call, so that another may: Kitex's rule.
fn is_not_taken(err: &Error) -> bool {
    match err {
        Error::Connect(_) | Error::CircuitOpen(_) => true,
        Error::ConnectionLost(lost) => lost.is_draining(),
        _ => false,
    }
}

/// What a call is made with: a layer may change it, not replace it by something of another type.
#[derive(Clone, Copy)]
enum Kind {
    Opening,
    Message(TypeId),
}

impl Kind {
    fn of(args: &Args) -> Self {
        match args {
            Args::Message(message) => Self::Message(message.as_any().type_id()),
            _ => Self::Opening,
        }
    }

    fn check(self, cx: &Context, args: Args) -> Result<Args> {
        match (self, &args) {
            (Self::Opening, Args::Opening) => Ok(args),
            (Self::Opening, _) => Err(wrong_kind(cx, "the opening of a stream", &args)),
            (Self::Message(kind), Args::Message(message)) if message.as_any().type_id() == kind => Ok(args),
            (Self::Message(_), _) => Err(wrong_kind(cx, "the arguments of a call", &args)),
        }
    }
}

/// Where the arguments of a call are between its attempts.
struct Home(Arc<Mutex<Option<Args>>>);

impl Home {
    fn new(args: Args) -> Self {
        Self(Arc::new(Mutex::new(Some(args))))
    }

    /// The arguments for an attempt: they come home when it drops them. `None`: a layer has kept them.
    fn lend(&self) -> Option<Args> {
        let args = lock(&self.0).take()?;
        match args {
            Args::Message(args) => {
                Some(Args::Message(Box::new(Lent { args, is_taken: false, home: Arc::clone(&self.0) })))
            }
            opening => {
                *lock(&self.0) = Some(Args::Opening);
                Some(opening)
            }
        }
    }
}

/// The arguments of a call, lent to an attempt.
struct Lent {
    args: Box<dyn AnyMessage>,
    /// Whether a layer took them by value.
    is_taken: bool,
    home: Arc<Mutex<Option<Args>>>,
}

impl Lent {
    fn take(&mut self) -> Box<dyn AnyMessage> {
        std::mem::replace(&mut self.args, Box::new(()))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_taken {
            let args = self.take();
            *lock(&self.home) = Some(Args::Message(args));
        }
    }
}

/// To layers, it is the arguments.
impl AnyMessage for Lent {
    fn as_any(&self) -> &dyn Any {
        self.args.as_any()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.args.as_any_mut()
    }

    fn into_any(mut self: Box<Self>) -> Box<dyn Any + Send> {
        self.is_taken = true;
        self.take().into_any()
    }

    fn as_encode(&self) -> &dyn Encode {
        self.args.as_encode()
    }

    fn any_argument(&mut self, name: &str) -> Option<&mut dyn Any> {
        self.args.any_argument(name)
    }

    fn type_name(&self) -> &'static str {
        (*self.args).type_name()
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.args.fmt(f)
    }
}
