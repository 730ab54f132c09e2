package "meta.com/thrift"
hs_include "x.thrift"

@Structured{
  a = 1
}
struct A {
  @Other{b = 2}
  1: i32 a
  2: float b
}

interaction I {
  void f()
}

service S {
  performs I
  stream<i32> f()
  sink<i32, i32> g()
  A h()
}
