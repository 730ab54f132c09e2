//! One call, watched from its start to its finish.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Event, Observe, StatsLevel};
use crate::context::{Context, now};
use crate::error::{Error, Result};
use crate::schema::Mode;
use crate::stats::Stats;

/// Who watches the calls of a client or a server.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) all: Vec<Arc<dyn Observe>>,
    pub(crate) level: StatsLevel,
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").field("all", &self.all.len()).field("level", &self.level).finish()
    }
}

impl Observers {
    /// Whether no one watches.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() || self.level == StatsLevel::Disabled
    }

    /// Starts to watch a call; `None` where no one does.
    pub(crate) fn watch(self: &Arc<Self>, cx: &Context) -> Option<Watch> {
        if self.is_empty() {
            return None;
        }
        cx.set_stats(Stats::new(now()));
        for observer in &self.all {
            observer.start(cx);
        }
        let (cx, observers) = (cx.clone(), Arc::clone(self));
        let [is_opened, is_finished] = [const { AtomicBool::new(false) }; 2];
        Some(Watch(Arc::new(Watched { cx, observers, is_opened, is_finished })))
    }
}

/// A call that is watched. It finishes once: when that is said, or when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Watched>);

struct Watched {
    cx: Context,
    observers: Arc<Observers>,
    /// Whether the caller has its stream. Until then, it is the opening that knows how it ends.
    is_opened: AtomicBool,
    is_finished: AtomicBool,
}

impl Watch {
    /// Tells what happens on a stream, until the call has finished: an end that is repeated is none. What happens to a call of
    /// another mode is no event.
    pub(crate) fn event(&self, event: &Event<'_>) {
        if self.0.wants_events() && !self.0.is_finished.load(Ordering::Relaxed) {
            self.0.tell(event);
        }
    }

    pub(crate) fn sent(&self, sent: &Result<usize>) {
        if let (Ok(size), Some(stats)) = (sent, self.0.cx.stats()) {
            stats.count_sent(*size);
        }
        self.event(&Event::Send(sent.as_ref().copied()));
    }

    pub(crate) fn received(&self, received: Result<usize, &Error>) {
        if let (Ok(size), Some(stats)) = (received, self.0.cx.stats()) {
            stats.count_received(size);
        }
        self.event(&Event::Recv(received));
    }

    /// Says that the caller has the stream.
    pub(crate) fn opened(&self) {
        self.0.is_opened.store(true, Ordering::Relaxed);
    }

    /// Says how a stream is that is dropped. One that no caller has had is the opening's to tell.
    pub(crate) fn dropped(&self, end: &Result<()>) {
        if self.0.is_opened.load(Ordering::Relaxed) {
            self.finish(end);
        }
    }

    /// Says that the call is over. Only the first time counts.
    pub(crate) fn finish(&self, end: &Result<()>) {
        self.0.finish(end);
    }

    /// Runs a future in the spans of the observers.
    pub(crate) async fn within<F: Future>(&self, future: F) -> F::Output {
        let Watched { cx, observers, .. } = &*self.0;
        let spans: Vec<_> = observers.all.iter().filter_map(|observer| observer.span(cx)).collect();
        let mut future = pin!(future);
        poll_fn(|task| {
            let _entered: Vec<_> = spans.iter().map(tracing::Span::enter).collect();
            future.as_mut().poll(task)
        })
        .await
    }
}

impl Watched {
    fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers.all {
            observer.event(&self.cx, event);
        }
    }

    fn finish(&self, end: &Result<()>) {
        if self.is_finished.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(stats) = self.cx.stats() {
            stats.finish(now());
        }
        if self.wants_events() {
            self.tell(&Event::Finish(end));
        }
        for observer in &self.observers.all {
            observer.finish(&self.cx, end);
        }
    }

    fn wants_events(&self) -> bool {
        let streams = self.cx.mode().is_some_and(Mode::is_streaming);
        streams && self.observers.level == StatsLevel::Detailed
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.finish(&Err(Error::dropped("the call")));
    }
}
