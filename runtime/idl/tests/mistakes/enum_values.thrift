enum E {
  A = 1,
  B = 2147483647,
  C,
  A,
  D = K,
  F = -2147483649,
  G = 1,
}
const i32 K = 1
const E V = E.D
