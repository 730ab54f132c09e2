//! The clients: from a method of a trait to a stream on some connection.

mod builder;
mod call;
mod channel;
mod message;
mod pool;

pub use builder::{ClientBuilder, Payload, StreamClientBuilder, Transport};
pub use call::{Call, Open, StreamCall, WithMetadata};
pub use channel::{Channel, StreamChannel};
pub use pool::LongConnection;

/// A generated client, as its builder makes it.
#[doc(hidden)]
pub trait FromChannel: Sized {
    /// What the client calls through.
    type Channel;

    /// Wraps the channel.
    fn from_channel(channel: Self::Channel) -> Self;
}
