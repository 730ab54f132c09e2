//! Each rule, and what is no break: a row of an old text, a new text, and what is found.

use super::breaking;
use crate::{Loaded, Location, Options, Program, load_str};

const ROWS: &[(&str, &str, &[&str])] = &[
    // Services and functions.
    ("service S { void a() }", "service S { void a() void b() }", &[]),
    ("service S { void a() }", "service T { void a() }", &["service-removed: service `S` is gone"]),
    ("service S { void a() void b() }", "service S { void b() }", &["function-removed: method `a` is gone"]),
    (
        "service B { void a() } service S extends B {}",
        "service B {} service S { void a() }",
        &["function-removed: method `a` is gone"],
    ),
    (
        "struct M {} service S { M a(1: M m) (streaming.mode = 'server') }",
        "struct M {} service S { M a(1: M m) (streaming.mode = 'client') }",
        &["mode-changed: method `a` was `server` and is `client`"],
    ),
    (
        "struct M {} service S { M a(1: M m) }",
        "struct M {} service S { M a(1: M m) (streaming.mode = 'unary') }",
        &["mode-changed: method `a` was `ping-pong` and is `unary`"],
    ),
    (
        "service S { void a() }",
        "service S { oneway void a() }",
        &["oneway-changed: method `a` was `answered` and is `oneway`"],
    ),
    ("service S { i32 a() }", "service S { i64 a() }", &["result-changed: the result of `a` was `i32` and is `i64`"]),
    ("service S { void a() }", "service S { i64 a() }", &["result-changed: the result of `a` was `void` and is `i64`"]),
    (
        "service S { list<i64> a() }",
        "service S { void a() }",
        &["result-changed: the result of `a` was `list<i64>` and is `void`"],
    ),
    // Packages: only streams have paths.
    ("namespace go a.B service S { void a() }", "namespace go a.C service S { void a() }", &[]),
    (
        "namespace go a.B struct M {} service S { M a(1: M m) (streaming.mode = 'unary') }",
        "namespace * a.b struct M {} service S { M a(1: M m) (streaming.mode = 'unary') }",
        &[],
    ),
    (
        "namespace go a.B struct M {} service S { M a(1: M m) (streaming.mode = 'unary') }",
        "namespace go a.C struct M {} service S { M a(1: M m) (streaming.mode = 'unary') }",
        &["package-changed: the package was `b` and is `c`"],
    ),
    // Arguments: their names do not travel, their ids do, apart from those of streams.
    ("service S { void a(1: i32 x) }", "service S { void a(1: i32 y, 2: string z) }", &[]),
    ("service S { void a(1: i32 x, 2: i32 y) }", "service S { void a(1: i32 x) }", &[]),
    (
        "service S { void a(1: i32 x) }",
        "service S { void a(1: i64 x) }",
        &["type-changed: argument 1 of `a`, `x`, was `i32` and is `i64`"],
    ),
    (
        "service S { void a(1: i32 x) }",
        "service S { void a(2: i32 x) }",
        &["id-changed: argument 1 of `a`, `x`, was 1 and is 2"],
    ),
    (
        "service S { void a() }",
        "service S { void a(1: required i32 x) }",
        &["required-added: argument 1 of `a`, `x`, is new: `required`"],
    ),
    (
        "struct M {} service S { M a(1: M m) (streaming.mode = 'client') }",
        "struct M {} service S { M a(7: M m) (streaming.mode = 'client') }",
        &[],
    ),
    (
        "struct M {} struct N { 1: i32 a } service S { M a(1: M m) (streaming.mode = 'client') }",
        "struct M { 1: i32 b } struct N { 1: i32 a } service S { N a(1: N m) (streaming.mode = 'client') }",
        &[],
    ),
    // Exceptions.
    (
        "exception E {} exception F {} service S { i32 a() throws (1: E e) }",
        "exception E {} exception F {} service S { i32 a() throws (1: E x, 2: F f) }",
        &[],
    ),
    (
        "exception E {} service S { i32 a() throws (1: E e) }",
        "exception E {} service S { i32 a() }",
        &["exception-removed: exception 1 of `a`, `e`, is gone"],
    ),
    (
        "exception E {} service S { void a() }",
        "exception E {} service S { void a() throws (1: E e) }",
        &["exception-added: exception 1 of `a`, `e`, is new: `E`"],
    ),
    // Fields.
    ("struct M { 1: i32 a }", "struct M { 1: i32 b, 2: optional i32 c }", &[]),
    ("struct M { 1: i32 a, 2: optional i32 b }", "struct M { 1: optional i32 a }", &[]),
    ("struct M { 1: i32 a }", "typedef i32 T struct M { 1: T a }", &[]),
    (
        "struct M { 1: i32 a }",
        "struct M { 1: string a }",
        &["type-changed: field 1 of `M`, `a`, was `i32` and is `string`"],
    ),
    (
        "struct M { 1: string a }",
        "struct M { 1: binary a }",
        &["type-changed: field 1 of `M`, `a`, was `string` and is `binary`"],
    ),
    (
        "struct M { 1: list<map<string, i32>> a }",
        "struct M { 1: list<map<string, i64>> a }",
        &["type-changed: field 1 of `M`, `a`, was `list<map<string, i32>>` and is `list<map<string, i64>>`"],
    ),
    (
        "struct M { 1: list<i32> a }",
        "struct M { 1: set<i32> a }",
        &["type-changed: field 1 of `M`, `a`, was `list<i32>` and is `set<i32>`"],
    ),
    (
        "struct M { 1: i32 a, 2: i32 b }",
        "struct M { 3: i32 a, 2: i32 b }",
        &["id-changed: field 1 of `M`, `a`, was 1 and is 3"],
    ),
    ("struct M {}", "struct M { -1: required i32 a }", &["required-added: field -1 of `M`, `a`, is new: `required`"]),
    ("struct M { 1: required i32 a }", "struct M {}", &["required-removed: field 1 of `M`, `a`, is gone"]),
    (
        "struct M { 1: optional i32 a }",
        "struct M { 1: required i32 a }",
        &["requiredness-changed: field 1 of `M`, `a`, was `optional` and is `required`"],
    ),
    (
        "struct M { 1: required i32 a }",
        "struct M { 1: i32 a }",
        &["requiredness-changed: field 1 of `M`, `a`, was `required` and is `neither required nor optional`"],
    ),
    ("struct M { 1: i32 a }", "union M { 1: i32 a }", &["kind-changed: `M` was `struct` and is `union`"]),
    (
        "union M { 1: i32 a, 2: i32 b }",
        "union M { 1: i32 x, 3: i32 c }",
        &["variant-removed: field 2 of `M`, `b`, is gone"],
    ),
    // Types are compared as deep as they are reached, circles included.
    (
        "struct M { 1: optional N n } struct N { 1: list<M> m, 2: i32 a }",
        "struct M { 1: optional N n } struct N { 1: list<M> m, 2: i64 a }",
        &["type-changed: field 2 of `N`, `a`, was `i32` and is `i64`"],
    ),
    (
        "struct M { 1: map<N, N> n } struct N { 1: i32 a }",
        "struct M { 1: map<O, N> n } struct N { 1: i32 a } struct O { 1: i8 a }",
        &["type-changed: field 1 of `N`, `a`, was `i32` and is `i8`"],
    ),
    // Enums.
    ("struct M { 1: E e } enum E { A, B }", "struct M { 1: E e } enum E { A, C, D }", &[]),
    ("struct M { 1: E e } enum E { A }", "struct M { 1: i32 e }", &[]),
    (
        "struct M { 1: E e } enum E { A, B }",
        "struct M { 1: E e } enum E { B, A }",
        &["value-renumbered: `A` of `E` was 0 and is 1", "value-renumbered: `B` of `E` was 1 and is 0"],
    ),
];

#[test]
fn each_rule_finds_what_it_is_for() {
    for (old, new, want) in ROWS {
        let found: Vec<_> = breaking(&program(old), &program(new)).iter().map(ToString::to_string).collect();
        assert_eq!(found, *want, "from {old}\nto   {new}");
    }
    for rule in super::Rule::ALL {
        let name = format!("{rule}: ");
        assert!(ROWS.iter().any(|(_, _, want)| want.iter().any(|text| text.starts_with(&name))), "no row for {rule}");
    }
}

#[test]
fn types_of_the_files_count_also_where_no_service_reaches_them() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "struct M { 1: i32 a } enum E { A } typedef M T",
            "enum E { B, A } struct M { 1: i64 a } typedef M T",
            &[
                "type-changed: field 1 of `M`, `a`, was `i32` and is `i64`",
                "value-renumbered: `A` of `E` was 0 and is 1",
            ],
        ),
        ("struct M { 1: i32 a } struct N { 1: M m }", "struct M { 1: i32 a } struct O { 1: i32 a }", &[]),
        ("struct M { 1: i32 a }", "enum M { A }", &[]),
        // What a service reaches is not told twice.
        (
            "struct M { 1: i32 a } service S { void a(1: M m) }",
            "struct M { 1: i8 a } service S { void a(1: M m) }",
            &["type-changed: field 1 of `M`, `a`, was `i32` and is `i8`"],
        ),
    ];
    for (old, new, want) in rows {
        let [old, new] = [old, new].map(|text| load_str("test.thrift", text, &Options::default()).program);
        let found: Vec<_> = breaking(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(found, *want);
    }
}

#[test]
fn changes_have_their_places_in_both_files() {
    let old = "namespace go a.b\nstruct M {\n  1: i32 a\n  2: required i8 b\n}\n\
        service S { M m(1: M m) (streaming.mode = 'unary') }\nservice T {}\nenum E { A }";
    let new = "namespace go a.c\nenum E { B, A }\nstruct M {\n  1: i64 a\n  3: required i8 c\n}\n\
        service S { M m(1: M m) (streaming.mode = 'unary') }";
    let [old, new] = [old, new].map(|text| load_str("test.thrift", text, &Options::default()));
    let place = |loaded: &Loaded, span| {
        loaded.sources.locate(span).map_or((0, 0), |Location { line, column, .. }| (line, column))
    };
    let found: Vec<_> = breaking(&old.program, &new.program)
        .into_iter()
        .map(|change| (change.rule.name(), place(&old, change.old), place(&new, change.new)))
        .collect();
    let want = [
        ("package-changed", (1, 1), (1, 1)),
        ("service-removed", (7, 9), (1, 1)),
        ("type-changed", (3, 3), (4, 3)),
        ("required-removed", (4, 3), (3, 8)),
        ("required-added", (2, 8), (5, 3)),
        ("value-renumbered", (8, 10), (2, 13)),
    ];
    assert_eq!(found, want);
    assert_eq!(
        breaking(&old.program, &new.program)[2].render(&old.sources, &new.sources),
        "\
test.thrift:4:3: type-changed: field 1 of `M`, `a`, was `i32` and is `i64`
  --> test.thrift:4:3
    |
  4 |   1: i64 a
    |   ^^^^^^^^
  --> test.thrift:3:3
    |
  3 |   1: i32 a
    |   ^^^^^^^^ it was here
   = help: keep its type, and add a field with a new id"
    );
}

#[test]
fn what_does_not_change_breaks_nothing() {
    for (old, new, _) in ROWS {
        for text in [old, new] {
            assert_eq!(breaking(&program(text), &program(text)), [], "{text}");
        }
    }
}

/// A text; where it has no service, one that takes `M`.
fn program(text: &str) -> Program {
    let service = if text.contains("service") { "" } else { " service S { void a(1: M m) }" };
    let loaded = load_str("test.thrift", &format!("{text}{service}"), &Options::default());
    assert!(!loaded.diagnostics.has_errors(), "{}", loaded.diagnostics.render(&loaded.sources));
    loaded.program
}
