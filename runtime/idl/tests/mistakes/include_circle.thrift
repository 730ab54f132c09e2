include "inc/circle_a.thrift"
struct A { 1: circle_a.A a }
