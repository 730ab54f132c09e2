struct M {}
typedef M N
exception X {}
service S {
  M a(1: M m) (streaming.mode = "Server")
  M b(1: M m) (streaming.mode = "both")
  M c(1: M m) (streaming.mode = "client", streaming.mode = "client")
  M d() (streaming.mode = "unary")
  M e(1: M a, 2: M b) (streaming.mode = "server")
  void f(1: M m) (streaming.mode = "client")
  M g(1: i32 n) (streaming.mode = "server")
  list<M> h(1: M m) (streaming.mode = "bidirectional")
  M i(1: M m) throws (1: X x) (streaming.mode = "server")
  N j(1: N m) (streaming.mode = "server")
  void k(1: M m) (streaming.mode = "unary")
  M l(1: M m) (streaming.mode)
  M m(1: M m) (streaming.mode = server)
}
service T {} (streaming.mode = "server")
