struct A {
  1: strin a
  2: float b
  3: u64 c
  4: Usr d
  5: slist e
  6: list<long> f
  7: oneway g
}
struct User {}
