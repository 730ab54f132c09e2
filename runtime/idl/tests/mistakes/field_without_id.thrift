struct A {
  i32 a
  5: i32 b
  i32 c
}
service S {
  void f(i32 a) throws (X x)
}
exception X {}
