//! The clients: from a method of a trait to a stream on some connection.

mod builder;
mod call;
mod channel;
mod pool;

pub use builder::{ClientBuilder, StreamClientBuilder};
pub use call::{Call, Open, StreamCall, WithMetadata};
pub use channel::{Channel, StreamChannel};

/// A generated client, as its builder makes it.
#[doc(hidden)]
pub trait FromChannel: Sized {
    /// What the client calls through.
    type Channel;

    /// Wraps the channel.
    fn from_channel(channel: Self::Channel) -> Self;
}
