struct A {}
/* what follows
struct B {}
