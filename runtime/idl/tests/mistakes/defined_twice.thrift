struct A {}
enum A { X }
const i32 A = 1
service A {}
typedef i32 B
typedef i64 B
