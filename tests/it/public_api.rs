//! What the public API promises about itself; and [`Edge`], the service through which other modules use it.

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use thrill::net::Listen;
use thrill::net::tcp::TcpListen;
use thrill::testing::MemoryConnect;
use thrill::{
    BidiStream, BizStatusError, Bytes, Cancelled, ClientStream, Code, Context, DecodeError, EncodeError, Error, Handle,
    Metadata, Origin, Receiver, Result, Running, Sender, Server, Stage, Status, Thrift,
};
use tokio::sync::{Semaphore, mpsc};

/// What travels, both ways.
#[derive(Thrift, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    #[thrift(id = 1)]
    pub(crate) text: Option<String>,
    #[thrift(id = 2)]
    pub(crate) blob: Option<Bytes>,
    #[thrift(id = 3)]
    pub(crate) within: Option<Box<Self>>,
}

impl Note {
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// A note of so many bytes, and a few more on the wire.
    pub(crate) fn of_size(bytes: usize) -> Self {
        Self { blob: Some(vec![7; bytes].into()), ..Self::default() }
    }

    /// A note with so many notes in one another.
    pub(crate) fn nested(levels: usize) -> Self {
        (0..levels).fold(Self::default(), |within, _| Self { within: Some(Box::new(within)), ..Self::default() })
    }

    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

/// A method of each kind.
#[thrill::service(namespace = "test", rename_all = "PascalCase")]
pub(crate) trait Edge {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, cx: &Context, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn upload(&self, cx: &Context, notes: Receiver<Note>) -> Result<Note>;

    #[streaming(mode = "server")]
    async fn download(&self, cx: &Context, note: Note, notes: Sender<Note>) -> Result<()>;

    #[streaming(mode = "unary")]
    async fn ask(&self, cx: &Context, note: Note) -> Result<Note>;
}

pub(crate) type Talk = BidiStream<Note, Note>;

type Step<Args, T> = Box<dyn Fn(Desk, Context, Args) -> Pin<Box<dyn Future<Output = Result<T>> + Send>> + Send + Sync>;

/// A service whose handlers are the test's. Those that a test does not set answer what is asked: `talk` and `ask` echo,
/// `upload` says how many notes came, `download` sends as many as the note says.
pub(crate) struct Script {
    talk: Step<Talk, ()>,
    upload: Step<Receiver<Note>, Note>,
    download: Step<(Note, Sender<Note>), ()>,
    ask: Step<Note, Note>,
    desk: Desk,
    heard: mpsc::UnboundedReceiver<String>,
}

/// Where a handler and its test meet.
#[derive(Clone)]
pub(crate) struct Desk {
    said: mpsc::UnboundedSender<String>,
    gate: Arc<Semaphore>,
}

impl Desk {
    /// Says something to the test.
    pub(crate) fn say(&self, text: impl Into<String>) {
        // A test that has ended does not listen.
        let _ = self.said.send(text.into());
    }

    /// Waits until the test lets one handler go on.
    pub(crate) async fn wait(&self) {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
        }
    }
}

macro_rules! steps {
    ($($method:ident: $args:ty => $answer:ty,)*) => {
        impl Script {$(
            pub(crate) fn $method<F, Run>(mut self, step: F) -> Self
            where
                F: Fn(Desk, Context, $args) -> Run + Send + Sync + 'static,
                Run: Future<Output = Result<$answer>> + Send + 'static,
            {
                self.$method = Box::new(move |desk, cx, args| Box::pin(step(desk, cx, args)));
                self
            }
        )*}
    };
}

steps! {
    talk: Talk => (),
    upload: Receiver<Note> => Note,
    download: (Note, Sender<Note>) => (),
    ask: Note => Note,
}

impl Script {
    pub(crate) fn new() -> Self {
        let (said, heard) = mpsc::unbounded_channel();
        let desk = Desk { said, gate: Arc::new(Semaphore::new(0)) };
        Self {
            talk: Box::new(|_, _, mut stream| {
                Box::pin(async move {
                    while let Some(note) = stream.recv().await? {
                        stream.send(note).await?;
                    }
                    Ok(())
                })
            }),
            upload: Box::new(|_, _, mut notes| {
                Box::pin(async move {
                    let mut count = 0;
                    while notes.recv().await?.is_some() {
                        count += 1;
                    }
                    Ok(Note::of(count.to_string()))
                })
            }),
            download: Box::new(|_, _, (note, mut notes)| {
                Box::pin(async move {
                    for number in 0..note.text().parse().unwrap_or(0) {
                        notes.send(Note::of(number.to_string())).await?;
                    }
                    Ok(())
                })
            }),
            ask: Box::new(|_, _, note| Box::pin(async move { Ok(note) })),
            desk,
            heard,
        }
    }

    /// Serves on a port of the system's choice.
    pub(crate) async fn serve(self) -> Served {
        self.serve_with(Server::new(), "127.0.0.1:0").await
    }

    pub(crate) async fn serve_with(self, server: Server, address: &str) -> Served {
        self.serve_on(server, TcpListen::bind(address).await.unwrap())
    }

    pub(crate) fn serve_on(mut self, server: Server, listener: impl Listen) -> Served {
        let (_, nothing) = mpsc::unbounded_channel();
        let heard = std::mem::replace(&mut self.heard, nothing);
        let gate = Arc::clone(&self.desk.gate);
        let running = server.add(EdgeServer::new(self)).listen(listener).unwrap().spawn();
        Served { addr: running.local_address().to_string(), running, heard, gate }
    }

    /// Serves without a socket.
    pub(crate) fn serve_in_memory(self, server: Server) -> (Served, MemoryConnect) {
        let (listener, connector) = thrill::testing::memory();
        (self.serve_on(server, listener), connector)
    }
}

impl Edge for Script {
    async fn talk(&self, cx: &Context, stream: Talk) -> Result<()> {
        (self.talk)(self.desk.clone(), cx.clone(), stream).await
    }

    async fn upload(&self, cx: &Context, notes: Receiver<Note>) -> Result<Note> {
        (self.upload)(self.desk.clone(), cx.clone(), notes).await
    }

    async fn download(&self, cx: &Context, note: Note, notes: Sender<Note>) -> Result<()> {
        (self.download)(self.desk.clone(), cx.clone(), (note, notes)).await
    }

    async fn ask(&self, cx: &Context, note: Note) -> Result<Note> {
        (self.ask)(self.desk.clone(), cx.clone(), note).await
    }
}

/// A [`Script`] that is served.
pub(crate) struct Served {
    pub(crate) addr: String,
    pub(crate) running: Running,
    heard: mpsc::UnboundedReceiver<String>,
    gate: Arc<Semaphore>,
}

impl Served {
    /// A client with one connection.
    pub(crate) fn client(&self) -> EdgeStreamClient {
        EdgeStreamClient::builder("edge").host_ports([&self.addr]).connection_pool_size(1).build().unwrap()
    }

    /// What a handler says next.
    #[track_caller]
    pub(crate) fn heard(&mut self) -> impl Future<Output = String> {
        let next = within(self.heard.recv());
        async move { next.await.expect("no handler is left to say something") }
    }

    /// As [`Served::heard`], for what must follow at once.
    #[track_caller]
    pub(crate) fn heard_at_once(&mut self) -> impl Future<Output = String> {
        let next = at_once(self.heard.recv());
        async move { next.await.expect("no handler is left to say something") }
    }

    /// What handlers have said and no one has heard.
    pub(crate) fn unheard(&mut self) -> Option<String> {
        self.heard.try_recv().ok()
    }

    /// Lets so many handlers go on that wait.
    pub(crate) fn let_go(&self, handlers: usize) {
        self.gate.add_permits(handlers);
    }
}

/// Waits as long as any test may.
#[track_caller]
pub(crate) fn within<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    bounded(Duration::from_secs(20), Location::caller(), what)
}

/// Waits for what no timer may delay: less than the five seconds of Kitex's ticker, more than a busy machine needs.
#[track_caller]
pub(crate) fn at_once<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    bounded(Duration::from_secs(3), Location::caller(), what)
}

async fn bounded<T>(time: Duration, place: &'static Location<'static>, what: impl Future<Output = T>) -> T {
    match tokio::time::timeout(time, what).await {
        Ok(value) => value,
        Err(_) => panic!("{place}: nothing happened in {time:?}"),
    }
}

/// An error whose text has this part.
#[track_caller]
pub(crate) fn assert_error<T: std::fmt::Debug>(got: Result<T>, code: i32, part: &str) {
    let err = got.unwrap_err();
    let text = err.to_string();
    assert!(
        err.code() == Code(code) && text.contains(part),
        "got code {} and {text:?}, not {code} and {part:?}",
        err.code()
    );
}

/// An error of the kind that only a peer can cause.
async fn of_a_call(how: &str) -> Error {
    let script = Script::new().talk(|_, _, _| async move { Err(Error::new("no")) });
    let served = script.serve_with(Server::new().exit_wait_time(Duration::from_millis(1)), "127.0.0.1:0").await;
    let client = served.client();
    let ended = async {
        match how {
            "status" => client.talk().await?.recv().await.map(drop),
            "too large" => {
                let small = EdgeStreamClient::builder("edge").host_ports([&served.addr]).max_message_size(10);
                small.build()?.ask(Note::of("0123456789")).await.map(drop)
            }
            "encode" => client.ask(Note::nested(100)).await.map(drop),
            "misuse" => client.talk().metadata("TE", "x").await.map(drop),
            "deadline" => client.talk().timeout(Duration::ZERO).await.map(drop),
            _ => client.talk().host_port("127.0.0.1:1").await.map(drop),
        }
    };
    within(ended).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_an_origin_a_code_and_a_text() {
    use Origin::{Network, Remote, User};
    let rows: [(Error, Origin, i32, &str); 15] = [
        (Status::new(5, "gone").into(), Remote, 5, "rpc error: code = 5 desc = gone"),
        (Status::new(-1, "").into(), Remote, -1, "rpc error: code = -1 desc = "),
        (BizStatusError::new(404, "no").into(), Remote, 13, "biz error: code=404, msg=no"),
        (BizStatusError::new(1, "no").with_status(Status::new(9, "s")).into(), Remote, 9, "biz error: code=1, msg=no"),
        (thrill::decode::<Note>(&Bytes::new()).unwrap_err().into(), Remote, 7, "offset 0"),
        (thrill::encode(&Note::nested(65)).unwrap_err().into(), User, 13, "64 levels deep"),
        (Error::new("mine"), User, 13, "mine"),
        ("mine".into(), User, 13, "mine"),
        (std::io::Error::other("disk").into(), User, 13, "disk"),
        (of_a_call("status").await, Remote, 13, "rpc error: code = 13 desc = no [biz error]"),
        (
            of_a_call("too large").await,
            Remote,
            8,
            "(option `max_message_size`) of 22 bytes is larger than the limit of 10 bytes",
        ),
        (of_a_call("encode").await, User, 13, "64 levels deep"),
        (of_a_call("misuse").await, User, 13, "write \"te\""),
        (of_a_call("deadline").await, User, 4, "rpc error: code = 4 desc = context deadline exceeded"),
        (of_a_call("connect").await, Network, 14, "cannot connect to 127.0.0.1:1 for service \"edge\""),
    ];
    for (err, origin, code, text) in rows {
        let shown = err.to_string();
        assert_eq!((err.origin(), err.code()), (origin, Code(code)), "{shown}");
        assert!(shown.contains(text), "{shown:?} is without {text:?}");
        assert!(!shown.ends_with('.') && !format!("{err:?}").is_empty());
        assert_eq!(err.clone().to_string(), shown);
    }
    let resets: [(u32, i32, &str); 8] = [
        (0, 13, "stream terminated by RST_STREAM with error code: NO_ERROR"),
        (2, 13, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR"),
        (3, 8, "stream terminated by RST_STREAM with error code: FLOW_CONTROL_ERROR"),
        (7, 14, "stream terminated by RST_STREAM with error code: REFUSED_STREAM"),
        (8, 1, "stream terminated by RST_STREAM with error code: CANCEL"),
        (12, 7, "stream terminated by RST_STREAM with error code: INADEQUATE_SECURITY"),
        (1000, 14, "graceful shutdown"),
        (99, 2, "stream terminated by RST_STREAM with error code: unknown error code 0x63"),
    ];
    for (reset, code, text) in resets {
        let err = Error::Reset { code: reset };
        assert_eq!((err.origin(), err.code()), (Origin::Remote, Code(code)));
        assert_eq!(err.to_string(), format!("rpc error: code = {code} desc = {text}"));
    }
    let cancels = [
        (Cancelled::ByPeer { code: 8, caller: "it".into() }, Remote, 1, "error code: CANCEL [triggered by it]"),
        (Cancelled::ByPeer { code: 1000, caller: "it".into() }, Remote, 14, "desc = graceful shutdown"),
        (Cancelled::ConnectionLost { reason: "EOF".into() }, Network, 1, "desc = transport: EOF [triggered by remote"),
        (Cancelled::Shutdown, User, 14, "desc = graceful shutdown"),
        (Cancelled::HandlerReturned, User, 1, "desc = transport: canceled by business handler returning"),
        (Cancelled::Dropped { what: "it was dropped" }, User, 1, "desc = context canceled: it was dropped"),
        (Cancelled::Cascade { cause: Error::status(4, "late") }, User, 4, "code = 4 desc = late"),
    ];
    for (cancelled, origin, code, text) in cancels {
        let err = Error::Cancelled(Arc::new(cancelled));
        let shown = err.to_string();
        assert_eq!((err.origin(), err.code()), (origin, Code(code)), "{shown}");
        assert!(shown.starts_with("rpc error: code = ") && shown.contains(text), "{shown:?} is without {text:?}");
    }
}

#[test]
fn a_handlers_own_error_keeps_its_source() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let err = Error::new(Outer(std::io::Error::other("inner")));
    assert_eq!(std::error::Error::source(&err).unwrap().to_string(), "inner");
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(err.clone());
    assert_eq!(boxed.to_string(), "outer");
    let Error::Handler(inner) = err else { panic!("{err:?}") };
    assert!(inner.downcast_ref::<Outer>().is_some());
}

#[tokio::test]
async fn what_is_shown_for_debugging_keeps_values_to_itself() {
    const SECRET: &str = "s3cret";
    let script = Script::new().talk(|desk, cx, stream| async move {
        cx.set_header("x-token", SECRET)?;
        let shown = format!("{cx:?} {stream:?}");
        desk.say(format!("{shown} {:?}", stream.split()));
        Ok(())
    });
    let (mut served, connector) = script.serve_in_memory(Server::new());
    let builder = EdgeStreamClient::builder("edge").host_ports(["memory"]).connector(connector);
    let mut shown = vec![format!("{builder:?}")];
    let client = builder.build().unwrap();
    let call = || client.talk().metadata("x-token", SECRET).persistent("TOKEN", SECRET).transient("TOKEN", SECRET);
    shown.push(format!("{client:?} {:?}", call()));
    shown.push(format!("{:?}", client.ask(Note::of(SECRET)).metadata("x-token", SECRET)));
    let stream = call().await.unwrap();
    shown.push(served.heard().await);
    shown.push(format!("{stream:?} {:?} {:?}", client.upload().await.unwrap(), served.running));
    let server = Server::new().add(EdgeServer::new(Script::new()));
    shown.push(format!("{server:?}"));
    let bound = server.listen(thrill::testing::memory().0).unwrap();
    shown.push(format!("{bound:?} {:?}", bound.handle()));
    for text in shown {
        assert!(!text.is_empty() && !text.contains(SECRET), "{text}");
    }
}

fn is_error<T: std::error::Error + Clone + Send + Sync + 'static>() {}
fn is_shared<T: Clone + Send + Sync + 'static>() {}
fn is_sent<T: Send + 'static>() {}
fn is_sent_as<T: Send>(_: T) {}

/// Never run: it compiles.
#[allow(dead_code, reason = "it only has to compile")]
async fn futures_are_sent_between_threads(
    client: EdgeStreamClient,
    mut stream: Talk,
    mut upload: ClientStream<Note, Note>,
    cx: Context,
    running: Running,
) {
    is_sent_as(client.talk().into_future());
    is_sent_as(client.upload().into_future());
    is_sent_as(client.download(Note::default()).into_future());
    is_sent_as(client.ask(Note::default()).into_future());
    is_sent_as(client.ask(Note::default()).with_metadata());
    is_sent_as(stream.send(Note::default()));
    is_sent_as(stream.close());
    is_sent_as(stream.recv());
    is_sent_as(stream.header());
    let (mut sender, mut receiver) = stream.split();
    is_sent_as(sender.send(Note::default()));
    is_sent_as(sender.flush());
    is_sent_as(receiver.recv());
    is_sent_as(upload.send(Note::default()));
    is_sent_as(upload.close_and_recv());
    is_sent_as(cx.cancelled());
    is_sent_as(Server::new().serve("127.0.0.1:0"));
    is_sent_as(Server::new().bind("127.0.0.1:0"));
    is_sent_as(running.shutdown());
}

#[test]
fn types_may_be_shared_and_sent() {
    is_error::<Error>();
    is_error::<Status>();
    is_error::<BizStatusError>();
    is_error::<DecodeError>();
    is_error::<EncodeError>();
    is_shared::<EdgeStreamClient>();
    is_shared::<Context>();
    is_shared::<Metadata>();
    is_shared::<Handle>();
    is_shared::<(Code, Origin, Stage, Cancelled)>();
    is_sent::<(Talk, ClientStream<Note, Note>, Sender<Note>, Receiver<Note>)>();
    is_sent::<(Server, thrill::Bound, Running)>();
    assert!(size_of::<Error>() <= 48, "an error is {} bytes wide", size_of::<Error>());
}
