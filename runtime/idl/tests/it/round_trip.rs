//! Printing and parsing again gives the same syntax tree, and resolved files mean the same again.

use std::fs;

use thrill_idl::{Diagnostics, FileId, Loaded, Memory, ast, load_from, parse_str, print};

use crate::{Folder, apache, folder, load, thrift_files};

fn parse(text: &str) -> ast::File {
    parse_str(text, FileId(0), &mut Diagnostics::default()).without_spans()
}

/// Checks a text; what is broken in it is not printed.
pub(crate) fn assert_printed_again(name: &str, text: &str) {
    let mut file = parse(text);
    file.broken.clear();
    let printed = print(&file);
    let mut diagnostics = Diagnostics::default();
    let mut again = parse_str(&printed, FileId(0), &mut diagnostics).without_spans();
    assert!(!diagnostics.has_errors(), "{name}: {:?}\n{printed}", diagnostics.errors().next());
    forget_mistakes(&mut file);
    forget_mistakes(&mut again);
    assert_eq!(file, again, "{name}:\n{printed}");
    assert_eq!(print(&again), printed, "{name} is formatted already");
}

/// That something was left out is not printed either.
fn forget_mistakes(file: &mut ast::File) {
    for item in &mut file.items {
        match item {
            ast::Item::Enum(item) => item.incomplete = false,
            ast::Item::Struct(item) => item.incomplete = false,
            _ => {}
        }
    }
}

/// Checks that the files of a program, as resolved and printed, are the same program again.
pub(crate) fn assert_resolved_again(loaded: &Loaded) {
    let program = &loaded.program;
    let mut files = Memory::new();
    for file in &program.files {
        files = files.with(&file.path, print(&program.to_ast(file.id)));
    }
    let mut options = apache();
    options.include_dirs = program.files.iter().filter_map(|file| Some(file.path.parent()?.to_owned())).collect();
    let again = load_from(&files, &program.root().path, &options);
    assert!(!again.diagnostics.has_errors(), "{}", again.diagnostics.render(&again.sources));
    for (file, same) in program.files.iter().zip(&again.program.files) {
        let (text, again) = (print(&program.to_ast(file.id)), print(&again.program.to_ast(same.id)));
        assert_eq!(text, again, "{}", file.path.display());
    }
    assert_eq!(program.files.len(), again.program.files.len());
}

#[test]
fn edge_files_and_mistakes_are_printed_as_they_were_parsed() {
    for folder in [folder("edge"), folder("mistakes")] {
        for name in thrift_files(&folder) {
            assert_printed_again(&name, &fs::read_to_string(folder.join(&name)).unwrap());
        }
    }
}

#[test]
fn resolved_edge_files_mean_the_same_again() {
    let folder = folder("edge");
    for name in thrift_files(&folder) {
        let loaded = load_from(&Folder(folder.clone()), &name, &apache());
        if !loaded.diagnostics.has_errors() {
            assert_resolved_again(&loaded);
        }
    }
}

#[test]
fn all_of_the_grammar_is_printed() {
    let text = r#"/** What the file is for. */

include "user.thrift"
cpp_include "<vector>"

namespace * demo
namespace go demo.all (a = "b")

/** One line. */
const map<string, list<i32>> TABLE = {"a": [1, -2, 0x1f], "b": []}

const double HALF = 0.5
const double LARGE = 1e300
const string QUOTES = 'say "hi"\n'
const bool YES = true (key)

typedef set<string (pattern = "\\d+")> Words (note = "it's")

/**
 * Several
 *
 *   indented lines.
 */
enum Color {
    /** Warm. */
    RED = 1,
    GREEN (x = "y"),
} (q = "r")

union Shape {
    1: i32 round = 5,
    2: user.Square square,
}

exception Broken {
    -1: optional string why = "because" (a = "1", a = "2"),
    2: required Shape & shape,
}

service Draw extends user.Base {
    oneway void ping(),
    // Ends a comment: */
    Color paint(
        /** The shape. */
        1: Shape shape,
        2: i32 n = 3,
    ) throws (1: Broken broken) (streaming.mode = "unary"),
} (a)
"#;
    assert_eq!(print(&parse(text)), text);
}

#[test]
fn docs_come_from_the_comment_that_is_meant() {
    let text = "\
// The license, far away.

/** Of the file. */
include 'a.thrift'

// Ordinary lines
// right above.
struct A { // no docs of the field
  /// slashes
  1: i32 a, // not this one
  2: i32 b, // at the end of the line
  /* plain */ 3: i32 c
  # hash
  4: i32 d; /** of d, at its end */
  /* plain */
  5: i32 e
  6: i32 f /* at the end */
} // no docs of A
struct B {} /** of C */ struct C {}
/** not the last */
/**
 * The last.
 * - one
 *   - two
 */
// nor this
const i32 D = 1 // nor at the end
/** First.
 *
 * After an empty line. */
struct H {}

// separated

typedef i32 E // of E
/** x */ enum F { /** one */ X, Y, /** two */ Z // z
}
service G {
  void a() // of a
  /** of b */ void b(/** of x */ 1: i32 x, 2: i32 y // of y
  ),
}
";
    let file = parse(text);
    assert_eq!(file.docs, "Of the file.");
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: &ast::Name, docs: &str| found.push(format!("{}: {docs}", name.text));
    for item in &file.items {
        match item {
            ast::Item::Struct(item) => {
                add(&item.name, &item.docs);
                item.fields.iter().for_each(|field| add(&field.name, &field.docs));
            }
            ast::Item::Const(item) => add(&item.name, &item.docs),
            ast::Item::Typedef(item) => add(&item.name, &item.docs),
            ast::Item::Enum(item) => {
                add(&item.name, &item.docs);
                item.values.iter().for_each(|value| add(&value.name, &value.docs));
            }
            ast::Item::Service(item) => {
                for function in &item.functions {
                    add(&function.name, &function.docs);
                    function.arguments.iter().for_each(|field| add(&field.name, &field.docs));
                }
            }
            _ => {}
        }
    }
    let expected = [
        "A: Ordinary lines\nright above.",
        "a: slashes",
        "b: at the end of the line",
        "c: ",
        "d: hash",
        "e: ",
        "f: at the end",
        "B: ",
        "C: of C",
        "D: The last.\n- one\n  - two",
        "H: First.\n\nAfter an empty line.",
        "E: of E",
        "F: x",
        "X: one",
        "Y: ",
        "Z: two",
        "a: of a",
        "b: of b",
        "x: of x",
        "y: of y",
    ];
    assert_eq!(found, expected);
}

#[test]
fn constants_are_printed_by_value() {
    let loaded =
        load("enum E { A = 5 } const E X = Y const E Y = E.A const list<i32> L = [X, 7] struct S { 1: E e = X }");
    let text = print(&loaded.program.to_ast(FileId(0)));
    assert!(
        text.contains("const E X = E.A\n") && text.contains("L = [5, 7]") && text.contains("1: E e = E.A"),
        "{text}"
    );
    assert_resolved_again(&loaded);
}
