//! The layers of a client, a server or a service.

use std::fmt;
use std::sync::Arc;

use super::{Layer, MetaHandler, RecvLayer, SendLayer};
use crate::context::Context;
use crate::error::Result;

/// What was registered, each in its order.
#[derive(Clone, Default)]
pub(crate) struct Layers {
    pub(crate) calls: Vec<Arc<dyn Layer>>,
    pub(crate) instances: Vec<Arc<dyn Layer>>,
    pub(crate) sends: Vec<Arc<dyn SendLayer>>,
    pub(crate) recvs: Vec<Arc<dyn RecvLayer>>,
    pub(crate) metas: Vec<Arc<dyn MetaHandler>>,
}

impl Layers {
    /// Whether something runs around a call, and not only around the messages of a stream.
    pub(crate) fn are_around_calls(&self) -> bool {
        !(self.calls.is_empty() && self.instances.is_empty() && self.metas.is_empty())
    }

    /// Lets the [`MetaHandler`]s read, in their order.
    pub(crate) fn read_meta(&self, cx: &Context) -> Result<()> {
        self.metas.iter().try_for_each(|meta| meta.read(cx))
    }

    /// Lets the [`MetaHandler`]s write, in their order.
    pub(crate) fn write_meta(&self, cx: &Context) -> Result<()> {
        self.metas.iter().try_for_each(|meta| meta.write(cx))
    }

    /// These, and within them others.
    pub(crate) fn around(&self, inner: &Self) -> Self {
        let mut all = self.clone();
        all.calls.extend_from_slice(&inner.calls);
        all.instances.extend_from_slice(&inner.instances);
        all.sends.extend_from_slice(&inner.sends);
        all.recvs.extend_from_slice(&inner.recvs);
        all.metas.extend_from_slice(&inner.metas);
        all
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers")
            .field("calls", &self.calls.len())
            .field("instances", &self.instances.len())
            .field("sends", &self.sends.len())
            .field("recvs", &self.recvs.len())
            .field("metas", &self.metas.len())
            .finish()
    }
}
