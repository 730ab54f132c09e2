struct S { 1: i32 a }
enum E { X }
const string A = 5
const i32 B = "x"
const bool C = "x"
const list<i32> D = {1: 2}
const map<i32, i32> F = [1]
const E G = "X"
const S H = [1]
const double I = true
const uuid J = "no"
const list<i32> K = [1, "x", 2, "y"]
const i32 L = A2
const string A2 = "x"
const i32 M = S
