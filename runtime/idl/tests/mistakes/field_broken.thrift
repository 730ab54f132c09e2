struct A {
  1 i32 a
  2: b
  3: i32
  : i32 d
  5: i32 e = 
  6: i32 fine
}
const A VALUE = {"fine": 1, "e": 2}
