//! Volo: what its compiler generates for the echo contract, and a handler.

use std::sync::atomic::{AtomicI64, Ordering};

use pilota::FastStr;
use tokio::net::TcpListener;
use volo::net::incoming::DefaultIncoming;
use volo_thrift::{ApplicationException, ApplicationExceptionKind, BizError, MaybeException, ServerError};

#[allow(unsafe_code, missing_docs, missing_debug_implementations, unreachable_pub, warnings, clippy::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo.rs"));
}

pub use generated::volo::echo::{
    Everything, Inner, Mood, NotFound, Request, Response, Shape, TestServiceAddException, TestServiceClient,
    TestServiceClientBuilder, TestServiceEverythingPingPongException,
};
use generated::volo::echo::{TestService, TestServiceServer};

/// Does what the contract says.
#[derive(Debug, Default)]
struct Handler {
    notified: AtomicI64,
}

/// Serves the contract on a port that is free, until the process ends; answers where. Volo finds out what is spoken.
///
/// # Errors
/// There is no port.
pub async fn serve(is_multiplexed: bool) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let server = TestServiceServer::new(Handler::default()).multiplex(is_multiplexed);
    tokio::spawn(server.run(DefaultIncoming::from(listener)));
    Ok(address)
}

impl TestService for Handler {
    async fn echo_ping_pong(&self, req: Request) -> Result<Response, ServerError> {
        let message = match req.message.as_deref() {
            Some("!notified") => Some(self.notified.load(Ordering::SeqCst).to_string().into()),
            _ => req.message,
        };
        Ok(Response { message })
    }

    async fn everything_ping_pong(
        &self,
        value: Everything,
    ) -> Result<MaybeException<Everything, TestServiceEverythingPingPongException>, ServerError> {
        if value.must == "missing" {
            let missing = not_found("everything");
            return Ok(MaybeException::Exception(TestServiceEverythingPingPongException::Missing(missing)));
        }
        Ok(MaybeException::Ok(value))
    }

    async fn add(&self, a: i64, b: i64) -> Result<MaybeException<i64, TestServiceAddException>, ServerError> {
        match a {
            404 => Ok(MaybeException::Exception(TestServiceAddException::Missing(not_found("404")))),
            500 => Err(ApplicationException::new(ApplicationExceptionKind::INTERNAL_ERROR, "add failed").into()),
            600 => Err(BizError::new(600, FastStr::from_static_str("add refused")).into()),
            _ => Ok(MaybeException::Ok(a.wrapping_add(b))),
        }
    }

    async fn nothing(&self) -> Result<(), ServerError> {
        Ok(())
    }

    async fn notify(&self, _what: FastStr) -> Result<(), ServerError> {
        self.notified.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn not_found(what: &'static str) -> NotFound {
    NotFound { what: FastStr::from_static_str(what), code: Some(4) }
}
