//! The macros of [`thrill`](https://docs.rs/thrill). Use them through that crate, which re-exports them and has their
//! runnable examples; the code they generate names nothing but `thrill::private`.
//!
//! `derive(Thrift)` and `service` are the same pipeline: `front` reads tokens into the `model`, `check` has every rule,
//! `expand` writes tokens, and `diag` collects all mistakes of one run. `include_thrift!` and `thrift!` stand before them:
//! `idl` writes what these two then read. `THRILL_DEBUG=1` prints each expansion to stderr.

mod check;
mod debug;
mod diag;
mod expand;
mod front;
mod idl;
mod model;
mod names;

use proc_macro2::TokenStream;
use syn::{DeriveInput, ItemTrait, parse_macro_input};

use diag::Diag;

/// Gives a struct, exception, union or enum its Thrift wire form and a static schema.
///
/// | on | attribute | gives |
/// | --- | --- | --- |
/// | type | `#[thrift(exception)]` | a struct that `#[throws]` may name; also `Display` and `std::error::Error` |
/// | type | `#[thrift(crate = path)]` | where `thrill` is, if not at `::thrill` |
/// | type | `#[thrift(default)]` | also `Default`: a struct's fields as their `default` says, an enum's 0, a union's `default` |
/// | type, field, variant | `#[thrift(rename = "..")]` | the name in the IDL, if not the one in Rust |
/// | field, union variant | `#[thrift(id = N)]` | the field's id, 1 to 32767; every field and variant needs one |
/// | field, union variant | `#[thrift(id = -1, nonpositive_id)]` | an id below 1, as old IDL has that leaves ids out |
/// | field | `#[thrift(required)]` | always written, and an error where a peer leaves it out |
/// | field | `#[thrift(default_requiredness)]` | the IDL says neither `optional` nor `required`, whatever the Rust says |
/// | field, union variant | `#[thrift(default = expr)]` | the value where a peer leaves the field, or all variants, out |
/// | enum variant | `#[thrift(value = N)]` | the number; otherwise the discriminant, or the number before plus one |
/// | enum variant | `#[thrift(alias = "..")]` | another name of the number in the IDL; may be given again |
/// | one variant | `#[thrift(unknown)]` | keeps what a newer peer sends; every union and enum needs one |
///
/// A field of type `Option<T>` is optional: written when it is `Some`. A field of any other type is always written, and
/// is `Default::default()` where a peer leaves it out. Enums also get `From` to and from `i32`. A struct of one field without
/// a name, `struct UserId(i64)`, is that field on the wire.
///
/// `default_requiredness` on an `Option` is the nil pointer of Kitex: a field that need not be there, though its IDL does
/// not say `optional`. On a `required` field it keeps that word out of the schema, where the type has no default value.
///
/// ```ignore (it runs in the documentation of thrill, on which this crate cannot depend)
/// #[derive(Thrift, Clone, Debug, Default, PartialEq)]
/// struct Request {
///     #[thrift(id = 1)]
///     message: Option<String>,
///     #[thrift(id = 2, required)]
///     count: i32,
/// }
///
/// #[derive(Thrift, Clone, Debug, PartialEq)]
/// enum Shape {
///     #[thrift(id = 1)]
///     Name(String),
///     #[thrift(unknown)]
///     Unknown(thrill::UnknownField),
/// }
///
/// #[derive(Thrift, Clone, Copy, Debug, PartialEq)]
/// enum Mood {
///     #[thrift(value = 1)]
///     Calm,
///     #[thrift(unknown)]
///     Unknown(i32),
/// }
/// ```
#[proc_macro_derive(Thrift, attributes(thrift))]
pub fn derive_thrift(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    show("derive(Thrift)", &input.ident, derive(&input))
}

/// Makes a trait a Thrift service: a server around any implementation, and clients for the same methods.
///
/// For `trait Echo`: `EchoServer` serves an implementation; `EchoStreamClient` calls the streaming and unary methods,
/// `EchoClient` the others. Methods are `async fn(&self, ..) -> Result<..>`, and any may take `&Context` first.
///
/// | on | attribute | gives |
/// | --- | --- | --- |
/// | trait | `namespace = "a.b"` | the namespace; its last part, in lower case, is the package in a stream's path |
/// | trait | `package = ".."` | the package itself, where the namespace does not give it |
/// | trait | `name = ".."` | the service's name on the wire, if not the trait's |
/// | trait | `rename_all = ".."` | methods' names: `PascalCase`, `camelCase`, `snake_case`, `SCREAMING_SNAKE_CASE` |
/// | trait | `extends = path` | which supertrait is the service that is extended, if there are several that could be |
/// | trait | `locked = ".."` | a `.thrift` file that peers were built with: what would break them does not compile |
/// | trait | `crate = path` | where `thrill` is, if not at `::thrill` |
/// | method | `#[streaming(mode = "..")]` | a stream: `bidirectional`, `client`, `server` or `unary` |
/// | method | `#[method(name = "..")]` | the method's name on the wire |
/// | method | `#[oneway]` | a call without an answer |
/// | method | `#[throws(1 => NotFound)]` | declared exceptions; the `Result`'s error type names the enum to generate |
/// | method | `#[throws(1 => Gone(NotFound))]` | the same, with a name for the enum's variant; docs and `rename` may stand before |
/// | argument | `#[thrift(..)]` | as on a field; ids are 1, 2, .. if not given |
///
/// | mode | signature |
/// | --- | --- |
/// | `bidirectional` | `async fn m(&self, stream: BidiStream<Request, Response>) -> Result<()>` |
/// | `client` | `async fn m(&self, requests: Receiver<Request>) -> Result<Response>` |
/// | `server` | `async fn m(&self, req: Request, responses: Sender<Response>) -> Result<()>` |
/// | `unary` | `async fn m(&self, req: Request) -> Result<Response>` |
/// | none: ping-pong | `async fn m(&self, a: A, b: B) -> Result<T>`, or `Result<T, MError>` with `#[throws]` |
///
/// A supertrait is the service that is extended, unless it is one of the standard library's (`Send`, `Debug`, a path in
/// `std` or `core`): `trait Sub: base::Base` is the IDL's `service Sub extends Base`. `SubServer` answers the methods of
/// both, all under the name `Sub`, and the clients of `Sub` are by `Deref` those of `Base`, too. What is generated for
/// `Base` is looked for beside it: where the trait is imported by its name, import its server, too, `use base::{Base,
/// BaseServer}`. A method that is already there by its name on the wire is refused at compile time.
///
/// ```ignore (it runs in the documentation of thrill, on which this crate cannot depend)
/// #[thrill::service(namespace = "echo", rename_all = "PascalCase")]
/// trait Echo {
///     #[streaming(mode = "bidirectional")]
///     async fn echo(&self, stream: BidiStream<Request, Response>) -> Result<()>;
///
///     #[throws(1 => NotFound)]
///     async fn add(&self, cx: &Context, a: i64, b: i64) -> Result<i64, AddError>;
/// }
/// ```
#[proc_macro_attribute]
pub fn service(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let item = parse_macro_input!(item as ItemTrait);
    let ident = item.ident.clone();
    show("service", &ident, serve(args.into(), item))
}

/// Makes the Rust of a `.thrift` file and of all that it includes: what a person would have written.
///
/// Types become items with `#[derive(Thrift)]`, services traits with `#[thrill::service]`. There is no build script, and no
/// other tool; a change of any of the files builds again. `THRILL_DEBUG=1` prints the Rust, and the warnings.
///
/// ```ignore (it runs in the documentation of thrill, on which this crate cannot depend)
/// mod idl {
///     thrill::include_thrift!("idl/echo.thrift", derive(serde::Serialize));
/// }
///
/// impl idl::TestService for Handler { .. }
/// ```
///
/// The path begins at the crate's `Cargo.toml`. What the file itself defines stands where the macro is called; each file
/// that it includes, also through others, is a module there, called as its `namespace rs` ends, or else as the file:
/// `base.Page` of `include "base.thrift"` is `base::Page`. Two files of one name are called by their directories, too. Two
/// calls of the macro make two sets of types, so let one file include all that belong together.
///
/// | argument | gives |
/// | --- | --- |
/// | `include_dirs = ["idl"]` | where included files are looked for that are not beside the file that includes them |
/// | `derive(serde::Serialize, ..)` | more derives for every type; with those of serde, names are those of the IDL |
/// | `string = "ByteString"` | what `string` becomes: `String`, the default, or `ByteString`, which shares the message's memory |
/// | `missing_ids = "apache"` | ids of fields without one: `apache` (-1, -2, ..) or `thriftgo` (1, 2, ..); otherwise an error |
/// | `crate = path` | where `thrill` is, if not at `::thrill` |
///
/// | IDL | Rust |
/// | --- | --- |
/// | `bool` `i8` `i16` `i32` `i64` `double` | `bool` `i8` `i16` `i32` `i64` `f64`; a `double` in a key is an `OrderedF64` |
/// | `string` `binary` `uuid` | `String`, `Bytes`, `Uuid` |
/// | `list` `set` `map` | `Vec`, `HashSet`, `HashMap`; in a key `BTreeSet`, `BTreeMap` |
/// | `struct`, `exception` | a struct; both have `Default` where their required fields have it |
/// | `union`, `enum` | an enum with a variant for what newer peers send: `Unknown`, or `Unrecognized` where that is taken |
/// | `optional` | `Option<T>`; with a default, `Default` has it, and so has a value that a peer sent without the field |
/// | `required` | `T` |
/// | neither | `T`, always written; a struct or union is an `Option<T>`: Kitex's nil pointer |
/// | a type that is part of itself, `&` | `Box<T>` |
/// | `typedef` | `type`, or a struct around it by `thrill.newtype` |
/// | `const` | `const`, or a `LazyLock`; text is `&'static str` |
/// | `service A extends b.B` | `trait A: b::B`; every method takes `&Context` first |
/// | `throws (1: NotFound e)` | `Result<T, MethodError>`, with a variant for each exception, called as its type, or as `e` |
/// | `streaming.mode` | `#[streaming(mode = ..)]`; without `throws`, since a stream ends with a status |
///
/// Every type has `Debug`, `Clone` and `PartialEq`; `Eq` and `Hash` where all that is in it has them; `Ord` where it is in a
/// key. Names follow Rust: `UpperCamel` types and variants, `snake_case` fields and methods, `SHOUTY_CASE` constants. Those
/// that become one keep their spelling; keywords are raw (`r#type`), and `self` is `self_`. On the wire all keep the names of
/// the IDL, and streams the paths of Kitex.
///
/// | annotation, and pilota's | behind | gives |
/// | --- | --- | --- |
/// | `thrill.name = ".."`, `pilota.name` | anything with a name | its name in Rust |
/// | `thrill.type = ".."`, `pilota.rust_type` | types, fields, arguments, typedefs | `string` or `bytestring`; `bytes` or `vec`; `hash` or `btree`; `ordered_f64`; for what is in a container, too |
/// | `thrill.arc = "true"`, `pilota.rust_wrapper_arc` | the same, functions, services | structs, strings and binaries inside an `Arc` |
/// | `thrill.newtype = "true"` | typedefs | a struct of its own: `struct UserId(pub i64)` |
/// | `thrill.derive = ".."` | enums, structs, unions, exceptions | more derives |
/// | `thrill.attribute = "#[..]"`, `pilota.serde_attribute` | the same, fields, values | attributes as they are; that of pilota where serde is derived |
///
/// Every mistake in the files is an error at the path, with its own place and line in the text; what is healthy is there
/// nevertheless. A chain of more than some fifteen types inside each other, through maps and lists, can be too long for
/// rustc: `#![recursion_limit = "256"]` is what it then asks for.
#[proc_macro]
pub fn include_thrift(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let what = input.to_string();
    show("include_thrift!", &what, idl::include(input.into()))
}

/// Makes the Rust of IDL that stands in the Rust: as [`include_thrift!`], with every mistake at its own place.
///
/// ```ignore (it runs in the documentation of thrill, on which this crate cannot depend)
/// thrill::thrift! {
///     #![thrift(derive(serde::Serialize))]
///     namespace go chat
///
///     /// A note.
///     struct Note { 1: optional string text }
///
///     service Chat {
///         Note talk(1: Note note) (streaming.mode = "bidirectional")
///     }
/// }
/// ```
///
/// The arguments of `include_thrift!` may stand first, as `#![thrift(..)]`. An `include` is looked for beside the crate's
/// `Cargo.toml`. Without `namespace go`, streams have no package.
///
/// rustc reads the tokens before the macro does, so that a few things are written as in Rust: comments begin with `//`, not
/// `#`; strings have double quotes, and Rust's escapes; `1.` and `0x1G` are not numbers. A doc comment is `///` or `/** */`.
#[proc_macro]
pub fn thrift(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    show("thrift!", &"IDL", idl::inline(input.into()))
}

fn derive(input: &DeriveInput) -> TokenStream {
    let mut diag = Diag::default();
    let item = front::item(input, &mut diag);
    check::item(&item, &mut diag);
    match diag.finish() {
        Ok(()) => expand::item(&item),
        Err(err) => expand::fallback::item(&item, &err),
    }
}

fn serve(args: TokenStream, item: ItemTrait) -> TokenStream {
    let mut diag = Diag::default();
    let service = front::service(args, item, &mut diag);
    check::service(&service, &mut diag);
    match diag.finish() {
        Ok(()) => expand::service(&service),
        Err(err) => expand::fallback::service(service, &err),
    }
}

fn show(what: &str, of: &dyn std::fmt::Display, expansion: TokenStream) -> proc_macro::TokenStream {
    if is_debug() {
        let text = expansion.to_string();
        eprintln!("// {what} of {of}\n{}", debug::formatted(&text).unwrap_or(text));
    }
    expansion.into()
}

/// Whether expansions are printed.
fn is_debug() -> bool {
    std::env::var_os("THRILL_DEBUG").is_some_and(|v| v == "1")
}
