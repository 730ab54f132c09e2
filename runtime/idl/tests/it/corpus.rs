//! Real files of other projects, which are not part of this one: the folder that `THRILL_IDL_CORPUS` names, with an
//! `INDEX.tsv` of path, class and include folders (column 8). Without it these tests say so, and check nothing.

use std::fs;
use std::path::{Path, PathBuf};

use thrill_idl::{Loaded, Options, load};

use crate::apache;
use crate::round_trip::{assert_printed_again, assert_resolved_again};

struct Case {
    path: PathBuf,
    class: String,
    options: Options,
}

impl Case {
    fn load(&self) -> Loaded {
        load(&self.path, &self.options)
    }
}

fn cases() -> Vec<Case> {
    let Some(folder) = std::env::var_os("THRILL_IDL_CORPUS").map(PathBuf::from) else {
        eprintln!("SKIPPED: THRILL_IDL_CORPUS names no folder of real .thrift files");
        return Vec::new();
    };
    let index = fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let case = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let dirs = columns.get(7).copied().unwrap_or_default();
        let include_dirs = dirs.split(',').filter(|dir| !dir.is_empty()).map(|dir| folder.join(dir)).collect();
        Case {
            path: folder.join(columns[0]),
            class: columns[1].to_owned(),
            options: Options { include_dirs, ..apache() },
        }
    };
    let cases: Vec<Case> = index.lines().skip(1).map(case).collect();
    assert!(cases.len() > 10, "the corpus has only {} files", cases.len());
    cases
}

/// The names and texts of the valid files.
pub(crate) fn texts() -> impl Iterator<Item = (String, String)> {
    let cases = cases().into_iter().filter(|case| case.class != "invalid");
    cases.map(|case| (case.path.display().to_string(), text(&case.path)))
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

#[test]
fn valid_files_resolve_and_invalid_ones_are_refused() {
    let mut wrong = Vec::new();
    for case in cases() {
        let loaded = case.load();
        if loaded.diagnostics.has_errors() != (case.class == "invalid") {
            wrong.push(format!(
                "{} is {}\n{}",
                case.path.display(),
                case.class,
                loaded.diagnostics.render(&loaded.sources)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn real_files_are_printed_as_they_were_parsed() {
    for (name, text) in texts() {
        assert_printed_again(&name, &text);
    }
}

#[test]
fn resolved_real_files_mean_the_same_again() {
    for case in cases().iter().filter(|case| case.class != "invalid") {
        assert_resolved_again(&case.load());
    }
}
