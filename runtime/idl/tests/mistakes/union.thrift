union U {
  1: required i32 a
  2: i32 b = 1
  3: i32 c = 2
}
