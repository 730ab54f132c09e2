struct A {
  1: i32 a-b
  2: i32 größe
  3: i32 c$d
  4: i32 fine
}
