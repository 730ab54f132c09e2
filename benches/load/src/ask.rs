//! What a client asks a server stream for.

use std::fmt::{self, Display, Formatter};

use crate::Args;

/// The message of a `server-stream` request, `MESSAGES:SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many messages the server is to send.
    pub messages: usize,
    /// Bytes of the string in each.
    pub size: usize,
}

impl Ask {
    /// What `args` have the client ask for.
    pub fn new(args: &Args) -> Self {
        Self { messages: args.batch, size: args.size }
    }

    /// Reads a request. Anything else asks for nothing, which the client reports as a wrong count.
    pub fn parse(text: &str) -> Self {
        let (messages, size) = text.split_once(':').unwrap_or_default();
        Self { messages: messages.parse().unwrap_or(0), size: size.parse().unwrap_or(0) }
    }
}

impl Display for Ask {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.messages, self.size)
    }
}
