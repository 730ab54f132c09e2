//! An observer that counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use thrill::observe::{Event, Observe};
use thrill::{Context, Result};

/// Counts starts and finishes; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    started: AtomicUsize,
    finished: AtomicUsize,
    finished_again: AtomicUsize,
    opened: AtomicUsize,
    over: AtomicUsize,
}

/// Whether a call has finished; kept with it.
#[derive(Clone)]
struct Finished(Arc<AtomicBool>);

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

impl Tally {
    /// Calls that started and have not finished.
    pub(crate) fn unfinished(&self) -> usize {
        let Counts { started, finished, .. } = &*self.0;
        let finished = finished.load(Ordering::SeqCst);
        started.load(Ordering::SeqCst).saturating_sub(finished)
    }

    /// Every call finished exactly once, and every stream that was opened was over once.
    pub(crate) fn check(&self) {
        let Counts { started, finished, finished_again, opened, over } = &*self.0;
        let [started, finished, again, opened, over] =
            [started, finished, finished_again, opened, over].map(|count| count.load(Ordering::SeqCst));
        assert_eq!((started, again), (finished, 0), "{self}");
        // A stream whose opening fails is over and was never open.
        assert!(over >= opened && started >= over, "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "observed: {:?}", self.0)
    }
}

impl Observe for Tally {
    fn start(&self, cx: &Context) {
        count(&self.0.started);
        cx.insert(Finished(Arc::default()));
    }

    fn event(&self, _: &Context, event: &Event<'_>) {
        match event {
            Event::Start => count(&self.0.opened),
            Event::Finish(_) => count(&self.0.over),
            _ => {}
        }
    }

    fn finish(&self, cx: &Context, _: &Result<()>) {
        let Finished(is_finished) = cx.extension().expect("what is kept at the start is there at the end");
        match is_finished.swap(true, Ordering::SeqCst) {
            false => count(&self.0.finished),
            true => count(&self.0.finished_again),
        }
    }
}
