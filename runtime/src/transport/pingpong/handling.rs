//! A handler that runs to its end, and hears by its context when no one waits for it any more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};

use tokio::runtime::Handle;
use tokio::time::timeout_at;

use crate::context::Context;
use crate::error::{Cancelled, Error, Stage};
use crate::transport::Outcome;

/// A handler that runs to its end, whoever still waits for it.
struct Handling(Option<Outcome>);

impl Future for Handling {
    type Output = <Outcome as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let Some(outcome) = &mut self.0 else { return Poll::Pending };
        let output = ready!(outcome.as_mut().poll(task));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        if let (Some(outcome), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(outcome);
        }
    }
}

/// Dropped, a forced shutdown has taken the connection from under a handler.
struct Abandoned<'a>(&'a Context);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.0.cancel(Error::Cancelled(Arc::new(Cancelled::Shutdown)));
    }
}

/// Runs a handler. `lost` is ready once the caller is; it is asked only after the handler has had to wait for something, which
/// most never have.
pub(super) async fn handle(
    outcome: Outcome,
    context: &Context,
    mut lost: impl FnMut(&mut Task<'_>) -> Poll<Error>,
) -> <Outcome as Future>::Output {
    let abandoned = Abandoned(context);
    let mut handling = Handling(Some(outcome));
    let mut is_lost = false;
    let mut watched = poll_fn(|task| {
        let outcome = Pin::new(&mut handling).poll(task);
        if outcome.is_pending() && !is_lost {
            if let Poll::Ready(cause) = lost(task) {
                is_lost = true;
                context.cancel(cause);
            }
        }
        outcome
    });
    let outcome = match context.deadline().zip(context.timeout()) {
        None => watched.await,
        Some((at, after)) => match timeout_at(at.into(), &mut watched).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let peer = context.peer().map(|peer| Arc::from(peer.to_string()));
                context.cancel(Error::DeadlineExceeded { during: Stage::Exchange, after, peer });
                watched.await
            }
        },
    };
    std::mem::forget(abandoned);
    outcome
}

/// What a handler hears of a connection that is gone.
pub(super) fn connection_lost(reason: &str) -> Error {
    Error::Cancelled(Arc::new(Cancelled::ConnectionLost { reason: reason.to_owned() }))
}
