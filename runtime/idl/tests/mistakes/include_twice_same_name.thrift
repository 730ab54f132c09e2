include "inc/user.thrift"
include "inc/other/user.thrift"
struct A { 1: user.User a, 2: user.Only b }
