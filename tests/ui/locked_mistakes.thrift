service Mistakes {
    i8 get(1: Unknown what)
}
