struct A {}
exception X {}
service S {
  void a() throws (1: i32 x)
  void b() throws (1: A x)
  void c() throws (0: X x)
  void d() throws (1: X x, 1: X y)
  void e() throws
  void f() throws (1: required X x)
}
