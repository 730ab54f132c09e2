struct A {
  1: list<string tags
  2: map<string> m
  3: list i32 x
  4: vector<i32> v
  5: i32 fine
}
const list<i32> L = [1, 2
const i32 X = 1
