typedef B A
typedef C B
typedef A C
typedef list<D> D
struct S { 1: A a, 2: D d }
