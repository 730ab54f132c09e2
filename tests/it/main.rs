//! One test binary, a module per topic.

mod interop;
