//! What goes and comes beside the messages.

use crate::context::Context;
use crate::error::Result;

/// Reads what came beside the messages of a call, and writes what goes: Kitex's `MetaHandler`.
///
/// On a server `read` runs when a call has come, before all layers; `write` before its answer is sent. On a client `write` runs
/// before a call or a stream's opening is sent, behind all layers; `read` when a ping-pong or unary call is answered.
///
/// ```
/// use thrill::middleware::MetaHandler;
/// use thrill::{Context, Result};
///
/// #[derive(Clone)]
/// struct Tenant(String);
///
/// struct Tenants;
///
/// impl MetaHandler for Tenants {
///     fn read(&self, cx: &Context) -> Result<()> {
///         if let Some(tenant) = cx.metadata().get("x-tenant") {
///             cx.insert(Tenant(tenant.into_owned()));
///         }
///         Ok(())
///     }
/// }
/// # let _ = thrill::Server::new().meta_handler(Tenants);
/// ```
pub trait MetaHandler: Send + Sync + 'static {
    /// What the peer said beside its messages is in the context.
    ///
    /// # Errors
    /// Ends the call, as an error of a layer does.
    fn read(&self, cx: &Context) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// What is put in the context travels.
    ///
    /// # Errors
    /// Ends the call, as an error of a layer does.
    fn write(&self, cx: &Context) -> Result<()> {
        let _ = cx;
        Ok(())
    }
}
