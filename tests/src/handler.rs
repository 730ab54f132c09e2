//! The server's side of the echo contract, whether it came from Rust or from IDL: the contract stands beside.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use thrill::{BidiStream, BizStatusError, Context, Error, Receiver, Result, Sender, Status};

use super::contract::{
    AddError, Counter, Everything, EverythingPingPongError, NotFound, Request, Response, TestService,
};

/// Does what the contract says.
#[derive(Debug, Default)]
pub struct Handler {
    notified: AtomicI64,
    total: AtomicI64,
}

/// What a command makes of its message.
enum Obeyed {
    Reply(String),
    Return,
}

impl Handler {
    /// Runs a message that begins with `!`; another one is its own reply.
    async fn obey(&self, cx: &Context, message: String) -> Result<Obeyed> {
        let Some(command) = message.strip_prefix('!') else { return Ok(Obeyed::Reply(message)) };
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        let (number, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = || number.parse::<i32>().unwrap_or_default();
        let reply = match word {
            "error" => return Err(Error::new(rest)),
            "biz" => return Err(BizStatusError::new(number(), text).with_extra("k", "v").into()),
            "status" => return Err(Status::new(number(), text.to_owned()).into()),
            "panic" => panic!("{rest}"),
            "return" => return Ok(Obeyed::Return),
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(rest.parse().unwrap_or_default())).await;
                "slept".to_owned()
            }
            "size" => "x".repeat(rest.parse().unwrap_or_default()),
            "headers" => {
                cx.set_header("x-head", "h1")?;
                cx.send_header()?;
                cx.set_trailer("x-trail", "t1")?;
                "ok".to_owned()
            }
            "meta" => describe(cx),
            "backward" => {
                cx.send_backward("reply-key", "reply-value");
                "ok".to_owned()
            }
            "notified" => self.notified.load(Ordering::SeqCst).to_string(),
            _ => format!("unknown command {word}"),
        };
        Ok(Obeyed::Reply(reply))
    }

    async fn once(&self, cx: &Context, req: Request) -> Result<Response> {
        match self.obey(cx, req.message.unwrap_or_default()).await? {
            Obeyed::Reply(reply) => Ok(response(reply)),
            Obeyed::Return => Ok(Response::default()),
        }
    }
}

fn response(message: impl Into<String>) -> Response {
    Response { message: Some(message.into()) }
}

fn describe(cx: &Context) -> String {
    let metadata = cx.metadata();
    let lists = metadata.names().map(|name| (name, metadata.get_all(name).collect::<Vec<_>>()));
    let mut out = json!({
        "transient": cx.metainfo().transient,
        "persistent": cx.metainfo().persistent,
        "metadata": lists.collect::<std::collections::BTreeMap<_, _>>(),
        "caller": cx.caller().unwrap_or_default(),
        "method": cx.method(),
        "service": cx.service(),
    });
    if let Some(at) = cx.deadline() {
        let left = at.saturating_duration_since(Instant::now()).as_millis();
        out["deadline_ms"] = json!(u64::try_from(left).unwrap_or(u64::MAX));
    }
    out.to_string()
}

impl TestService for Handler {
    async fn echo(&self, cx: &Context, mut stream: BidiStream<Request, Response>) -> Result<()> {
        while let Some(req) = stream.recv().await? {
            // An absent message stays absent.
            let Some(message) = req.message else {
                stream.send(Response::default()).await?;
                continue;
            };
            match self.obey(cx, message).await? {
                Obeyed::Reply(reply) => stream.send(response(reply)).await?,
                Obeyed::Return => return Ok(()),
            }
        }
        Ok(())
    }

    async fn echo_client(&self, cx: &Context, mut requests: Receiver<Request>) -> Result<Response> {
        let mut got = Vec::new();
        while let Some(req) = requests.recv().await? {
            match self.obey(cx, req.message.unwrap_or_default()).await? {
                Obeyed::Reply(reply) => got.push(reply),
                Obeyed::Return => return Ok(Response::default()),
            }
        }
        Ok(response(got.join(",")))
    }

    async fn echo_server(&self, cx: &Context, req: Request, mut responses: Sender<Response>) -> Result<()> {
        let message = req.message.unwrap_or_default();
        if let Some(count) = message.strip_prefix("!count ") {
            for number in 0..count.parse::<u64>().unwrap_or_default() {
                responses.send(response(number.to_string())).await?;
            }
            return Ok(());
        }
        let Obeyed::Reply(reply) = self.obey(cx, message).await? else { return Ok(()) };
        for _ in 0..3 {
            responses.send(response(&reply)).await?;
        }
        Ok(())
    }

    async fn echo_unary(&self, cx: &Context, req: Request) -> Result<Response> {
        self.once(cx, req).await
    }

    async fn echo_ping_pong(&self, cx: &Context, req: Request) -> Result<Response> {
        self.once(cx, req).await
    }

    async fn echo_everything(&self, _cx: &Context, mut stream: BidiStream<Everything, Everything>) -> Result<()> {
        while let Some(value) = stream.recv().await? {
            stream.send(value).await?;
        }
        Ok(())
    }

    async fn everything_ping_pong(
        &self,
        _cx: &Context,
        value: Everything,
    ) -> Result<Everything, EverythingPingPongError> {
        if value.must == "missing" {
            return Err(NotFound { what: "everything".to_owned(), code: Some(4) }.into());
        }
        Ok(value)
    }

    async fn add(&self, _cx: &Context, a: i64, b: i64) -> Result<i64, AddError> {
        match a {
            404 => Err(NotFound { what: "404".to_owned(), code: Some(4) }.into()),
            500 => Err(Error::new("add failed").into()),
            600 => Err(Error::from(BizStatusError::new(600, "add refused").with_extra("k", "v")).into()),
            _ => Ok(a.wrapping_add(b)),
        }
    }

    async fn nothing(&self, _cx: &Context) -> Result<()> {
        Ok(())
    }

    async fn notify(&self, _cx: &Context, _what: String) -> Result<()> {
        self.notified.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Counter for Handler {
    async fn increment(&self, _cx: &Context, by: i64) -> Result<i64> {
        Ok(self.total.fetch_add(by, Ordering::SeqCst) + by)
    }
}
