syntax = "proto3";
message A {
  string name = 1;
}
