//! One test binary, a module per topic.

mod derive;
mod hostile;
mod interop;
mod service_macro;
mod ui;
mod wire_client;
mod wire_server;
