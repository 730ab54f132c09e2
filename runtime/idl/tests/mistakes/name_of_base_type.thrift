struct i32 {}
struct list {}
struct A { 1: i32 a }
