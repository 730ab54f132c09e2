strukt User {
  1: i32 a
}

servise Users {
  User get()
}

exeption X {}
