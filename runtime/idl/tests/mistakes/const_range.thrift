const i8 A = 300
const i16 B = -32769
const i32 C = 5000000000
const list<i8> D = [1, 128]
const i64 E = 5000000000
const i32 F = E
struct S { 1: i8 a = 200 }
