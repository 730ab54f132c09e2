struct A {
  1: i32 a
  1: i32 b
  2: i32 a
  40000: i32 c
  -1: i32 d
  0x10: i32 e
}
