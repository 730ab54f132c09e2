struct User {
  1: required strin name,
  2: list<i32 tags,
}

struct Healthy { 1: optional string name }
