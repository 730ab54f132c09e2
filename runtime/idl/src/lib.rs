//! Reads Thrift IDL: `.thrift` files become a [`Program`] in which every name is resolved and every value evaluated.
//!
//! It accepts what Apache Thrift or thriftgo (Kitex) accepts, and refuses what neither of them gives a meaning. All mistakes
//! are told in one run, each with its place and with what to do, and what is healthy is there nevertheless.
//!
//! ```
//! use thrill_idl::{Options, load_str};
//!
//! let text = "
//!     namespace go demo.echo
//!
//!     struct Message { 1: string text = HELLO }
//!
//!     const string HELLO = 'hello'
//!
//!     service Echo {
//!         Message echo(1: Message message) (streaming.mode = 'bidirectional')
//!     }
//! ";
//! let loaded = load_str("echo.thrift", text, &Options::default());
//! assert!(!loaded.diagnostics.has_errors());
//!
//! let program = loaded.program;
//! let echo = program.find_service(program.root().id, "Echo").unwrap();
//! for (_, function) in program.functions(echo) {
//!     println!("{} {:?}", program.path(echo, function), function.mode); // /echo.Echo/echo Bidirectional
//! }
//! ```
//!
//! A mistake looks like this:
//!
//! ```
//! # use thrill_idl::{Options, load_str};
//! let loaded = load_str("user.thrift", "struct User {\n  1: list<strin> tags\n}", &Options::default());
//! let text = loaded.diagnostics.render(&loaded.sources);
//! assert_eq!(text, "\
//! error: user.thrift:2:11: unknown type `strin`
//!   --> user.thrift:2:11
//!     |
//!   2 |   1: list<strin> tags
//!     |           ^^^^^
//!    = help: did you mean `string`?
//!
//! ");
//! ```
//!
//! - [`load`] reads a file and what it includes, [`load_str`] a text, [`load_from`] any [`Source`], such as [`Memory`].
//! - [`ast`] is a file as written, [`parse_str`] makes it, [`print`](print()) writes it.
//! - [`breaking`] compares two versions of a file.
//! - [`Options`] has the limits for files that are not one's own. No input makes it panic or overflow the stack.

#![forbid(unsafe_code)]

pub mod ast;
pub mod breaking;
mod diagnostic;
mod docs;
mod lexer;
mod literal;
mod loader;
pub mod model;
mod options;
mod parser;
mod print;
mod resolve;
mod source;
mod span;
mod suggest;

use std::path::Path;

pub use diagnostic::{Diagnostic, Diagnostics, Note, Severity};
pub use model::Program;
pub use options::{MissingIds, Options};
pub use print::print;
pub use source::{Disk, Location, Memory, Source, SourceFile, Sources};
pub use span::{FileId, Span};

/// A file and all that it includes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the files mean, apart from what has a mistake.
    pub program: Program,
    /// The mistakes.
    pub diagnostics: Diagnostics,
    /// The files that were read, for their texts and [paths](Sources::paths). It has the file asked for also if that cannot
    /// be read.
    pub sources: Sources,
}

/// Reads a file from the disk, and what it includes.
///
/// An include is looked for beside the file that has it, then in [`Options::include_dirs`].
#[must_use]
pub fn load(path: impl AsRef<Path>, options: &Options) -> Loaded {
    load_from(&Disk, path, options)
}

/// Reads a text as if it were the file at `path`, which need not exist, and what it includes from the disk.
///
/// In the spans of the text, the file is 0 and the offsets are bytes of `text`.
#[must_use]
pub fn load_str(path: impl AsRef<Path>, text: &str, options: &Options) -> Loaded {
    let path = path.as_ref();
    load_from(&source::Overlay { path, text, below: &Disk }, path, options)
}

/// Reads a file, and what it includes, from a source.
#[must_use]
pub fn load_from(source: &dyn Source, path: impl AsRef<Path>, options: &Options) -> Loaded {
    loader::load(source, path.as_ref(), options)
}

/// Parses a text without looking at what its names mean. Spans are of `file`.
///
/// ```
/// use thrill_idl::{Diagnostics, FileId, ast, parse_str};
///
/// let mut diagnostics = Diagnostics::default();
/// let file = parse_str("struct User { 1: string name }", FileId(0), &mut diagnostics);
/// let ast::Item::Struct(user) = &file.items[0] else { unreachable!() };
/// assert_eq!((user.name.text.as_str(), user.name.span.range()), ("User", 7..11));
/// ```
pub fn parse_str(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> ast::File {
    if text.len() > u32::MAX as usize {
        diagnostics.push(Diagnostic::error(Span::new(file, 0, 0), "a file of more than 4 GiB cannot be read"));
        return ast::File::default();
    }
    parser::parse(text, file, diagnostics)
}
