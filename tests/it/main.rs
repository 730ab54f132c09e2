//! One test binary, a module per topic.

mod connections;
mod deadlines;
mod derive;
mod extends;
mod flow_control;
mod h2spec;
mod hostile;
mod idl_export;
mod interop;
mod limits;
mod locked;
mod middleware;
mod observe;
mod pingpong_client;
mod pingpong_server;
mod public_api;
mod routing;
mod service_macro;
mod streams;
mod tidy;
mod timeouts;
mod ttheader;
mod ui;
mod wire_client;
mod wire_server;
