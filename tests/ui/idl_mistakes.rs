//! Mistakes in inline IDL are shown at their own tokens, all of them, and what is healthy is there.

mod idl {
    thrill::thrift! {
        include "nowhere.thrift"

        struct User {
            1: required strin name,
            1: i32 age,
            i32 missing,
            3: list<i32 unclosed,
        }

        enum Color { RED, RED }

        /// Sound.
        struct Healthy { 1: optional string name }

        # not a comment
        const i8 BIG = 300
        const i32 NAME = user.NAME

        service Users {
            User get(1: i64 id) throws (1: User user),
            User watch(1: User a, 2: User b) (streaming.mode = "sever"),
            oneway i32 notify(),
        }
    }
}

fn main() {
    let _ = idl::Healthy { name: None };
}
