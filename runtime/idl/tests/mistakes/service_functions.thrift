service A {
  void f()
  i32 f()
  void g(1: i32 a, 1: i32 b, 2: i32 a)
  void h(1: optional i32 a)
}
service B extends A {
  void f()
  void i()
}
