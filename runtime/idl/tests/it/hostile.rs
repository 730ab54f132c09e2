//! No bytes make the loader panic, overflow the stack, or take more than its limits allow.

use std::fs;

use thrill_idl::{Diagnostics, FileId, Loaded, Memory, Options, load_from, parse_str, print};

use crate::{folder, load, thrift_files};

/// Loads bytes, and checks that all that is said of them is about them.
fn check(bytes: &[u8]) -> Loaded {
    let files = Memory::new().with("a.thrift", bytes).with("base_ok.thrift", "struct B {} enum BE { P }");
    let loaded = load_from(&files, "a.thrift", &Options::default());
    for diagnostic in loaded.diagnostics.iter() {
        let spans = std::iter::once(diagnostic.span).chain(diagnostic.notes.iter().map(|note| note.span));
        for span in spans {
            assert!(loaded.sources.text(span).is_some(), "{span:?} of {diagnostic:?}");
        }
    }
    // It must not panic either.
    let _ = loaded.diagnostics.render(&loaded.sources);
    for file in &loaded.program.files {
        let _ = print(&loaded.program.to_ast(file.id));
    }
    let text = String::from_utf8_lossy(bytes);
    let mut file = parse_str(&text, FileId(0), &mut Diagnostics::default());
    file.for_each_span(&mut |span| assert!(text.get(span.range()).is_some(), "{span:?}"));
    loaded
}

/// Numbers that look random, the same ones in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let read = |folder: &str| {
        let folder = crate::folder(folder);
        thrift_files(&folder).into_iter().map(move |name| fs::read(folder.join(name)).unwrap())
    };
    read("edge").chain(read("mistakes")).collect()
}

#[test]
fn files_may_end_anywhere() {
    for bytes in seeds() {
        for end in 0..bytes.len().min(600) {
            check(&bytes[..end]);
        }
    }
}

#[test]
fn files_may_be_mixed_up() {
    const BYTES: &[u8] = b"{}()[]<>,;:=&*@\"'\\/#.\n -+0eExX_\xff\xc3";
    let seeds = seeds();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..6000 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        bytes.truncate(2000);
        for _ in 0..=random.below(6) {
            let at = random.below(bytes.len() + 1);
            match random.below(5) {
                0 => bytes.insert(at, BYTES[random.below(BYTES.len())]),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                3 => {
                    let other = &seeds[random.below(seeds.len())];
                    let from = random.below(other.len() + 1);
                    let to = from + random.below(other.len().min(from + 40) - from.min(other.len()) + 1);
                    bytes.splice(at..at, other[from..to.min(other.len())].iter().copied());
                }
                _ => {
                    let to = (at + random.below(30)).min(bytes.len());
                    bytes.drain(at..to);
                }
            }
        }
        // The seed of each round is in the message, should one panic.
        let result = std::panic::catch_unwind(|| check(&bytes));
        assert!(result.is_ok(), "round {round}: {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn any_bytes_may_come() {
    let mut random = Random(88_172_645_463_325_252);
    for _ in 0..3000 {
        let bytes: Vec<u8> = (0..random.below(200)).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        check(&bytes);
        const TOKENS: &[&str] = &[
            "struct",
            "union",
            "enum",
            "service",
            "const",
            "typedef",
            "include",
            "namespace",
            "exception",
            "throws",
            "extends",
            "oneway",
            "void",
            "i32",
            "string",
            "list",
            "map",
            "set",
            "<",
            ">",
            "{",
            "}",
            "(",
            ")",
            "[",
            "]",
            ",",
            ";",
            ":",
            "=",
            "&",
            "*",
            "@",
            "1",
            "-1",
            "0x1",
            "1.5",
            "\"a\"",
            "'b'",
            "A",
            "B",
            "A.B",
            "optional",
            "required",
            "\n",
            "// c\n",
            "/** d */",
            "true",
            "cpp_type",
            "xsd_attrs",
            "streaming.mode",
        ];
        let words: Vec<&str> = (0..random.below(60)).map(|_| TOKENS[random.below(TOKENS.len())]).collect();
        check(words.join(" ").as_bytes());
    }
}

#[test]
fn nesting_has_a_limit() {
    let many = 20_000;
    let repeated = [
        ("struct S { 1: ", "list<", "i32"),
        ("struct S { 1: ", "map<i32, ", "i32"),
        ("const i32 A = ", "[", ""),
        ("const i32 A = ", "{1:", ""),
        ("const i32 A = ", "{", ""),
        ("struct S { 1: i32 a xsd_attrs ", "{ 1: i32 a xsd_attrs ", ""),
        ("struct S { 1: i32 a ", "(", ""),
        ("", "struct S { ", ""),
        ("", "@A{", ""),
        ("service S { void f(", "(", ""),
        ("service S { ", "stream<", ""),
        ("", "{", ""),
        ("", "/*", ""),
    ];
    for (start, middle, end) in repeated {
        let loaded = check(format!("{start}{}{end}", middle.repeat(many)).as_bytes());
        assert!(loaded.diagnostics.has_errors(), "{middle}");
    }
}

#[test]
fn chains_have_no_end_that_matters() {
    let many = 20_000;
    let chain = |line: &dyn Fn(usize) -> String| -> String { (0..many).map(line).collect() };
    let rows: &[(&str, String, bool)] = &[
        (
            "structs",
            chain(&|n| format!("struct S{n} {{ 1: S{} s }}\n", n + 1)) + &format!("struct S{many} {{}}"),
            false,
        ),
        ("a circle of structs", chain(&|n| format!("struct S{n} {{ 1: required S{} s }}\n", (n + 1) % many)), false),
        ("typedefs", chain(&|n| format!("typedef T{} T{n}\n", n + 1)) + &format!("typedef i32 T{many}"), true),
        ("a circle of typedefs", chain(&|n| format!("typedef T{} T{n}\n", (n + 1) % many)), true),
        ("constants", chain(&|n| format!("const i32 C{n} = C{}\n", n + 1)) + &format!("const i32 C{many} = 1"), false),
        ("constants in lists", chain(&|n| format!("const list<i32> C{n} = [C{}]\n", n + 1)), true),
        ("a circle of constants", chain(&|n| format!("const i32 C{n} = C{}\n", (n + 1) % many)), true),
        ("services", chain(&|n| format!("service S{n} extends S{} {{}}\n", n + 1)), true),
        ("a circle of services", chain(&|n| format!("service S{n} extends S{} {{}}\n", (n + 1) % many)), true),
        ("defaults", chain(&|n| format!("struct S{n} {{ 1: S{} s = {{}} }}\n", (n + 1) % many)), true),
        ("unknown types", chain(&|n| format!("struct S{n} {{ 1: Unknown{n} s }}\n")), true),
        ("fields", format!("struct S {{ {} }}", chain(&|n| format!("{n}: i32 f{n} "))), false),
        (
            "values",
            format!("enum E {{ {} }} {}", chain(&|n| format!("V{n} ")), chain(&|n| format!("const E C{n} = E.V{n} "))),
            false,
        ),
    ];
    for (what, text, is_refused) in rows {
        let loaded = check(text.as_bytes());
        let first = loaded.diagnostics.errors().next();
        assert_eq!(loaded.diagnostics.has_errors(), *is_refused, "{what}: {first:?}");
    }
}

#[test]
fn few_letters_may_not_mean_many_values() {
    let mut text = "const list<i32> C0 = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    let mut ty = "list<i32>".to_owned();
    for n in 1..20 {
        ty = format!("list<{ty}>");
        let inner = vec![format!("C{}", n - 1); 10].join(", ");
        text.push_str(&format!("const {ty} C{n} = [{inner}]\n"));
    }
    let loaded = load(&text);
    let message = loaded.diagnostics.errors().next().unwrap().message.clone();
    assert_eq!(message, "constants and defaults have more than 1000000 values in them, the limit");
    assert_eq!(loaded.diagnostics.errors().count(), 1);

    let text = format!("const string A = \"{}\"\nconst list<string> B = [{}]", "a".repeat(10_000), "A,".repeat(10_000));
    let loaded = load(&text);
    assert_eq!(loaded.diagnostics.errors().next().unwrap().message, message);
}

#[test]
fn strings_without_end_are_looked_for_once() {
    let text = "\\\"\n".repeat(100_000) + &"'\n".repeat(3);
    let loaded = check(text.as_bytes());
    assert!(loaded.diagnostics.has_errors());
}

#[test]
fn sizes_have_limits() {
    let files = (0..30)
        .fold(Memory::new(), |files, n| files.with(format!("f{n}.thrift"), format!("include \"f{}.thrift\"", n + 1)));
    let options = Options { max_files: 10, ..Options::default() };
    let loaded = load_from(&files, "f0.thrift", &options);
    assert_eq!(loaded.sources.paths().count(), 10);
    assert_eq!(loaded.diagnostics.errors().next().unwrap().message, "this is one more than 10 files, the limit");

    let options = Options { max_file_size: 10, ..Options::default() };
    let loaded = load_from(&Memory::new().with("a.thrift", "struct Alpha {}"), "a.thrift", &options);
    let text = loaded.diagnostics.render(&loaded.sources);
    assert!(text.starts_with("error: a.thrift:1:1: the file has more than 10 bytes, the limit"), "{text}");
}

#[test]
fn errors_are_counted_and_not_all_told() {
    let text: String = (0..500).map(|n| format!("struct S{n} {{ 1: Unknown{n} s }}\n")).collect();
    let loaded = load(&text);
    assert_eq!(loaded.diagnostics.errors().count(), Diagnostics::MOST_PER_FILE);
    assert!(loaded.diagnostics.render(&loaded.sources).ends_with("error: test.thrift: 480 more like these\n\n"));
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let loaded = check(b"struct A {}\n// caf\xe9\nstruct B {}\n");
    let text = loaded.diagnostics.render(&loaded.sources);
    assert!(text.starts_with("error: a.thrift:2:7: the file is not UTF-8: byte 18 begins no character"), "{text}");
    assert_eq!(loaded.program.structs.len(), 2);
    let missing = thrill_idl::load(folder("nowhere").join("a.thrift"), &Options::default());
    assert!(missing.diagnostics.errors().next().unwrap().message.starts_with("the file cannot be read: "));
}
