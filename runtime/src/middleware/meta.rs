//! What goes and comes beside the messages.

use crate::context::Context;
use crate::error::Result;

/// Reads what came beside the messages of a call, and writes what goes: Kitex's `MetaHandler`.
///
/// | | `read` | `write` |
/// | --- | --- | --- |
/// | server, ping-pong and unary | before all layers | when all layers are done, before the reply is sent |
/// | server, a stream | before all layers (`OnReadStream`) | before the first message is sent; at the latest when all layers are done |
/// | server, oneway | before all layers | when all layers are done; nothing of it travels |
/// | client, ping-pong and unary | when the reply has come, not where the call failed | behind all layers, for each attempt |
/// | client, a stream | when the server's headers are there, with the first `recv` that gets them | behind all layers, for each attempt (`OnConnectStream`) |
/// | client, oneway | never: there is no answer | behind all layers, for each attempt |
///
/// Kitex runs nothing in the two places of streams that have no name of its own. Headers that a stream's handler sends by
/// [`Context::send_header`] are gone before `write`.
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
