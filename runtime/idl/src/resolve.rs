//! Syntax trees to a program: names to ids, literals to typed values, and every rule that a file must keep.
//!
//! The order is that of what needs what: names, typedefs, fields and functions, constants, defaults, and at last what can
//! only be seen of the whole.

mod annotations;
mod fields;
mod functions;
mod graph;
mod recursion;
mod scope;
mod types;
mod values;

use std::collections::HashSet;

use crate::Options;
use crate::ast::{self, Item};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::loader::ParsedFile;
use crate::model::{self, ConstId, ItemId, Program};
use crate::source::Sources;
use crate::span::FileId;

use annotations::Place;
use scope::{Declared, Scopes};

pub(crate) fn resolve(
    files: &[ParsedFile],
    sources: &Sources,
    options: &Options,
    diagnostics: &mut Diagnostics,
) -> Program {
    let scopes = Scopes::new(files, diagnostics);
    let mut resolver = Resolver {
        scopes: &scopes,
        options,
        diagnostics,
        program: Program::default(),
        typedefs: Vec::new(),
        warned_of_uuid: HashSet::new(),
    };
    resolver.typedefs();
    resolver.enums();
    resolver.structs();
    resolver.services();
    let consts = resolver.const_types();
    let Resolver { mut program, typedefs, .. } = resolver;
    let consts = values::evaluate(&scopes, &mut program, &consts, options, diagnostics);
    recursion::check(&mut program, options, diagnostics);
    program.files = file_list(files, sources, &scopes, &typedefs, &consts, diagnostics);
    program
}

/// What the steps share until the definitions are complete.
struct Resolver<'a> {
    scopes: &'a Scopes<'a>,
    options: &'a Options,
    diagnostics: &'a mut Diagnostics,
    program: Program,
    /// By the index of its declaration: what became of each typedef.
    typedefs: Vec<Option<types::Sound>>,
    /// Files that were told that Kitex has no uuid.
    warned_of_uuid: HashSet<FileId>,
}

impl Resolver<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn enums(&mut self) {
        for (file, item) in &self.scopes.enums {
            let mut values: Vec<model::EnumValue> = Vec::with_capacity(item.values.len());
            let mut names = scope::Names::default();
            let mut next = 0;
            for value in &item.values {
                let number = value.value.map_or(next, |number| number.value);
                let Ok(small) = i32::try_from(number) else {
                    let span = value.value.map_or(value.name.span, |number| number.span);
                    let message = format!("`{}` is {number}, which does not fit in an i32", value.name.text);
                    self.report(Diagnostic::error(span, message).help("values of an enum are i32 on the wire"));
                    next = 0;
                    continue;
                };
                next = number + 1;
                if let Some(first) = names.insert(&value.name) {
                    let message = format!("`{}` is in `{}` twice", value.name.text, item.name.text);
                    self.report(Diagnostic::error(value.name.span, message).note(first, "first used here"));
                    continue;
                }
                values.push(model::EnumValue {
                    name: value.name.text.clone(),
                    value: small,
                    docs: value.docs.clone(),
                    annotations: annotations::check(&value.annotations, Place::EnumValue, self.diagnostics),
                    span: value.span,
                    name_span: value.name.span,
                });
            }
            self.program.enums.push(model::Enum {
                file: *file,
                name: item.name.text.clone(),
                docs: item.docs.clone(),
                values,
                annotations: annotations::check(&item.annotations, Place::Enum, self.diagnostics),
                span: item.span,
                name_span: item.name.span,
            });
        }
    }

    /// The type of each constant, as far as it has one.
    fn const_types(&mut self) -> Vec<Option<model::Type>> {
        let scopes = self.scopes;
        scopes.consts.iter().map(|(file, item)| self.ty(*file, &item.ty)).collect()
    }
}

/// The files of the program, when it is known what became of each declaration.
fn file_list(
    files: &[ParsedFile],
    sources: &Sources,
    scopes: &Scopes<'_>,
    typedefs: &[Option<types::Sound>],
    consts: &[Option<ConstId>],
    diagnostics: &mut Diagnostics,
) -> Vec<model::File> {
    let id_of = |declared: Declared| match declared {
        Declared::Typedef(at) => typedefs[at].as_ref().map(|sound| ItemId::Typedef(sound.id)),
        Declared::Const(at) => consts[at].map(ItemId::Const),
        Declared::Enum(id) => Some(ItemId::Enum(id)),
        Declared::Struct(id) => Some(ItemId::Struct(id)),
        Declared::Service(id) => Some(ItemId::Service(id)),
        Declared::Broken => None,
    };
    let mut list = Vec::with_capacity(files.len());
    for (file, parsed) in (0..).map(FileId).zip(files) {
        let scope = &scopes.files[file.index()];
        let items: Vec<ItemId> = scope.order.iter().filter_map(|declared| id_of(*declared)).collect();
        let names =
            scope.names.iter().filter_map(|(name, (declared, _))| Some(((*name).to_owned(), id_of(*declared)?)));
        list.push(model::File {
            id: file,
            path: sources.get(file).map(|source| source.path.clone()).unwrap_or_default(),
            docs: parsed.ast.docs.clone(),
            includes: parsed
                .includes
                .iter()
                .map(|one| model::Include {
                    path: one.path.clone(),
                    prefix: one.prefix.clone(),
                    file: one.file,
                    span: one.span,
                })
                .collect(),
            namespaces: namespaces(&parsed.ast, diagnostics),
            items,
            names: names.collect(),
        });
    }
    list
}

/// The first namespace of each scope.
fn namespaces(file: &ast::File, diagnostics: &mut Diagnostics) -> Vec<model::Namespace> {
    let mut names = scope::Names::default();
    let mut list = Vec::new();
    for item in &file.items {
        let Item::Namespace(namespace) = item else { continue };
        if let Some(first) = names.insert(&namespace.scope) {
            let message = format!("`namespace {}` is given twice: the first counts", namespace.scope.text);
            let diagnostic = Diagnostic::warning(namespace.span, message).note(first, "first given here");
            diagnostics.push(diagnostic.help("remove one: Apache Thrift takes the last, thriftgo the first"));
            continue;
        }
        list.push(model::Namespace {
            scope: namespace.scope.text.clone(),
            name: namespace.name.text.clone(),
            annotations: annotations::check(&namespace.annotations, Place::Namespace, diagnostics),
            span: namespace.span,
        });
    }
    list
}

/// The next id of a list.
fn next_id(list: &[impl Sized]) -> u32 {
    // A text of 4 GiB, the most that is read, has no more definitions than this.
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
