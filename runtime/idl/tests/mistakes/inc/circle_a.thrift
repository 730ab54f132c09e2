include "circle_b.thrift"
struct A { 1: circle_b.B b }
