struct User {}
const i32 LIMIT = 1
