//! The command `thrill-idl`.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::folder;

fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_thrill-idl")).args(args).current_dir(folder("")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn check_tells_mistakes_by_its_exit_code() {
    assert_eq!(run(&["check", "edge/svc_basic.thrift", "edge/ty_byte.thrift"]), (0, String::new(), String::new()));
    let (code, out, err) = run(&["check", "edge/svc_basic.thrift", "edge/missing_gt.thrift"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: edge/missing_gt.thrift:1:22: expected `>` to end the list, found `a`\n"), "{err}");
    let (code, _, err) = run(&["check", "edge/ty_uuid.thrift"]);
    assert!(code == 0 && err.starts_with("warning: "), "{err}");
    assert_eq!(run(&["check", "--deny-warnings", "edge/ty_uuid.thrift"]).0, 1);
    assert_eq!(run(&["check", "edge/struct_req_noid.thrift"]).0, 1);
    assert_eq!(run(&["check", "edge/struct_req_noid.thrift", "--missing-ids", "thriftgo"]).0, 0);
    let (code, _, err) = run(&["check", "nowhere.thrift"]);
    assert!(code == 1 && err.starts_with("error: nowhere.thrift:1:1: the file cannot be read: "), "{err}");
}

#[test]
fn included_files_are_found_in_other_folders() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("uses_base.thrift");
    std::fs::write(&file, "include \"base_ok.thrift\"\nstruct S { 1: base_ok.B b }\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, _, err) = run(&["check", file]);
    assert!(code == 1 && err.contains("there is no file `base_ok.thrift`"), "{err}");
    assert_eq!(run(&["check", file, "-I", "edge"]).0, 0);
    assert_eq!(run(&["check", "-Iedge", file]).0, 0);
}

#[test]
fn print_gives_the_file_as_resolved() {
    let (code, out, err) = run(&["print", "edge/struct_default.thrift"]);
    let text =
        "struct S {\n    1: i32 a = 5,\n    2: list<string> b = [\"x\"],\n    3: optional string c = \"d\",\n}\n";
    assert_eq!((code, out.as_str(), err.as_str()), (0, text, ""));
    let (code, out, _) = run(&["print", "edge/missing_gt.thrift"]);
    assert_eq!((code, out.as_str()), (1, ""));
}

#[test]
fn breaking_tells_changes_by_its_exit_code() {
    assert_eq!(run(&["breaking", "edge/svc_basic.thrift", "edge/svc_basic.thrift"]).0, 0);
    let (code, out, _) = run(&["breaking", "edge/svc_basic.thrift", "edge/svc_empty.thrift"]);
    assert_eq!(code, 1);
    assert!(out.starts_with("error: edge/svc_empty.thrift:1:9: function-removed: "), "{out}");
    assert!(out.contains("\n  --> edge/svc_basic.thrift:"), "{out}");
}

#[test]
fn a_wrong_command_is_told_how_it_is_right() {
    for args in [&[][..], &["chek"], &["check"], &["print", "a", "b"], &["breaking", "a"], &["check", "--x", "a"]] {
        let (code, _, err) = run(args);
        assert!(code == 2 && err.contains("usage:"), "{args:?}: {err}");
    }
    assert_eq!(run(&["--help"]).0, 0);
}
