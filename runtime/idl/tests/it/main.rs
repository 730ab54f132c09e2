//! Tests of `thrill-idl` as its users see it. With `UPDATE_GOLDEN=1` the expected texts are written instead of compared.

mod command;
mod corpus;
mod differential;
mod edge;
mod hostile;
mod mistakes;
mod model;
mod round_trip;

use std::fs;
use std::path::{Path, PathBuf};

use thrill_idl::{Disk, Loaded, MissingIds, Options, Source};

/// A folder of these tests.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// A folder as if it were the current one, so that messages are the same everywhere.
struct Folder(PathBuf);

impl Source for Folder {
    fn read(&self, path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
        Disk.read(&self.0.join(path), limit)
    }
}

/// The `.thrift` files of a folder, without those of folders in it.
fn thrift_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".thrift")).collect();
    names.sort();
    assert!(!names.is_empty(), "no files in {}", folder.display());
    names
}

/// Loads a text without includes.
fn load(text: &str) -> Loaded {
    thrill_idl::load_str("test.thrift", text, &Options::default())
}

/// Numbers fields without an id as Apache Thrift does.
fn apache() -> Options {
    Options { missing_ids: MissingIds::Apache, ..Options::default() }
}

/// Compares a text with a file, or writes the file.
fn assert_golden(path: &Path, text: &str, mistakes: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    if expected != text {
        mistakes.push(format!("{} is not as expected:\n{text}", path.display()));
    }
}
