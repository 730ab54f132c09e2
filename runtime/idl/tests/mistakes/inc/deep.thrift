include "hidden.thrift"
