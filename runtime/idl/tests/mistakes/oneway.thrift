exception X {}
service S {
  oneway i32 a()
  oneway void b() throws (1: X x)
  oneway c()
  oneway void d(1: i32 a) (streaming.mode = "client")
}
