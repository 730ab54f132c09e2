//! A future that is seldom ready, waited for beside one that often is.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll, Wake, Waker};

use crate::context::lock;

/// A future that is polled only when it was woken: however often the task that waits for it runs, that costs a look at a flag.
pub(super) struct Seldom<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    woken: Arc<Woken>,
    /// Of `woken`.
    waker: Waker,
    /// Whom `woken` wakes.
    task: Waker,
}

struct Woken {
    is_woken: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // First, so that the task finds it however soon it runs.
        self.is_woken.store(true, Ordering::Release);
        lock(&self.task).wake_by_ref();
    }
}

impl<T> Seldom<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let task = Waker::noop().clone();
        let woken = Arc::new(Woken { is_woken: AtomicBool::new(true), task: Mutex::new(task.clone()) });
        Self { future: Box::pin(future), waker: Arc::clone(&woken).into(), woken, task }
    }
}

/// Not to be polled any more once it was ready.
impl<T> Future for Seldom<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<T> {
        let this = &mut *self;
        if !this.task.will_wake(task.waker()) {
            this.task.clone_from(task.waker());
            // Before the look at the flag: a wake before this woke another task, one after it wakes this.
            lock(&this.woken.task).clone_from(task.waker());
        }
        if !this.woken.is_woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Before the poll: a wake in it asks for another.
        this.woken.is_woken.store(false, Ordering::Relaxed);
        this.future.as_mut().poll(&mut Task::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_wakes_who_polled_it_last() {
        // What the future was polled with, each time.
        let polls: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let seen = Arc::clone(&polls);
        let mut seldom = Seldom::new(poll_fn(move |task| {
            let mut polls = lock(&seen);
            polls.push(task.waker().clone());
            if polls.len() == 3 { Poll::Ready(7) } else { Poll::Pending }
        }));
        let count = || lock(&polls).len();
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let wakers = [first.clone().into(), second.clone().into()];
        let [mut one, mut other] = wakers.each_ref().map(Task::from_waker);
        for _ in 0..3 {
            assert_eq!(Pin::new(&mut seldom).poll(&mut one), Poll::Pending);
            assert_eq!(count(), 1);
        }
        // However often it was woken, and whoever has come to wait for it.
        assert_eq!(Pin::new(&mut seldom).poll(&mut other), Poll::Pending);
        lock(&polls)[0].wake_by_ref();
        lock(&polls)[0].wake_by_ref();
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 2));
        assert_eq!(Pin::new(&mut seldom).poll(&mut other), Poll::Pending);
        assert_eq!(Pin::new(&mut seldom).poll(&mut other), Poll::Pending);
        assert_eq!(count(), 2);
        lock(&polls)[0].wake_by_ref();
        assert_eq!(Pin::new(&mut seldom).poll(&mut one), Poll::Ready(7));
    }
}
