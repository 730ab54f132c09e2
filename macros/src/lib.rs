//! The macros of [`thrill`](https://docs.rs/thrill). Use them through that crate, which re-exports both and has their
//! runnable examples; the code they generate names nothing but `thrill::private`.
//!
//! Both are the same pipeline: `front` reads tokens into the `model`, `check` has every rule, `expand` writes tokens,
//! and `diag` collects all mistakes of one run. `THRILL_DEBUG=1` prints each expansion to stderr.

mod check;
mod diag;
mod expand;
mod front;
mod model;
mod names;

use proc_macro2::TokenStream;
use quote::ToTokens;
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
/// | one variant | `#[thrift(unknown)]` | keeps what a newer peer sends; every union and enum needs one |
///
/// A field of type `Option<T>` is optional: written when it is `Some`. A field of any other type is always written, and
/// is `Default::default()` where a peer leaves it out. Enums also get `From` to and from `i32`.
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

fn show(what: &str, of: &dyn ToTokens, expansion: TokenStream) -> proc_macro::TokenStream {
    if std::env::var_os("THRILL_DEBUG").is_some_and(|v| v == "1") {
        eprintln!("// {what} of {}\n{expansion}", of.to_token_stream());
    }
    expansion.into()
}
