hello
struct A {}
message B {
  int32 a = 1;
}
struct C {}
