const string A = "a\qb\x4"
struct S { 1: string a (go.tag = "\d+") }
