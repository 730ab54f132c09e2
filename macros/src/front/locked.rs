//! `locked = "api.lock.thrift"`: the file with the version that peers were built with.

use std::io;
use std::path::{Path, PathBuf};

use thrill_idl::{Disk, Options, Source, load_from};

use super::keys::Keys;
use crate::model::{Locked, Name};

/// Reads the key and its file. That there is no such file is judged by the compiler, which knows whether it is about to be
/// written.
pub(super) fn locked(keys: &mut Keys<'_>) -> Option<Locked> {
    let text = keys.string("locked", "api.lock.thrift")?;
    let path = Name { text: text.value(), span: text.span() };
    let package = Package(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default().into());
    let file = package.0.join(&path.text);
    if !file.exists() {
        return Some(Locked { path, file, program: None });
    }
    let loaded = load_from(&package, &path.text, &Options::default());
    if loaded.diagnostics.has_errors() {
        let mistakes = loaded.diagnostics.render(&loaded.sources);
        keys.error(&path, mistakes.trim_start_matches("error: ").trim_end());
        return None;
    }
    Some(Locked { path, file, program: Some(loaded.program) })
}

/// The files of a package, whose paths in messages are those of the manifest.
struct Package(PathBuf);

impl Source for Package {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        Disk.read(&self.0.join(path), limit)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        Disk.identity(&self.0.join(path))
    }
}
