// `uuid` is a type that thriftgo, and so Kitex, does not know.
// thriftgo, and so Kitex, refuses a second name for a number of an enum.

namespace go demo.Chat

/** What all have. */
service Base {
    void ping(),
}

/** How it is said. */
enum Tone {
    /** As always. */
    Calm = 1,
    QUIET = 1,
    Low = 1,
    LOUD = -5,
}

union Part {
    1: string text,
    /** Inside each other. */
    2: list<Part> Parts,
}

struct Defaults {
    1: bool flag = true,
    2: i32 limit = 42,
    3: double ratio = -1.5e-7,
    4: optional string text = 'a "b"\n',
    5: binary binary = "bin",
    6: list<Tone> tones = [Tone.LOUD, Tone.Calm],
    7: set<i16> set = [-1, 9, 10],
    8: map<string, i8> map = {"a": 1, "b": 2},
    9: Part part = {"text": "x"},
    10: list<i64> empty = [],
    11: i64 least = -9223372036854775808,
    12: uuid uuid = "abababab-abab-abab-abab-abababababab",
    13: Message nil,
    -1: i8 old,
    /**
     * First.
     *
     * After an empty line.
     */
    14: map<list<i32>, set<map<string, double>>> nested,
}

/**
 * A message.
 *
 * It has "quotes" and \ slashes.
 */
struct Message {
    /** What it says. */
    1: required string text,
    2: optional Tone tone,
    3: optional Message replyTo,
    4: list<Part> parts,
    5: map<Tone, set<i64>> by_tone,
    7: Defaults defaults = {"flag": false, "limit": 0, "ratio": 2.0, "text": "it's", "binary": "", "tones": [], "set": [], "map": {}, "part": {"Parts": []}, "empty": [1], "least": 0, "uuid": "00000000-0000-0000-0000-000000000000", "old": 0, "nested": {}},
}

exception Lost {
    1: map<string, double> what,
}

exception Busy {}

/** Talks. */
service ChatService extends Base {
    /** Says it back. */
    Part talkBack(1: Message stream) (streaming.mode = "bidirectional"),
    Message join(1: Message requests) (streaming.mode = "client"),
    Message repeat(3: Message request) (streaming.mode = "server"),
    Message find(1: required Message req) (streaming.mode = "unary"),
    list<i64> add(
        /** The first. */
        1: required i64 a,
        7: i64 b,
        3: i32 c = 2,
    ) throws (1: Lost lost, 2: Busy busy),
    oneway void notify(1: string type),
}
