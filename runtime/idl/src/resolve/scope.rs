//! Which names there are in each file, and finding what a name means.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::ast::{self, Item};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::loader::ParsedFile;
use crate::model::{EnumId, ServiceId, StructId};
use crate::span::{FileId, Span};
use crate::suggest;

use super::next_id;

/// What a name stands for in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    /// An index of [`Scopes::typedefs`].
    Typedef(usize),
    /// An index of [`Scopes::consts`].
    Const(usize),
    Enum(EnumId),
    Struct(StructId),
    Service(ServiceId),
    /// Something with a mistake that was reported.
    Broken,
}

impl Declared {
    /// What it is, with an article.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Typedef(_) => "a typedef",
            Self::Const(_) => "a constant",
            Self::Enum(_) => "an enum",
            Self::Struct(_) => "a struct",
            Self::Service(_) => "a service",
            Self::Broken => "broken",
        }
    }

    pub(super) fn is_type(self) -> bool {
        matches!(self, Self::Typedef(_) | Self::Enum(_) | Self::Struct(_))
    }
}

/// The names of all files, and their definitions by kind.
pub(super) struct Scopes<'a> {
    pub(super) files: Vec<Scope<'a>>,
    pub(super) typedefs: Vec<(FileId, &'a ast::Typedef)>,
    pub(super) consts: Vec<(FileId, &'a ast::Const)>,
    pub(super) enums: Vec<(FileId, &'a ast::Enum)>,
    pub(super) structs: Vec<(FileId, &'a ast::Struct)>,
    pub(super) services: Vec<(FileId, &'a ast::Service)>,
    parsed: &'a [ParsedFile],
}

/// The names of one file.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) names: HashMap<&'a str, (Declared, Span)>,
    /// What is declared, in the order written.
    pub(super) order: Vec<Declared>,
    /// The files of each prefix that names may have here.
    prefixes: HashMap<&'a str, Vec<FileId>>,
    /// Prefixes of files that could not be read.
    unread: Vec<&'a str>,
}

/// What a name was found to be.
pub(super) enum Found {
    /// This, declared there.
    One(Declared, Span),
    /// Two included files have it.
    Two(Span, Span),
    Nothing,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(files: &'a [ParsedFile], diagnostics: &mut Diagnostics) -> Self {
        let mut scopes = Self {
            files: Vec::with_capacity(files.len()),
            typedefs: Vec::new(),
            consts: Vec::new(),
            enums: Vec::new(),
            structs: Vec::new(),
            services: Vec::new(),
            parsed: files,
        };
        for (file, parsed) in (0..).map(FileId).zip(files) {
            let mut scope = Scope { unread: parsed.unread.iter().map(String::as_str).collect(), ..Scope::default() };
            for included in &parsed.includes {
                scope.prefixes.entry(&included.prefix).or_default().push(included.file);
            }
            for item in &parsed.ast.items {
                scopes.declare(file, item, &mut scope, diagnostics);
            }
            for name in &parsed.ast.broken {
                scope.names.entry(&name.text).or_insert((Declared::Broken, name.span));
            }
            scopes.files.push(scope);
        }
        scopes
    }

    fn declare(&mut self, file: FileId, item: &'a Item, scope: &mut Scope<'a>, diagnostics: &mut Diagnostics) {
        let (name, declared) = match item {
            Item::Include(_) | Item::CppInclude(_) | Item::Namespace(_) => return,
            Item::Typedef(item) => (&item.name, Declared::Typedef(self.typedefs.len())),
            Item::Const(item) => (&item.name, Declared::Const(self.consts.len())),
            Item::Enum(item) => (&item.name, Declared::Enum(EnumId(next_id(&self.enums)))),
            Item::Struct(item) => (&item.name, Declared::Struct(StructId(next_id(&self.structs)))),
            Item::Service(item) => (&item.name, Declared::Service(ServiceId(next_id(&self.services)))),
        };
        match scope.names.entry(&name.text) {
            Entry::Occupied(first) => {
                let message = format!("`{}` is defined twice", name.text);
                let help = "types, constants and services share their names: rename one";
                diagnostics
                    .push(Diagnostic::error(name.span, message).note(first.get().1, "first defined here").help(help));
                return;
            }
            Entry::Vacant(entry) => {
                entry.insert((declared, name.span));
            }
        }
        if declared.is_type() && BASE_TYPES.contains(&name.text.as_str()) {
            let message = format!("no type can refer to this: `{}` is always the type that Thrift has", name.text);
            diagnostics.push(Diagnostic::warning(name.span, message).help("rename it"));
        }
        scope.order.push(declared);
        match item {
            Item::Include(_) | Item::CppInclude(_) | Item::Namespace(_) => {}
            Item::Typedef(item) => self.typedefs.push((file, item)),
            Item::Const(item) => self.consts.push((file, item)),
            Item::Enum(item) => self.enums.push((file, item)),
            Item::Struct(item) => self.structs.push((file, item)),
            Item::Service(item) => self.services.push((file, item)),
        }
    }

    /// What a name means in a file.
    pub(super) fn find(&self, file: FileId, name: &str) -> Found {
        let scope = &self.files[file.index()];
        let Some((prefix, last)) = name.rsplit_once('.') else {
            return scope.names.get(name).map_or(Found::Nothing, |(declared, span)| Found::One(*declared, *span));
        };
        if scope.unread.contains(&prefix) {
            return Found::One(Declared::Broken, Span::default());
        }
        let mut found = Found::Nothing;
        for included in scope.prefixes.get(prefix).into_iter().flatten() {
            let Some((declared, span)) = self.files[included.index()].names.get(last) else { continue };
            found = match found {
                Found::Nothing => Found::One(*declared, *span),
                Found::One(_, first) => return Found::Two(first, *span),
                Found::Two(..) => return found,
            };
        }
        found
    }

    /// Whether a file includes another.
    pub(super) fn includes(&self, file: FileId, other: FileId) -> bool {
        self.parsed[file.index()].includes.iter().any(|included| included.file == other)
    }

    /// Whether names of a file may begin so, and mean another file.
    pub(super) fn is_prefix_of(&self, file: FileId, prefix: &str, other: FileId) -> bool {
        self.files[file.index()].prefixes.get(prefix).is_some_and(|files| files.contains(&other))
    }

    /// What a name of another file begins with in a file, with its dot; nothing for the file itself.
    pub(super) fn prefix_of(&self, file: FileId, other: FileId) -> String {
        let includes = &self.parsed[file.index()].includes;
        includes.iter().find(|one| one.file == other).map(|one| format!("{}.", one.prefix)).unwrap_or_default()
    }

    /// The error for a name that means nothing.
    pub(super) fn unknown(
        &self,
        file: FileId,
        name: &str,
        span: Span,
        what: &str,
        diagnostics: &mut Diagnostics,
        is_wanted: impl Fn(Declared) -> bool,
    ) {
        let diagnostic = Diagnostic::error(span, format!("unknown {what} `{name}`"));
        // Nobody reads a hint that is not shown, and finding one takes a while.
        if diagnostics.dropped(file, Severity::Error) > 0 {
            diagnostics.push(diagnostic);
            return;
        }
        let hint = match name.rsplit_once('.') {
            Some((prefix, last)) => self.hint_of_prefixed(file, prefix, last, &is_wanted),
            None => self.hint(file, name, what == "type", &is_wanted),
        };
        diagnostics.push(match hint {
            Some(hint) => diagnostic.help(hint),
            None => diagnostic,
        });
    }

    fn hint(&self, file: FileId, name: &str, is_type: bool, is_wanted: &impl Fn(Declared) -> bool) -> Option<String> {
        if is_type {
            if let Some((_, hint)) = FOREIGN_TYPES.iter().find(|(known, _)| *known == name) {
                return Some((*hint).to_owned());
            }
        }
        for included in &self.parsed[file.index()].includes {
            let declared = self.files[included.file.index()].names.get(name);
            if declared.is_some_and(|(declared, _)| is_wanted(*declared)) {
                return Some(format!("did you mean `{}.{name}`, of `{}`?", included.prefix, included.path));
            }
        }
        let own = self.names(file, is_wanted);
        let base = BASE_TYPES.iter().copied().filter(|_| is_type);
        let near = suggest::closest(name, own.into_iter().chain(base))?;
        Some(format!("did you mean `{near}`?"))
    }

    fn hint_of_prefixed(
        &self,
        file: FileId,
        prefix: &str,
        last: &str,
        is_wanted: &impl Fn(Declared) -> bool,
    ) -> Option<String> {
        let scope = &self.files[file.index()];
        if let Some(files) = scope.prefixes.get(prefix) {
            let names = files.iter().flat_map(|included| self.names(*included, is_wanted));
            return Some(match suggest::closest(last, names) {
                Some(near) => format!("did you mean `{prefix}.{near}`?"),
                None => format!("the file that is included as `{prefix}` has no `{last}`"),
            });
        }
        for included in &self.parsed[file.index()].includes {
            let further = &self.parsed[included.file.index()].includes;
            if let Some(other) = further.iter().find(|one| one.prefix == prefix) {
                let (through, path) = (&included.path, &other.path);
                return Some(format!("`{through}` includes `{path}`, but this file does not: include it here too"));
            }
        }
        let near = suggest::closest(prefix, scope.prefixes.keys().copied());
        Some(match near {
            Some(near) => format!("nothing is included as `{prefix}`: did you mean `{near}.{last}`?"),
            None => format!("nothing is included as `{prefix}`: write `include \"{prefix}.thrift\"`"),
        })
    }

    /// Names of a file, in a fixed order.
    fn names(&self, file: FileId, is_wanted: &impl Fn(Declared) -> bool) -> Vec<&'a str> {
        let names = &self.files[file.index()].names;
        if names.len() > suggest::MOST_CANDIDATES {
            return Vec::new();
        }
        let mut names: Vec<&str> =
            names.iter().filter(|(_, (declared, _))| is_wanted(*declared)).map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

/// Names that may be there once only, with the place of each.
#[derive(Default)]
pub(super) struct Names<'a> {
    seen: HashMap<&'a str, Span>,
}

impl<'a> Names<'a> {
    /// Adds a name; gives its first place if it is there already.
    pub(super) fn insert(&mut self, name: &'a ast::Name) -> Option<Span> {
        match self.seen.entry(&name.text) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(entry) => {
                entry.insert(name.span);
                None
            }
        }
    }
}

const BASE_TYPES: &[&str] = &["bool", "byte", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid", "void"];

/// Types of other languages and of old compilers, and what to use.
const FOREIGN_TYPES: &[(&str, &str)] = &[
    ("float", "Thrift has no `float`: use `double`"),
    ("f32", "Thrift has no 32-bit float: use `double`"),
    ("f64", "use `double`"),
    ("u8", "Thrift has no unsigned integers: use `i8` or `i16`"),
    ("u16", "Thrift has no unsigned integers: use `i16` or `i32`"),
    ("u32", "Thrift has no unsigned integers: use `i32` or `i64`"),
    ("u64", "Thrift has no unsigned integers: use `i64`"),
    ("int", "use `i32`"),
    ("integer", "use `i32`"),
    ("short", "use `i16`"),
    ("long", "use `i64`"),
    ("char", "use `i8` or `string`"),
    ("str", "use `string`"),
    ("slist", "`slist` is no longer part of Thrift: use `string`"),
    ("bytes", "use `binary`"),
    ("boolean", "use `bool`"),
    ("oneway", "a function that is `oneway` returns `void`: write `oneway void`"),
    ("list", "a list has a type: `list<i32>`"),
    ("set", "a set has a type: `set<i32>`"),
    ("map", "a map has two types: `map<string, i32>`"),
];
