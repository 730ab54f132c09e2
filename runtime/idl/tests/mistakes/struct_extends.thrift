struct A {}
struct B extends A { 1: i32 a }
