include "inc/user.thrift"
enum user { LIMIT }
const i32 A = user.LIMIT
