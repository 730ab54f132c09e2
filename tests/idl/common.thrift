/**
 * What others include.
 */
namespace rs shared.common
namespace go kitex.Common

/** How it went. */
enum Status {
    OK = 200, // All is well.
    NOT_FOUND = 404,
    MISSING = 404,
    NEGATIVE = -1
}

struct Page { 1: required i32 number = 1, 2: optional i32 size = 20 }

exception Unavailable { 1: Status status = Status.NOT_FOUND }

const Page FIRST = { "number": 1 }

service Health {
    /** Is anybody there? */
    Status ping(),
}
