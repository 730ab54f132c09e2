//! The ways in which streams and calls end.

use std::future::IntoFuture as _;
use std::pin::Pin;
use std::time::Duration;

use futures_util::SinkExt as _;
use thrill::discovery::List;
use thrill::{BidiStream, Error, Result, Server, StreamCall, StreamTimeout};
use tokio::time::{sleep, timeout};

use crate::service::Order;
use crate::service::other::Note;
use crate::target::{self, Target};
use crate::wire::Dial;

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A way to end.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// How many parts of all streams end so.
    pub(crate) share: usize,
    /// How many streams end in one round.
    pub(crate) streams: usize,
    pub(crate) end: fn(Target, usize) -> Ending,
}

macro_rules! ways {
    ($($name:ident: $share:literal of $streams:expr,)*) => {
        /// All ways.
        pub(crate) const WAYS: &[Way] = &[$(Way {
            name: stringify!($name),
            share: $share,
            streams: $streams,
            end: |target, round| Box::pin(async move {
                let ended = timeout(Duration::from_secs(30), $name(&target, round)).await;
                assert!(matches!(ended, Ok(Ok(()))), "{} in round {round}: {ended:?}", stringify!($name));
            }),
        },)*];
    };
}

/// How many streams share what a way makes for them.
const TOGETHER: usize = 20;

ways! {
    finishes: 15 of 1,
    is_dropped: 15 of 1,
    is_dropped_half_by_half: 6 of 1,
    is_dropped_where_the_other_side_waits: 4 of 1,
    is_ended_by_the_handler: 12 of 1,
    is_out_of_time: 8 of 1,
    waits_too_long_for_a_message: 5 of 1,
    is_called: 10 of 1,
    is_called_in_vain: 8 of 1,
    is_refused: 6 of 1,
    is_not_understood: 5 of 1,
    is_too_large: 3 of 1,
    is_cancelled_down_the_chain: 3 of 1,
    loses_its_connection: 5 of TOGETHER,
    loses_its_server: 5 of TOGETHER,
    ends_with_its_server: 3 of TOGETHER,
    is_opened_while_instances_change: 2 of TOGETHER,
}

/// Whether an error is one of those that a way is to end with, by its code.
fn expect<T: std::fmt::Debug, E: Into<Error>>(got: Result<T, E>, codes: &[i32]) -> Result<()> {
    match got.map_err(Into::into) {
        Err(err) if codes.contains(&err.code().0) => Ok(()),
        Err(err) => Err(Error::new(format!("{err} is none of {codes:?}"))),
        Ok(got) => Err(Error::new(format!("{got:?} is none of {codes:?}"))),
    }
}

/// A stream that has said something, and heard it back.
async fn talking(target: &Target, round: usize) -> Result<BidiStream<Order, Order>> {
    let mut stream = target.streams(round).talk().await?;
    stream.send(Order::new("echo")).await?;
    stream.recv().await?;
    Ok(stream)
}

async fn finishes(target: &Target, round: usize) -> Result<()> {
    let client = target.streams(round / 5);
    match round % 5 {
        0 => {
            let mut stream = talking(target, round / 5).await?;
            stream.close().await?;
            assert_eq!(stream.recv().await?, None);
        }
        // By hand, as the two sides agreed.
        1 => talking(target, round / 5).await?.finish(Ok(())),
        2 => {
            let mut upload = client.upload().await?;
            upload.send(Order::new("x")).await?;
            upload.close_and_recv().await?;
        }
        3 => {
            let mut orders = client.download(Order::new("x")).await?;
            while orders.recv().await?.is_some() {}
        }
        _ => drop(client.ask(Order::new("x")).await?),
    }
    Ok(())
}

async fn is_dropped(target: &Target, round: usize) -> Result<()> {
    let client = target.streams(round / 8);
    match round % 8 {
        0 => drop(client.talk().await?),
        1 => client.talk().await?.send(Order::new("echo")).await?,
        2 => drop(talking(target, round / 8).await?),
        3 => drop(client.download(Order::new("x")).await?),
        4 => drop(client.download(Order::new("x")).await?.recv().await?),
        5 => client.upload().await?.send(Order::new("x")).await?,
        6 => {
            let mut stream = talking(target, round / 8).await?;
            stream.close().await?;
        }
        // While it is being opened or answered.
        _ => {
            let call = client.ask(Order::new("wait"));
            drop(timeout(Duration::from_micros(500), call.into_future()).await);
        }
    }
    Ok(())
}

async fn is_dropped_half_by_half(target: &Target, round: usize) -> Result<()> {
    let (mut sender, mut receiver) = talking(target, round / 4).await?.split();
    match round % 4 {
        0 => {
            drop(sender);
            // Not closed, and so cancelled.
            expect(receiver.recv().await, &[1])?;
        }
        1 => {
            drop(receiver);
            while sender.send(Order::new("echo")).await.is_ok() {}
        }
        2 => {
            sender.close().await?;
            drop(sender);
            assert_eq!(receiver.recv().await?, None);
        }
        _ => {
            let sending = tokio::spawn(async move {
                sender.send(Order::new("wait")).await?;
                sender.flush().await
            });
            drop(receiver);
            // Sent or not, as the race has it.
            let _ = sending.await.map_err(Error::new)?;
        }
    }
    Ok(())
}

async fn is_dropped_where_the_other_side_waits(target: &Target, round: usize) -> Result<()> {
    let mut stream = target.streams(round / 3).talk().await?;
    match round % 3 {
        // The server for a message.
        0 => stream.flush().await?,
        // The server for room.
        1 => {
            stream.send(Order::of("flood", 10_000)).await?;
            stream.recv().await?;
        }
        // The client for room, and the server for anything.
        _ => {
            stream.send(Order::new("wait")).await?;
            let flood = async { while stream.send(Order::of("echo", 50_000)).await.is_ok() {} };
            drop(timeout(Duration::from_millis(20), flood).await);
        }
    }
    Ok(())
}

async fn is_ended_by_the_handler(target: &Target, round: usize) -> Result<()> {
    let (how, code) = [("status", 5), ("error", 13), ("biz", 13), ("panic", 13)][round % 4];
    let client = target.streams(round / 24);
    match round / 4 % 6 {
        0 => {
            let mut stream = client.talk().await?;
            stream.send(Order::new(how)).await?;
            expect(stream.recv().await, &[code])?;
            expect(stream.recv().await, &[code])
        }
        1 => {
            let mut upload = client.upload().await?;
            upload.send(Order::new(how)).await?;
            expect(upload.close_and_recv().await, &[code])
        }
        2 => {
            let mut orders = client.download(Order::new(how)).await?;
            for _ in 0..3 {
                orders.recv().await?;
            }
            expect(orders.recv().await, &[code])
        }
        3 => expect(client.ask(Order::new(how)).await, &[code]),
        // While the client goes on.
        4 => {
            let mut stream = client.talk().await?;
            stream.send(Order::new("return")).await?;
            assert_eq!(stream.recv().await?, None);
            while stream.send(Order::new("echo")).await.is_ok() {}
            Ok(())
        }
        _ => {
            let mut upload = client.upload().await?;
            upload.send(Order::new("return")).await?;
            while upload.send(Order::new("x")).await.is_ok() {
                tokio::task::yield_now().await;
            }
            upload.close_and_recv().await.map(drop)
        }
    }
}

async fn is_out_of_time(target: &Target, round: usize) -> Result<()> {
    let time = Duration::from_millis(5);
    let client = target.streams(round / 5);
    let late = match round % 5 {
        // Where the client waits for it, and where the server sees it by itself.
        at @ (0 | 1) => {
            let stream = async {
                let mut stream = client.talk().timeout(time).await?;
                stream.send(Order::new("wait")).await?;
                if at == 1 {
                    sleep(2 * time).await;
                }
                stream.recv().await.map(drop)
            };
            stream.await
        }
        2 => client.ask(Order::new("wait")).timeout(time).await.map(drop),
        3 => target.calls(round / 5).call(Order::new("slow")).timeout(time).await.map(drop),
        _ => client.talk().timeout(Duration::ZERO).await.map(drop),
    };
    expect(late, &[4])
}

async fn waits_too_long_for_a_message(target: &Target, round: usize) -> Result<()> {
    let call = target.streams(round / 3).talk();
    let time = Duration::from_millis(3);
    let mut stream = match round % 3 {
        0 => call.recv_timeout(time).await?,
        1 => call.recv_timeout(StreamTimeout { timeout: time, disable_cancel_remote: true }).await?,
        _ => call.send_timeout(time).await?,
    };
    stream.send(Order::new("wait")).await?;
    if round % 3 == 2 {
        let late = loop {
            if let Err(err) = stream.send(Order::of("echo", 50_000)).await {
                break err;
            }
        };
        return expect::<(), _>(Err(late), &[17]);
    }
    expect(stream.recv().await, &[17])?;
    expect(stream.recv().await, &[17])
}

async fn is_called(target: &Target, round: usize) -> Result<()> {
    let client = target.calls(round / 5);
    match round % 5 {
        0 => client.notify(Order::new("x")).await,
        _ => client.call(Order::new("x")).await.map(drop),
    }
}

async fn is_called_in_vain(target: &Target, round: usize) -> Result<()> {
    let client = target.calls(round / 4);
    match round % 4 {
        0 => expect(client.call(Order::new("error")).await, &[6, 13]),
        1 => expect(client.call(Order::new("biz")).await, &[6, 13]),
        2 => expect(client.call(Order::new("panic")).await, &[6, 13]),
        // Given up, while the handler goes on.
        _ => {
            let call = client.call(Order::new("slow"));
            drop(timeout(Duration::from_micros(500), call.into_future()).await);
            Ok(())
        }
    }
}

async fn is_refused(target: &Target, round: usize) -> Result<()> {
    let (streams, calls) = (target.streams(round / 6), target.calls(round / 6));
    match round % 6 {
        0 => expect(streams.talk().host_port(target.dead()).await, &[14]),
        1 => expect(calls.call(Order::new("x")).host_port(target.dead()).await, &[14]),
        2 => expect(streams.talk().host_port(target.full()).await?.recv().await, &[8]),
        3 => expect(streams.download(Order::new("x")).host_port(target.full()).await?.recv().await, &[8]),
        4 => expect(streams.ask(Order::new("x")).host_port(target.full()).await, &[8]),
        _ => expect(calls.call(Order::new("x")).host_port(target.full()).await, &[6, 8]),
    }
}

async fn is_not_understood(target: &Target, round: usize) -> Result<()> {
    let (streams, calls) = (target.other_streams(), target.other_calls(round / 5));
    let note = || Note { text: "what?".into() };
    match round % 5 {
        0 => expect(streams.sing().await?.recv().await, &[1]),
        1 => expect(calls.dance(note()).await, &[1, 20]),
        2 => {
            let mut stream = streams.talk().await?;
            stream.send(note()).await?;
            expect(stream.recv().await, &[7, 13])
        }
        3 => expect(calls.call(note()).await, &[6, 7, 13]),
        // By the client, where the stream would go on.
        _ => expect(streams.download(Order::new("x")).await?.recv().await, &[7]),
    }
}

async fn is_too_large(target: &Target, round: usize) -> Result<()> {
    let (streams, calls) = (target.streams(round / 4), target.calls(round / 4));
    let large = || Order::of("x", 100 << 10);
    match round % 4 {
        0 => {
            let mut stream = streams.talk().await?;
            stream.send(large()).await?;
            expect(stream.recv().await, &[8])
        }
        1 => {
            let mut stream = streams.talk().await?;
            stream.send(Order::new("large")).await?;
            expect(stream.recv().await, &[8])
        }
        // A ping-pong connection ends with what is too large to be read, and with it whoever shares it.
        2 => expect(calls.call(large()).await, &[8, 14]),
        _ => expect(calls.call(Order::new("large")).await, &[8, 14]),
    }
}

async fn is_cancelled_down_the_chain(target: &Target, round: usize) -> Result<()> {
    let call = target.streams(round / 3).talk();
    let relay = async |call: StreamCall<_>| {
        let mut stream: BidiStream<Order, Order> = call.await?;
        stream.send(Order::new("relay")).await?;
        stream.recv().await
    };
    match round % 3 {
        0 => expect(relay(call.timeout(Duration::from_millis(10))).await, &[4]),
        1 => {
            let mut stream = call.await?;
            stream.send(Order::new("relay")).await?;
            stream.flush().await
        }
        _ => {
            drop(timeout(Duration::from_millis(5), relay(call)).await);
            Ok(())
        }
    }
}

/// Streams of a client of one connection.
async fn together(address: &str, dial: &Dial) -> Result<Vec<BidiStream<Order, Order>>> {
    let client = target::streams(address, dial).connection_pool_size(1).build()?;
    let mut streams = Vec::new();
    for _ in 0..TOGETHER {
        let mut stream = client.talk().await?;
        stream.send(Order::new("echo")).await?;
        streams.push(stream);
    }
    for stream in &mut streams {
        stream.recv().await?;
    }
    Ok(streams)
}

async fn loses_its_connection(target: &Target, round: usize) -> Result<()> {
    let dial = Dial::default();
    let is_multiplexed = match round % 4 {
        1 => true,
        3 => false,
        _ => {
            let mut streams = together(&target.address(), &dial).await?;
            dial.cut();
            for stream in &mut streams {
                expect(stream.recv().await, &[14])?;
            }
            return Ok(());
        }
    };
    let client = target::calls(&target.address(), &dial).transport(thrill::Transport::TtHeader);
    let client = if is_multiplexed { client.multiplexed(1) } else { client }.build()?;
    let calls: Vec<_> = (0..TOGETHER).map(|_| tokio::spawn(client.call(Order::new("slow")).into_future())).collect();
    sleep(Duration::from_millis(5)).await;
    dial.cut();
    for call in calls {
        expect(call.await.map_err(Error::new)?, &[14])?;
    }
    Ok(())
}

async fn loses_its_server(_: &Target, round: usize) -> Result<()> {
    let server = target::serve(Server::new().exit_wait_time(Duration::from_millis(1))).await;
    let mut streams = together(&server.local_address().to_string(), &Dial::default()).await?;
    match round % 2 {
        0 => server.shutdown().await,
        _ => server.handle().shutdown_now(),
    }
    for stream in &mut streams {
        expect(stream.recv().await, &[14])?;
    }
    Ok(())
}

async fn ends_with_its_server(_: &Target, _: usize) -> Result<()> {
    let server = target::serve(Server::new().exit_wait_time(Duration::from_secs(20))).await;
    let streams = together(&server.local_address().to_string(), &Dial::default()).await?;
    let ending = tokio::spawn(server.shutdown());
    for mut stream in streams {
        stream.send(Order::new("echo")).await?;
        stream.recv().await?;
        stream.close().await?;
        assert_eq!(stream.recv().await?, None);
    }
    ending.await.map_err(Error::new)
}

async fn is_opened_while_instances_change(target: &Target, _: usize) -> Result<()> {
    let list = List::new([target.dead(), &target.address()]);
    let client = target::streams("unused:1", &Dial::default()).discover(list.clone()).build()?;
    for number in 0..TOGETHER {
        let mut stream = client.talk().await?;
        stream.send(Order::new("echo")).await?;
        match number % 2 {
            0 => list.set([target.address()]),
            _ => list.set([target.address(), target.dead().to_owned()]),
        }
        stream.recv().await?;
    }
    Ok(())
}
