//! Where the text of files comes from, and the files that were read.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::span::{FileId, Span};

/// Where the loader reads files: the disk, or memory.
pub trait Source {
    /// Reads a file, and no more than `limit + 1` bytes of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is no such file: the loader then looks into the next include directory.
    /// Any other error ends the search.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// A path that is the same for all spellings of one file, so that no file is read twice.
    fn identity(&self, path: &Path) -> PathBuf {
        lexically_normal(path)
    }
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Source for Disk {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        fs::canonicalize(path).unwrap_or_else(|_| lexically_normal(path))
    }
}

/// Files that exist only in memory: tests, and schemas that come from elsewhere.
///
/// ```
/// use thrill_idl::{Memory, Options, load_from};
///
/// let files = Memory::new()
///     .with("user.thrift", "struct User { 1: string name }")
///     .with("api.thrift", "include \"user.thrift\"\nservice Api { user.User me() }");
/// let loaded = load_from(&files, "api.thrift", &Options::default());
/// assert!(!loaded.diagnostics.has_errors());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: HashMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or replaces it.
    #[must_use]
    pub fn with(mut self, path: impl AsRef<Path>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(lexically_normal(path.as_ref()), text.into());
        self
    }
}

impl Source for Memory {
    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        self.files.get(&lexically_normal(path)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// One text at a path, and all other files from elsewhere.
pub(crate) struct Overlay<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
    pub(crate) below: &'a dyn Source,
}

impl Source for Overlay<'_> {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        if path == self.path { Ok(self.text.as_bytes().to_vec()) } else { self.below.read(path, limit) }
    }

    fn identity(&self, path: &Path) -> PathBuf {
        if path == self.path { path.to_owned() } else { self.below.identity(path) }
    }
}

/// A path without `.` and, where it can be said without the disk, without `..`.
fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// The files that were read, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path: the one asked for, or the include directory and what the `include` says.
    pub path: PathBuf,
    /// The text. Bytes that are no UTF-8 are replaced by U+FFFD, and reported.
    pub text: String,
}

/// A line and a column of a file, both from 1. Columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file's path.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Sources {
    /// Adds a file and returns what it is known by from now on.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { path: path.into(), text: text.into() });
        id
    }

    /// A file, if it is one of these.
    #[must_use]
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.index())
    }

    /// All files with what they are known by.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0..).map(FileId).zip(&self.files)
    }

    /// The paths of all files: a build that depends on the first depends on all of them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Where a span begins; `None` where it is of no file here.
    #[must_use]
    pub fn locate(&self, span: Span) -> Option<Location> {
        let file = self.get(span.file)?;
        let (line, column, _) = file.line_at(span.start as usize);
        Some(Location { path: file.path.clone(), line, column })
    }

    /// The text of a span; `None` where it is of no file here.
    #[must_use]
    pub fn text(&self, span: Span) -> Option<&str> {
        self.get(span.file)?.text.get(span.range())
    }
}

impl SourceFile {
    /// The number of a line, the column, and where the line begins. Lines end at LF, CR LF or CR.
    pub(crate) fn line_at(&self, offset: usize) -> (usize, usize, usize) {
        let bytes = self.text.as_bytes();
        let mut offset = offset.min(bytes.len());
        while !self.text.is_char_boundary(offset) || (offset > 0 && bytes[offset - 1..].starts_with(b"\r\n")) {
            offset -= 1;
        }
        let before = &bytes[..offset];
        let start = before.iter().rposition(|byte| is_line_end(*byte)).map_or(0, |at| at + 1);
        let crs = before.iter().filter(|byte| **byte == b'\r').count();
        let lfs = before.iter().filter(|byte| **byte == b'\n').count();
        let both = if crs == 0 { 0 } else { before.windows(2).filter(|pair| *pair == b"\r\n").count() };
        let column = self.text[start..offset].trim_start_matches('\u{feff}').chars().count() + 1;
        (1 + crs + lfs - both, column, start)
    }

    /// A part of the line that begins at `start`: up to `most` characters around `offset`, and how many of the line's are
    /// left out before them. A tab is one column like any other character, so that a caret stands below what it means.
    pub(crate) fn line_around(&self, start: usize, offset: usize, most: usize) -> (String, usize) {
        let before = self.text.get(start..offset).unwrap_or_default().trim_start_matches('\u{feff}');
        let length = before.chars().count();
        let skipped = if length > most * 3 / 4 { length - most / 2 } else { 0 };
        let from = before.char_indices().nth(skipped).map_or(offset, |(at, _)| offset - before.len() + at);
        let rest = self.text.get(from..).unwrap_or_default().trim_start_matches('\u{feff}');
        let line = rest.chars().take_while(|c| !matches!(c, '\n' | '\r')).take(most);
        (line.map(|c| if c.is_control() { ' ' } else { c }).collect(), skipped)
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}
