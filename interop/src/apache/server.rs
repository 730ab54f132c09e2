//! A server as Apache's generated processors make one.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use thrift::protocol::{TInputProtocol, TMessageIdentifier, TMessageType, TOutputProtocol};
use thrift::{ApplicationError, ApplicationErrorKind};
use thrill_tests::contract::{NotFound, Response};

use super::contract::{
    AddArgs, AddResult, EchoArgs, EchoResult, EverythingArgs, EverythingResult, Nothing, NotifyArgs,
};
use super::value::Value;
use super::{Pipe, Way};

/// A server of the echo contract, which runs until the process ends.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: String,
    /// What `Notify` was told.
    pub notified: Receiver<String>,
}

impl Server {
    /// Serves a port that is free.
    ///
    /// # Errors
    /// There is none.
    pub fn start(way: Way) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (notify, notified) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let handler = Handler { notify: notify.clone() };
                // The end of a connection is an error here, and not a failure.
                thread::spawn(move || drop(handler.serve(stream, way)));
            }
        });
        Ok(Self { address, notified })
    }
}

struct Handler {
    notify: Sender<String>,
}

/// What a method comes to: a result that is to be written, nothing, or an error that is not declared.
type Answer = thrift::Result<Option<Box<dyn FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>>>>;

impl Handler {
    fn serve(&self, stream: TcpStream, way: Way) -> thrift::Result<()> {
        let Pipe { mut input, mut output } = way.over(stream)?;
        loop {
            self.process(&mut *input, &mut *output)?;
        }
    }

    fn process(&self, input: &mut dyn TInputProtocol, output: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        let call = input.read_message_begin()?;
        let answer = self.run(&call.name, input);
        input.read_message_end()?;
        let begin = |kind| TMessageIdentifier::new(call.name.clone(), kind, call.sequence_number);
        match answer {
            Ok(None) => return Ok(()),
            Ok(Some(write)) => {
                output.write_message_begin(&begin(TMessageType::Reply))?;
                write(output)?;
            }
            Err(thrift::Error::Application(error)) => {
                output.write_message_begin(&begin(TMessageType::Exception))?;
                thrift::Error::write_application_error_to_out_protocol(&error, output)?;
            }
            Err(other) => return Err(other),
        }
        output.write_message_end()?;
        output.flush()
    }

    fn run(&self, method: &str, input: &mut dyn TInputProtocol) -> Answer {
        match method {
            "EchoPingPong" => {
                let EchoArgs { req } = Value::read(input)?;
                reply(EchoResult { success: Some(Response { message: req.message }) })
            }
            "EverythingPingPong" => {
                let EverythingArgs { value } = Value::read(input)?;
                if value.must == "missing" {
                    return reply(EverythingResult { success: None, missing: Some(not_found("everything")) });
                }
                reply(EverythingResult { success: Some(value), missing: None })
            }
            "Add" => match Value::read(input)? {
                AddArgs { a: 404, .. } => reply(AddResult { success: None, missing: Some(not_found("404")) }),
                AddArgs { a: 500, .. } => Err(error(ApplicationErrorKind::InternalError, "add failed")),
                AddArgs { a, b } => reply(AddResult { success: Some(a.wrapping_add(b)), missing: None }),
            },
            "Nothing" => {
                let Nothing {} = Value::read(input)?;
                reply(Nothing {})
            }
            "Notify" => {
                let NotifyArgs { what } = Value::read(input)?;
                // The test may have heard enough.
                let _ = self.notify.send(what);
                Ok(None)
            }
            other => {
                input.skip(thrift::protocol::TType::Struct)?;
                Err(error(ApplicationErrorKind::UnknownMethod, &format!("unknown method {other}")))
            }
        }
    }
}

fn reply(result: impl Value + 'static) -> Answer {
    Ok(Some(Box::new(move |output| result.write(output))))
}

fn not_found(what: &str) -> NotFound {
    NotFound { what: what.to_owned(), code: Some(4) }
}

fn error(kind: ApplicationErrorKind, message: &str) -> thrift::Error {
    thrift::Error::Application(ApplicationError::new(kind, message))
}
