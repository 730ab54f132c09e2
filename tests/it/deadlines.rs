//! Deadlines, and contexts that pass them on with cancellation and metainfo.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use thrill::net::{BoxIo, Connect};
use thrill::{Cancelled, Code, Context, Error, Result, Server, Stage};
use tokio::net::TcpListener;

use crate::connections::Proxy;
use crate::public_api::{EdgeStreamClient, Note, Script, Served, assert_error, at_once, within};

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

/// What Kitex's clients and handlers see.
const EXCEEDED: &str = "rpc error: code = 4 desc = context deadline exceeded";

/// Dials nothing, and never says so.
#[derive(Debug)]
pub(crate) struct NeverConnects;

impl Connect for NeverConnects {
    fn connect<'this, 'address, 'call>(
        &'this self,
        _: &'address str,
    ) -> Pin<Box<dyn Future<Output = io::Result<BoxIo>> + Send + 'call>>
    where
        'this: 'call,
        'address: 'call,
    {
        Box::pin(std::future::pending())
    }
}

/// Handlers that wait in the way that the first note says, and tell what woke them.
fn waiting() -> Script {
    Script::new()
        .talk(|desk, cx, mut stream| async move {
            let note = stream.recv().await?.unwrap_or_default();
            desk.say("waiting");
            let err = match note.text() {
                "recv" => stream.recv().await.unwrap_err(),
                "send" => loop {
                    if let Err(err) = stream.send(Note::of_size(64 << 10)).await {
                        break err;
                    }
                },
                _ => cx.cancelled().await,
            };
            desk.say(err.to_string());
            Err(err)
        })
        .upload(|_, cx, _| async move { Err(cx.cancelled().await) })
        .download(|_, cx, _| async move { Err(cx.cancelled().await) })
        .ask(|_, cx, _| async move { Err(cx.cancelled().await) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_any_kind_ends_at_its_deadline_with_code_4() {
    let served = waiting().serve().await;
    let client = served.client();
    for kind in ["talk", "upload", "download", "unary"] {
        let began = Instant::now();
        let ended = async {
            match kind {
                "talk" => client.talk().timeout(SOON).await?.recv().await.map(drop),
                "upload" => client.upload().timeout(SOON).await?.close_and_recv().await.map(drop),
                "download" => client.download(Note::default()).timeout(SOON).await?.recv().await.map(drop),
                _ => client.ask(Note::default()).deadline(began + SOON).await.map(drop),
            }
        };
        let err = at_once(ended).await.unwrap_err();
        assert!(began.elapsed() >= SOON, "{kind} ended early, after {:?}", began.elapsed());
        // The handler's answer may be as quick as the own timer.
        assert_eq!(err.code(), Code::DEADLINE_EXCEEDED, "{kind}: {err}");
        assert!(err.to_string().starts_with(EXCEEDED), "{kind}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_reaches_a_handler_by_itself_whatever_it_waits_for() {
    let mut served = waiting().serve().await;
    for waits in ["recv", "send", "nothing"] {
        let proxy = Proxy::to(&served.addr).await;
        let mut stream = proxy.client().talk().timeout(SOON).await.unwrap();
        stream.send(Note::of(waits)).await.unwrap();
        assert_eq!(served.heard().await, "waiting");
        // The caller's reset does not come through: the handler's own timer must do it.
        proxy.go_silent();
        let heard = served.heard_at_once().await;
        assert!(heard.starts_with(EXCEEDED), "{waits}: {heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_passes_while_nobody_is_in_a_call() {
    let mut served = waiting().serve().await;
    let mut stream = served.client().talk().timeout(SOON).await.unwrap();
    stream.send(Note::of("nothing")).await.unwrap();
    assert_eq!(served.heard().await, "waiting");
    // Both sides know before anyone asks: the handler is cancelled, and the caller's next call fails without waiting.
    served.heard_at_once().await;
    let ended = at_once(async {
        while stream.send(Note::default()).await.is_ok() {
            tokio::task::yield_now().await
        }
    });
    ended.await;
    assert_error(stream.send(Note::default()).await, 4, EXCEEDED);
    for _ in 0..2 {
        assert_error(at_once(stream.recv()).await, 4, EXCEEDED);
    }
    assert!(stream.end().unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_wakes_a_caller_whose_send_waits_for_room() {
    let mut served = waiting().serve().await;
    let (mut sender, mut receiver) = served.client().talk().timeout(SOON).await.unwrap().split();
    sender.send(Note::of("nothing")).await.unwrap();
    assert_eq!(served.heard().await, "waiting");
    let full = at_once(async {
        loop {
            if let Err(err) = sender.send(Note::of_size(64 << 10)).await {
                break err;
            }
        }
    });
    assert_error::<()>(Err(full.await), 4, EXCEEDED);
    assert_error(at_once(receiver.recv()).await, 4, EXCEEDED);
}

#[tokio::test]
async fn a_deadline_that_has_passed_opens_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let client = EdgeStreamClient::builder("edge").host_ports([addr]).build().unwrap();
    let past = Instant::now();
    assert_error(within(client.talk().timeout(Duration::ZERO).into_future()).await, 4, EXCEEDED);
    assert_error(within(client.talk().deadline(past).into_future()).await, 4, EXCEEDED);
    assert_error(within(client.ask(Note::default()).deadline(past).into_future()).await, 4, EXCEEDED);
    assert!(listener.accept().now_or_never().is_none(), "a connection was made for nothing");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_covers_the_making_of_a_connection() {
    let client = EdgeStreamClient::builder("edge").host_ports(["nowhere:1"]).connector(NeverConnects);
    let client = client.connect_timeout(LONG).build().unwrap();
    let began = tokio::time::Instant::now();
    let err = client.talk().timeout(SOON).await.unwrap_err();
    // The timer counts in milliseconds.
    assert!((SOON..=SOON + Duration::from_millis(2)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(matches!(err, Error::DeadlineExceeded { during: Stage::Connect, after, .. } if after == SOON), "{err:?}");
    assert_eq!(err.to_string(), format!("{EXCEEDED} (after 200ms, during connect, peer nowhere:1)"));
}

#[tokio::test(start_paused = true)]
async fn deadlines_follow_the_clock_of_a_users_test() {
    let (mut served, connector) = waiting().serve_in_memory(Server::new());
    let client = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector).build().unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let began = tokio::time::Instant::now();
    let mut stream = client.talk().timeout(LONG).await.unwrap();
    stream.send(Note::of("nothing")).await.unwrap();
    let ended = tokio::time::timeout(2 * LONG, stream.recv()).await;
    assert_error(ended.expect("the deadline did not pass"), 4, EXCEEDED);
    assert!((LONG..=LONG + Duration::from_millis(2)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(served.heard().await, "waiting");
    assert!(served.heard().await.starts_with(EXCEEDED));
}

#[tokio::test]
async fn a_server_that_never_speaks_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let client = EdgeStreamClient::builder("edge").host_ports([addr]).build().unwrap();
    let mut stream = client.talk().timeout(SOON).await.unwrap();
    stream.send(Note::default()).await.unwrap();
    assert_error(at_once(stream.recv()).await, 4, EXCEEDED);
    assert_error(at_once(client.ask(Note::default()).timeout(SOON).into_future()).await, 4, EXCEEDED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_earliest_of_what_was_said_is_the_deadline() {
    let script = Script::new().ask(|_, cx, _| async move {
        let left = cx.deadline().map(|at| at.saturating_duration_since(Instant::now()).as_secs());
        Ok(Note::of(left.map_or("none".to_owned(), |left| left.to_string())))
    });
    let served = script.serve().await;
    let builder = || EdgeStreamClient::builder("edge").host_ports([&served.addr]);
    let (plain, limited) = (builder().build().unwrap(), builder().timeout(LONG).build().unwrap());
    let at = |seconds| Instant::now() + Duration::from_secs(seconds);
    let for_ = Duration::from_secs;
    let ask = || plain.ask(Note::default());
    let rows = [
        (ask(), None),
        (ask().timeout(for_(100)), Some(100)),
        (ask().deadline(at(200)), Some(200)),
        (ask().timeout(for_(100)).deadline(at(200)), Some(100)),
        (ask().timeout(for_(300)).deadline(at(200)), Some(200)),
        // Beyond what eight digits of nanoseconds, and of microseconds, can say.
        (ask().timeout(for_(40 * 3600)), Some(40 * 3600)),
        // The client's default, and a call that says otherwise.
        (limited.ask(Note::default()), Some(60)),
        (limited.ask(Note::default()).timeout(for_(100)), Some(100)),
    ];
    for (call, want) in rows {
        let text = format!("{call:?}");
        let got = within(call.into_future()).await.unwrap();
        let Some(want) = want else {
            assert_eq!(got.text(), "none");
            continue;
        };
        let left = got.text().parse::<u64>().unwrap();
        assert!((want - 20..=want).contains(&left), "{left} s are left of {want}: {text}");
    }
}

/// A server whose handlers call `behind` with their own contexts.
async fn before(behind: EdgeStreamClient) -> Served {
    let kept = Arc::new(Mutex::new(Vec::new()));
    Script::new()
        .ask(move |desk, cx, note| {
            let behind = behind.clone();
            let kept = Arc::clone(&kept);
            async move {
                match note.text() {
                    // Leaves a stream open, for what happens to it when this handler returns.
                    "keep" => {
                        let mut stream = behind.talk().context(&cx).await?;
                        stream.send(Note::of("nothing")).await?;
                        kept.lock().unwrap().push(stream);
                        desk.wait().await;
                        Ok(note)
                    }
                    _ => behind.ask(note).context(&cx).transient("HOP", "2").await,
                }
            }
        })
        .talk(|_, _, _| async move { Ok(()) })
        .serve()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_passes_the_deadline_and_persistent_metainfo_on() {
    let behind = Script::new().ask(|desk, cx, note| async move {
        let left = cx.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        desk.say(format!("{:?} {}", cx.metainfo(), left.is_some_and(|left| left <= LONG && left > LONG / 2)));
        Ok(note)
    });
    let mut behind = behind.serve().await;
    let front = before(behind.client()).await;
    let call = front.client().ask(Note::of("q")).timeout(LONG).persistent("TENANT", "p").transient("TRACE", "t");
    assert_eq!(within(call.into_future()).await.unwrap(), Note::of("q"));
    assert_eq!(behind.heard().await, r#"Metainfo { transient: {"HOP": "2"}, persistent: {"TENANT": "p"} } true"#);
}

/// A call of `front`, given up once a handler of `behind` waits for it.
async fn give_up(front: &Served, behind: &mut Served) {
    let client = front.client();
    tokio::select! {
        answer = client.ask(Note::of("q")) => panic!("nothing answers, but {answer:?}"),
        text = behind.heard() => assert_eq!(text, "waiting"),
    }
}

/// A server that waits for what happens to the calls that it gets.
fn end_of_the_chain() -> Script {
    waiting().ask(|desk, cx, _| async move {
        desk.say("waiting");
        let err = cx.cancelled().await;
        desk.say(err.to_string());
        Err(err)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_goes_down_the_chain_at_once() {
    let mut behind = end_of_the_chain().serve().await;
    let front = before(behind.client()).await;
    give_up(&front, &mut behind).await;
    let heard = behind.heard_at_once().await;
    assert!(heard.contains("code = 1 desc = transport: RSTStream Frame received with error code: CANCEL"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_goes_down_the_chain() {
    let mut behind = end_of_the_chain().serve().await;
    let front = before(behind.client()).await;
    let client = front.client();
    assert_error(at_once(client.ask(Note::of("q")).timeout(SOON).into_future()).await, 4, EXCEEDED);
    assert_eq!(behind.heard().await, "waiting");
    behind.heard_at_once().await;
}

/// Why the call was cancelled that this one was made in.
#[track_caller]
fn cascaded(err: &Error) -> &Error {
    match err {
        Error::Cancelled(cancelled) => match &**cancelled {
            Cancelled::Cascade { cause } => cause,
            other => panic!("no cascade: {other:?}"),
        },
        other => panic!("not cancelled: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_shutdown_goes_down_the_chain_as_what_it_is() {
    let mut behind = end_of_the_chain().serve().await;
    let (seen, mut causes) = tokio::sync::mpsc::unbounded_channel();
    let client = behind.client();
    let front = Script::new().ask(move |_, cx, note| {
        let (client, seen) = (client.clone(), seen.clone());
        async move {
            let err = client.ask(note).context(&cx).await.unwrap_err();
            let cause = cx.cancelled().await;
            seen.send((err.clone(), cause)).map_err(|_| Error::new("the test has ended"))?;
            Err(err)
        }
    });
    let front = front.serve_with(Server::new().exit_wait_time(SOON), "127.0.0.1:0").await;
    let calling = tokio::spawn(front.client().ask(Note::default()).into_future());
    assert_eq!(behind.heard().await, "waiting");
    within(front.running.shutdown()).await;
    assert_error(within(calling).await.unwrap(), 14, "graceful shutdown");
    let (err, cause) = within(causes.recv()).await.unwrap();
    assert!(matches!(&cause, Error::Cancelled(cause) if **cause == Cancelled::Shutdown), "{cause:?}");
    assert!(matches!(cascaded(&err), Error::Cancelled(cause) if **cause == Cancelled::Shutdown), "{err:?}");
    assert_eq!(err.to_string(), "rpc error: code = 14 desc = graceful shutdown");
    assert_eq!(behind.heard_at_once().await, "rpc error: code = 14 desc = graceful shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handlers_return_ends_the_calls_that_it_left_open() {
    let mut behind = waiting().serve().await;
    let front = before(behind.client()).await;
    let calling = tokio::spawn(front.client().ask(Note::of("keep")).into_future());
    assert_eq!(behind.heard().await, "waiting");
    front.let_go(1);
    assert_eq!(within(calling).await.unwrap().unwrap(), Note::of("keep"));
    let heard = behind.heard_at_once().await;
    assert!(heard.contains("error code: CANCEL"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_a_cancelled_context_ends_with_its_cause() {
    let behind = waiting().serve().await;
    let (seen, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let client = behind.client();
    let front = Script::new().talk(move |desk, cx, _| {
        let (client, seen) = (client.clone(), seen.clone());
        async move {
            desk.say("running");
            let cause = cx.cancelled().await;
            let talk = async { client.talk().context(&cx).await?.recv().await.map(drop) };
            let download = async { client.download(Note::default()).context(&cx).await?.recv().await.map(drop) };
            let upload = async { client.upload().context(&cx).await?.close_and_recv().await.map(drop) };
            let errors = [
                talk.await.unwrap_err(),
                upload.await.unwrap_err(),
                download.await.unwrap_err(),
                client.ask(Note::default()).context(&cx).await.unwrap_err(),
            ];
            seen.send((cause, errors)).map_err(|_| Error::new("the test has ended"))
        }
    });
    let mut front = front.serve().await;
    let stream = front.client().talk().await.unwrap();
    assert_eq!(front.heard().await, "running");
    drop(stream);
    let (cause, errors) = within(errors.recv()).await.unwrap();
    for err in errors {
        assert_eq!((err.code(), err.to_string()), (cause.code(), cause.to_string()));
        let by_peer =
            matches!(cascaded(&err), Error::Cancelled(cause) if matches!(&**cause, Cancelled::ByPeer { code: 8, .. }));
        assert!(by_peer && std::error::Error::source(&err).is_some(), "{err:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_outlives_its_call_stays_cancelled() {
    let (seen, mut contexts) = tokio::sync::mpsc::unbounded_channel::<Context>();
    let script = Script::new().ask(move |_, cx, note| {
        let seen = seen.clone();
        async move {
            assert!(!cx.is_cancelled());
            cx.insert(7_u32);
            seen.send(cx).map_err(|_| Error::new("the test has ended"))?;
            Ok(note)
        }
    });
    let served = script.serve().await;
    let result: Result<Note> = within(served.client().ask(Note::of("q")).into_future()).await;
    assert_eq!(result.unwrap(), Note::of("q"));
    let cx = within(contexts.recv()).await.unwrap();
    let text = "rpc error: code = 1 desc = transport: canceled by business handler returning";
    assert_eq!(within(cx.cancelled()).await.to_string(), text);
    assert_eq!(cx.cancel_cause().unwrap().to_string(), text);
    assert_eq!((cx.service(), cx.method(), cx.extension::<u32>()), ("Edge", "Ask", Some(7)));
    assert!(cx.set_trailer("x-late", "1").is_err());
}
