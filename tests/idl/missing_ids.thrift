// Fields without ids: the compilers count them in two ways.
struct Ids { i32 a, i32 b, 5: i32 c, i32 d }
exception Oops { string why }
service Old { i32 add(i32 a, i32 b) throws (Oops oops) }
