//! IDL to Rust: `include_thrift!` and `thrift!`.
//!
//! Writes what a person would have written, items with `#[derive(Thrift)]` and traits with `#[thrill::service]`, and leaves
//! the rest to these two: there is no second way to a codec, a server or a client.
//!
//! `options` reads the arguments, `thrill_idl` the files; `names` says what each thing is called in Rust, `traits` which
//! traits it can have and needs; `ty` and `value` are the Rust of types and values, `item` and `service` the Rust of
//! definitions. `place` leads from the text to the tokens that rustc knows, and `report` tells mistakes there.

mod chosen;
mod inline;
mod item;
mod names;
mod options;
mod place;
mod report;
mod service;
mod traits;
mod ty;
mod value;

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use thrill_idl::model::{File, ItemId};
use thrill_idl::{FileId, Loaded, Program, load, load_str};

use self::names::Names;
use self::options::Options;
use self::place::Places;
use self::traits::Traits;
use crate::diag::Diag;

/// `include_thrift!("idl/echo.thrift", ..)`
pub(crate) fn include(input: TokenStream) -> TokenStream {
    let mut diag = Diag::default();
    let Some((path, options)) = options::of_include(input, &mut diag) else { return errors(diag) };
    let file = located(&path.value());
    if !file.is_file() {
        diag.error(&path, format!("there is no file `{}`: the path begins at this crate's Cargo.toml", path.value()));
        return errors(diag);
    }
    let loaded = load(file, &options.loading());
    let places = Places::Literal(path.span());
    report::report(&loaded, &places, &mut diag);
    let tracked = tracked(&loaded);
    let items = Generator::new(&loaded.program, &options, &places).files();
    let errors = errors(diag);
    quote!(#errors #items #tracked)
}

/// `thrift! { struct Note { 1: string text } }`
pub(crate) fn inline(input: TokenStream) -> TokenStream {
    let mut diag = Diag::default();
    let (options, idl) = options::of_inline(input, &mut diag);
    let (text, map) = inline::text(idl, &mut diag);
    let loaded = load_str(located(INLINE), &text, &options.loading());
    let places = Places::Tokens(map);
    report::report(&loaded, &places, &mut diag);
    let tracked = tracked(&loaded);
    let items = Generator::new(&loaded.program, &options, &places).files();
    let errors = errors(diag);
    quote!(#errors #items #tracked)
}

/// What `thrift!` is called where a file's name is wanted. It is never read.
const INLINE: &str = "thrift!.thrift";

/// A path that begins at the crate, as those of its manifest. Shown as rustc shows paths: from where it runs.
fn located(path: &str) -> PathBuf {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let path = manifest_dir.join(path);
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).map(Path::to_owned).unwrap_or(path)
}

fn errors(diag: Diag) -> TokenStream {
    diag.finish().map_or_else(|err| err.into_compile_error(), |()| TokenStream::new())
}

/// Makes the build depend on every file that was read: rustc notes what `include_bytes!` names.
fn tracked(loaded: &Loaded) -> TokenStream {
    let paths = loaded.sources.paths().filter_map(|path| std::fs::canonicalize(path).ok());
    let files = paths.filter_map(|path| path.to_str().map(str::to_owned)).map(|path| {
        quote!(
            const _: &[::core::primitive::u8] = ::core::include_bytes!(#path);
        )
    });
    quote!(#(#files)*)
}

/// All that is known when Rust is written.
struct Generator<'a> {
    program: &'a Program,
    options: &'a Options,
    places: &'a Places,
    names: Names,
    traits: Traits,
}

impl<'a> Generator<'a> {
    fn new(program: &'a Program, options: &'a Options, places: &'a Places) -> Self {
        let names = Names::of(program);
        let mut new = Self { program, options, places, names, traits: Traits::of_keys(program) };
        new.derive_traits();
        new
    }

    /// The items of the file asked for, and a module beside them for each other file.
    fn files(&self) -> TokenStream {
        let Some((root, included)) = self.program.files.split_first() else { return TokenStream::new() };
        let items = self.items(root);
        let modules = included.iter().map(|file| self.module(file));
        quote!(#items #(#modules)*)
    }

    fn module(&self, file: &File) -> TokenStream {
        let name = self.ident(&self.names.modules[file.id.index()], self.places.start());
        let from = format!("What `{}` defines.", file.path.display());
        let docs = if file.docs.is_empty() { item::docs(&from) } else { item::docs(&file.docs) };
        let lints = item::lints();
        let items = self.items(file);
        quote! {
            #docs
            #lints
            pub mod #name {
                #items
            }
        }
    }

    fn items(&self, file: &File) -> TokenStream {
        let items = file.items.iter().map(|item| match *item {
            ItemId::Typedef(id) => self.typedef(id),
            ItemId::Enum(id) => self.enumeration(id),
            ItemId::Struct(id) => self.structure(id),
            ItemId::Const(id) => self.constant(id),
            ItemId::Service(id) => self.service(id),
        });
        quote!(#(#items)*)
    }

    /// The way from the module of one file to that of another, with `::` at its end.
    fn path(&self, from: FileId, to: FileId) -> TokenStream {
        if from == to {
            return TokenStream::new();
        }
        let module = self.ident(&self.names.modules[to.index()], self.places.start());
        // The file asked for stands around the others, and includes them; they do not include it.
        if from == self.program.root().id { quote!(#module::) } else { quote!(super::#module::) }
    }

    /// Where thrill is.
    fn root(&self) -> TokenStream {
        let root = self.options.root();
        quote!(#root)
    }

    /// A name as a token, raw where Rust has it as a keyword.
    fn ident(&self, name: &str, at: Span) -> Ident {
        if names::is_keyword(name) { format_ident!("r#{name}", span = at) } else { Ident::new(name, at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_a_file_are_told_with_their_place_and_line() {
        let expansion = include(quote!("../tests/idl/mistakes.thrift")).to_string();
        let errors: Vec<&str> = expansion.matches("compile_error").collect();
        assert_eq!(errors.len(), 2, "{expansion}");
        for place in ["mistakes.thrift:2:15: unknown type `strin`", "mistakes.thrift:3:15: "] {
            assert!(expansion.contains(place), "{place}: {expansion}");
        }
        assert!(expansion.contains(r"  2 |   1: required strin name,\n    |               ^^^^^\n"), "{expansion}");
        assert!(expansion.contains("pub struct Healthy"), "{expansion}");
        assert!(expansion.contains("include_bytes"), "{expansion}");
    }

    #[test]
    fn every_file_that_is_read_is_watched() {
        let expansion = include(quote!("../tests/idl/types.thrift")).to_string();
        for file in ["types.thrift", "common.thrift", "common2.thrift"] {
            assert!(expansion.contains(&format!("{file}\") ;")), "{file}: {expansion}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_one_error() {
        let expansion = include(quote!("nowhere.thrift")).to_string();
        assert_eq!(expansion.matches("compile_error").count(), 1, "{expansion}");
    }
}
