//! `#[derive(Thrift)]`: the bytes of values, what a decoder tolerates, and what the schema says.

#![allow(clippy::use_self, reason = "types are named as users name them")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use thrill::schema::{self, Requiredness, StructKind, Type};
use thrill::{ByteString, Bytes, OrderedF64, Thrift, UnknownField, Value};

/// Optional, default and required, in an order of ids that is not the order written.
#[derive(Thrift, Clone, Debug, Default, PartialEq)]
struct Fields {
    #[thrift(id = 3)]
    optional: Option<i32>,
    #[thrift(id = 1)]
    default: i32,
    #[thrift(id = 2, required)]
    required: i32,
}

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
struct Empty {}

#[derive(Thrift, Clone, Copy, Debug, Default, PartialEq)]
struct Unit;

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
struct Types {
    #[thrift(id = 1)]
    flag: Option<bool>,
    #[thrift(id = 2)]
    tiny: Option<i8>,
    #[thrift(id = 3)]
    small: Option<i16>,
    #[thrift(id = 4)]
    big: Option<i64>,
    #[thrift(id = 5)]
    ratio: Option<f64>,
    #[thrift(id = 6)]
    text: Option<String>,
    #[thrift(id = 7)]
    shared: Option<ByteString>,
    #[thrift(id = 8)]
    blob: Option<Bytes>,
    #[thrift(id = 9)]
    owned: Option<Vec<u8>>,
    #[thrift(id = 10)]
    list: Option<Vec<i32>>,
    #[thrift(id = 11)]
    set: Option<BTreeSet<i8>>,
    #[thrift(id = 12)]
    map: Option<BTreeMap<i8, Vec<String>>>,
    #[thrift(id = 13)]
    arc: Option<Arc<Empty>>,
    #[thrift(id = 14)]
    mood: Option<Mood>,
    #[thrift(id = 15)]
    shape: Option<Shape>,
}

#[derive(Thrift, Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Nothing happens.
    #[thrift(value = 1)]
    Calm,
    Brisk,
    #[thrift(value = -5, rename = "WILD")]
    Wild,
    Next,
    #[thrift(unknown)]
    Other(i32),
}

#[derive(Thrift, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Discriminants {
    Zero,
    Seven = 7,
    Eight,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift, Clone, Debug, PartialEq)]
enum Shape {
    /// A name.
    #[thrift(id = 1)]
    Name(String),
    #[thrift(id = 2)]
    Points(Vec<i32>),
    #[thrift(id = 3, rename = "inside")]
    Inside(Box<Shape>),
    #[thrift(unknown)]
    Newer(UnknownField),
}

#[derive(Thrift, Clone, Debug, Default, PartialEq)]
struct Tree {
    #[thrift(id = 1)]
    value: i8,
    #[thrift(id = 2)]
    left: Option<Box<Self>>,
    #[thrift(id = 3)]
    children: Vec<Self>,
    #[thrift(id = 4)]
    by_name: BTreeMap<String, Tree>,
}

const LIMIT: i32 = 40 + 2;

#[derive(Thrift, Clone, Debug, PartialEq)]
struct Defaults {
    #[thrift(id = 1, default = LIMIT)]
    limit: i32,
    #[thrift(id = 2, default = vec![1, 2])]
    list: Vec<i32>,
    #[thrift(id = 3, default = "hi".to_owned())]
    optional: Option<String>,
    #[thrift(id = 4, default = Mood::Brisk)]
    mood: Mood,
}

/// As an old IDL has it: ids below 1, requiredness not said, values that exist before they are set.
#[derive(Thrift, Clone, Debug, PartialEq)]
#[thrift(default)]
struct Old {
    #[thrift(id = -1, nonpositive_id)]
    implicit: bool,
    #[thrift(id = 0, nonpositive_id)]
    zero: Option<bool>,
    #[thrift(id = 1, default_requiredness)]
    pointer: Option<Box<Old>>,
    #[thrift(id = 2, required, default = 8080)]
    port: i16,
    #[thrift(id = 3, default = "tea".to_owned())]
    kind: Option<String>,
    #[thrift(id = 4)]
    state: State,
    #[thrift(id = 5, required, default_requiredness)]
    choice: Choice,
}

#[derive(Thrift, Clone, Copy, Debug, PartialEq, Eq)]
#[thrift(default)]
enum State {
    #[thrift(value = 3)]
    Done,
    #[thrift(unknown)]
    Unknown(i32),
}

#[derive(Thrift, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[thrift(default)]
enum Choice {
    #[thrift(id = -1, nonpositive_id)]
    Word(String),
    #[thrift(id = 2, default = 7)]
    Number(i32),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

/// What was asked for
/// is not there.
#[derive(Thrift, Clone, Debug, PartialEq)]
#[thrift(exception, rename = "Lost")]
struct NotFound {
    /// What was asked for.
    #[thrift(id = 1, required)]
    what: String,
    #[thrift(id = 2, rename = "Code", default = 7)]
    code: Option<i32>,
    #[thrift(id = 3)]
    r#type: i8,
}

#[test]
fn values_become_these_bytes() {
    let fields = |optional, default, required| Fields { optional, default, required };
    encodes_and_decodes(&fields(None, 0, 0), "08 0001 00000000 | 08 0002 00000000 | 00");
    encodes_and_decodes(&fields(Some(5), 0, -1), "08 0003 00000005 | 08 0001 00000000 | 08 0002 ffffffff | 00");
    encodes_and_decodes(&Empty {}, "00");
    encodes_and_decodes(&Unit, "00");
    encodes_and_decodes(&Types::default(), "00");

    let none = Types::default;
    let rows = [
        (Types { flag: Some(true), ..none() }, "02 0001 01"),
        (Types { tiny: Some(-2), ..none() }, "03 0002 fe"),
        (Types { small: Some(258), ..none() }, "06 0003 0102"),
        (Types { big: Some(-1), ..none() }, "0a 0004 ffffffffffffffff"),
        (Types { ratio: Some(1.5), ..none() }, "04 0005 3ff8000000000000"),
        (Types { text: Some("hi".into()), ..none() }, "0b 0006 00000002 6869"),
        (Types { shared: Some("hi".into()), ..none() }, "0b 0007 00000002 6869"),
        (Types { blob: Some(Bytes::from_static(b"\0\xff")), ..none() }, "0b 0008 00000002 00ff"),
        (Types { owned: Some(vec![0, 255]), ..none() }, "0b 0009 00000002 00ff"),
        (Types { list: Some(vec![1, 2]), ..none() }, "0f 000a 08 00000002 00000001 00000002"),
        (Types { set: Some([2, 1].into()), ..none() }, "0e 000b 03 00000002 01 02"),
        (
            Types { map: Some([(1, vec!["a".to_owned()])].into()), ..none() },
            "0d 000c 03 0f 00000001 | 01 0b 00000001 00000001 61",
        ),
        (Types { arc: Some(Arc::default()), ..none() }, "0c 000d 00"),
        (Types { mood: Some(Mood::Next), ..none() }, "08 000e fffffffc"),
        (Types { shape: Some(Shape::Name("x".into())), ..none() }, "0c 000f 0b 0001 00000001 78 00"),
    ];
    for (value, bytes) in rows {
        encodes_and_decodes(&value, &format!("{bytes} 00"));
    }
}

#[test]
fn recursive_types_nest() {
    let leaf = |value| Tree { value, ..Tree::default() };
    let tree = Tree {
        value: 1,
        left: Some(Box::new(leaf(2))),
        children: vec![leaf(3)],
        by_name: [("x".to_owned(), leaf(4))].into(),
    };
    let leaf_bytes = |value| format!("03 0001 0{value} | 0f 0003 0c 00000000 | 0d 0004 0b 0c 00000000 | 00");
    let (two, three, four) = (leaf_bytes(2), leaf_bytes(3), leaf_bytes(4));
    let bytes = format!(
        "03 0001 01 | 0c 0002 {two} | 0f 0003 0c 00000001 {three} | 0d 0004 0b 0c 00000001 00000001 78 {four} | 00"
    );
    encodes_and_decodes(&tree, &bytes);
}

#[test]
fn absent_fields_are_what_their_requiredness_says() {
    let decoded: Fields = decoded("08 0002 00000009 00");
    assert_eq!(decoded, Fields { optional: None, default: 0, required: 9 });
    assert_eq!(decode_error::<Fields>("08 0001 00000009 00"), "required field required is not set (struct Fields)");
    assert_eq!(decode_error::<NotFound>("00"), "required field what is not set (struct Lost)");
    assert_eq!(
        self::decoded::<Defaults>("00"),
        Defaults { limit: 42, list: vec![1, 2], optional: Some("hi".into()), mood: Mood::Brisk },
    );
    assert_eq!(
        self::decoded::<Defaults>("08 0001 00000000 | 0f 0002 08 00000000 | 0b 0003 00000000 | 08 0004 00000001 | 00"),
        Defaults { limit: 0, list: vec![], optional: Some(String::new()), mood: Mood::Calm },
    );
}

#[test]
fn a_default_does_not_change_what_is_written() {
    let absent = Defaults { limit: 42, list: vec![], optional: None, mood: Mood::Calm };
    assert_eq!(encoded(&absent), hex("08 0001 0000002a | 0f 0002 08 00000000 | 08 0004 00000001 | 00"));
}

#[test]
fn what_old_files_say_can_be_said() {
    let port = "06 0002 1f90";
    let rest = "0b 0003 00000003 746561 | 08 0004 00000000 | 0c 0005 08 0002 00000007 00 | 00";
    encodes_and_decodes(&Old::default(), &format!("02 ffff 00 | {port} | {rest}"));
    let old = Old { implicit: true, zero: Some(false), pointer: Some(Box::default()), ..Old::default() };
    let inner = format!("02 ffff 00 | {port} | {rest}");
    encodes_and_decodes(&old, &format!("02 ffff 01 | 02 0000 00 | 0c 0001 {inner} | {port} | {rest}"));
    assert_eq!(decode_error::<Old>("0c 0005 00 00"), "required field port is not set (struct Old)");
    assert_eq!(decode_error::<Old>(&format!("{port} 00")), "required field choice is not set (struct Old)");

    let requiredness: Vec<_> = struct_of::<Old>().fields.iter().map(|field| (field.id, field.requiredness)).collect();
    let (default, optional, required) = (Requiredness::Default, Requiredness::Optional, Requiredness::Required);
    let want = [(-1, default), (0, optional), (1, default), (2, required), (3, optional), (4, default), (5, default)];
    assert_eq!(requiredness, want);
}

#[test]
fn defaults_of_enums_and_unions() {
    assert_eq!(State::default(), State::Unknown(0));
    assert_eq!(Choice::default(), Choice::Number(7));
    assert_eq!(decoded::<Choice>("00"), Choice::Number(7));
    encodes_and_decodes(&Choice::Word(String::new()), "0b ffff 00000000 00");
}

#[test]
fn anything_can_be_a_key() {
    type Keyed = HashMap<BTreeMap<Vec<OrderedF64>, BTreeSet<Choice>>, i8>;
    let newer = Choice::Unknown(UnknownField { id: 9, value: Value::Double(f64::NAN) });
    let key = BTreeMap::from([(vec![OrderedF64(0.5)], BTreeSet::from([newer]))]);
    let list = "00000001 3fe0000000000000";
    let set = "0c 00000001 04 0009 7ff8000000000000 00";
    let map = Keyed::from([(key, 1)]);
    let bytes = format!("0d 03 00000001 | 0f 0e 00000001 04 {list} {set} | 01");
    assert_eq!(encoded(&map), hex(&bytes));
    assert_eq!(decoded::<Keyed>(&bytes), map);
}

#[test]
fn fields_of_another_type_and_unknown_fields_are_skipped() {
    let rows = [
        ("a string for an i32", "0b 0001 00000001 78"),
        ("an i64 for an i32", "0a 0003 0000000000000007"),
        ("an unknown id", "0c 0063 0b 0001 00000001 78 00"),
        ("id 0", "02 0000 01"),
        ("a negative id", "0d ffff 0b 08 00000001 00000001 78 00000001"),
    ];
    for (what, extra) in rows {
        let bytes = format!("{extra} | 08 0002 00000009 | {extra} | 00");
        assert_eq!(decoded::<Fields>(&bytes), Fields { optional: None, default: 0, required: 9 }, "{what}");
    }
    // A required field of another type is as good as absent.
    assert_eq!(decode_error::<Fields>("0b 0002 00000001 78 00"), "required field required is not set (struct Fields)");
    // Elements of another type than the list's make the list one of another type.
    assert_eq!(decoded::<Types>("0f 000a 0b 00000001 00000001 78 00"), Types::default());
    // The last of several wins.
    assert_eq!(decoded::<Fields>("08 0002 00000001 | 08 0002 00000002 | 00").required, 2);
}

#[test]
fn enums_keep_the_numbers_they_do_not_know() {
    let rows = [(Mood::Calm, 1), (Mood::Brisk, 2), (Mood::Wild, -5), (Mood::Next, -4), (Mood::Other(99), 99)];
    for (mood, number) in rows {
        assert_eq!(i32::from(mood), number);
        assert_eq!(i32::from(&mood), number);
        assert_eq!(Mood::from(number), mood);
        encodes_and_decodes(&mood, &format!("{number:08x}"));
    }
    let rows = [(Discriminants::Zero, 0), (Discriminants::Seven, 7), (Discriminants::Eight, 8)];
    for (value, number) in rows {
        assert_eq!(i32::from(value), number);
        assert_eq!(Discriminants::from(number), value);
    }
    assert_eq!(Discriminants::from(1), Discriminants::Unknown(1));
}

#[test]
fn unions_hold_one_field() {
    encodes_and_decodes(&Shape::Name("x".into()), "0b 0001 00000001 78 00");
    encodes_and_decodes(&Shape::Points(vec![]), "0f 0002 08 00000000 00");
    encodes_and_decodes(&Shape::Inside(Box::new(Shape::Points(vec![7]))), "0c 0003 0f 0002 08 00000001 00000007 00 00");
    assert_eq!(decode_error::<Shape>("00"), "union Shape has no field set; a union needs exactly one");
    assert_eq!(
        decoded::<Shape>("0b 0001 00000001 78 | 0f 0002 08 00000000 | 00"),
        Shape::Points(vec![]),
        "the last wins"
    );
}

#[test]
fn unions_keep_what_they_do_not_know_byte_for_byte() {
    let rows = [
        ("an unknown id", 9, "0c 0009 0b 0001 00000001 78 | 0e 0002 08 00000001 00000007 | 00 00"),
        ("another type", 1, "08 0001 00000007 00"),
        ("a list of another type", 2, "0f 0002 0b 00000001 00000001 78 00"),
        ("a map", 4, "0d 0004 03 04 00000001 01 3ff8000000000000 00"),
        ("a negative id", -1, "02 ffff 01 00"),
    ];
    for (what, id, bytes) in rows {
        let shape: Shape = decoded(bytes);
        assert!(matches!(&shape, Shape::Newer(field) if field.id == id), "{what}: {shape:?}");
        assert_eq!(encoded(&shape), hex(bytes), "{what}");
    }
    let shape = Shape::Newer(UnknownField { id: 9, value: Value::Bool(true) });
    encodes_and_decodes(&shape, "02 0009 01 00");
}

#[test]
fn exceptions_are_errors() {
    let lost = NotFound { what: "key".into(), code: None, r#type: 0 };
    let error: Box<dyn std::error::Error> = Box::new(lost.clone());
    assert_eq!(error.to_string(), format!("{lost:?}"));
    assert!(error.source().is_none());
}

#[test]
fn the_schema_says_what_was_written() {
    let schema = struct_of::<NotFound>();
    assert_eq!((schema.name, schema.kind), ("Lost", StructKind::Exception));
    assert_eq!(schema.docs, "What was asked for\nis not there.");
    let fields: Vec<_> = schema
        .fields
        .iter()
        .map(|field| (field.id, field.name, field.requiredness, field.docs, field.default.map(|it| it.text)))
        .collect();
    let want = [
        (1, "what", Requiredness::Required, "What was asked for.", None),
        (2, "Code", Requiredness::Optional, "", Some("7")),
        (3, "type", Requiredness::Default, "", None),
    ];
    assert_eq!(fields, want);

    let defaults: Vec<_> = struct_of::<Defaults>().fields.iter().map(|field| field.default.map(|it| it.text)).collect();
    assert_eq!(defaults, [Some("LIMIT"), Some("vec![1, 2]"), Some("\"hi\".to_owned()"), Some("Mood::Brisk")]);

    let schema = struct_of::<Shape>();
    assert_eq!((schema.name, schema.kind), ("Shape", StructKind::Union));
    let variants: Vec<_> = schema.fields.iter().map(|field| (field.id, field.name, field.docs)).collect();
    assert_eq!(variants, [(1, "Name", "A name."), (2, "Points", ""), (3, "inside", "")]);

    let Type::Enum(schema) = Mood::SCHEMA else { panic!("{:?}", Mood::SCHEMA) };
    let values: Vec<_> = schema.values.iter().map(|value| (value.name, value.value, value.docs)).collect();
    assert_eq!(schema.name, "Mood");
    assert_eq!(values, [("Calm", 1, "Nothing happens."), ("Brisk", 2, ""), ("WILD", -5, ""), ("Next", -4, "")]);
}

#[test]
fn the_schema_of_a_recursive_type_refers_to_itself() {
    let schema = struct_of::<Tree>();
    let Type::Struct(left) = schema.fields[1].ty else { panic!() };
    assert!(std::ptr::eq(left.get(), schema));
    let Type::List(Type::Struct(child)) = schema.fields[2].ty else { panic!() };
    assert!(std::ptr::eq(child.get(), schema));
    let types: Vec<_> = schema.fields.iter().map(|field| field.ty.to_string()).collect();
    assert_eq!(types, ["i8", "Tree", "list<Tree>", "map<string, Tree>"]);
}

/// Reaches itself through others, through every container and pointer, and through a union.
#[derive(Thrift, Debug, Default)]
struct Author {
    #[thrift(id = 1)]
    best: Option<Box<Book>>,
    #[thrift(id = 2)]
    books: Vec<Vec<Book>>,
    #[thrift(id = 3)]
    by_name: BTreeMap<String, HashMap<i32, Arc<Self>>>,
}

#[derive(Thrift, Debug, Default)]
struct Book {
    #[thrift(id = 1)]
    authors: Vec<Author>,
    #[thrift(id = 2)]
    about: Option<Topic>,
}

#[derive(Thrift, Debug)]
enum Topic {
    #[thrift(id = 1)]
    Person(Box<Author>),
    #[thrift(id = 2)]
    Both(Vec<Self>),
    #[thrift(unknown)]
    Unknown(UnknownField),
}

/// The schema in constant evaluation: how many levels down from a type the first named one of its kind is.
const fn names_below(ty: Type, levels: usize) -> usize {
    if levels == 0 {
        return 1;
    }
    match ty {
        Type::Struct(it) => {
            let it = it.get();
            let (mut sum, mut at) = (0, 0);
            while at < it.fields.len() {
                sum += names_below(it.fields[at].ty, levels - 1);
                at += 1;
            }
            sum
        }
        Type::List(of) | Type::Set(of) => names_below(*of, levels),
        Type::Map(key, of) => names_below(*key, levels) + names_below(*of, levels),
        _ => 1,
    }
}

#[test]
fn the_schemas_of_types_that_reach_each_other_are_there_in_constant_evaluation() {
    const FROM_AUTHOR: usize = names_below(Author::SCHEMA, 12);
    const FROM_TOPIC: usize = names_below(Topic::SCHEMA, 12);
    assert_eq!(FROM_AUTHOR, names_below(Author::SCHEMA, 12));
    const { assert!(FROM_AUTHOR > FROM_TOPIC && FROM_TOPIC > 12) };

    let author = struct_of::<Author>();
    let Type::Struct(book) = author.fields[0].ty else { panic!() };
    let Type::List(Type::List(Type::Struct(listed))) = author.fields[1].ty else { panic!() };
    let Type::Map(Type::String, Type::Map(Type::I32, Type::Struct(named))) = author.fields[2].ty else { panic!() };
    let Type::Struct(topic) = book.fields[1].ty else { panic!() };
    let Type::Struct(person) = topic.fields[0].ty else { panic!() };
    assert!(
        std::ptr::eq(book.get(), listed.get())
            && std::ptr::eq(author, named.get())
            && std::ptr::eq(author, person.get())
    );
    assert_eq!(book.path, concat!(module_path!(), "::Book"));
    assert_eq!(format!("{:?}", author.fields[2].ty), "map<string, map<i32, Author>>");
}

#[test]
fn defaults_are_there_as_values() {
    let values = struct_of::<Defaults>().fields.iter().map(|field| field.default.unwrap().value().unwrap());
    let want = [
        Value::I32(42),
        Value::List { element: thrill::codec::TType::I32, elements: vec![Value::I32(1), Value::I32(2)] },
        Value::Binary("hi".into()),
        Value::I32(2),
    ];
    assert!(values.eq(want));
}

/// Names that generated code uses, or that a prelude would bring, belong to the user.
#[allow(dead_code, non_snake_case, reason = "the names only have to be there")]
mod hygiene {
    pub(super) struct Result;
    pub(super) struct String;
    pub(super) struct Vec;
    pub(super) enum Some {}
    pub(super) fn Ok() {}
    pub(super) fn None() {}
    pub(super) type W = i8;
    pub(super) type R = i16;
    pub(super) const SCHEMA: i64 = 5;
    pub(super) fn value() -> i8 {
        1
    }

    #[derive(thrill::Thrift, Debug, PartialEq)]
    pub(super) struct Fields {
        #[thrift(id = 1, default = value())]
        pub(super) value: W,
        #[thrift(id = 2, default = 2)]
        pub(super) r: R,
        #[thrift(id = 3, default = SCHEMA + self::SCHEMA)]
        pub(super) w: i64,
        #[thrift(id = 4, default = value())]
        pub(super) field: i8,
        #[thrift(id = 5)]
        pub(super) field_field: Option<i8>,
        #[thrift(id = 6)]
        pub(super) r#match: i8,
        #[allow(deprecated)]
        #[deprecated]
        #[thrift(id = 7)]
        pub(super) old: i8,
        #[cfg(any())]
        #[thrift(id = 7)]
        pub(super) gone: DoesNotExist,
    }

    type Option<T> = ::core::option::Option<T>;

    #[derive(thrill::Thrift)]
    #[deprecated]
    pub(super) enum Old {
        #[thrift(id = 1)]
        Some(i8),
        #[thrift(id = 2)]
        None(i8),
        #[thrift(unknown)]
        Err(thrill::UnknownField),
    }
}

#[test]
fn generated_code_meets_no_names_of_its_user() {
    let fields: hygiene::Fields = decoded("00");
    assert_eq!((fields.value, fields.r, fields.w, fields.field), (1, 2, 10, 1));
    assert_eq!(struct_of::<hygiene::Fields>().fields.len(), 7);
}

/// No prelude, and `thrill` under another name.
mod elsewhere {
    pub(super) mod deps {
        pub(crate) use ::thrill as renamed;
    }

    pub(super) mod bare {
        #![no_implicit_prelude]

        use super::deps::renamed;

        #[derive(::core::fmt::Debug, ::core::cmp::PartialEq, renamed::Thrift)]
        #[thrift(crate = renamed, exception)]
        pub(crate) struct Lost {
            #[thrift(id = 1)]
            pub(crate) what: ::core::option::Option<::std::string::String>,
            #[thrift(id = 2, required)]
            pub(crate) mood: Mood,
            #[thrift(id = 3)]
            pub(crate) count: i32,
        }

        #[derive(::core::fmt::Debug, ::core::cmp::PartialEq, renamed::Thrift)]
        #[thrift(crate = super::deps::renamed)]
        pub(crate) enum Mood {
            Calm,
            #[thrift(unknown)]
            Unknown(i32),
        }

        #[derive(::core::fmt::Debug, ::core::cmp::PartialEq, renamed::Thrift)]
        #[thrift(crate = renamed)]
        pub(crate) enum Shape {
            #[thrift(id = 1)]
            Name(::std::string::String),
            #[thrift(unknown)]
            Unknown(renamed::UnknownField),
        }
    }
}

#[test]
fn code_without_prelude_and_with_a_renamed_crate_works() {
    use elsewhere::bare::{Lost, Mood, Shape};

    let lost = Lost { what: None, mood: Mood::Unknown(3), count: 1 };
    encodes_and_decodes(&lost, "08 0002 00000003 | 08 0003 00000001 | 00");
    encodes_and_decodes(&Shape::Name("x".into()), "0b 0001 00000001 78 00");
}

/// Types and literals that come through `macro_rules!` are wrapped in invisible groups.
macro_rules! made_by_macro {
    ($name:ident { $($id:literal $field:ident: $ty:ty = $default:expr),* }) => {
        #[derive(Thrift, Debug, PartialEq)]
        struct $name {
            $(#[thrift(id = $id, default = $default)] $field: $ty,)*
        }
    };
}

made_by_macro!(Made { 1 a: Option<i32> = 3, 2 b: Vec<String> = vec![] });

#[test]
fn macros_can_write_derives() {
    assert_eq!(decoded::<Made>("00"), Made { a: Some(3), b: vec![] });
    let fields = struct_of::<Made>().fields;
    assert_eq!(fields[0].requiredness, Requiredness::Optional);
}

fn encoded<T: Thrift>(value: &T) -> Vec<u8> {
    thrill::encode(value).expect("a value has bytes").to_vec()
}

fn decoded<T: Thrift>(bytes: &str) -> T {
    thrill::decode(&hex(bytes).into()).unwrap_or_else(|err| panic!("{bytes}: {err}"))
}

fn decode_error<T: Thrift + Debug>(bytes: &str) -> String {
    thrill::decode::<T>(&hex(bytes).into()).expect_err(bytes).to_string()
}

#[track_caller]
fn encodes_and_decodes<T: Thrift + Debug + PartialEq>(value: &T, bytes: &str) {
    assert_eq!(encoded(value), hex(bytes), "{value:?}");
    assert_eq!(decoded::<T>(bytes), *value);
}

fn struct_of<T: Thrift>() -> &'static schema::Struct {
    match T::SCHEMA {
        Type::Struct(schema) => schema.get(),
        other => panic!("not a struct: {other:?}"),
    }
}

/// Bytes written as hexadecimal digits; spaces and bars are for the reader.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}
