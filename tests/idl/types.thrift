// Every kind of definition, across files.
include "common.thrift"
include "deep/common2.thrift"

namespace go types

typedef i64 UserId
typedef double Price
typedef map<Price, list<UserId>> Prices
typedef common.Page Page
typedef set<set<Point>> Shapes

struct Point { 1: double x, 2: optional Price y, 3: map<string, double> named, 4: Value value }

union Value {
    1: i32 number = 7,
    2: string text,
    3: Value inner,
    4: list<Value> many,
    5: Node node,
}

struct Node {
    1: Node next,
    2: optional Node & other,
    3: list<Node> children,
    4: required Leaf leaf,
}
struct Leaf { 1: optional Node back }
union Empty {}
enum Nothing {}
exception Plain {}

struct Keys {
    1: map<Point, string> points,
    2: set<list<double>> lists,
    3: map<map<string, i32>, set<string>> maps,
    4: Prices prices,
    5: Shapes shapes,
    6: set<common.Status> statuses,
    7: map<binary, uuid> blobs,
    8: set<Value> values,
    9: map<Nothing, Empty> nothing,
}

struct Defaults {
    1: i32 number = 0x10,
    2: optional string text = "a \"quoted\"\n\\text",
    3: required common.Status status = common.Status.OK,
    4: list<common.Status> statuses = [common.Status.MISSING, 404, 5],
    5: map<string, Page> pages = {"a": {"number": 2}, "b": common.FIRST},
    6: Page page = {"size": 3},
    7: set<double> doubles = [1, 2.5, 1],
    8: bool yes = 1,
    9: Value value = {"text": "t"},
    10: optional binary blob = "\x00\x7f",
    11: double ratio = 3,
    12: map<i32, list<string>> empty = {},
    13: i8 small = -128,
    14: i64 big = -9223372036854775808,
    15: optional uuid id = "00112233-4455-6677-8899-aabbccddeeff",
    16: Value choice,
}

typedef i64 OrderId (thrill.newtype = "true")
typedef map<OrderId, list<double>> Orders (thrill.newtype = "true")
typedef Page Sheet (thrill.newtype = "true")
struct Newtypes { 1: OrderId id = 7, 2: optional Orders orders, 3: Sheet sheet, 4: set<Sheet> sheets = [{"size": 4}] }
const OrderId FIRST_ORDER = 1

struct Needy { 1: required Strict strict }
union Strict { 1: i32 a }

struct Chosen {
    1: string owned (thrill.type = "string"),
    2: string shared (thrill.type = "bytestring"),
    3: binary bytes (thrill.type = "vec"),
    4: map<string, set<i32>> sorted (thrill.type = "btree"),
    5: optional Page page (thrill.arc = "true"),
    6: list<string> many (pilota.rust_wrapper_arc = "true"),
    7: double ordered (pilota.rust_type = "ordered_f64"),
    8: i32 renamed (pilota.name = "other_name"),
    9: list<string (thrill.type = "bytestring")> inside,
} (thrill.name = "Choices", api.any = "kept out")

const i32 LIMIT = 10
const UserId ROOT = LIMIT
const Price FREE = 0.0
const string NAME = 'single "quoted"'
const binary BLOB = "\x01\x02"
const uuid ID = "{00112233-4455-6677-8899-aabbccddeeff}"
const common.Status STATUS = common.Status.NEGATIVE
const list<map<string, Page>> PAGES = [{"first": common.FIRST}, {}]
const Defaults ALL = {"number": 5, "value": {"inner": {"number": 1}}}
const map<Price, Nothing> PRICES = {1: 5, 2.5: -1}
const Needy NEEDY = {"strict": {"a": 1}}

/**
 * Everything a function can be.
 *
 *     not.rust();
 *
 * ```
 * nor this
 * ```
 */
service Types extends common.Health {
    /** Optional with a default. */
    list<Page> list_pages(1: Page page = {"number": 3}, 5: optional Strict strict, 6: Strict needed, 7: Keys keys)
        throws (
            /** Try again. */
            1: common.Unavailable unavailable,
            3: Plain plain,
        ),
    map<string, double> totals(-1: i32 old, 0: i32 zero),
    Defaults watch(2: Defaults what) (streaming.mode = "client"),
    Needy once(1: Needy needy) (streaming.mode = "unary"),
}
