namespace go other.chat

enum Tone {
    Calm = 0,
    Loud = 1,
}

union Part {
    1: string Text,
    2: list<Part> Parts,
}

struct Message {
    1: required string text,
    2: optional Tone tone,
    3: optional Message reply_to,
    4: list<map<i32, Part>> parts,
    9: string removed,
}

exception Lost {}

service Base {
    void ping(),
}

service Chat extends Base {
    Message talk(1: Message stream) (streaming.mode = "bidirectional"),
    Message join(1: Message requests) (streaming.mode = "client"),
    Message find(1: string key, 3: bool removed) throws (1: Lost lost),
    oneway void notify(),
}
