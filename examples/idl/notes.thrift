namespace go notes

/** Whose notes. */
struct Author {
    1: i32 id,
}

/** What somebody noted. */
struct Note {
    1: required string text,
    /** How much it matters, from 0. */
    2: i32 weight = 3,
    3: list<Note> replies,
}

/** There is nobody like that. */
exception UnknownAuthor {
    1: i32 id,
}

/** Keeps notes. */
service Notes {
    /** All notes of an author, as they come. */
    Note Watch(1: Author author) (streaming.mode = "server"),
    i64 Add(1: Author author, 2: Note note) throws (1: UnknownAuthor unknown_author),
}
