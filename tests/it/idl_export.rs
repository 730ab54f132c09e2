//! The trait as IDL: what is written, and that reading it gives the same again.

#![allow(clippy::use_self, reason = "types are named as users name them")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use thrill::{BidiStream, Bytes, Context, Receiver, Result, Sender, Thrift, UnknownField, idl};

/// How it is said.
#[derive(Thrift, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Tone {
    /// As always.
    #[default]
    #[thrift(value = 1, alias = "QUIET", alias = "Low")]
    Calm,
    #[thrift(value = -5, rename = "LOUD")]
    Loud,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift, Clone, Debug, PartialEq)]
pub(crate) enum Part {
    #[thrift(id = 1, rename = "text")]
    Text(String),
    /// Inside each other.
    #[thrift(id = 2)]
    Parts(Vec<Part>),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

/// A message.
///
/// It has "quotes" and \ slashes.
#[derive(Thrift, Clone, Debug)]
pub(crate) struct Message {
    /// What it says.
    #[thrift(id = 1, required)]
    text: String,
    #[thrift(id = 2)]
    tone: Option<Tone>,
    #[thrift(id = 3, rename = "replyTo")]
    reply_to: Option<Box<Message>>,
    #[thrift(id = 4)]
    parts: Vec<Part>,
    #[thrift(id = 5)]
    by_tone: HashMap<Tone, BTreeSet<i64>>,
    #[thrift(id = 7, default = Defaults::new("it's"))]
    defaults: Defaults,
}

const LIMIT: i32 = 40 + 2;

#[derive(Thrift, Clone, Debug)]
pub(crate) struct Defaults {
    #[thrift(id = 1, default = true)]
    flag: bool,
    #[thrift(id = 2, default = LIMIT)]
    limit: i32,
    #[thrift(id = 3, default = -1.5e-7)]
    ratio: f64,
    #[thrift(id = 4, default = "a \"b\"\n".to_owned())]
    text: Option<String>,
    #[thrift(id = 5, default = Bytes::from_static(b"bin"))]
    binary: Bytes,
    #[thrift(id = 6, default = vec![Tone::Loud, Tone::Calm])]
    tones: Vec<Tone>,
    #[thrift(id = 7, default = HashSet::from([10, 9, -1]))]
    set: HashSet<i16>,
    #[thrift(id = 8, default = HashMap::from([("b".to_owned(), 2), ("a".to_owned(), 1)]))]
    map: HashMap<String, i8>,
    #[thrift(id = 9, default = Part::Text("x".to_owned()))]
    part: Part,
    #[thrift(id = 10, default = Vec::new())]
    empty: Vec<i64>,
    #[thrift(id = 11, default = i64::MIN)]
    least: i64,
    #[thrift(id = 12, default = thrill::Uuid::from_bytes([0xab; 16]))]
    uuid: thrill::Uuid,
    #[thrift(id = 13, default_requiredness)]
    nil: Option<Box<Message>>,
    #[thrift(id = -1, nonpositive_id)]
    old: i8,
    /// First.
    ///
    /// After an empty line.
    #[thrift(id = 14)]
    nested: BTreeMap<Vec<i32>, BTreeSet<BTreeMap<String, thrill::OrderedF64>>>,
}

impl Defaults {
    fn new(text: &str) -> Self {
        let (set, map) = (HashSet::new(), HashMap::new());
        let (binary, part) = (Bytes::new(), Part::Parts(Vec::new()));
        let (tones, empty) = (Vec::new(), vec![1]);
        Self {
            flag: false,
            limit: 0,
            ratio: 2.0,
            text: Some(text.to_owned()),
            binary,
            tones,
            set,
            map,
            part,
            empty,
            least: 0,
            uuid: thrill::Uuid::nil(),
            nil: None,
            old: 0,
            nested: BTreeMap::new(),
        }
    }
}

#[derive(Thrift, Clone, Debug)]
#[thrift(exception)]
pub(crate) struct Lost {
    #[thrift(id = 1)]
    what: BTreeMap<String, f64>,
}

mod other {
    #[derive(thrill::Thrift, Clone, Debug)]
    #[thrift(exception)]
    pub(crate) struct Busy {}

    #[derive(thrill::Thrift, Clone, Debug)]
    pub(crate) struct Message {}
}

/// What all have.
#[thrill::service(namespace = "demo.Chat")]
pub(crate) trait Base {
    async fn ping(&self) -> Result<()>;
}

/// Talks.
#[thrill::service(namespace = "demo.Chat", rename_all = "camelCase", name = "ChatService")]
pub(crate) trait Chat: Base {
    /// Says it back.
    #[streaming(mode = "bidirectional")]
    async fn talk_back(&self, stream: BidiStream<Message, Part>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn join(&self, requests: Receiver<Message>) -> Result<Message>;

    #[streaming(mode = "server")]
    async fn repeat(&self, #[thrift(id = 3, rename = "request")] req: Message, to: Sender<Message>) -> Result<()>;

    #[streaming(mode = "unary")]
    async fn find(&self, cx: &Context, #[thrift(required)] req: Message) -> Result<Message>;

    #[throws(1 => Lost, 2 => other::Busy)]
    async fn add(
        &self,
        /// The first.
        #[thrift(required)]
        a: i64,
        #[thrift(id = 7)] b: Option<i64>,
        #[thrift(default = 1 + 1)] c: i32,
    ) -> Result<Vec<i64>, AddError>;

    #[oneway]
    async fn notify(&self, r#type: String) -> Result<()>;
}

#[test]
fn everything_that_a_trait_says_is_in_the_idl() {
    let text = ChatServer::SCHEMA.idl().unwrap();
    assert_eq!(text, include_str!("idl_export.thrift"), "the text is now:\n{text}");
}

#[test]
fn the_idl_says_the_same_to_who_reads_it() {
    let text = ChatServer::SCHEMA.idl().unwrap();
    let loaded = thrill_idl::load_str("chat.thrift", &text, &thrill_idl::Options::default());
    assert!(!loaded.diagnostics.has_errors(), "{}", loaded.diagnostics.render(&loaded.sources));
    let program = loaded.program;
    let service = program.find_service(program.root().id, "ChatService").unwrap();
    for ((_, function), method) in program.functions(service).zip(in_order_of_inheritance(ChatServer::SCHEMA)) {
        assert_eq!(program.path(service, function), method.path);
        assert_eq!((function.mode, function.oneway), (method.mode, method.oneway));
        assert_eq!(function.docs, method.docs);
    }
    // Printed as parsed, nothing changes but the comment at the top, which documents nothing.
    let mut diagnostics = thrill_idl::Diagnostics::default();
    let parsed = thrill_idl::parse_str(&text, thrill_idl::FileId(0), &mut diagnostics);
    let start = text.find("namespace").unwrap();
    assert_eq!(thrill_idl::print(&parsed), text[start..]);
}

#[allow(dead_code, reason = "only its schema is looked at")]
mod read_again {
    thrill::include_thrift!("it/idl_export.thrift");
}

#[test]
fn the_rust_of_the_idl_says_the_same_idl_again() {
    let again = read_again::ChatServiceServer::SCHEMA.idl().unwrap();
    assert_eq!(again, include_str!("idl_export.thrift"));
}

fn in_order_of_inheritance(
    service: &'static thrill::schema::Service,
) -> impl Iterator<Item = &'static thrill::schema::Method> {
    let (own, inherited) = service.methods.split_at(service.own_methods().len());
    inherited.iter().chain(own)
}

#[test]
fn several_services_share_a_file_and_its_types() {
    #[thrill::service(namespace = "demo.Chat")]
    pub(crate) trait Archive {
        async fn all(&self) -> Result<Vec<Message>>;
    }

    let text = idl::export(&[ArchiveServer::SCHEMA, ChatServer::SCHEMA, BaseServer::SCHEMA]).unwrap();
    for name in ["struct Message {", "service Archive {", "service Base {", "service ChatService extends Base {"] {
        assert_eq!(text.matches(name).count(), 1, "{name} in\n{text}");
    }
    assert!(text.find("service Archive").unwrap() < text.find("service ChatService").unwrap());
}

#[test]
fn what_idl_cannot_say_is_an_error_that_says_what_to_do() {
    #[derive(Thrift, Debug)]
    struct Endless {
        #[thrift(id = 1, default = f64::INFINITY)]
        ratio: f64,
    }
    #[derive(Thrift, Debug)]
    struct Raw {
        #[thrift(id = 1, default = Bytes::from_static(b"\xff"))]
        bytes: Bytes,
    }
    macro_rules! service {
        ($trait:ident, $ty:ty $(, $key:ident = $value:literal)?) => {
            #[thrill::service($($key = $value)?)]
            trait $trait {
                async fn get(&self) -> Result<$ty>;
                async fn message(&self) -> Result<Message>;
            }
        };
    }
    service!(GetEndless, Endless);
    service!(GetRaw, Raw);
    service!(GetOther, other::Message);
    service!(GetHere, i8, namespace = "here");
    service!(GetMessage, i8, name = "Message");

    let rows: [(&[&thrill::schema::Service], &str); 5] = [
        (&[GetEndlessServer::SCHEMA], "the default of `ratio`, `f64::INFINITY`, cannot be said in IDL: it has no word"),
        (&[GetRawServer::SCHEMA], "the default of `bytes`, `Bytes::from_static(b\"\\xff\")`, cannot be said in IDL"),
        (&[GetOtherServer::SCHEMA], "idl_export::other::Message` and `"),
        (
            &[GetHereServer::SCHEMA, GetRawServer::SCHEMA],
            "`GetHere` has `here` and `GetRaw` has ``; export them into two",
        ),
        (&[GetMessageServer::SCHEMA], "both"),
    ];
    for (services, want) in rows {
        let err = idl::export(services).unwrap_err().to_string();
        assert!(err.contains(want), "{err}");
    }
}
