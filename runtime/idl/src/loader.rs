//! A file and all that it includes, read and parsed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};

use crate::ast::{self, Item};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Source, Sources};
use crate::span::{FileId, Span};
use crate::{Loaded, Options, parser, resolve};

pub(crate) fn load(source: &dyn Source, path: &Path, options: &Options) -> Loaded {
    let mut loader = Loader {
        source,
        options,
        sources: Sources::default(),
        diagnostics: Diagnostics::default(),
        known: HashMap::new(),
        files: Vec::new(),
    };
    match source.read(path, options.max_file_size) {
        Ok(bytes) => drop(loader.add(path.to_owned(), bytes)),
        Err(err) => loader.unreadable_root(path, &err),
    }
    // Files are added to the list while it is walked: what they include, and what that includes.
    let mut at = 0;
    while at < loader.files.len() {
        loader.include_all(at);
        at += 1;
    }
    let Loader { sources, mut diagnostics, files, .. } = loader;
    report_cycles(&files, &mut diagnostics);
    let program = resolve::resolve(&files, &sources, options, &mut diagnostics);
    diagnostics.sort();
    Loaded { program, diagnostics, sources }
}

/// A parsed file with what it includes.
pub(crate) struct ParsedFile {
    pub(crate) ast: ast::File,
    pub(crate) includes: Vec<Included>,
    /// Prefixes of includes that could not be read: what they would have is unknown.
    pub(crate) unread: Vec<String>,
}

/// An include that was found.
pub(crate) struct Included {
    pub(crate) path: String,
    pub(crate) prefix: String,
    pub(crate) file: FileId,
    pub(crate) span: Span,
    pub(crate) path_span: Span,
}

struct Loader<'a> {
    source: &'a dyn Source,
    options: &'a Options,
    sources: Sources,
    diagnostics: Diagnostics,
    known: HashMap<PathBuf, FileId>,
    files: Vec<ParsedFile>,
}

impl Loader<'_> {
    fn add(&mut self, path: PathBuf, bytes: Vec<u8>) -> FileId {
        let identity = self.source.identity(&path);
        let (text, mistake) = self.text(bytes);
        let file = self.sources.add(path, text);
        self.known.insert(identity, file);
        if let Some((at, message)) = mistake {
            self.diagnostics.push(Diagnostic::error(Span::new(file, at, at), message));
        }
        let text = self.sources.get(file).map_or("", |file| &file.text);
        let ast = parser::parse(text, file, &mut self.diagnostics);
        self.files.push(ParsedFile { ast, includes: Vec::new(), unread: Vec::new() });
        file
    }

    /// A file's text, and what is wrong with its bytes.
    fn text(&self, bytes: Vec<u8>) -> (String, Option<(usize, String)>) {
        let limit = self.options.max_file_size.min(u32::MAX as usize / 4);
        if bytes.len() > limit {
            return (String::new(), Some((0, format!("the file has more than {limit} bytes, the limit"))));
        }
        match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(err) => {
                let at = err.utf8_error().valid_up_to();
                let message = format!("the file is not UTF-8: byte {at} begins no character");
                (String::from_utf8_lossy(err.as_bytes()).into_owned(), Some((at, message)))
            }
        }
    }

    fn unreadable_root(&mut self, path: &Path, err: &io::Error) {
        let file = self.sources.add(path, "");
        self.files.push(ParsedFile { ast: ast::File::default(), includes: Vec::new(), unread: Vec::new() });
        self.diagnostics.push(Diagnostic::error(Span::new(file, 0, 0), format!("the file cannot be read: {err}")));
    }

    fn include_all(&mut self, at: usize) {
        let includes: Vec<ast::Include> = self.files[at].ast.items.iter().filter_map(as_include).cloned().collect();
        for ast::Include { path, span } in includes {
            let prefix = prefix_of(&path.value);
            match self.include(&path, span) {
                // Once more is no more.
                Some(file) if self.files[at].includes.iter().any(|one| one.file == file) => {}
                Some(file) => {
                    let included = Included { path: path.value, prefix, file, span, path_span: path.span };
                    self.files[at].includes.push(included);
                }
                None => self.files[at].unread.push(prefix),
            }
        }
    }

    /// The file that an include means.
    fn include(&mut self, path: &ast::Text, span: Span) -> Option<FileId> {
        let beside = self.sources.get(span.file).and_then(|file| file.path.parent()).unwrap_or(Path::new(""));
        let mut tried: Vec<PathBuf> = Vec::new();
        let candidates: Vec<PathBuf> = std::iter::once(beside)
            .chain(self.options.include_dirs.iter().map(PathBuf::as_path))
            .map(|dir| dir.join(path.value.trim_start_matches("./")))
            .collect();
        for candidate in candidates {
            if tried.contains(&candidate) {
                continue;
            }
            if let Entry::Occupied(known) = self.known.entry(self.source.identity(&candidate)) {
                return Some(*known.get());
            }
            if self.files.len() >= self.options.max_files {
                let message = format!("this is one more than {} files, the limit", self.options.max_files);
                self.diagnostics.push(Diagnostic::error(path.span, message));
                return None;
            }
            match self.source.read(&candidate, self.options.max_file_size) {
                Ok(bytes) => return Some(self.add(candidate, bytes)),
                Err(err) if is_absent(&err) => tried.push(candidate),
                Err(err) => {
                    let message = format!("`{}` cannot be read: {err}", candidate.display());
                    self.diagnostics.push(Diagnostic::error(path.span, message));
                    return None;
                }
            }
        }
        let tried: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
        let help = if path.value.ends_with(".thrift") {
            format!("looked for {}", tried.join(", "))
        } else {
            format!("looked for {}; the name is taken as it is, no `.thrift` is added", tried.join(", "))
        };
        let message = format!("there is no file `{}`", path.value);
        self.diagnostics.push(Diagnostic::error(path.span, message).help(help));
        None
    }
}

fn as_include(item: &Item) -> Option<&ast::Include> {
    match item {
        Item::Include(include) => Some(include),
        _ => None,
    }
}

/// What names of a file begin with where it is included: the file's name up to its last dot.
fn prefix_of(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

fn is_absent(err: &io::Error) -> bool {
    // A folder of that name is no such file, nor is a path through a file.
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// Reports each include that leads back to a file that includes it.
fn report_cycles(files: &[ParsedFile], diagnostics: &mut Diagnostics) {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; files.len()];
    // The files on the way from the first one, each with how many of its includes were followed.
    let mut way: Vec<(usize, usize)> = Vec::new();
    for root in 0..files.len() {
        if states[root] == State::New {
            states[root] = State::Open;
            way.push((root, 0));
        }
        while let Some((file, followed)) = way.last_mut() {
            let Some(include) = files[*file].includes.get(*followed) else {
                states[*file] = State::Done;
                way.pop();
                continue;
            };
            *followed += 1;
            let next = include.file.index();
            match states[next] {
                State::New => {
                    states[next] = State::Open;
                    way.push((next, 0));
                }
                State::Open => {
                    let first = way.iter().position(|(file, _)| *file == next).unwrap_or(0);
                    diagnostics.push(cycle(files, &way[first..]));
                }
                State::Done => {}
            }
        }
    }
}

/// The error for the files of a circle, of which the last includes the first.
fn cycle(files: &[ParsedFile], way: &[(usize, usize)]) -> Diagnostic {
    let links: Vec<&Included> = way.iter().map(|(file, followed)| &files[*file].includes[followed - 1]).collect();
    let Some((last, before)) = links.split_last() else { return Diagnostic::error(Span::default(), "") };
    let mut chain = vec![last.path.as_str()];
    chain.extend(links.iter().map(|link| link.path.as_str()));
    let message = format!("includes go round in a circle: {}", chain.join(" -> "));
    let diagnostic = Diagnostic::error(last.path_span, message);
    let diagnostic = before.iter().fold(diagnostic, |one, link| one.note(link.path_span, "included here"));
    diagnostic.help("move what both need into a file of its own")
}
