//! Changes that break peers, and those that do not.

use thrill_idl::{Rule, breaking};

use crate::load;

/// A struct, an enum and a service that the rows change.
const BASE: &str = r#"
namespace go demo
enum Color { RED = 1, GREEN = 2 }
struct Message { 1: required i32 id, 2: optional string text, 3: Color color, 4: optional i32 size = 5 }
union Either { 1: i32 left, 2: string right }
exception Refused { 1: string why }
typedef list<Message> Messages
service Api {
    Messages list(1: Message from, 2: i32 most) throws (1: Refused refused)
    void put(1: Either either)
    oneway void tell(1: string text)
    Message watch(1: Message from) (streaming.mode = "server")
}
"#;

#[test]
fn each_rule_finds_its_change() {
    let rows: &[(&str, &str, &[Rule])] = &[
        ("service Api {", "service Other {", &[Rule::ServiceRemoved]),
        ("namespace go demo", "namespace go other", &[Rule::PackageChanged]),
        ("    void put(1: Either either)\n", "", &[Rule::FunctionRemoved]),
        ("(streaming.mode = \"server\")", "(streaming.mode = \"bidirectional\")", &[Rule::ModeChanged]),
        ("oneway void tell", "void tell", &[Rule::OnewayChanged]),
        ("Messages list(", "Message list(", &[Rule::ResultChanged]),
        ("Messages list(", "void list(", &[Rule::ResultChanged]),
        ("put(1: Either either)", "put(1: Either either) throws (1: Refused refused)", &[Rule::ExceptionAdded]),
        ("2: i32 most", "2: i64 most", &[Rule::FieldTypeChanged]),
        ("1: string why", "1: list<string> why", &[Rule::FieldTypeChanged]),
        ("2: string right", "2: i32 right", &[Rule::FieldTypeChanged]),
        ("throws (1: Refused refused)", "throws (2: Refused refused)", &[Rule::FieldRenumbered]),
        ("2: optional string text", "7: optional string text", &[Rule::FieldRenumbered]),
        ("4: optional i32 size = 5", "4: optional i32 size = 5, 6: required i32 new", &[Rule::RequiredAdded]),
        ("1: required i32 id, ", "", &[Rule::RequiredRemoved]),
        ("1: required i32 id", "1: optional i32 id", &[Rule::RequirednessChanged]),
        ("3: Color color", "3: required Color color", &[Rule::RequirednessChanged]),
        ("size = 5", "size = 6", &[Rule::DefaultChanged]),
        ("1: i32 left, ", "", &[Rule::VariantRemoved]),
        ("union Either", "struct Either", &[Rule::KindChanged]),
        ("RED = 1, ", "", &[Rule::EnumValueRemoved]),
        ("GREEN = 2", "GREEN = 3", &[Rule::EnumValueChanged]),
    ];
    let mut seen = Vec::new();
    for (from, to, rules) in rows {
        let (old, new) = (load(BASE), load(&BASE.replacen(from, to, 1)));
        assert!(!new.diagnostics.has_errors(), "{}", new.diagnostics.render(&new.sources));
        let found = breaking(&old.program, &new.program);
        let found_rules: Vec<Rule> = found.iter().map(|one| one.rule).collect();
        assert_eq!(found_rules, *rules, "{from} -> {to}: {found:?}");
        for one in &found {
            let text = one.render(&old.sources, &new.sources);
            assert!(text.starts_with("test.thrift:") && text.contains(&format!(" [{}]\n", one.rule)), "{text}");
        }
        seen.extend(found_rules);
    }
    let unseen: Vec<_> = Rule::ALL.iter().filter(|rule| !seen.contains(rule)).collect();
    assert!(unseen.is_empty(), "no row for {unseen:?}");
}

#[test]
fn other_changes_break_nothing() {
    let rows = [
        ("struct Message {", "struct Message { 9: i32 new, 10: optional Message more, "),
        ("2: optional string text, ", ""),
        ("2: optional string text", "2: optional binary text"),
        ("3: Color color", "3: i32 color"),
        ("1: required i32 id", "1: i32 id"),
        ("RED = 1", "CRIMSON = 1"),
        ("GREEN = 2", "GREEN = 2, BLUE"),
        ("2: string right", "2: string right, 3: i32 third"),
        ("exception Refused", "struct Refused"),
        ("2: i32 most", "2: i32 limit, 3: i32 new"),
        ("throws (1: Refused refused)", "throws (1: Refused refused, 2: Refused again)"),
        ("oneway void tell", "void more(), oneway void tell"),
        ("typedef list<Message> Messages", "typedef list<Message> All typedef All Messages"),
        ("namespace go demo", "namespace go x.Demo namespace rs y"),
    ];
    for (from, to) in rows {
        let (old, new) = (load(BASE), load(&BASE.replace(from, to)));
        let found = breaking(&old.program, &new.program);
        assert_eq!(found, [], "{from} -> {to}");
    }
    assert_eq!(breaking(&load(BASE).program, &load(&BASE.replace("Message", "Renamed")).program), []);
}

#[test]
fn names_of_rules_are_unique() {
    let mut names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
}
