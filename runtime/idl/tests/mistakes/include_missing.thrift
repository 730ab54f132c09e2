include "nope.thrift"
include "user"
struct A { 1: nope.T a, 2: user.T b }
