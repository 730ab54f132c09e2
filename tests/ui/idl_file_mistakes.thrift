include "idl_file_included.thrift"
include "nowhere.thrift"

struct User {
    1: required strin name,
    2: idl_file_included.Missing other,
    3: list<i32 unclosed,
}

/** Sound. */
struct Healthy { 1: optional string name }

service Users {
    User get(1: i64 id) throws (1: i32 code),
    User watch(1: User a, 2: User b) (streaming.mode = "sever")
