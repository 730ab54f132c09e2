struct optional {}

struct S {
  1: required optional i32 a,
  2: optional required list<i32> b
  3: required optional fine,
}
