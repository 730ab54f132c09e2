//! Apache Thrift's own Rust crate. Its compiler is on few machines, so that what it would generate is written by hand here:
//! over its protocols and transports, of which none is this project's.

mod client;
mod contract;
mod server;
mod value;

use std::io::Write;
use std::net::TcpStream;

use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TCompactInputProtocol, TCompactOutputProtocol, TInputProtocol,
    TOutputProtocol,
};
use thrift::transport::{
    TBufferedReadTransport, TBufferedWriteTransport, TFramedReadTransport, TFramedWriteTransport, TIoChannel as _,
    TReadTransport, TTcpChannel,
};

pub use client::Client;
pub use contract::{AddArgs, AddResult, EchoArgs, EchoResult, EverythingArgs, EverythingResult, Nothing, NotifyArgs};
pub use server::Server;
pub use value::Value;

/// What is around a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nothing.
    Buffered,
    /// A length.
    Framed,
}

/// What a message is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Binary with a version, and no other is read.
    Binary,
    /// Binary without a version, as before there were any; both are read.
    OldBinary,
    /// Compact.
    Compact,
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// What is around them.
    pub transport: Transport,
    /// What they are written in.
    pub protocol: Protocol,
}

impl Way {
    /// Those that this project speaks, too.
    pub const SPOKEN: [Self; 4] = [
        Self { transport: Transport::Framed, protocol: Protocol::Binary },
        Self { transport: Transport::Framed, protocol: Protocol::Compact },
        Self { transport: Transport::Buffered, protocol: Protocol::Binary },
        Self { transport: Transport::Buffered, protocol: Protocol::Compact },
    ];

    /// Reads and writes messages on a connection.
    fn over(self, stream: TcpStream) -> thrift::Result<Pipe> {
        stream.set_nodelay(true)?;
        let (read, write) = TTcpChannel::with_stream(stream).split()?;
        let read: Box<dyn TReadTransport + Send> = match self.transport {
            Transport::Buffered => Box::new(TBufferedReadTransport::new(read)),
            Transport::Framed => Box::new(TFramedReadTransport::new(read)),
        };
        let write: Box<dyn Write + Send> = match self.transport {
            Transport::Buffered => Box::new(TBufferedWriteTransport::new(write)),
            Transport::Framed => Box::new(TFramedWriteTransport::new(write)),
        };
        Ok(match self.protocol {
            Protocol::Binary => Pipe {
                input: Box::new(TBinaryInputProtocol::new(read, true)),
                output: Box::new(TBinaryOutputProtocol::new(write, true)),
            },
            Protocol::OldBinary => Pipe {
                input: Box::new(TBinaryInputProtocol::new(read, false)),
                output: Box::new(TBinaryOutputProtocol::new(write, false)),
            },
            Protocol::Compact => Pipe {
                input: Box::new(TCompactInputProtocol::new(read)),
                output: Box::new(TCompactOutputProtocol::new(write)),
            },
        })
    }
}

/// A connection that messages are read from and written to.
struct Pipe {
    input: Box<dyn TInputProtocol + Send>,
    output: Box<dyn TOutputProtocol + Send>,
}
