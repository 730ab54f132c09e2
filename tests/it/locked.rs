//! `locked`: what breaks peers that were built with a file.

#![allow(clippy::use_self, reason = "types are named as users name them")]

use std::collections::{BTreeSet, HashMap};

use thrill::{BidiStream, Receiver, Result, Thrift, UnknownField, idl};

#[derive(Thrift, Clone, Debug, Default)]
pub(crate) struct Message {
    // Renamed, which is no break.
    #[thrift(id = 1, required)]
    body: String,
    #[thrift(id = 2)]
    tone: Option<Tone>,
    #[thrift(id = 3)]
    reply_to: Option<Box<Message>>,
    #[thrift(id = 4)]
    parts: Vec<HashMap<i32, Part>>,
    #[thrift(id = 5)]
    added: Option<i64>,
}

#[derive(Thrift, Clone, Copy, Debug)]
pub(crate) enum Tone {
    Calm,
    Loud,
    Added,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift, Clone, Debug)]
pub(crate) enum Part {
    #[thrift(id = 1)]
    Text(String),
    #[thrift(id = 2)]
    Parts(Vec<Part>),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

#[derive(Thrift, Clone, Debug)]
#[thrift(exception)]
pub(crate) struct Lost {}

#[thrill::service(namespace = "demo.Chat", name = "ChatBase")]
pub(crate) trait Base {
    async fn ping(&self) -> Result<()>;
}

#[thrill::service(namespace = "demo.Chat", locked = "locked/chat.lock.thrift")]
pub(crate) trait Chat: Base {
    #[streaming(mode = "bidirectional")]
    async fn talk(&self, stream: BidiStream<Message, Message>) -> Result<()>;

    #[streaming(mode = "client")]
    async fn join(&self, #[thrift(id = 7)] requests: Receiver<Message>) -> Result<Message>;

    #[throws(1 => Lost)]
    async fn find(&self, key: String, added: Option<i32>) -> Result<Message, FindError>;

    #[oneway]
    async fn notify(&self) -> Result<()>;

    async fn added(&self) -> Result<()>;
}

#[test]
fn compatible_changes_compile_and_are_none() {
    let released = include_str!("../locked/chat.lock.thrift");
    assert_eq!(idl::breaking(released, &[ChatServer::SCHEMA]).unwrap(), []);
    thrill::testing::assert_compatible("locked/chat.lock.thrift", &[ChatServer::SCHEMA]);
}

/// What is found in a change: `$released` is IDL, the rest is Rust with a service `S`. Found once as the compiler does for
/// `locked`, by the tables that are made of constants, and once by reading the IDL that the service gives.
macro_rules! changes {
    ($($name:ident: $released:literal => { $($rust:tt)* } $want:expr;)*) => {
        $(
            #[allow(dead_code, unused_imports, reason = "each service needs some of them, and no client")]
            mod $name {
                use super::{BidiStream, Lost, Message, Result, Thrift, Tone, UnknownField};

                $($rust)*

                pub(super) fn found() -> [Vec<String>; 2] {
                    use thrill::private::locked::{Counts, Live};

                    const COUNTS: Counts = Counts::of(SServer::SCHEMA);
                    const LIVE: &Live<
                        { COUNTS.structs },
                        { COUNTS.enums },
                        { COUNTS.fields },
                        { COUNTS.values },
                        { COUNTS.types },
                        { COUNTS.methods },
                    > = &Live::of(SServer::SCHEMA, "new");
                    let read = thrill::idl::breaking($released, &[SServer::SCHEMA]).unwrap();
                    let loaded = thrill_idl::load_str("released.thrift", $released, &thrill_idl::Options::default());
                    let old = thrill_idl::breaking::Tables::of(&loaded.program);
                    let compiled = thrill_idl::breaking::changes(&old.contract(), &LIVE.contract());
                    [compiled, read].map(|changes| changes.iter().map(ToString::to_string).collect())
                }
            }
        )*

        #[test]
        fn the_compiler_and_the_function_find_the_same() {
            let mut rules = thrill::idl::Rule::ALL.to_vec();
            $(
                let want: &[&str] = &$want;
                let [compiled, read] = $name::found();
                assert_eq!(compiled, want, "{}", stringify!($name));
                assert_eq!(read, want, "{}", stringify!($name));
                rules.retain(|rule| !want.iter().any(|text| text.starts_with(&format!("{rule}: "))));
            )*
            // A service that is not there is refused before anything is compared.
            assert_eq!(rules, [thrill::idl::Rule::ServiceRemoved], "no row for these");
        }
    };
}

changes! {
    nothing: "namespace go new struct M { 1: optional M next 2: map<i32, list<M>> all } service S { M m() }" => {
        #[derive(Thrift, Debug)]
        struct M { #[thrift(id = 1)] next: Option<Box<M>>, #[thrift(id = 2)] all: super::HashMap<i32, Vec<M>> }
        #[thrill::service(namespace = "new")]
        trait S { async fn m(&self) -> Result<M>; async fn added(&self) -> Result<M>; }
    } [];
    package: "namespace go a.Old struct Lost {} service S { Lost a(1: required Lost x) (streaming.mode = 'unary') }" => {
        #[thrill::service(namespace = "a.New")]
        trait S { #[streaming(mode = "unary")] async fn a(&self, #[thrift(required)] req: Lost) -> Result<Lost>; }
    } [
        "package-changed: the package was `old` and is `new`",
    ];
    functions: "service S { void a() void b() oneway void c() i32 d() i32 e() }" => {
        #[thrill::service]
        trait S {
            #[streaming(mode = "bidirectional")]
            async fn b(&self, stream: BidiStream<Message, Message>) -> Result<()>;
            async fn c(&self) -> Result<()>;
            async fn d(&self) -> Result<()>;
            async fn e(&self) -> Result<Vec<String>>;
        }
    } [
        "function-removed: method `a` is gone",
        "mode-changed: method `b` was `ping-pong` and is `bidirectional`",
        "oneway-changed: method `c` was `oneway` and is `answered`",
        "result-changed: the result of `d` was `i32` and is `void`",
        "result-changed: the result of `e` was `i32` and is `list<string>`",
    ];
    exceptions: "exception E {} exception F { 1: i8 a } service S { i32 a() throws (1: E e) void b() void c() throws (1: F f) }" => {
        #[derive(Thrift, Debug)]
        #[thrift(exception)]
        struct F { #[thrift(id = 1)] a: i16 }
        #[thrill::service]
        trait S {
            async fn a(&self) -> Result<i32>;
            #[throws(1 => Lost)]
            async fn b(&self) -> Result<(), BError>;
            #[throws(1 => F)]
            async fn c(&self) -> Result<(), CError>;
        }
    } [
        "exception-removed: exception 1 of `a`, `e`, is gone",
        "exception-added: exception 1 of `b`, `lost`, is new: `Lost`",
        "type-changed: field 1 of `F`, `a`, was `i8` and is `i16`",
    ];
    fields: "struct M { 1: i32 a 2: i32 b 3: required i32 c 4: i32 d 5: list<set<binary>> e } service S { void m(1: M m) }" => {
        #[derive(Thrift, Debug, Default)]
        struct M {
            #[thrift(id = 1)] a: i64,
            #[thrift(id = 7)] b: i32,
            #[thrift(id = 4, required)] d: i32,
            #[thrift(id = 5)] e: Vec<super::BTreeSet<String>>,
            #[thrift(id = 6, required)] f: i32,
        }
        #[thrill::service]
        trait S { async fn m(&self, m: M) -> Result<()>; }
    } [
        "type-changed: field 1 of `M`, `a`, was `i32` and is `i64`",
        "id-changed: field 2 of `M`, `b`, was 2 and is 7",
        "required-removed: field 3 of `M`, `c`, is gone",
        "requiredness-changed: field 4 of `M`, `d`, was `neither required nor optional` and is `required`",
        "type-changed: field 5 of `M`, `e`, was `list<set<binary>>` and is `list<set<string>>`",
        "required-added: field 6 of `M`, `f`, is new: `required`",
    ];
    unions_and_enums: "union U { 1: U u 2: i32 a } struct V {} enum E { A B } service S { U u() V v() E e() i32 f() }" => {
        #[derive(Thrift, Debug)]
        enum U { #[thrift(id = 1)] U(Box<U>), #[thrift(unknown)] Unknown(UnknownField) }
        #[derive(Thrift, Debug)]
        enum V { #[thrift(id = 1)] A(i8), #[thrift(unknown)] Unknown(UnknownField) }
        #[derive(Thrift, Debug)]
        enum E { #[thrift(value = 7)] A, #[thrift(value = 1)] Renamed, #[thrift(unknown)] Unknown(i32) }
        #[thrill::service]
        trait S {
            async fn u(&self) -> Result<U>;
            async fn v(&self) -> Result<V>;
            async fn e(&self) -> Result<E>;
            async fn f(&self) -> Result<Tone>;
        }
    } [
        "variant-removed: field 2 of `U`, `a`, is gone",
        "kind-changed: `V` was `struct` and is `union`",
        "value-renumbered: `A` of `E` was 0 and is 7",
    ];
}
