struct A {
  1: i32 a

struct B {
  1: A a
}

service S {
  void f(1: i32 a
  void g()
}

enum E { X, Y
