struct a.b {}
service S { void f.g() }
