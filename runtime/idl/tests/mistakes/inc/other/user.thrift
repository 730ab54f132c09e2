struct User {}
struct Only {}
