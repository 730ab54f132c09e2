struct A {
  1: required B b
}
struct B {
  1: required A a
}
struct C { 1: optional C c }
union U { 1: U u }
