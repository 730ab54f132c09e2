//! How long a peer has sent nothing that is waited for.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Sleep, sleep};

use super::paused;

/// Since when a peer has sent nothing. No room for a timer where nothing is waited for.
#[derive(Default)]
pub(super) struct Silence(Option<Pin<Box<Sleep>>>);

impl Silence {
    /// Ready, with what is wrong, once nothing was `sent` for so long. It begins with the first poll.
    pub(super) fn poll(&mut self, sent: &str, pause: Duration, task: &mut Task<'_>) -> Poll<io::Error> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(pause)));
        ready!(pin!(unconstrained(timer)).poll(task));
        Poll::Ready(paused(sent, pause))
    }

    /// Something came.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}
