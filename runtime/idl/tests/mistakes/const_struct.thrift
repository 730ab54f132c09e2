struct S { 1: i32 alpha, 2: string beta }
union U { 1: i32 a, 2: i32 b }
const S A = {"alhpa": 1}
const S B = {alpha: 1}
const S C = {"alpha": 1, "alpha": 2}
const U D = {"a": 1, "b": 2}
const map<string, i32> E = {"a": 1, "a": 2}
struct T { 1: S s = {"gamma": 1} }
