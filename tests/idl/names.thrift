// Names that Rust has for itself, that become one name, or that generated code could have.
namespace go names

struct Option { 1: optional string Some }
enum Ok { Err, None = 0, UNKNOWN, Unknown, Self = 7, self }
exception Box { 1: string message }
exception Error { 1: string message }
union Result { 1: Vec Ok, 2: string Err, 3: i32 unknown }
struct Vec { 1: list<String> list, 2: map<string, Vec> map }
struct String {}
struct T { 1: optional W w, 2: optional R r }
struct W {}
struct R {}
typedef Option Debug
typedef list<Debug> Default

struct Keywords {
    1: i32 type, 2: i32 async, 3: i32 gen, 4: i32 try, 5: i32 self, 6: i32 Self, 7: i32 crate, 8: i32 super, 9: i32 _,
    10: i32 r, 11: i32 w, 12: i32 field, 13: i32 value, 14: i32 default, 15: i32 union, 16: i32 dyn, 17: i32 box
}

struct Collisions { 1: i32 fooBar, 2: i32 foo_bar, 3: i32 ip, 4: i32 IP, 5: i32 IDs, 6: i32 HTTPServer }
struct test { 1: optional TEST upper, 2: optional Test camel }
struct TEST {}
struct Test {}
enum kinds { one_1, one1, ONE_TWO }

const i32 buf = 1
const i32 w = 2
const i32 W_ = 3
const string field = "f"
const i32 SERVICE = 4

// What stands beside the trait of `Foo`, and error enums.
struct FooClient {}
exception GetError { 1: string why }
struct GetErrorError {}

service Foo {
    Option get(1: T cx, 2: W self, 3: R responses) throws (1: GetError Error, 2: GetError other, 3: Box box),
    void getX() throws (1: Error error),
    void get_x(1: required Result result),
    i32 clone(1: i32 builder) throws (-5: GetErrorThrown e),
    i32 builder(1: Result union_, 2: i32 dflt = SERVICE),
    oneway void async(1: string type),
    Vec stream(1: Vec r) (streaming.mode = "bidirectional"),
    Vec responses(1: Vec responses) (streaming.mode = "server"),
}
exception GetErrorThrown {}

service T_ extends Foo { void getx(), void Get() throws (1: Box b) }
service Send {}
service Sync extends Send { void send() }
