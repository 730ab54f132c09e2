typedef list<list<list<list<list<list<list<list<list<list<i32>>>>>>>>>> T1
typedef list<list<list<list<list<list<list<list<list<list<T1>>>>>>>>>> T2
typedef list<list<list<list<list<list<list<list<list<list<T2>>>>>>>>>> T3
typedef list<list<list<list<list<list<list<list<list<list<T3>>>>>>>>>> T4
typedef list<list<list<list<list<list<list<list<list<list<T4>>>>>>>>>> T5
typedef list<list<list<list<list<list<list<list<list<list<T5>>>>>>>>>> T6
typedef list<list<list<list<list<list<list<list<list<list<T6>>>>>>>>>> T7
struct A { 1: T7 a }
const list<i32> C = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
