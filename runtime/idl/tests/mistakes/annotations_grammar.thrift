struct A {
  1: i32 a (key = value, other = "x")
  2: i32 b (key = 5)
  3: i32 c (= "x")
  4: i32 d (key = "x"
  5: i32 e
}
