//! Spares a connection's task the wake-ups that it would give itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// What the h2 crate wakes a connection's task by.
///
/// That crate wakes the task for every frame that it is given to send. Where the task itself gives it frames and looks at the
/// connection right after, that would have the task run once more in vain, and the runtime wake another worker to share what looks
/// like much work: two system calls for a message of a lone stream.
pub(super) struct Hush {
    bell: Arc<Bell>,
    /// Of `bell`.
    waker: Waker,
}

struct Bell {
    is_silent: AtomicBool,
    task: Waker,
}

impl Hush {
    pub(super) fn new() -> Self {
        Self::of(Waker::noop().clone())
    }

    fn of(task: Waker) -> Self {
        let bell = Arc::new(Bell { is_silent: AtomicBool::new(false), task });
        Self { waker: Arc::clone(&bell).into(), bell }
    }

    /// The task does what comes before a look at the connection. Until [`Hush::end`], right before that look, nobody is woken: what
    /// was to be seen, the look sees, since it takes the same locks as what called, and later.
    pub(super) fn begin(&mut self, task: &Waker) {
        if !self.bell.task.will_wake(task) {
            *self = Self::of(task.clone());
        }
        self.bell.is_silent.store(true, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.bell.is_silent.store(false, Ordering::SeqCst);
    }

    /// Wakes the task, but for what is between [`Hush::begin`] and [`Hush::end`].
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_silent.load(Ordering::SeqCst) {
            self.task.wake_by_ref();
        }
    }
}
