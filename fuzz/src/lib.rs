//! The service that the targets reach: every kind of method, and no handler that fails by itself.

use std::future::Future;
use std::time::Duration;

use thrill::{BidiStream, Receiver, Result, Sender};
use thrill_tests::contract::Everything;

/// How long any input may take. Whoever takes longer hangs.
const TIME: Duration = Duration::from_secs(10);

/// Gives back what it is given.
#[thrill::service(namespace = "fuzz")]
pub trait Echo {
    /// Each message.
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, stream: BidiStream<Everything, Everything>) -> Result<()>;

    /// The last message.
    #[streaming(mode = "client")]
    async fn collect(&self, messages: Receiver<Everything>) -> Result<Everything>;

    /// The message, once.
    #[streaming(mode = "server")]
    async fn list(&self, message: Everything, replies: Sender<Everything>) -> Result<()>;

    /// The message.
    async fn call(&self, message: Everything) -> Result<Everything>;

    /// Nothing.
    #[oneway]
    async fn tell(&self, message: Everything) -> Result<()>;
}

/// Implements [`Echo`].
#[derive(Debug)]
pub struct Handler;

impl Echo for Handler {
    async fn talk(&self, mut stream: BidiStream<Everything, Everything>) -> Result<()> {
        while let Some(message) = stream.recv().await? {
            stream.send(message).await?;
        }
        Ok(())
    }

    async fn collect(&self, mut messages: Receiver<Everything>) -> Result<Everything> {
        let mut last = Everything::default();
        while let Some(message) = messages.recv().await? {
            last = message;
        }
        Ok(last)
    }

    async fn list(&self, message: Everything, mut replies: Sender<Everything>) -> Result<()> {
        replies.send(message).await
    }

    async fn call(&self, message: Everything) -> Result<Everything> {
        Ok(message)
    }

    async fn tell(&self, _message: Everything) -> Result<()> {
        Ok(())
    }
}

/// Runs what an input starts to its end.
///
/// # Panics
/// If it does not end.
pub fn run<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(TIME, task).await.expect("it ends in time") })
}
