//! Finds the method that a call names.

use std::collections::HashMap;
use std::sync::Arc;

use super::call::{ServerCall, Service};
use crate::codec::envelope::ApplicationException;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::schema::Method;
use crate::status::Code;
use crate::transport::{Dispatch, Exchange, Outcome, Route};

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

impl Router {
    /// The services that have a method, in the order they were added.
    fn having(&self, method: &str) -> impl Iterator<Item = Route> {
        self.services.iter().enumerate().filter_map(move |(service, it)| {
            let methods = it.schema().methods;
            Some(Route { service, method: methods.iter().position(|it| it.name == method)? })
        })
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

    /// Kitex's rules: a service that is known is the one; without a name it is the fallback or the first that has the method;
    /// a name that is not known is forgiven where only one service has the method, since old clients send wrong ones.
    fn find_message(&self, service: Option<&str>, method: &str) -> Result<Route, (i32, String)> {
        let Some(name) = service.filter(|name| !name.is_empty()) else {
            let unknown = || (ApplicationException::UNKNOWN_SERVICE, format!("unknown service , method {method}"));
            return self.having(method).next().ok_or_else(unknown);
        };
        if let Some((at, methods)) = self.names.get(name) {
            let unknown =
                || (ApplicationException::UNKNOWN_METHOD, format!("unknown method {method} (service {name})"));
            return methods.get(method).map(|method| Route { service: *at, method: *method }).ok_or_else(unknown);
        }
        let mut having = self.having(method);
        match (having.next(), having.next()) {
            (Some(route), None) => Ok(route),
            _ => Err((ApplicationException::UNKNOWN_SERVICE, format!("unknown service {name}, method {method}"))),
        }
    }

    fn method(&self, route: Route) -> &'static Method {
        &self.services[route.service].schema().methods[route.method]
    }

    fn call(&self, route: Route, context: Context, exchange: Exchange) -> Outcome {
        self.services[route.service].call(ServerCall::new(route.method, self.method(route), context, exchange)).into()
    }
}
