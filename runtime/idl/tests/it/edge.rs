//! One file for each corner of the grammar, with what Apache Thrift 0.25 and thriftgo 0.4 say to it: `edge/VERDICTS.tsv`.

use std::fs;

use thrill_idl::{Options, Severity, load_from};

use crate::{Folder, assert_golden, folder, thrift_files};

/// Refused by both, and accepted here: all of them are what people write.
const MORE_ACCEPTED: &[&str] = &[
    // A separator behind a definition or a header.
    "enum_trail_sep",
    "hdr_sep_comma",
    "inc_sep_semi",
    "struct_trail_comma",
    "struct_trail_sep",
    "svc_trail",
    // A header behind a definition.
    "include_after_def",
];

/// Accepted by both, and refused here: none of them means the same to all peers, or anything in Rust.
const MORE_REFUSED: &[&str] = &[
    "const_union_two",
    "i32_range",
    "i8_range",
    "struct_big_id",
    "svc_throws_id0",
    // Accepted with `Options::missing_ids`.
    "struct_req_noid",
    "svc_args_noid",
    "svc_throws_noid",
];

#[test]
fn verdicts_on_the_edge_files() {
    let folder = folder("edge");
    let path = folder.join("VERDICTS.tsv");
    let table = fs::read_to_string(&path).unwrap();
    let mut lines = table.lines();
    let mut found = format!("{}\n", lines.next().unwrap());
    let mut cases = Vec::new();
    for line in lines {
        let [case, apache, thriftgo, ..] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let loaded = load_from(&Folder(folder.clone()), format!("{case}.thrift"), &Options::default());
        let worst = loaded.diagnostics.iter().max_by_key(|one| one.severity);
        let verdict = match worst.map(|one| one.severity) {
            None => "ok",
            Some(Severity::Warning) => "warning",
            Some(Severity::Error) => "error",
        };
        let first = worst.map(|one| one.render(&loaded.sources)).unwrap_or_default();
        let first = first.lines().next().unwrap_or_default();
        found.push_str(&format!("{case}\t{apache}\t{thriftgo}\t{verdict}\t{first}\n"));
        match (apache, thriftgo) {
            ("error", "error") => assert_eq!(verdict != "error", MORE_ACCEPTED.contains(&case), "{case}: {first}"),
            ("ok", "ok") => assert_eq!(verdict == "error", MORE_REFUSED.contains(&case), "{case}: {first}"),
            _ => {}
        }
        cases.push(format!("{case}.thrift"));
    }
    cases.sort();
    assert_eq!(cases, thrift_files(&folder), "a row for each file");
    let mut mistakes = Vec::new();
    assert_golden(&path, &found, &mut mistakes);
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}
