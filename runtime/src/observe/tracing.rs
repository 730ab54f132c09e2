//! A span for each call.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use tracing::field::{Empty, display};
use tracing::{Span, debug, info_span};

use super::{Event, Observe};
use crate::context::Context;
use crate::error::Result;

/// What carries the parent over HTTP/2, by the W3C's recommendation.
const TRACEPARENT: &str = "traceparent";

/// The same as transient metainfo, which every transport but Framed and Buffered carries. Its keys have no lower case.
const METAINFO: &str = "TRACEPARENT";

/// Makes a [`tracing`](https://docs.rs/tracing) span `rpc` for each call, at the level INFO of the target `thrill::rpc`; the
/// events of streams, and the end of each call, are events in it at DEBUG. The feature `tracing` has it.
///
/// | field | |
/// | --- | --- |
/// | `otel.name`, `otel.kind` | `Service/Method`; `client` or `server` |
/// | `rpc.system`, `rpc.service`, `rpc.method` | `thrift`, and the names on the wire |
/// | `peer` | the address that a server was called from; a client's, once one is chosen, is in the end's event |
/// | `trace_id`, `span_id`, `parent_id` | the ids of the W3C's [trace context](https://www.w3.org/TR/trace-context/) |
/// | `error` | the error that the call ended with |
///
/// A handler, and all that it logs, runs in the span of its call. A call that is made with a handler's context
/// ([`Call::context`](crate::Call::context)) belongs to its trace, and tells the called service by `traceparent`, in the metadata
/// and as transient metainfo: the spans of a chain of services make one tree.
///
/// ```
/// use thrill::observe::Tracing;
///
/// let server = thrill::Server::new().observe(Tracing::new());
/// # drop(server);
/// ```
///
/// A span that no subscriber takes costs next to nothing; who does not add `Tracing` pays nothing.
#[derive(Debug, Default)]
pub struct Tracing(());

impl Tracing {
    /// Makes spans.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

/// The span of a call, kept in its context.
#[derive(Clone)]
struct Traced {
    span: Span,
    parent: Parent,
}

/// What a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: u128,
    span: u64,
}

impl Parent {
    /// Reads the version that there is, and of later ones what they must have in common with it.
    fn parse(text: &str) -> Option<Self> {
        let hex = |range, digits: &str| {
            let text: &str = text.get(range)?;
            (text.bytes().all(|b| digits.as_bytes().contains(&b))).then_some(text)
        };
        let hex = |range| hex(range, "0123456789abcdef");
        let (version, dashes) = (hex(0..2)?, [2, 35, 52].map(|at| text.as_bytes().get(at)));
        let is_whole =
            if version == "00" { text.len() == 55 } else { text.len() == 55 || text.get(55..56) == Some("-") };
        let trace = u128::from_str_radix(hex(3..35)?, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(hex(36..52)?, 16).ok().filter(|id| *id != 0)?;
        hex(53..55)?;
        (version != "ff" && is_whole && dashes == [Some(&b'-'); 3]).then_some(Self { trace, span })
    }

    fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }

    /// The parent that a call came with.
    fn of(cx: &Context) -> Option<Self> {
        let by_metadata = cx.metadata().get(TRACEPARENT);
        by_metadata.as_deref().or_else(|| cx.transient(METAINFO)).and_then(Self::parse)
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

/// A random number that is not 0.
fn random() -> u64 {
    // Each state of the standard library has keys of its own.
    RandomState::new().build_hasher().finish().max(1)
}

impl Observe for Tracing {
    fn start(&self, cx: &Context) {
        let is_client = cx.destination().is_some();
        let above = match cx.parent() {
            Some(parent) => parent.extension::<Traced>(),
            None => None,
        };
        let parent = if is_client { above.as_ref().map(|it| it.parent) } else { Parent::of(cx) };
        let trace = parent.map_or_else(|| u128::from(random()) << 64 | u128::from(random()), |parent| parent.trace);
        let me = Parent { trace, span: random() };
        let (service, method) = (cx.service(), cx.method());
        let span = info_span!(
            target: "thrill::rpc",
            "rpc",
            otel.name = format_args!("{service}/{method}"),
            otel.kind = if is_client { "client" } else { "server" },
            rpc.system = "thrift",
            rpc.service = service,
            rpc.method = method,
            peer = cx.peer().map(display),
            trace_id = format_args!("{trace:032x}"),
            span_id = me.span_id(),
            parent_id = parent.map(|parent| display(parent.span_id())),
            error = Empty,
        );
        if is_client {
            // A name and a value of these letters are never refused.
            let _ = cx.append_metadata(TRACEPARENT, me.to_string());
            cx.set_transient(METAINFO, me.to_string());
        }
        cx.insert(Traced { span, parent: me });
    }

    fn span(&self, cx: &Context) -> Option<Span> {
        cx.extension::<Traced>().map(|traced| traced.span)
    }

    fn event(&self, cx: &Context, event: &Event<'_>) {
        let Some(Traced { span, .. }) = cx.extension() else { return };
        debug!(target: "thrill::rpc", parent: &span, "{event:?}");
    }

    fn finish(&self, cx: &Context, end: &Result<()>) {
        let Some(Traced { span, parent }) = cx.extension() else { return };
        if let Err(err) = end {
            span.record("error", display(err));
        }
        let took = cx.stats().and_then(crate::stats::Stats::took).unwrap_or_default();
        let code = end.as_ref().err().map_or(0, |err| err.code().0);
        debug!(target: "thrill::rpc", parent: &span, ?took, code, instance = cx.instance().as_deref(), "finished");
        // The context may outlive the call; the span is over.
        cx.insert(Traced { span: Span::none(), parent });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_recommendation_has_it() {
        let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
        let parent = Parent { trace, span: 0xb7ad_6b71_6920_3331 };
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(parent.to_string(), text);
        for (text, expected) in [
            (text, true),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes", false),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-1", false),
            ("00-0af7651916cd43dd", false),
            ("", false),
        ] {
            assert_eq!(Parent::parse(text), expected.then_some(parent), "{text}");
        }
    }
}
