//! Finds the method that a call names.

use std::collections::HashMap;
use std::sync::Arc;

use super::call::{ServerCall, Service};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::schema::Method;
use crate::status::Code;
use crate::transport::{Dispatch, Halves, Outcome, Route};

/// The services of a server, by their names on the wire.
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    names: HashMap<&'static str, (usize, HashMap<&'static str, usize>)>,
}

impl Router {
    /// # Errors
    /// No service, or two of one name.
    pub(crate) fn new(services: Vec<Arc<dyn Service>>) -> Result<Self> {
        if services.is_empty() {
            return Err(Error::misuse("a server needs a service: call `Server::add` before `bind` or `serve`"));
        }
        let mut names = HashMap::new();
        for (at, service) in services.iter().enumerate() {
            let schema = service.schema();
            let methods = schema.methods.iter().enumerate().map(|(at, method)| (method.name, at)).collect();
            if names.insert(schema.name, (at, methods)).is_some() {
                let name = schema.name;
                return Err(Error::misuse(format!(
                    "service {name:?} is added twice: a call names its service without the namespace; rename one with `#[service(name = \"…\")]`"
                )));
            }
        }
        Ok(Self { services, names })
    }
}

impl Dispatch for Router {
    fn find(&self, service: &str, method: &str) -> Result<Route> {
        // The codes are ids of Thrift's application exceptions, which Kitex sends as gRPC codes.
        let (at, methods) = self
            .names
            .get(service)
            .ok_or_else(|| Error::status(Code::UNKNOWN_SERVICE, format!("unknown service {service}")))?;
        let method = methods.get(method).ok_or_else(|| Error::status(1, format!("unknown method {method}")))?;
        Ok(Route { service: *at, method: *method })
    }

    fn method(&self, route: Route) -> &'static Method {
        &self.services[route.service].schema().methods[route.method]
    }

    fn call(&self, route: Route, context: Context, halves: Halves) -> Outcome {
        self.services[route.service].call(ServerCall::new(route.method, self.method(route), context, halves)).into()
    }
}
