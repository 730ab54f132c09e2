//! `include_thrift!` and `thrift!`: what an IDL becomes.

use std::fmt::Write as _;

use thrill::schema::{Field, Method, Service, Type};
use thrill::{BidiStream, Context, OrderedF64, Result, Sender, Thrift as _};
use thrill_tests::{contract, idl_first};

/// What peers see of a type: wire types, ids, requiredness.
fn wire(ty: Type, seen: &mut Vec<&'static str>) -> String {
    match ty {
        Type::List(element) => format!("list<{}>", wire(*element, seen)),
        Type::Set(element) => format!("set<{}>", wire(*element, seen)),
        Type::Map(key, value) => format!("map<{}, {}>", wire(*key, seen), wire(*value, seen)),
        Type::Enum(item) => format!("enum {:?}", item.get().values.iter().map(|value| value.value).collect::<Vec<_>>()),
        Type::Struct(item) if seen.contains(&item.get().name) => item.get().name.to_owned(),
        Type::Struct(item) => {
            let item = item.get();
            seen.push(item.name);
            format!("{:?} {} {{ {} }}", item.kind, item.name, fields(item.fields, seen))
        }
        scalar => format!("{scalar:?}"),
    }
}

fn fields(fields: &[Field], seen: &mut Vec<&'static str>) -> String {
    let one = |field: &Field| {
        format!("{}: {:?} {} {}", field.id, field.requiredness, wire(field.ty, seen), field.name.to_lowercase())
    };
    fields.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What peers see of a service.
fn described(service: &Service) -> String {
    let mut text = String::new();
    for method in service.methods {
        let Method { path, mode, oneway, arguments, result, throws, .. } = method;
        let seen = &mut Vec::new();
        let throws: Vec<_> = throws.iter().map(|thrown| (thrown.id, wire(thrown.ty, seen))).collect();
        // The name of a streamed argument is that of the stream, in Rust.
        let arguments: Vec<_> = arguments.iter().map(|it| (it.id, it.requiredness, wire(it.ty, seen))).collect();
        let result = result.map(|ty| wire(ty, seen));
        writeln!(text, "{path} {mode:?} {oneway} {arguments:?} -> {result:?} throws {throws:?}").unwrap();
    }
    text
}

fn schema(service: &impl thrill::Service) -> &'static Service {
    service.schema()
}

#[test]
fn a_contract_is_the_same_from_idl_and_from_rust() {
    let (rust, idl) = (thrill_tests::handler::Handler::default, idl_first::handler::Handler::default);
    assert_eq!(
        described(schema(&idl_first::contract::TestServiceServer::new(idl()))),
        described(schema(&contract::TestServiceServer::new(rust()))),
    );
    assert_eq!(
        described(schema(&idl_first::contract::CounterServer::new(idl()))),
        described(schema(&contract::CounterServer::new(rust()))),
    );
}

#[test]
fn a_message_has_the_same_bytes_from_idl_and_from_rust() {
    let inner = contract::Inner { id: 7, label: Some("seven".into()) };
    let full = contract::Everything {
        flag: true,
        tiny: -1,
        small: 2,
        medium: -3,
        big: 4,
        ratio: 0.5,
        text: "text".into(),
        blob: thrill::Bytes::from_static(b"\0\xff"),
        numbers: vec![1, 2, 3],
        tags: ["tag".to_owned()].into(),
        counts: [("one".to_owned(), 1)].into(),
        groups: [(1, vec![inner.clone()])].into(),
        inner,
        shape: Some(contract::Shape::Name("round".into())),
        mood: Some(contract::Mood::Wild),
        must: "must".into(),
        fallback: Some(8),
        nested: vec![[("k".to_owned(), [5].into())].into()],
        children: Some(vec![contract::Everything::default()]),
    };
    let newer = contract::Everything { mood: Some(contract::Mood::Unknown(9)), ..full.clone() };
    for value in [full, newer, contract::Everything::default()] {
        let bytes = thrill::encode(&value).unwrap();
        let from_idl: idl_first::contract::Everything = thrill::decode(&bytes).unwrap();
        let from_rust: contract::Everything = thrill::decode(&bytes).unwrap();
        assert_eq!(thrill::encode(&from_idl).unwrap(), thrill::encode(&from_rust).unwrap());
    }
    let lost = contract::NotFound { what: "it".into(), code: None };
    let from_idl = idl_first::contract::NotFound { what: "it".into(), code: None };
    assert_eq!(thrill::encode(&lost).unwrap(), thrill::encode(&from_idl).unwrap());
}

/// Names that Rust has for itself.
mod names {
    thrill::include_thrift!("idl/names.thrift");
}

mod types {
    thrill::include_thrift!("idl/types.thrift");
}

mod cheap {
    thrill::include_thrift!("idl/types.thrift", string = "ByteString", derive(serde::Serialize, serde::Deserialize));
}

mod apache {
    thrill::include_thrift!("idl/missing_ids.thrift", missing_ids = "apache");
}

mod thriftgo {
    thrill::include_thrift!("idl/missing_ids.thrift", missing_ids = "thriftgo");
}

#[test]
fn names_stay_on_the_wire_as_the_idl_has_them() {
    let service = schema(&names::FooServiceServer::new(Silent));
    let methods: Vec<_> = service.methods.iter().map(|method| method.path).collect();
    let want = ["get", "getX", "get_x", "clone", "builder", "async", "stream", "responses"];
    assert_eq!(methods, want.map(|name| format!("/names.Foo/{name}")));
    assert_eq!(service.name, "Foo");
    let throws: Vec<_> = service.methods[0].throws.iter().map(|thrown| (thrown.id, thrown.name)).collect();
    assert_eq!(throws, [(1, "Error"), (2, "other"), (3, "box")]);
    assert_eq!(service.methods[3].throws[0].id, -5);

    let Type::Struct(keywords) = names::Keywords::SCHEMA else { panic!() };
    let fields: Vec<_> = keywords.fields.iter().map(|field| field.name).take(9).collect();
    assert_eq!(fields, ["type", "async", "gen", "try", "self", "Self", "crate", "super", "_"]);
    let keywords = names::Keywords { r#type: 1, r#async: 2, r#gen: 3, self_: 5, crate_: 7, ..Default::default() };
    assert_eq!(thrill::decode::<names::Keywords>(&thrill::encode(&keywords).unwrap()).unwrap(), keywords);

    let collisions = names::Collisions { fooBar: 1, foo_bar: 2, ip: 3, IP: 4, ids: 5, http_server: 6 };
    let bytes = thrill::encode(&collisions).unwrap();
    assert_eq!(thrill::decode::<names::Collisions>(&bytes).unwrap(), collisions);
    assert_eq!(names::Ok::from(0), names::Ok::Err);
    assert_eq!(names::Ok::NONE, names::Ok::Err);
    assert_eq!(names::Ok::from(9), names::Ok::Unrecognized(9));
    let upper = names::test { upper: Some(names::TEST {}), camel: Some(names::Test {}) };
    assert_eq!(thrill::encode(&upper).unwrap().as_ref(), b"\x0c\0\x01\0\x0c\0\x02\0\0");
    assert_eq!((names::BUF, names::W, names::W_, names::FIELD), (1, 2, 3, "f"));
}

/// Shows what every method is like.
struct Silent;

impl names::FooService for Silent {
    async fn get(
        &self,
        _context: &Context,
        _cx: names::T,
        _w: names::W,
        _responses: names::R,
    ) -> Result<names::Option, names::FooServiceGetError> {
        Err(names::FooServiceGetError::Other(names::GetError::default()))
    }
    async fn getX(&self, _cx: &Context) -> Result<(), names::GetXError> {
        Err(names::Error::default().into())
    }
    async fn get_x(&self, _cx: &Context, _result: names::Result) -> Result<()> {
        Ok(())
    }
    async fn clone_(&self, _cx: &Context, builder: i32) -> Result<i32, names::CloneError> {
        Ok(builder)
    }
    async fn builder_(&self, _cx: &Context, _union: names::Result, dflt: i32) -> Result<i32> {
        Ok(dflt)
    }
    async fn r#async(&self, _cx: &Context, _type: String) -> Result<()> {
        Ok(())
    }
    async fn stream(&self, _cx: &Context, _r: BidiStream<names::Vec, names::Vec>) -> Result<()> {
        Ok(())
    }
    async fn responses(&self, _cx: &Context, _: names::Vec, _responses: Sender<names::Vec>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn defaults_and_constants_have_the_values_of_the_idl() {
    use types::common::{FIRST, Page, Status, Unavailable};
    use types::{Choices, Defaults, Node, Nothing, Sheet, Value};

    assert_eq!(Page::default(), Page { number: 1, size: Some(20) });
    assert_eq!(*FIRST, Page::default());
    assert_eq!(Unavailable::default().status, Status::NotFound);
    assert_eq!((Status::MISSING, Status::default()), (Status::NotFound, Status::Unknown(0)));

    let defaults = Defaults::default();
    assert_eq!((defaults.number, defaults.small, defaults.big), (16, -128, i64::MIN));
    assert_eq!(defaults.text.as_deref(), Some("a \"quoted\"\n\\text"));
    assert_eq!(defaults.statuses, [Status::NotFound, Status::NotFound, Status::Unknown(5)]);
    assert_eq!(defaults.pages["a"].number, 2);
    assert_eq!(defaults.page, Some(Page { number: 1, size: Some(3) }));
    assert_eq!(defaults.doubles, [1.0, 2.5].map(OrderedF64).into());
    assert_eq!(defaults.value, Some(Value::Text("t".into())));
    assert_eq!(defaults.blob.as_deref(), Some(&b"\0\x7f"[..]));
    assert_eq!(defaults.id.map(|id| id.to_string()).as_deref(), Some("00112233-4455-6677-8899-aabbccddeeff"));
    assert_eq!((defaults.yes, defaults.ratio, defaults.choice.is_none()), (true, 3.0, true));
    // What a peer leaves out has the same values.
    let bytes = thrill::encode(&types::Page { number: 5, size: None }).unwrap();
    assert_eq!(thrill::decode::<Page>(&bytes).unwrap(), Page { number: 5, size: Some(20) });
    let required = thrill::Bytes::from_static(b"\x08\0\x03\0\0\0\xc8\0");
    assert_eq!(thrill::decode::<Defaults>(&required).unwrap(), defaults);

    assert_eq!((types::LIMIT, types::ROOT, types::FREE, types::NAME), (10, 10, 0.0, "single \"quoted\""));
    assert_eq!((types::BLOB, types::STATUS), (&b"\x01\x02"[..], Status::Negative));
    assert_eq!(types::ID, defaults.id.unwrap());
    assert_eq!((types::PAGES.len(), types::PAGES[0]["first"].number), (2, 1));
    let nested = Value::Inner(Box::new(Value::Number(1)));
    assert_eq!((types::ALL.number, &types::ALL.value), (5, &Some(nested)));
    assert_eq!(types::PRICES[&OrderedF64(2.5)], Nothing::Unknown(-1));
    assert_eq!(types::NEEDY.strict, types::Strict::A(1));
    assert_eq!(types::FIRST_ORDER, types::OrderId(1));
    assert_eq!(Value::default(), Value::Number(7));

    let newtypes = types::Newtypes::default();
    assert_eq!(newtypes.id, types::OrderId(7));
    let sheets: Vec<_> = newtypes.sheets.iter().map(|Sheet(page)| page.size).collect();
    assert_eq!(sheets, [Some(4)]);
    assert_eq!(thrill::decode::<types::Newtypes>(&thrill::encode(&newtypes).unwrap()).unwrap(), newtypes);

    let leaf = types::Leaf { back: Some(Box::new(Node::default())) };
    let node = Node { leaf: Box::new(leaf), children: vec![Node::default()], ..Node::default() };
    assert_eq!(thrill::decode::<Node>(&thrill::encode(&node).unwrap()).unwrap(), node);

    let chosen =
        Choices { other_name: 3, ordered: OrderedF64(0.5), many: vec![String::new().into()], ..Choices::default() };
    let bytes = thrill::encode(&chosen).unwrap();
    assert_eq!(thrill::decode::<Choices>(&bytes).unwrap(), chosen);
    let Type::Struct(schema) = Choices::SCHEMA else { panic!() };
    assert_eq!((schema.name, schema.fields[7].name), ("Chosen", "renamed"));
}

#[test]
fn a_file_that_extends_another_has_its_methods_and_the_package_of_its_own() {
    let paths = |service: &Service| service.methods.iter().map(|method| method.path).collect::<Vec<_>>();
    let types = schema(&types::TypesServer::new(Healthy));
    assert!(paths(types).contains(&"/types.Types/list_pages"));
    assert!(paths(types).contains(&"/types.Types/ping"));
    assert_eq!(paths(schema(&types::common::HealthServer::new(Healthy))), ["/common.Health/ping"]);
}

struct Healthy;

impl types::common::Health for Healthy {
    async fn ping(&self, _cx: &Context) -> Result<types::common::Status> {
        Ok(types::common::Status::Ok)
    }
}

impl types::Types for Healthy {
    async fn list_pages(
        &self,
        _cx: &Context,
        page: types::Page,
        _strict: types::Strict,
        _needed: types::Strict,
        _keys: types::Keys,
    ) -> Result<Vec<types::Page>, types::ListPagesError> {
        Ok(vec![page])
    }
    async fn totals(&self, _cx: &Context, _old: i32, _zero: i32) -> Result<std::collections::HashMap<String, f64>> {
        Ok(Default::default())
    }
    async fn watch(&self, _cx: &Context, _: thrill::Receiver<types::Defaults>) -> Result<types::Defaults> {
        Ok(types::Defaults::default())
    }
    async fn once(&self, _cx: &Context, needy: types::Needy) -> Result<types::Needy> {
        Ok(needy)
    }
}

#[test]
fn derives_of_serde_have_the_names_of_the_idl() {
    let value = cheap::Defaults {
        text: Some("t".into()),
        statuses: vec![cheap::common::Status::MISSING],
        ..Default::default()
    };
    let json = serde_json::to_value(&value).unwrap();
    assert_eq!((&json["text"], &json["statuses"][0]), (&"t".into(), &"NOT_FOUND".into()));
    assert_eq!(serde_json::from_value::<cheap::Defaults>(json).unwrap(), value);
    let chosen = serde_json::to_value(cheap::Choices::default()).unwrap();
    assert_eq!(chosen["renamed"], 0);
    let _: Option<thrill::ByteString> = value.text;
}

#[test]
fn missing_ids_are_counted_as_asked_for() {
    let ids = |ty: Type| match ty {
        Type::Struct(schema) => schema.fields.iter().map(|field| field.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!((ids(apache::Ids::SCHEMA), ids(apache::Oops::SCHEMA)), (vec![-1, -2, 5, -3], vec![-1]));
    assert_eq!((ids(thriftgo::Ids::SCHEMA), ids(thriftgo::Oops::SCHEMA)), (vec![1, 2, 5, 6], vec![1]));
}

mod inline {
    thrill::thrift! {
        #![thrift(string = "ByteString", derive(serde::Serialize))]

        include "idl/common.thrift"

        /// What is there.
        ///
        /// Nothing more.
        struct Everything {
            1: required common.Page page = {"size": -1},
            /** A note. */
            2: optional string note = r#"a "raw" \ string"# (api.query = "note");
            0x10: list<string> type = ['x', "yz"],
            4: double half = .5,
            5: i32 octal = 0o17, // not doc
        }

        const binary BYTES = b"\x00\x7f"

        service Inline extends common.Health { void nothing() }
    }
}

#[test]
fn idl_can_stand_in_rust() {
    let Type::Struct(schema) = inline::Everything::SCHEMA else { panic!() };
    assert_eq!(schema.docs, "What is there.\n\nNothing more.");
    let fields: Vec<_> = schema.fields.iter().map(|field| (field.id, field.name, field.docs)).collect();
    let want = [(1, "page", ""), (2, "note", "A note."), (16, "type", ""), (4, "half", ""), (5, "octal", "")];
    assert_eq!(fields, want);
    let value = inline::Everything::default();
    assert_eq!((value.page.size, value.half, value.octal), (Some(-1), 0.5, 15));
    assert_eq!(value.note.as_deref(), Some(r#"a "raw" \ string"#));
    assert_eq!(value.r#type, ["x", "yz"]);
    assert_eq!(inline::BYTES, b"\0\x7f");
}
