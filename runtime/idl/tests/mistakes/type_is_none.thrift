const i32 LIMIT = 1
service S {}
struct A {
  1: LIMIT a
  2: S b
}
service T extends A {}
service U extends X {}
