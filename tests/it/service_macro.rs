//! `#[thrill::service]`: the schema it writes, the names it meets, and that every method reaches its handler.

#![allow(
    clippy::non_minimal_cfg,
    clippy::wrong_self_convention,
    clippy::redundant_clone,
    reason = "what the macro must cope with"
)]

use std::error::Error as _;

use thrill::schema::{Mode, Requiredness, Service, StructKind, Type};
use thrill::{BidiStream, Context, Error, Receiver, Result, Sender, Server, Thrift};

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
pub(crate) struct Note {
    #[thrift(id = 1)]
    text: Option<String>,
}

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
#[thrift(exception)]
pub(crate) struct Lost {
    #[thrift(id = 1, required)]
    what: String,
}

mod other {
    #[derive(thrill::Thrift, Clone, Debug, Default, PartialEq)]
    #[thrift(exception)]
    pub(crate) struct VeryBusy {}
}

/// Keeps notes.
///
/// For a while.
#[thrill::service(namespace = "go.My.Notes", rename_all = "camelCase", name = "NoteService")]
pub(crate) trait Notes {
    /// Talks.
    #[streaming(mode = "bidirectional")]
    async fn talk_back(&self, stream: BidiStream<Note, Note>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn join(&self, requests: Receiver<Note>) -> Result<Note>;

    #[streaming(mode = "server")]
    #[method(name = "Repeat")]
    async fn repeat(&self, #[thrift(id = 3, rename = "request")] req: Note, responses: Sender<Note>) -> Result<()>;

    #[streaming(mode = "unary")]
    #[throws(1 => Lost, 2 => other::VeryBusy)]
    async fn find(&self, cx: &Context, req: Note) -> Result<Note, FindError>;

    #[streaming(mode = "unary")]
    async fn forget(&self, req: Note) -> Result<()>;

    #[throws(1 => Lost, 2 => other::VeryBusy)]
    async fn add(
        &self,
        cx: &Context,
        /// The first.
        #[thrift(required)]
        a: i64,
        #[thrift(id = 7)] b: Option<i64>,
        #[thrift(default = 1 + 1)] c: i32,
    ) -> Result<Vec<i64>, FindError>;

    async fn nothing(&self) -> Result<()>;

    #[oneway]
    async fn notify(&self, r#type: String) -> Result<()>;
}

struct Keeper;

impl Notes for Keeper {
    async fn talk_back(&self, mut stream: BidiStream<Note, Note>) -> Result<()> {
        while let Some(note) = stream.recv().await? {
            stream.send(note).await?;
        }
        Ok(())
    }

    async fn join(&self, mut requests: Receiver<Note>) -> Result<Note> {
        let mut all = String::new();
        while let Some(request) = requests.recv().await? {
            all.push_str(&request.text.unwrap_or_default());
        }
        Ok(note(&all))
    }

    async fn repeat(&self, req: Note, mut responses: Sender<Note>) -> Result<()> {
        responses.send(req.clone()).await?;
        responses.send(req).await
    }

    async fn find(&self, _cx: &Context, req: Note) -> Result<Note, FindError> {
        match req.text.as_deref() {
            Some("lost") => Err(Lost { what: "it".into() })?,
            Some("busy") => Err(other::VeryBusy {})?,
            Some("error") => Err(Error::status(5, "plain"))?,
            _ => Ok(req),
        }
    }

    async fn forget(&self, _req: Note) -> Result<()> {
        Ok(())
    }

    async fn add(&self, _cx: &Context, a: i64, b: Option<i64>, c: i32) -> Result<Vec<i64>, FindError> {
        Ok(vec![a, b.unwrap_or(0), c.into()])
    }

    async fn nothing(&self) -> Result<()> {
        Ok(())
    }

    async fn notify(&self, _type: String) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_streaming_method_reaches_its_handler() -> Result<()> {
    let (listener, connector) = thrill::testing::memory();
    let server = Server::new().add(NotesServer::new(Keeper)).listen(listener)?.spawn();
    let client = NotesStreamClient::builder("notes").host_ports(["memory"]).connector(connector).build()?;

    let mut talk = client.talk_back().await?;
    talk.send(note("a")).await?;
    assert_eq!(talk.recv().await?, Some(note("a")));
    talk.close().await?;
    assert_eq!(talk.recv().await?, None);

    let mut join = client.join().await?;
    join.send(note("a")).await?;
    join.send(note("b")).await?;
    assert_eq!(join.close_and_recv().await?, note("ab"));

    let mut repeat = client.repeat(note("x")).await?;
    assert_eq!(repeat.recv().await?, Some(note("x")));
    assert_eq!(repeat.recv().await?, Some(note("x")));
    assert_eq!(repeat.recv().await?, None);

    assert_eq!(client.find(note("y")).await.expect("found"), note("y"));
    let lost = client.find(note("lost")).await.expect_err("lost");
    assert!(matches!(lost, FindError::Lost(Lost { ref what }) if what == "it"), "{lost:?}");
    let busy = client.find(note("busy")).await.expect_err("busy");
    assert!(matches!(busy, FindError::VeryBusy(_)), "{busy:?}");
    let plain = client.find(note("error")).await.expect_err("error");
    assert!(matches!(plain, FindError::Error(ref err) if err.to_string().contains("plain")), "{plain:?}");
    client.forget(note("z")).await?;

    server.shutdown().await;
    Ok(())
}

#[test]
fn an_error_enum_is_the_error_it_holds() {
    let lost = Lost { what: "it".into() };
    let error = FindError::from(lost.clone());
    assert_eq!(error.to_string(), lost.to_string());
    assert!(error.source().is_none());
    let plain = Error::status(5, "plain");
    assert_eq!(FindError::from(plain.clone()).to_string(), plain.to_string());
}

#[test]
fn the_schema_says_what_was_written() {
    let service = schema(&NotesServer::new(Keeper));
    assert_eq!((service.name, service.namespace), ("NoteService", "go.My.Notes"));
    assert_eq!(service.docs, "Keeps notes.\n\nFor a while.");

    let methods: Vec<_> = service.methods.iter().map(|it| (it.name, it.path, it.mode, it.oneway)).collect();
    let want = [
        ("talkBack", "/notes.NoteService/talkBack", Mode::Bidirectional, false),
        ("join", "/notes.NoteService/join", Mode::Client, false),
        ("Repeat", "/notes.NoteService/Repeat", Mode::Server, false),
        ("find", "/notes.NoteService/find", Mode::Unary, false),
        ("forget", "/notes.NoteService/forget", Mode::Unary, false),
        ("add", "/notes.NoteService/add", Mode::PingPong, false),
        ("nothing", "/notes.NoteService/nothing", Mode::PingPong, false),
        ("notify", "/notes.NoteService/notify", Mode::PingPong, true),
    ];
    assert_eq!(methods, want);
    assert!(service.methods.iter().all(|method| method.service == "NoteService"));
    assert_eq!(service.methods[0].docs, "Talks.");

    let arguments = |at: usize| -> Vec<_> {
        let fields = service.methods[at].arguments.iter();
        fields.map(|it| (it.id, it.name, it.requiredness, it.docs, it.default.map(|it| it.text))).collect()
    };
    assert_eq!(arguments(0), [(1, "stream", Requiredness::Default, "", None)]);
    assert_eq!(arguments(2), [(3, "request", Requiredness::Default, "", None)]);
    let add = [
        (1, "a", Requiredness::Required, "The first.", None),
        (7, "b", Requiredness::Optional, "", None),
        (3, "c", Requiredness::Default, "", Some("1 + 1")),
    ];
    assert_eq!(arguments(5), add);
    assert_eq!(arguments(6), []);
    assert_eq!(arguments(7), [(1, "type", Requiredness::Default, "", None)]);

    let results = service.methods.iter().map(|it| it.result.is_some());
    assert_eq!(results.collect::<Vec<_>>(), [true, true, true, true, false, true, false, false]);
    assert!(matches!(service.methods[5].result, Some(Type::List(_))));
    let throws: Vec<_> = service.methods[3].throws.iter().map(|it| (it.id, it.name)).collect();
    assert_eq!(throws, [(1, "lost"), (2, "very_busy")]);
    let Type::Struct(lost) = service.methods[3].throws[0].ty else { panic!("not a struct") };
    assert_eq!((lost.name, lost.kind), ("Lost", StructKind::Exception));
}

#[test]
fn an_exception_can_be_thrown_by_several_names() {
    #[thrill::service]
    trait Shelf {
        #[throws(
            /// Somebody has it.
            #[thrift(rename = "taken_by")]
            2 => Taken(Lost),
            3 => Gone(Lost),
            #[thrift(nonpositive_id)]
            -1 => other::VeryBusy,
        )]
        async fn fetch(&self) -> Result<(), FetchError>;
    }

    struct Full;

    impl Shelf for Full {
        async fn fetch(&self) -> Result<(), FetchError> {
            Err(FetchError::Gone(Lost::default()))
        }
    }

    let throws: Vec<_> = schema(&ShelfServer::new(Full)).methods[0].throws.iter().collect();
    let want = [(2, "taken_by", "Somebody has it."), (3, "gone", ""), (-1, "very_busy", "")];
    assert_eq!(throws.iter().map(|it| (it.id, it.name, it.docs)).collect::<Vec<_>>(), want);
    // Of what is thrown once, the type tells the variant.
    assert!(matches!(other::VeryBusy {}.into(), FetchError::VeryBusy(_)));
    assert!(matches!(FetchError::Taken(Lost::default()), FetchError::Taken(_)));
}

/// The names of type parameters, and of what stands beside the arguments, belong to the user.
#[allow(non_upper_case_globals, dead_code)]
mod short_names {
    #[derive(thrill::Thrift, Clone, Debug, Default)]
    pub(super) struct T {}
    #[derive(thrill::Thrift, Clone, Debug, Default)]
    pub(super) struct W {}
    #[derive(thrill::Thrift, Clone, Debug, Default)]
    pub(super) struct R {}

    const SERVICE: i32 = 3;

    #[thrill::service]
    pub(super) trait Short {
        #[streaming(mode = "bidirectional")]
        async fn t(&self, stream: thrill::BidiStream<T, W>) -> thrill::Result<()>;
        #[streaming(mode = "server")]
        async fn w(&self, req: R, responses: thrill::Sender<T>) -> thrill::Result<()>;
        async fn r(&self, a: T, b: W, #[thrift(default = SERVICE)] c: i32) -> thrill::Result<R>;
    }
}

#[test]
fn a_service_without_namespace_has_no_package_and_its_names_are_as_written() {
    #[thrill::service]
    trait Bare {
        async fn get_note(&self) -> Result<Note>;
    }

    struct Handler;

    impl Bare for Handler {
        async fn get_note(&self) -> Result<Note> {
            Ok(Note::default())
        }
    }

    let service = schema(&BareServer::new(Handler));
    assert_eq!((service.name, service.namespace, service.docs), ("Bare", "", ""));
    assert_eq!((service.methods[0].name, service.methods[0].path), ("get_note", "/Bare/get_note"));
}

#[test]
fn methods_come_and_go_with_cfg() {
    #[thrill::service]
    trait Conditional {
        #[cfg(any())]
        async fn gone(&self, what: DoesNotExist) -> Result<DoesNotExist>;

        #[cfg(all())]
        #[streaming(mode = "unary")]
        async fn first(&self, req: Note) -> Result<Note>;

        #[cfg(any())]
        #[throws(1 => DoesNotExist)]
        async fn gone_too(&self) -> Result<(), GoneError>;

        #[streaming(mode = "unary")]
        async fn second(&self, req: Note) -> Result<Note>;
    }

    struct Handler;

    impl Conditional for Handler {
        async fn first(&self, _req: Note) -> Result<Note> {
            Ok(note("first"))
        }

        async fn second(&self, _req: Note) -> Result<Note> {
            Ok(note("second"))
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answers = runtime.block_on(async {
        let (listener, connector) = thrill::testing::memory();
        let server = Server::new().add(ConditionalServer::new(Handler)).listen(listener)?.spawn();
        let client = ConditionalStreamClient::builder("notes").host_ports(["memory"]).connector(connector).build()?;
        let answers = (client.first(Note::default()).await?, client.second(Note::default()).await?);
        server.shutdown().await;
        Ok::<_, Error>(answers)
    });
    assert_eq!(answers.expect("answers"), (note("first"), note("second")));
    let names: Vec<_> = schema(&ConditionalServer::new(Handler)).methods.iter().map(|it| it.name).collect();
    assert_eq!(names, ["first", "second"]);
}

/// Arguments and methods named like what generated code uses, and types that a prelude would bring.
#[allow(dead_code, non_snake_case, clippy::too_many_arguments, reason = "the names only have to be there")]
mod hygiene {
    use ::thrill::{Context, Result};

    pub(super) struct Option;
    pub(super) struct String;
    pub(super) struct Box;
    pub(super) fn Ok() {}
    pub(super) fn Some() {}
    pub(super) const METHODS: i8 = 0;

    /// The name that an argument struct might have had.
    #[derive(::thrill::Thrift, Debug, Default)]
    pub(super) struct GetArgs {}

    #[thrill::service]
    pub(super) trait Names {
        async fn get(&self, cx: &Context, call: i8, args: i8, handler: GetArgs, self_: i8, method: i8) -> Result<i8>;
        async fn call(&self, cx: i8, req: i8, stream: i8, w: i8, r: i8, field: i8, value: i8) -> Result<GetArgs>;
        async fn schema(&self, service: i8, index: i8, error: i8, f: i8) -> Result<()>;
        async fn new(&self, methods: i8) -> Result<()>;
        async fn from_arc(&self) -> Result<()>;
        async fn from_channel(&self) -> Result<()>;
        async fn r#match(&self, r#type: i8) -> Result<()>;
        #[deprecated]
        async fn old(&self) -> Result<()>;
        #[streaming(mode = "server")]
        async fn stream(&self, responses: GetArgs, call: ::thrill::Sender<GetArgs>) -> Result<()>;
        #[streaming(mode = "client")]
        async fn unknown(&self, cx: &Context, handler: ::thrill::Receiver<GetArgs>) -> Result<GetArgs>;
    }

    /// A second service in the same module, with a method of the same name.
    #[thrill::service]
    pub(super) trait More {
        async fn get(&self, call: i8) -> Result<i8>;
    }
}

/// No prelude, and `thrill` under another name.
mod elsewhere {
    mod deps {
        pub(crate) use ::thrill as renamed;
    }

    pub(super) mod bare {
        #![no_implicit_prelude]

        use super::deps::renamed;

        #[derive(::core::fmt::Debug, ::core::default::Default, renamed::Thrift)]
        #[thrift(crate = renamed, exception)]
        pub(crate) struct Lost {}

        #[renamed::service(crate = super::deps::renamed)]
        pub(crate) trait Bare {
            #[streaming(mode = "bidirectional")]
            async fn bidirectional(&self, stream: renamed::BidiStream<Lost, Lost>) -> renamed::Result<()>;

            #[streaming(mode = "client")]
            async fn client(&self, requests: renamed::Receiver<Lost>) -> renamed::Result<Lost>;

            #[streaming(mode = "server")]
            async fn server(&self, req: Lost, responses: renamed::Sender<Lost>) -> renamed::Result<()>;

            #[streaming(mode = "unary")]
            async fn unary(&self, cx: &renamed::Context, req: Lost) -> renamed::Result<Lost>;

            #[throws(1 => Lost)]
            async fn ping_pong(&self, a: i64, b: ::std::string::String) -> renamed::Result<i64, PingPongError>;

            #[oneway]
            async fn oneway(&self) -> renamed::Result<()>;
        }
    }
}

#[test]
fn generated_code_meets_no_names_of_its_user() {
    fn is_service<T: hygiene::Names + hygiene::More + elsewhere::bare::Bare>() -> [usize; 3] {
        [
            size_of::<hygiene::NamesServer<T>>(),
            size_of::<hygiene::MoreServer<T>>(),
            size_of::<elsewhere::bare::BareServer<T>>(),
        ]
    }
    // That this compiles is the point.
    let _ = is_service::<Nobody>;
    assert!(hygiene::NamesClient::builder("names").host_ports(["localhost:1"]).build().is_ok());
    assert!(elsewhere::bare::BareStreamClient::builder("bare").host_ports(["localhost:1"]).build().is_ok());
}

/// Implements what is only compiled.
enum Nobody {}

mod nobody {
    use super::Nobody;
    use super::elsewhere::bare::{Bare, Lost, PingPongError};
    use super::hygiene::{GetArgs, More, Names};
    use thrill::{BidiStream, Context, Receiver, Result, Sender};

    impl Names for Nobody {
        async fn get(&self, _: &Context, _: i8, _: i8, _: GetArgs, _: i8, _: i8) -> Result<i8> {
            match *self {}
        }
        async fn call(&self, _: i8, _: i8, _: i8, _: i8, _: i8, _: i8, _: i8) -> Result<GetArgs> {
            match *self {}
        }
        async fn schema(&self, _: i8, _: i8, _: i8, _: i8) -> Result<()> {
            match *self {}
        }
        async fn new(&self, _: i8) -> Result<()> {
            match *self {}
        }
        async fn from_arc(&self) -> Result<()> {
            match *self {}
        }
        async fn from_channel(&self) -> Result<()> {
            match *self {}
        }
        async fn r#match(&self, _: i8) -> Result<()> {
            match *self {}
        }
        async fn old(&self) -> Result<()> {
            match *self {}
        }
        async fn stream(&self, _: GetArgs, _: Sender<GetArgs>) -> Result<()> {
            match *self {}
        }
        async fn unknown(&self, _: &Context, _: Receiver<GetArgs>) -> Result<GetArgs> {
            match *self {}
        }
    }

    impl More for Nobody {
        async fn get(&self, _: i8) -> Result<i8> {
            match *self {}
        }
    }

    impl Bare for Nobody {
        async fn bidirectional(&self, _: BidiStream<Lost, Lost>) -> Result<()> {
            match *self {}
        }
        async fn client(&self, _: Receiver<Lost>) -> Result<Lost> {
            match *self {}
        }
        async fn server(&self, _: Lost, _: Sender<Lost>) -> Result<()> {
            match *self {}
        }
        async fn unary(&self, _: &Context, _: Lost) -> Result<Lost> {
            match *self {}
        }
        async fn ping_pong(&self, _: i64, _: String) -> Result<i64, PingPongError> {
            match *self {}
        }
        async fn oneway(&self) -> Result<()> {
            match *self {}
        }
    }
}

#[test]
fn servers_and_clients_are_cloned_and_printed_whatever_their_handler() {
    let server = NotesServer::new(Keeper);
    assert_eq!(format!("{:?}", server.clone()), "NotesServer { .. }");
    let shared = NotesServer::from_arc(std::sync::Arc::new(Keeper));
    assert!(std::ptr::eq(schema(&server), schema(&shared)));
    let client = NotesClient::builder("notes").host_ports(["localhost:1"]).build().expect("a client");
    assert!(format!("{:?}", client.clone()).starts_with("NotesClient("));
}

fn schema(server: &impl thrill::Service) -> &'static Service {
    thrill::Service::schema(server)
}

fn note(text: &str) -> Note {
    Note { text: Some(text.to_owned()) }
}
