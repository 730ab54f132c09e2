include "../inc/circle_a.thrift"
struct B { 1: optional circle_a.A a }
