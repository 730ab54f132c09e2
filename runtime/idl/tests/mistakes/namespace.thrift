namespace go "a.b"
namespace rs a
namespace rs b
cpp_namespace x
php_namespace y
namespace go
