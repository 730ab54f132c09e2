struct A {
  1: optional B b = {}
}
struct B {
  1: optional A a = {}
}
struct C { 1: optional C c = {"n": 1}, 2: i32 n }
struct D { 1: optional D d = {"d": {}} }
