include "inc/my-file.thrift"
struct A { 1: my-file.T a }
