//! Model to tokens. Generated code only names things in `thrill::private`, by absolute paths; the runtime does the
//! work.
//!
//! Local names are resolved at the macro ([`site`]), so that nothing that a user writes can see or shadow them.

mod client;
mod declaration;
mod enumeration;
pub(crate) mod fallback;
mod locked;
mod newtype;
mod schema;
mod server;
mod service;
mod structure;
mod throws;
mod union;

pub(crate) use service::service;

use proc_macro2::{Span, TokenStream};

use crate::model::{Body, Item};

/// Writes the implementations that a derive adds to its type.
pub(crate) fn item(item: &Item) -> TokenStream {
    match &item.body {
        Body::Struct(body) => structure::structure(item, body),
        Body::Union(body) => union::union(item, body),
        Body::Enum(body) => enumeration::enumeration(item, body),
        Body::Newtype(ty) => newtype::newtype(item, ty),
        Body::None => TokenStream::new(),
    }
}

/// Where generated names are resolved: locals in the expansion alone, items where the macro is called.
fn site() -> Span {
    Span::mixed_site()
}
