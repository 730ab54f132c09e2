namespace go echo

enum Mood { CALM = 1, BRISK = 2, WILD = 5 }

struct Request {
    1: optional string message,
}

struct Response {
    1: optional string message,
}

exception NotFound {
    1: required string what,
    2: optional i32 code,
}

union Shape {
    1: string name,
    2: i64 area,
}

struct Inner {
    1: required i32 id,
    2: optional string label,
}

// Every Thrift type once, with the three kinds of requiredness. Sets and maps keep an order: Kitex's cases compare sets
// as lists.
struct Everything {
    1: bool flag,
    2: i8 tiny,
    3: i16 small,
    4: i32 medium,
    5: i64 big,
    6: double ratio,
    7: string text,
    8: binary blob,
    9: list<i32> numbers,
    10: set<string> tags (thrill.type = "btree"),
    11: map<string, i64> counts (thrill.type = "btree"),
    12: map<i32, list<Inner>> groups (thrill.type = "btree"),
    13: Inner inner,
    14: optional Shape shape,
    15: optional Mood mood,
    16: required string must,
    17: optional i32 fallback = 7,
    18: list<map<string, set<i16>> (thrill.type = "btree")> nested,
    19: optional list<Everything> children,
}

service TestService {
    Response Echo (1: Request req) (streaming.mode="bidirectional"),
    Response EchoClient (1: Request req) (streaming.mode="client"),
    Response EchoServer (1: Request req) (streaming.mode="server"),
    Response EchoUnary (1: Request req) (streaming.mode="unary"),

    Response EchoPingPong (1: Request req),
    Everything EchoEverything (1: Everything value) (streaming.mode="bidirectional"),
    Everything EverythingPingPong (1: Everything value) throws (1: NotFound missing),
    i64 Add (1: i64 a, 2: i64 b) throws (1: NotFound missing),
    void Nothing (),
    oneway void Notify (1: string what),
}

// A second service on the same port.
service Counter {
    i64 Increment (1: i64 by),
}
