//! What a call sets for itself.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::pool::Peer;
use crate::context::{Context, now};
use crate::error::{Error, Result, StreamTimeout};
use crate::metadata::Metadata;
use crate::metainfo::Metainfo;

/// What one call sets; it wins over what the client sets. Most calls set nothing, and have no room for it either.
#[derive(Clone, Debug, Default)]
pub(super) struct CallOptions(Option<Box<Chosen>>);

/// The options of a call that sets any.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    pub(super) timeout: Option<Duration>,
    pub(super) deadline: Option<Instant>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) host_port: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) hash_key: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) metainfo: Metainfo,
    pub(super) log_id: Option<String>,
    pub(super) context: Option<Context>,
    pub(super) extensions: http::Extensions,
    pub(super) recv_timeout: Option<StreamTimeout>,
    pub(super) send_timeout: Option<StreamTimeout>,
    /// The instance that was chosen, where layers are around each.
    pub(super) instance: Option<Arc<Peer>>,
    /// What was wrong with an option: the call fails with it.
    pub(super) mistake: Option<Error>,
}

impl CallOptions {
    /// The options of a call that sets any.
    pub(super) fn chosen(&mut self) -> Option<&mut Chosen> {
        self.0.as_deref_mut()
    }
}

impl Deref for CallOptions {
    type Target = Chosen;

    fn deref(&self) -> &Chosen {
        static NONE: LazyLock<Chosen> = LazyLock::new(Chosen::default);
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for CallOptions {
    fn deref_mut(&mut self) -> &mut Chosen {
        self.0.get_or_insert_default()
    }
}

impl Chosen {
    /// What was wrong with an option.
    pub(super) fn check(&self) -> Result<()> {
        self.mistake.clone().map_or(Ok(()), Err)
    }

    /// When the call must be over: the earliest of what was said.
    pub(super) fn deadline(&self, default: Option<Duration>) -> Option<(Instant, Duration)> {
        let timeout = self.timeout.or(default.filter(|_| self.deadline.is_none()));
        let now = (timeout.is_some() || self.deadline.is_some()).then(now);
        let until = |at: Instant| now.map(|now| (at, at.saturating_duration_since(now)));
        let by_timeout = now.zip(timeout).and_then(|(now, after)| Some((now.checked_add(after)?, after)));
        let by_deadline = self.deadline.and_then(until);
        let by_context = self.context.as_ref().and_then(|cx| cx.deadline().zip(cx.timeout()));
        [by_timeout, by_deadline, by_context].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// The option methods that every call has, and what they come to.
macro_rules! call_options {
    () => {
        /// Sets how long the call may take, its opening included. It travels as `grpc-timeout`; when it passes, both sides
        /// see code 4.
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }

        /// Sets when the call must be over; see [`Self::timeout`]. The earlier of the two counts.
        pub fn deadline(mut self, at: Instant) -> Self {
            self.options.deadline = Some(at);
            self
        }

        /// Sets how long a connection may take to be made for this call.
        pub fn connect_timeout(mut self, timeout: Duration) -> Self {
            self.options.connect_timeout = Some(timeout);
            self
        }

        /// Sends this call to one address, `host:port`, instead of the client's.
        pub fn host_port(mut self, address: impl Into<String>) -> Self {
            self.options.host_port = Some(address.into());
            self
        }

        /// Sends this call only to instances with this tag. It wins over the client's tag of the same key.
        pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.tags.insert(key.into(), value.into());
            self
        }

        /// Says what a [`ConsistentHash`](crate::balance::ConsistentHash) goes by: calls of one key go to one instance.
        pub fn hash_key(mut self, key: impl Into<String>) -> Self {
            self.options.hash_key = Some(key.into());
            self
        }

        /// Adds metadata. A name or value that cannot be is the call's error; see [`Metadata::append`].
        pub fn metadata(mut self, name: &str, value: impl AsRef<str>) -> Self {
            if let Err(err) = self.options.metadata.append(name, value) {
                self.options.mistake.get_or_insert(err);
            }
            self
        }

        /// Adds all of some metadata, binary values too.
        pub fn metadata_all(mut self, metadata: &Metadata) -> Self {
            self.options.metadata.merge(metadata);
            self
        }

        /// Adds a transient metainfo value: the called service sees it, and those that it calls do not.
        pub fn transient(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.metainfo.transient.insert(key.into(), value.into());
            self
        }

        /// Adds a persistent metainfo value: all services down the chain of calls see it.
        pub fn persistent(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.metainfo.persistent.insert(key.into(), value.into());
            self
        }

        /// Sets the id by which logs know the call, instead of that of [`Self::context`]: the called service has it as
        /// [`Context::log_id`]. A TTHeader carries it, and HTTP/2 as `stream-log-id`; Framed and Buffered do not.
        pub fn log_id(mut self, log_id: impl Into<String>) -> Self {
            let log_id = log_id.into();
            if HeaderValue::from_bytes(log_id.as_bytes()).is_err() {
                let text = format!("`log_id` {log_id:?} cannot travel in a header");
                self.options.mistake.get_or_insert(Error::misuse(text));
            }
            self.options.log_id = Some(log_id).filter(|id| !id.is_empty());
            self
        }

        /// Makes this call a part of the one with this context: it ends with it, has at most its deadline, and passes its log
        /// id and persistent metainfo on, with what was added to it ([`Context::append_metadata`]).
        pub fn context(mut self, cx: &Context) -> Self {
            self.options.context = Some(cx.clone());
            self
        }

        /// Keeps a value with the call, by its type: layers and balancers find it with [`Context::extension`].
        pub fn extension<V: Clone + Send + Sync + 'static>(mut self, value: V) -> Self {
            self.options.extensions.insert(value);
            self
        }

        /// The call's context, from its options.
        pub(super) fn make_context(&mut self) -> Result<Context> {
            self.shared.context(self.method, &mut self.options)
        }
    };
}

pub(super) use call_options;
