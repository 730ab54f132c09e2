//! A client as Apache's generated code is one.

use std::net::TcpStream;
use std::time::Duration;

use thrift::protocol::{
    TMessageIdentifier, TMessageType, verify_expected_message_type, verify_expected_sequence_number,
    verify_expected_service_call,
};

use super::value::Value;
use super::{Pipe, Way};

/// A client on one connection.
pub struct Client {
    pipe: Pipe,
    seq_id: i32,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("seq_id", &self.seq_id).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: &str, way: Way) -> thrift::Result<Self> {
        let stream = TcpStream::connect(address)?;
        // No test waits for ever.
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { pipe: way.over(stream)?, seq_id: 0 })
    }

    /// Calls a method and waits for its result.
    ///
    /// # Errors
    /// The connection's, and what the server says.
    pub fn call<R: Value>(&mut self, name: &str, args: &impl Value) -> thrift::Result<R> {
        self.send(name, TMessageType::Call, args)?;
        let input = &mut *self.pipe.input;
        let message = input.read_message_begin()?;
        verify_expected_sequence_number(self.seq_id, message.sequence_number)?;
        verify_expected_service_call(name, &message.name)?;
        if message.message_type == TMessageType::Exception {
            let error = thrift::Error::read_application_error_from_in_protocol(input)?;
            input.read_message_end()?;
            return Err(thrift::Error::Application(error));
        }
        verify_expected_message_type(TMessageType::Reply, message.message_type)?;
        let result = R::read(input)?;
        input.read_message_end()?;
        Ok(result)
    }

    /// Calls a method that does not answer.
    ///
    /// # Errors
    /// The connection's.
    pub fn oneway(&mut self, name: &str, args: &impl Value) -> thrift::Result<()> {
        self.send(name, TMessageType::OneWay, args)
    }

    fn send(&mut self, name: &str, kind: TMessageType, args: &impl Value) -> thrift::Result<()> {
        self.seq_id += 1;
        let output = &mut *self.pipe.output;
        output.write_message_begin(&TMessageIdentifier::new(name, kind, self.seq_id))?;
        args.write(output)?;
        output.write_message_end()?;
        output.flush()
    }
}
