//! How a call is cancelled: who waits for it hears why, and what was opened with it ends, too.

use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::Notify;

use super::{Context, lock};
use crate::error::Error;

/// Something that ends when a context is cancelled: a stream opened with it.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(self: Arc<Self>, cause: &Error);
}

impl Context {
    /// Waits until the call is cancelled and tells why.
    ///
    /// | the cause | is |
    /// | --- | --- |
    /// | the caller cancelled | [`Cancelled::ByPeer`](crate::Cancelled::ByPeer), with the reset's code and who called |
    /// | the deadline passed | [`Error::DeadlineExceeded`] |
    /// | the connection is lost | [`Cancelled::ConnectionLost`](crate::Cancelled::ConnectionLost) |
    /// | the server is shutting down | [`Cancelled::Shutdown`](crate::Cancelled::Shutdown) |
    /// | the handler returned | [`Cancelled::HandlerReturned`](crate::Cancelled::HandlerReturned) |
    ///
    /// A call made with this context ends with it, and its error has the cause ([`Cancelled::Cascade`](crate::Cancelled::Cascade)).
    /// A ping-pong caller cannot cancel but by closing the connection, which a handler hears of once it has waited for something;
    /// a oneway call's hears only of its deadline and of a shutdown.
    ///
    /// On a client it is the call that this one is a part of ([`Context::parent`]) that may be cancelled.
    ///
    /// ```
    /// # use thrill::{Cancelled, Context, Error};
    /// # async fn handler(cx: Context) {
    /// match cx.cancelled().await {
    ///     Error::DeadlineExceeded { after, .. } => println!("too late, after {after:?}"),
    ///     Error::Cancelled(cause) => match &*cause {
    ///         Cancelled::ByPeer { caller, .. } => println!("{caller} does not want it any more"),
    ///         Cancelled::ConnectionLost { reason } => println!("the caller is gone: {reason}"),
    ///         Cancelled::Shutdown => println!("the server stops"),
    ///         cause => println!("{cause}"),
    ///     },
    ///     other => println!("{other}"),
    /// }
    /// # }
    /// ```
    pub async fn cancelled(&self) -> Error {
        self.cancellation().wait().await
    }

    /// Why the call was cancelled; `None` while it runs.
    #[must_use]
    pub fn cancel_cause(&self) -> Option<&Error> {
        self.cancellation().cause.get()
    }

    /// Whether the call was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel_cause().is_some()
    }

    pub(crate) fn cancel(&self, cause: Error) {
        self.inner.cancellation.cancel(cause);
    }

    /// A client's call is cancelled with the call that it is a part of.
    fn cancellation(&self) -> &Cancellation {
        self.parent().map_or(&self.inner.cancellation, Self::cancellation)
    }

    /// Ends `child` with this context, at once where it is cancelled already.
    pub(crate) fn adopt(&self, child: &Arc<impl Cancel + 'static>) {
        let weak: Weak<dyn Cancel> = Arc::<_>::downgrade(child) as _;
        self.cancellation().adopt(weak);
    }
}

/// A one-way switch with a reason, and what ends with it.
#[derive(Default)]
pub(crate) struct Cancellation {
    cause: OnceLock<Error>,
    waiting: Notify,
    children: Mutex<Vec<Weak<dyn Cancel>>>,
}

impl Cancellation {
    pub(crate) fn cancel(&self, cause: Error) {
        if self.cause.set(cause).is_err() {
            return;
        }
        self.waiting.notify_waiters();
        for child in std::mem::take(&mut *lock(&self.children)) {
            self.end(&child);
        }
    }

    pub(crate) async fn wait(&self) -> Error {
        let mut waiting = pin!(self.waiting.notified());
        // Registered before the look, so that a cancellation between the two is not missed.
        waiting.as_mut().enable();
        if self.cause.get().is_none() {
            waiting.await;
        }
        self.cause.get().cloned().unwrap_or_else(|| Error::dropped("the call ended"))
    }

    fn adopt(&self, child: Weak<dyn Cancel>) {
        let mut children = lock(&self.children);
        if self.cause.get().is_some() {
            drop(children);
            return self.end(&child);
        }
        if children.len() == children.capacity() {
            // Before it grows: a handler that makes many calls keeps only those that live.
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(child);
    }

    fn end(&self, child: &Weak<dyn Cancel>) {
        if let (Some(child), Some(cause)) = (child.upgrade(), self.cause.get()) {
            child.cancel(&cause.cascade());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Metadata;

    #[tokio::test]
    async fn cancellation_reaches_waiters_children_and_late_comers_once() {
        #[derive(Default)]
        struct Child(Mutex<Vec<String>>);
        impl Cancel for Child {
            fn cancel(self: Arc<Self>, cause: &Error) {
                lock(&self.0).push(cause.to_string());
            }
        }
        let cx = Context::new(None, None, None, Metadata::new());
        let early = Arc::new(Child::default());
        cx.adopt(&early);
        let waiting = tokio::spawn({
            let cx = cx.clone();
            async move { cx.cancelled().await.to_string() }
        });
        tokio::task::yield_now().await;
        cx.cancel(Error::status(14, "first"));
        cx.cancel(Error::status(14, "second"));
        let late = Arc::new(Child::default());
        cx.adopt(&late);
        assert_eq!(waiting.await.unwrap(), "rpc error: code = 14 desc = first");
        assert_eq!(cx.cancelled().await.to_string(), "rpc error: code = 14 desc = first");
        for child in [early, late] {
            assert_eq!(*lock(&child.0), ["rpc error: code = 14 desc = first"]);
        }
    }
}
