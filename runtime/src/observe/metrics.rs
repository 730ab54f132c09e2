//! Counters and histograms.

use std::sync::Arc;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::{Event, Observe};
use crate::context::Context;
use crate::error::Result;
use crate::schema::Mode;

/// Counts calls and messages with the [`metrics`](https://docs.rs/metrics) crate, for any of its exporters. The feature
/// `metrics` has it.
///
/// | name | kind | labels besides `side`, `service`, `method` | |
/// | --- | --- | --- | --- |
/// | `thrill_calls_started_total` | counter | | calls and streams begun |
/// | `thrill_calls_finished_total` | counter | `result`: `ok`, `biz` or `error`; `code` | calls and streams ended |
/// | `thrill_calls_in_progress` | gauge | | those that run |
/// | `thrill_call_duration_seconds` | histogram | | how long each took |
/// | `thrill_messages_sent_total`, `thrill_messages_received_total` | counter | | messages, one each way for a call without stream |
/// | `thrill_message_sent_bytes`, `thrill_message_received_bytes` | histogram | | their encoded sizes |
///
/// `side` is `client` or `server`. A business error is `biz` and no failure of the call; its `code` is the business's. Messages of
/// streams are counted as they go, at [`StatsLevel::Detailed`](super::StatsLevel::Detailed) only.
///
/// ```
/// use thrill::observe::Metrics;
///
/// let server = thrill::Server::new().observe(Metrics::new());
/// # drop(server);
/// ```
#[derive(Debug)]
pub struct Metrics(());

impl Metrics {
    /// Counts, and describes what it counts to the recorder that is installed: install that first.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it speaks to the recorder, which a default should not")]
    pub fn new() -> Self {
        describe_counter!(STARTED, "calls and streams begun");
        describe_counter!(FINISHED, "calls and streams ended");
        describe_gauge!(IN_PROGRESS, "calls and streams that run");
        describe_histogram!(DURATION, Unit::Seconds, "how long calls and streams took");
        describe_counter!(SENT, "messages sent");
        describe_counter!(RECEIVED, "messages received");
        describe_histogram!(SENT_BYTES, Unit::Bytes, "encoded sizes of the messages sent");
        describe_histogram!(RECEIVED_BYTES, Unit::Bytes, "encoded sizes of the messages received");
        Self(())
    }
}

const STARTED: &str = "thrill_calls_started_total";
const FINISHED: &str = "thrill_calls_finished_total";
const IN_PROGRESS: &str = "thrill_calls_in_progress";
const DURATION: &str = "thrill_call_duration_seconds";
const SENT: &str = "thrill_messages_sent_total";
const RECEIVED: &str = "thrill_messages_received_total";
const SENT_BYTES: &str = "thrill_message_sent_bytes";
const RECEIVED_BYTES: &str = "thrill_message_received_bytes";

/// What the messages of a call are counted by, looked up once.
struct Messages {
    sent: (Counter, Histogram),
    received: (Counter, Histogram),
}

impl Messages {
    fn new(labels: &Labels) -> Self {
        Self {
            sent: (counter!(SENT, labels), histogram!(SENT_BYTES, labels)),
            received: (counter!(RECEIVED, labels), histogram!(RECEIVED_BYTES, labels)),
        }
    }
}

fn count((counter, sizes): &(Counter, Histogram), size: usize) {
    counter.increment(1);
    sizes.record(size as f64);
}

type Labels = [(&'static str, &'static str); 3];

fn labels(cx: &Context) -> Labels {
    let side = if cx.destination().is_some() { "client" } else { "server" };
    [("side", side), ("service", cx.service()), ("method", cx.method())]
}

impl Observe for Metrics {
    fn start(&self, cx: &Context) {
        let labels = labels(cx);
        counter!(STARTED, &labels).increment(1);
        gauge!(IN_PROGRESS, &labels).increment(1);
        if cx.mode().is_some_and(Mode::is_streaming) {
            cx.insert(Arc::new(Messages::new(&labels)));
        }
    }

    fn event(&self, cx: &Context, event: &Event<'_>) {
        let Some(messages) = cx.extension::<Arc<Messages>>() else { return };
        match event {
            Event::Send(Ok(size)) => count(&messages.sent, *size),
            Event::Recv(Ok(size)) => count(&messages.received, *size),
            _ => {}
        }
    }

    fn finish(&self, cx: &Context, end: &Result<()>) {
        let labels = labels(cx);
        gauge!(IN_PROGRESS, &labels).decrement(1);
        if let Some(stats) = cx.stats() {
            histogram!(DURATION, &labels).record(stats.took().unwrap_or_default());
            if !cx.mode().is_some_and(Mode::is_streaming) {
                let messages = Messages::new(&labels);
                if stats.sent_messages() > 0 {
                    count(&messages.sent, stats.last_send_size());
                }
                if stats.received_messages() > 0 {
                    count(&messages.received, stats.last_recv_size());
                }
            }
        }
        let (result, code) = match end.as_ref().map_err(|err| (err.biz(), err)) {
            Ok(()) => ("ok", 0),
            Err((Some(biz), _)) => ("biz", biz.code()),
            Err((None, err)) => ("error", err.code().0),
        };
        let [(_, side), (_, service), (_, method)] = labels;
        let code = code.to_string();
        counter!(FINISHED, "side" => side, "service" => service, "method" => method, "result" => result, "code" => code)
            .increment(1);
    }
}
