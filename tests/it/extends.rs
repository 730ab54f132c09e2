//! A service that extends another: the base's methods are there on its server, its clients and its schema, under its name.

use std::sync::Arc;

use thrill::schema::Service;
use thrill::{BidiStream, Context, Error, Result, Running, Sender, Server, StreamClientBuilder, Thrift, Transport};
use thrill_tests::contract::CounterServer;
use thrill_tests::{cases, handler, peer};

use self::animals::{Animal, AnimalServer, Feed, FeedError};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub(crate) struct Sound {
    #[thrift(id = 1)]
    text: Option<String>,
}

pub(crate) mod animals {
    use super::Sound;
    use thrill::{BidiStream, Context, Result, Thrift};

    #[derive(Thrift, Clone, Debug, PartialEq)]
    #[thrift(exception)]
    pub(crate) struct Full {}

    pub(crate) type Feed = i32;

    #[thrill::service(namespace = "zoo", rename_all = "camelCase")]
    pub(crate) trait Animal {
        /// Eats.
        #[throws(1 => Full)]
        async fn eat_up(&self, cx: &Context, grams: Feed) -> Result<Feed, FeedError>;

        #[streaming(mode = "bidirectional")]
        async fn talk(&self, cx: &Context, stream: BidiStream<Sound, Sound>) -> Result<()>;

        #[streaming(mode = "unary")]
        async fn name(&self, req: Sound) -> Result<Sound>;
    }
}

mod dogs {
    use super::{Sound, animals};
    use thrill::{Result, Sender};

    /// The base by its path, among supertraits that are no services.
    #[thrill::service(namespace = "go.kennel.Dogs")]
    pub(crate) trait Dog: animals::Animal + std::fmt::Debug + Send + Sync + 'static {
        async fn fetch(&self, what: String) -> Result<String>;

        #[streaming(mode = "server")]
        async fn bark(&self, req: Sound, responses: Sender<Sound>) -> Result<()>;
    }
}

use dogs::*;

/// Three levels, the base by its name, and nothing of its own but what conditions take away.
#[thrill::service(namespace = "poodles")]
trait Poodle: Dog {
    #[cfg(any())]
    async fn gone(&self) -> Result<()>;

    #[cfg(not(any()))]
    async fn curl(&self) -> Result<bool>;
}

#[derive(Debug, Default)]
struct Rex;

impl Animal for Rex {
    async fn eat_up(&self, cx: &Context, grams: Feed) -> Result<Feed, FeedError> {
        match grams {
            1000.. => Err(animals::Full {}.into()),
            // The name of the service that was called.
            0 => Err(Error::new(format!("{}.{} of nothing", cx.service(), cx.method())).into()),
            _ => Ok(grams / 2),
        }
    }

    async fn talk(&self, cx: &Context, mut stream: BidiStream<Sound, Sound>) -> Result<()> {
        stream.send(sound(&format!("{}.{}", cx.service(), cx.method()))).await?;
        while let Some(heard) = stream.recv().await? {
            stream.send(heard).await?;
        }
        Ok(())
    }

    async fn name(&self, _req: Sound) -> Result<Sound> {
        Ok(sound("Rex"))
    }
}

impl Dog for Rex {
    async fn fetch(&self, what: String) -> Result<String> {
        Ok(what)
    }

    async fn bark(&self, req: Sound, mut responses: Sender<Sound>) -> Result<()> {
        responses.send(req).await
    }
}

impl Poodle for Rex {
    async fn curl(&self) -> Result<bool> {
        Ok(true)
    }
}

async fn serve(server: Server) -> (Running, String) {
    let running = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = running.local_address().to_string();
    (running, addr)
}

const TRANSPORTS: [Transport; 5] =
    [Transport::Buffered, Transport::Framed, Transport::TtHeader, Transport::TtHeaderFramed, Transport::Http2];

#[tokio::test]
async fn ping_pong_methods_of_every_level_are_called_over_every_transport() {
    let (server, addr) = serve(Server::new().add(PoodleServer::new(Rex))).await;
    for transport in TRANSPORTS {
        let client = PoodleClient::builder("poodles").host_ports([addr.as_str()]).transport(transport).build().unwrap();
        assert!(client.curl().await.unwrap(), "{transport:?}");
        assert_eq!(client.fetch("stick".to_owned()).await.unwrap(), "stick", "{transport:?}");
        assert_eq!(client.eat_up(10).await.unwrap(), 5, "{transport:?}");
        let full = client.eat_up(1000).await;
        assert!(matches!(full, Err(FeedError::Full(animals::Full {}))), "{transport:?}: {full:?}");
        // The call was one of the derived service.
        let err = client.eat_up(0).await.unwrap_err().to_string();
        assert!(err.contains("Poodle.eatUp of nothing"), "{transport:?}: {err}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn streaming_methods_of_every_level_are_called_under_the_derived_service() {
    let (server, addr) = serve(Server::new().add(PoodleServer::new(Rex))).await;
    let poodle: PoodleStreamClient = stream_client(PoodleStreamClient::builder("poodles"), &addr);
    let mut talk = poodle.talk().await.unwrap();
    assert_eq!(talk.recv().await.unwrap(), Some(sound("Poodle.talk")));
    talk.send(sound("wuff")).await.unwrap();
    talk.close().await.unwrap();
    assert_eq!(talk.recv().await.unwrap(), Some(sound("wuff")));
    assert_eq!(talk.recv().await.unwrap(), None);
    let mut bark = poodle.bark(sound("arf")).await.unwrap();
    assert_eq!(bark.recv().await.unwrap(), Some(sound("arf")));
    assert_eq!(poodle.name(Sound::default()).await.unwrap(), sound("Rex"));
    // The base's own clients call the base, which this server does not have.
    let animal: animals::AnimalStreamClient = stream_client(animals::AnimalStreamClient::builder("zoo"), &addr);
    let err = animal.name(Sound::default()).await.unwrap_err().to_string();
    assert!(err.contains("unknown service Animal"), "{err}");
    server.shutdown().await;
}

fn stream_client<C>(builder: StreamClientBuilder<C>, addr: &str) -> C
where
    C: thrill::private::FromChannel<Channel = thrill::private::StreamChannel>,
{
    builder.host_ports([addr]).build().unwrap()
}

#[tokio::test]
async fn a_service_and_its_base_are_served_side_by_side() {
    let rex = Arc::new(Rex);
    let server =
        Server::new().add_fallback(AnimalServer::from_arc(Arc::clone(&rex))).add(DogServer::from_arc(Arc::clone(&rex)));
    let (server, addr) = serve(server).await;
    let animal = animals::AnimalClient::builder("zoo").host_ports([addr.as_str()]).transport(Transport::TtHeader);
    let err = animal.build().unwrap().eat_up(0).await.unwrap_err().to_string();
    assert!(err.contains("Animal.eatUp of nothing"), "{err}");
    let dog = DogClient::builder("dogs").host_ports([addr.as_str()]).transport(Transport::TtHeader);
    let err = dog.build().unwrap().eat_up(0).await.unwrap_err().to_string();
    assert!(err.contains("Dog.eatUp of nothing"), "{err}");
    server.shutdown().await;
}

#[test]
fn the_schema_has_its_own_methods_and_behind_them_the_inherited_ones() {
    let poodle: &Service = thrill::Service::schema(&PoodleServer::new(Rex));
    let methods: Vec<_> = poodle.methods.iter().map(|it| (it.service, it.name, it.path)).collect();
    let want = [
        ("Poodle", "curl", "/poodles.Poodle/curl"),
        ("Poodle", "fetch", "/poodles.Poodle/fetch"),
        ("Poodle", "bark", "/poodles.Poodle/bark"),
        ("Poodle", "eatUp", "/poodles.Poodle/eatUp"),
        ("Poodle", "talk", "/poodles.Poodle/talk"),
        ("Poodle", "name", "/poodles.Poodle/name"),
    ];
    assert_eq!(methods, want);
    let own = |service: &Service| service.own_methods().iter().map(|it| it.name).collect::<Vec<_>>();
    assert_eq!(own(poodle), ["curl"]);
    let dog = poodle.extends.expect("a base");
    assert_eq!((dog.name, own(dog)), ("Dog", vec!["fetch", "bark"]));
    assert_eq!(dog.methods[2].path, "/dogs.Dog/eatUp");
    let animal = dog.extends.expect("a base");
    assert_eq!((animal.name, own(animal)), ("Animal", vec!["eatUp", "talk", "name"]));
    assert!(animal.extends.is_none());
    // What a method says of itself is inherited as it is.
    assert_eq!((poodle.methods[3].docs, poodle.methods[3].throws.len()), ("Eats.", 1));
}

/// Bases without methods for one of the clients, or for any, and a service that adds nothing.
mod sparse {
    use thrill::Result;

    #[thrill::service]
    pub(super) trait Nothing {}

    #[thrill::service]
    pub(super) trait Less: Nothing {}

    #[thrill::service(namespace = "sparse")]
    pub(super) trait Little: Less {
        async fn ping(&self) -> Result<()>;
    }

    #[thrill::service(extends = Little)]
    pub(super) trait Same: Marked + Little {}

    /// No service.
    pub(super) trait Marked {}
}

struct Sparse;

impl sparse::Nothing for Sparse {}
impl sparse::Less for Sparse {}
impl sparse::Little for Sparse {
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}
impl sparse::Marked for Sparse {}
impl sparse::Same for Sparse {}

#[tokio::test]
async fn a_base_and_a_service_may_have_no_methods() {
    let (server, addr) = serve(Server::new().add(sparse::SameServer::new(Sparse))).await;
    let client = sparse::SameClient::builder("same").host_ports([addr]).build().unwrap();
    client.ping().await.unwrap();
    let same = thrill::Service::schema(&sparse::SameServer::new(Sparse));
    assert_eq!((same.methods.len(), same.methods[0].path), (1, "/Same/ping"));
    assert!(same.own_methods().is_empty());
    server.shutdown().await;
}

/// No prelude, `thrill` under another name, the base under another name, and names that generated code might use.
mod elsewhere {
    mod deps {
        pub(crate) use super::super::animals as base;
        pub(crate) use ::thrill as renamed;
    }

    #[allow(dead_code, reason = "it only has to compile")]
    pub(super) mod bare {
        #![no_implicit_prelude]

        use super::deps::renamed;

        pub(crate) struct Option;
        pub(crate) const BASE: i8 = 0;
        pub(crate) const METHODS: i8 = 0;

        #[renamed::service(crate = super::deps::renamed)]
        pub(crate) trait Cat: super::deps::base::Animal + ::core::fmt::Debug {
            async fn purr(&self, own: i8, base: i8, channel: i8) -> renamed::Result<i8>;
        }
    }
}

impl elsewhere::bare::Cat for Rex {
    async fn purr(&self, own: i8, base: i8, channel: i8) -> Result<i8> {
        Ok(own + base + channel)
    }
}

#[tokio::test]
async fn generated_code_meets_no_names_of_its_user() {
    let (server, addr) = serve(Server::new().add(elsewhere::bare::CatServer::new(Rex))).await;
    let client = elsewhere::bare::CatClient::builder("cats").host_ports([addr]).build().unwrap();
    assert_eq!(client.purr(1, 2, 3).await.unwrap(), 6);
    assert_eq!(client.clone().eat_up(4).await.unwrap(), 2);
    assert!(format!("{client:?}").starts_with("CatClient("), "{client:?}");
    server.shutdown().await;
}

/// The echo contract by inheritance, from another crate: on the wire it cannot be told from the contract itself.
#[thrill::service(namespace = "echo", name = "TestService")]
trait Inherited: thrill_tests::contract::TestService {
    /// A method that no one else knows.
    async fn extra(&self) -> Result<i64>;
}

struct Derived(handler::Handler);

mod delegated {
    use super::{Derived, Inherited};
    use thrill::{BidiStream, Context, Receiver, Result, Sender};
    use thrill_tests::contract::*;

    impl TestService for Derived {
        async fn echo(&self, cx: &Context, stream: BidiStream<Request, Response>) -> Result<()> {
            self.0.echo(cx, stream).await
        }
        async fn echo_client(&self, cx: &Context, requests: Receiver<Request>) -> Result<Response> {
            self.0.echo_client(cx, requests).await
        }
        async fn echo_server(&self, cx: &Context, req: Request, responses: Sender<Response>) -> Result<()> {
            self.0.echo_server(cx, req, responses).await
        }
        async fn echo_unary(&self, cx: &Context, req: Request) -> Result<Response> {
            self.0.echo_unary(cx, req).await
        }
        async fn echo_ping_pong(&self, cx: &Context, req: Request) -> Result<Response> {
            self.0.echo_ping_pong(cx, req).await
        }
        async fn echo_everything(&self, cx: &Context, stream: BidiStream<Everything, Everything>) -> Result<()> {
            self.0.echo_everything(cx, stream).await
        }
        async fn everything_ping_pong(
            &self,
            cx: &Context,
            value: Everything,
        ) -> Result<Everything, EverythingPingPongError> {
            self.0.everything_ping_pong(cx, value).await
        }
        async fn add(&self, cx: &Context, a: i64, b: i64) -> Result<i64, AddError> {
            self.0.add(cx, a, b).await
        }
        async fn nothing(&self, cx: &Context) -> Result<()> {
            self.0.nothing(cx).await
        }
        async fn notify(&self, cx: &Context, what: String) -> Result<()> {
            self.0.notify(cx, what).await
        }
    }

    impl Inherited for Derived {
        async fn extra(&self) -> Result<i64> {
            Ok(7)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kitex_client_passes_its_cases_against_a_service_that_inherits_its_methods() {
    let Some(kitex) = peer::kitex_peer("the Kitex client's cases against inherited methods") else { return };
    let derived = InheritedServer::new(Derived(handler::Handler::default()));
    let (server, addr) = serve(Server::new().add(derived).add(CounterServer::new(handler::Handler::default()))).await;
    let groups = "grpc,buffered,framed,ttheader,ttheaderframed,mux,multi";
    let client = tokio::process::Command::new(kitex).args(["client", "-addr", &addr, "-run", groups]).output();
    let output = client.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the Kitex client failed cases: {said}");
    assert_eq!(cases::run(&addr, groups).await, 0, "cases failed; see the output");
    let client = InheritedClient::builder("echo").host_ports([addr]).build().unwrap();
    assert_eq!(client.extra().await.unwrap(), 7);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_calls_inherited_methods_of_the_kitex_server() {
    let Some(kitex) = peer::kitex_peer("inherited methods of the Kitex server") else { return };
    let server = peer::PeerServer::start(&kitex, &["server"]).await.unwrap();
    for transport in TRANSPORTS {
        let builder = InheritedClient::builder("kitex-peer").host_ports([server.addr.as_str()]);
        let client = builder.transport(transport).build().unwrap();
        assert_eq!(client.add(40, 2).await.unwrap(), 42, "{transport:?}");
    }
    let client: InheritedStreamClient = stream_client(InheritedStreamClient::builder("kitex-peer"), &server.addr);
    let mut echo = client.echo().await.unwrap();
    let hello = thrill_tests::contract::Request { message: Some("hello".to_owned()) };
    echo.send(hello).await.unwrap();
    assert_eq!(echo.recv().await.unwrap().unwrap().message.as_deref(), Some("hello"));
}

fn sound(text: &str) -> Sound {
    Sound { text: Some(text.to_owned()) }
}
