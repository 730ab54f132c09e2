//! Every valid file of a corpus of real `.thrift` files becomes Rust that compiles.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The corpus: a folder with `INDEX.tsv`, whose columns name each file, its class and the include directories it needs.
fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("THRILL_IDL_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: THRILL_IDL_CORPUS names no folder of real .thrift files");
    }
    folder
}

/// A module for each valid file. Files without ids are read as their compiler numbers them.
fn modules(corpus: &Path) -> String {
    let index = fs::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut lines = index.lines();
    let columns: Vec<_> = lines.next().unwrap().split('\t').collect();
    let column = |name: &str| columns.iter().position(|it| *it == name).unwrap();
    let (path, class, needs) = (column("path"), column("class"), column("needs_I"));
    let mut modules = String::from("#![recursion_limit = \"256\"]\n#![deny(warnings)]\n#![warn(unreachable_pub)]\n");
    for (at, row) in lines.map(|line| line.split('\t').collect::<Vec<_>>()).enumerate() {
        if row[class] == "invalid" {
            continue;
        }
        let folders = row.get(needs).copied().unwrap_or_default().split(',').filter(|folder| !folder.is_empty());
        let folders: Vec<_> = folders.map(|folder| corpus.join(folder)).collect();
        let file = corpus.join(row[path]);
        writeln!(
            modules,
            "pub mod file{at} {{ thrill::include_thrift!({file:?}, missing_ids = \"apache\", include_dirs = {folders:?}); }}"
        )
        .unwrap();
    }
    modules
}

/// Writes a file where its text is new, so that what is built stays.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn every_valid_file_of_the_corpus_compiles_without_a_warning() {
    let Some(corpus) = corpus() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let runtime = root.join("runtime");
    write(
        &made.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"corpus\"\nedition = \"2024\"\n\n[dependencies]\nthrill = {{ path = {runtime:?} }}\n\n[workspace]\n"
        ),
    );
    write(&made.join("src/lib.rs"), &modules(&corpus));
    // The versions that everything else is tested with, which are here already.
    if !made.join("Cargo.lock").exists() {
        fs::copy(root.join("Cargo.lock"), made.join("Cargo.lock")).unwrap();
    }
    let checked = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline"])
        .current_dir(&made)
        .env("CARGO_TARGET_DIR", made.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
