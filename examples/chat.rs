//! A stream split between two tasks, as `futures` streams and sinks: `cargo run --example chat`.

use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use thrill::{BidiStream, Result, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub struct Line {
    #[thrift(id = 1)]
    pub text: String,
}

#[thrill::service(namespace = "chat")]
pub trait Chat {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, stream: BidiStream<Line, Line>) -> Result<()>;
}

struct Louder;

impl Chat for Louder {
    async fn talk(&self, stream: BidiStream<Line, Line>) -> Result<()> {
        let (mut answers, lines) = stream.split();
        let mut louder = lines.map_ok(|line| Line { text: line.text.to_uppercase() });
        answers.send_all(&mut louder).await
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new().add(ChatServer::new(Louder)).bind("127.0.0.1:0").await?.spawn();
    let addr = server.local_address().to_string();
    let client = ChatStreamClient::builder("chat").host_ports([addr]).build()?;

    let (lines, answers) = client.talk().await?.split();
    let speaking = tokio::spawn(async move {
        let texts = ["hello", "is anyone there?"].map(|text| Ok(Line { text: text.to_owned() }));
        // `forward` closes the sending end when it is done.
        stream::iter(texts).forward(lines).await
    });
    let print = |line: Line| async move {
        println!("got {:?}", line.text);
        Ok(())
    };
    answers.try_for_each(print).await?;
    speaking.await.expect("the task does not panic")?;
    server.shutdown().await;
    Ok(())
}
