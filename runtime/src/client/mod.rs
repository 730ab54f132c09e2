//! The clients: from a method of a trait to a stream on some connection.

pub mod balance;
pub mod breaker;
mod builder;
mod call;
mod channel;
mod cluster;
pub mod discovery;
mod exchange;
mod future;
mod health;
mod layered;
mod message;
mod options;
mod pool;
mod stream_call;
mod warm_up;

pub use builder::{ClientBuilder, ClientSuite, Payload, StreamClientBuilder, Transport};
pub use call::{Call, WithMetadata};
pub use channel::{Channel, StreamChannel};
pub use future::{CallFuture, StreamCallFuture};
pub use pool::LongConnection;
pub use stream_call::{Open, StreamCall};
pub use warm_up::WarmUp;

use crate::schema::{Method, Service};

/// A generated client, as its builder makes it.
#[doc(hidden)]
pub trait FromChannel: Sized {
    /// What the client calls through.
    type Channel;

    /// The service that it calls.
    fn schema() -> &'static Service;

    /// Wraps the channel. The methods are those of [`Self::schema`], or the same of a service that extends it.
    fn from_channel(channel: Self::Channel, methods: &'static [Method]) -> Self;
}
