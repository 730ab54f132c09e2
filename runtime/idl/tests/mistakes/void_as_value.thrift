struct A { 1: void a, 2: list<void> b }
const void C = 1
typedef void D
