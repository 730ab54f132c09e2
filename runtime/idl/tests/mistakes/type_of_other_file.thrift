include "inc/user.thrift"
include "inc/deep.thrift"
struct A {
  1: User a
  2: user.Usr b
  3: usr.User c
  4: hidden.Thing d
  5: nothing.There e
  6: user.Zzz f
}
