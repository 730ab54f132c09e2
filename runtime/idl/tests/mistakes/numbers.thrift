const i32 A = 010
const i32 B = 0XFF
const i64 C = 9223372036854775808
const double D = 5.
const i32 E = 12ab
const double F = 1e999
const i32 G = 01
const i32 H = 098
