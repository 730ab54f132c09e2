namespace go demo.chat

enum Tone { Calm, Loud }

union Part {
    1: string Text,
    2: list<Part> Parts,
}

union Kind {
    1: string text,
}

struct Message {
    1: required string text,
    2: i32 size,
    3: bool moved,
    6: required i32 gone,
    7: optional Part part,
    8: list<Kind> kind,
    9: optional Tone tone,
    10: map<string, Message> replies,
}

exception Lost {}

service Chat {
    Message join(1: Message requests) (streaming.mode = "client"),
    Message talk(1: Message stream) (streaming.mode = "bidirectional"),
    oneway void notify(),
    i32 count(1: string of),
    i32 find() throws (1: Lost lost),
    void forget(),
    void gone(),
}
