//! What programs say: ids, values, references, recursion, and what is left of broken files.

use thrill_idl::model::{Field, ItemId, Mode, Requiredness, TypeKind, Value};
use thrill_idl::{Memory, MissingIds, Options, Program, load_from, load_str};

use crate::load;

fn program(text: &str) -> Program {
    let loaded = load(text);
    assert!(!loaded.diagnostics.has_errors(), "{}", loaded.diagnostics.render(&loaded.sources));
    loaded.program
}

fn ids(fields: &[Field]) -> Vec<i16> {
    fields.iter().map(|field| field.id).collect()
}

#[test]
fn missing_ids_are_those_of_the_compiler_that_is_named() {
    let text = "
        struct S { i32 a, i32 b, 5: i32 c, i32 d, -7: i32 e, i32 f }
        exception X {}
        service V { void m(i32 x, 3: i32 y, i32 z) throws (X p, X q) }";
    let rows = [
        (MissingIds::Apache, [-1, -2, 5, -3, -7, -8], [-1, 3, -2], [-1, -2]),
        (MissingIds::Thriftgo, [1, 2, 5, 6, -7, -6], [1, 3, 4], [1, 2]),
    ];
    for (missing_ids, fields, arguments, throws) in rows {
        let program = load_str("a.thrift", text, &Options { missing_ids, ..Options::default() }).program;
        let function = &program.services[0].functions[0];
        assert_eq!(ids(&program.structs[0].fields), fields);
        assert_eq!((ids(&function.arguments), ids(&function.throws)), (arguments.to_vec(), throws.to_vec()));
    }
}

#[test]
fn values_are_of_the_type_that_is_expected() {
    let program = program(
        r#"
        enum E { A = 1, B }
        typedef E F
        struct P { 1: i32 x, 2: string y, 3: E e }
        union U { 1: i32 a, 2: list<P> b }
        const bool BOOL = 2
        const i8 BYTE = true
        const i32 FROM_ENUM = E.B
        const double DOUBLE = 7
        const binary BINARY = "a\n"
        const uuid UUID = "{00112233-4455-6677-8899-aabbccddeeff}"
        const E BY_TYPEDEF = F.B
        const E BY_NUMBER = 1
        const set<i32> SET = [3, 1, 3]
        const list<i64> LIST = SMALL
        const list<i8> SMALL = [1, 2]
        const map<string, list<E>> MAP = {"k": [E.A, 2], "none": {}}
        const set<i32> EMPTY = {}
        const U UNION = {"b": [{"y": "q", "x": 1}]}
        const P COPY = {"e": E.A}
        const list<P> COPIES = [COPY]
        "#,
    );
    let e = program.find_enum(program.root().id, "E").unwrap();
    let p = program.find_struct(program.root().id, "P").unwrap();
    let u = program.find_struct(program.root().id, "U").unwrap();
    let copy = Value::Struct(p, vec![(2, Value::Enum(e, 1))]);
    let expected = [
        ("BOOL", Value::Bool(true)),
        ("BYTE", Value::I8(1)),
        ("FROM_ENUM", Value::I32(2)),
        ("DOUBLE", Value::Double(7.0)),
        ("BINARY", Value::Binary(b"a\n".to_vec())),
        ("UUID", Value::Uuid([0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255])),
        ("BY_TYPEDEF", Value::Enum(e, 2)),
        ("BY_NUMBER", Value::Enum(e, 1)),
        ("SET", Value::Set(vec![Value::I32(3), Value::I32(1)])),
        ("LIST", Value::List(vec![Value::I64(1), Value::I64(2)])),
        (
            "MAP",
            Value::Map(vec![
                (Value::String("k".into()), Value::List(vec![Value::Enum(e, 1), Value::Enum(e, 2)])),
                (Value::String("none".into()), Value::List(vec![])),
            ]),
        ),
        ("EMPTY", Value::Set(vec![])),
        (
            "UNION",
            Value::Struct(
                u,
                vec![(
                    1,
                    Value::List(vec![Value::Struct(p, vec![(0, Value::I32(1)), (1, Value::String("q".into()))])]),
                )],
            ),
        ),
        ("COPY", copy.clone()),
        ("COPIES", Value::List(vec![copy])),
    ];
    for (name, value) in expected {
        let id = program.find_const(program.root().id, name).unwrap();
        assert_eq!(program[id].value, value, "{name}");
    }
}

#[test]
fn defaults_are_typed() {
    let program = program(
        "enum E { A } const i32 K = 4
        struct S { 1: i16 a = K, 2: optional E b = E.A, 3: double c = 1 }
        service V { void f(1: i64 n = K) }",
    );
    let fields = &program.structs[0].fields;
    assert_eq!(fields[0].default, Some(Value::I16(4)));
    assert_eq!(fields[1].default, Some(Value::Enum(program.find_enum(program.root().id, "E").unwrap(), 0)));
    assert_eq!(fields[2].default, Some(Value::Double(1.0)));
    assert_eq!(program.services[0].functions[0].arguments[0].default, Some(Value::I64(4)));
}

#[test]
fn names_of_other_files_are_found_by_prefix() {
    let files = Memory::new()
        .with(
            "idl/a.b.thrift",
            "namespace go x.Demo struct T {} enum E { V = 1 } const i32 K = 1 service Base { void f() }",
        )
        .with("dirs/other.thrift", "struct O {}")
        .with(
            "idl/main.thrift",
            r#"include "a.b.thrift" include "./a.b.thrift" include "other.thrift"
            struct S { 1: a.b.T t, 2: list<other.O> o, 3: a.b.E e = a.b.E.V, 4: i32 k = a.b.K, 5: a.b.E short = E.V }
            service Derived extends a.b.Base { void g() (streaming.mode = "unary") }"#,
        );
    let options = Options { include_dirs: vec!["dirs".into()], ..Options::default() };
    let loaded = load_from(&files, "idl/main.thrift", &options);
    assert_eq!(
        loaded.diagnostics.errors().map(|one| one.message.as_str()).collect::<Vec<_>>(),
        ["`g` has 0 arguments: a streaming function has exactly one"]
    );
    let program = loaded.program;
    let paths: Vec<_> = loaded.sources.paths().map(|path| path.display().to_string()).collect();
    assert_eq!(paths, ["idl/main.thrift", "idl/a.b.thrift", "dirs/other.thrift"]);
    let prefixes: Vec<&str> = program.root().includes.iter().map(|include| include.prefix.as_str()).collect();
    assert_eq!(prefixes, ["a.b", "other"]);
    let s = &program[program.find_struct(program.root().id, "S").unwrap()];
    assert_eq!(s.fields[0].ty.kind, TypeKind::Struct(program.find_struct(program.files[1].id, "T").unwrap()));
    assert_eq!(program.type_name(program.root().id, &s.fields[1].ty), "list<other.O>");
    assert_eq!(s.fields[2].default, s.fields[4].default.clone().filter(|value| matches!(value, Value::Enum(_, 1))));
    let derived = program.find_service(program.root().id, "Derived").unwrap();
    let paths: Vec<String> = program.functions(derived).map(|(_, function)| program.path(derived, function)).collect();
    assert_eq!(paths, ["/main.Derived/f"]);
}

#[test]
fn recursive_fields_are_marked() {
    let program = program(
        "typedef Tree Alias
        struct Tree { 1: optional Tree left, 2: list<Tree> rest, 3: Leaf leaf, 4: Leaf & far, 5: optional Alias right }
        struct Leaf { 1: i32 x }
        union A { 1: B b, 2: i32 n }
        union B { 1: A a }
        struct Out { 1: Tree tree }
        struct Never { 1: required Never never }",
    );
    let marks = |name: &str| -> Vec<bool> {
        let id = program.find_struct(program.root().id, name).unwrap();
        program[id].fields.iter().map(|field| field.recursive).collect()
    };
    assert_eq!(marks("Tree"), [true, false, false, false, true]);
    assert_eq!((marks("A"), marks("B"), marks("Out")), (vec![true, false], vec![true], vec![false]));
    let infinite: Vec<&str> =
        program.structs.iter().filter(|item| item.infinite).map(|item| item.name.as_str()).collect();
    assert_eq!(infinite, ["Never"]);
    assert!(program.structs[0].fields[3].reference);
}

#[test]
fn functions_have_their_mode_and_requiredness_its_meaning() {
    let program = program(
        r#"struct M {} exception X {}
        union U { 1: required i32 a }
        service S {
            oneway void a(1: optional i32 n, 2: required i32 m)
            M b(1: M m) (streaming.mode = "bidirectional")
            async void c()
            M d(1: M m) throws (1: X x)
        }"#,
    );
    let functions = &program.services[0].functions;
    let modes: Vec<(bool, Mode)> = functions.iter().map(|function| (function.oneway, function.mode)).collect();
    assert_eq!(
        modes,
        [(true, Mode::PingPong), (false, Mode::Bidirectional), (true, Mode::PingPong), (false, Mode::PingPong)]
    );
    let of = |fields: &[Field]| fields.iter().map(|field| field.requiredness).collect::<Vec<_>>();
    assert_eq!(of(&functions[0].arguments), [Requiredness::Default, Requiredness::Required]);
    assert_eq!(of(&functions[3].throws), [Requiredness::Optional]);
    assert_eq!(of(&program.structs[2].fields), [Requiredness::Optional]);
}

#[test]
fn what_is_healthy_stays() {
    let loaded = load(
        "struct A { 1: i32 a, 2: Nope b, 3: i32 c = \"x\", 1: i32 d }
        struct B { 1: A a, 2: Bad bad }
        typedef Nope Bad
        enum E { X, Y = 99999999999, Z = 3 }
        const E C = E.Y
        const i32 D = 1
        service S extends Nothing { void f(1: A a) void g(1: Nope n) B h() }
        struct Broken {{ 1: i32 a }
        const i32 = 5
        struct Last { 1: B b }",
    );
    let program = &loaded.program;
    let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>().join(" ");
    let structs: Vec<String> =
        program.structs.iter().map(|item| format!("{}: {}", item.name, names(&item.fields))).collect();
    assert_eq!(structs[..2], ["A: a c", "B: a"]);
    assert_eq!(structs.last().unwrap(), "Last: b");
    let values: Vec<(&str, i32)> =
        program.enums[0].values.iter().map(|value| (value.name.as_str(), value.value)).collect();
    assert_eq!(values, [("X", 0), ("Z", 3)]);
    let functions: Vec<&str> = program.services[0].functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(functions, ["f", "h"]);
    assert_eq!(program.consts.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["D"]);
    assert!(program.root().items.contains(&ItemId::Struct(program.find_struct(program.root().id, "Last").unwrap())));
    // One mistake is told once: nothing is said of what follows from it.
    let told = loaded.diagnostics.render(&loaded.sources);
    assert_eq!(told.matches("unknown type `Nope`").count(), 3, "{told}");
    assert!(!told.contains("Bad`") && !told.contains("E.Y"), "{told}");
}
