//! Finds the method that a call names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::{ServerCall, Service};
use super::limits::Gate;
use crate::codec::envelope::ApplicationException;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::middleware::Layers;
use crate::observe::Observers;
use crate::schema::{self, Method, Mode};
use crate::status::Code;
use crate::transport::{Admission, Answer, Dispatch, Exchange, Outcome, Route};

/// The services of a server, and what calls them.
#[derive(Default)]
pub(super) struct Services {
    pub(super) all: Vec<Arc<dyn Service>>,
    /// Those of `all` that were added as fallback. There may be one.
    pub(super) fallbacks: Vec<usize>,
    /// Whether a call must name its service.
    pub(super) refuse_nameless: bool,
}

/// Where a method is, by the names on the wire.
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    /// What runs around the calls of each service.
    layers: Vec<Arc<Layers>>,
    // Ordered maps: of the few names of a server one is found sooner than a hash that resists attacks is made.
    names: BTreeMap<&'static str, (usize, BTreeMap<&'static str, usize>)>,
    gate: Arc<Gate>,
    /// The methods, for calls that name no service, or a wrong one.
    nameless: BTreeMap<&'static str, Nameless>,
    refuse_nameless: bool,
    observers: Arc<Observers>,
}

/// A method, found without the name of its service.
#[derive(Clone, Copy)]
struct Nameless {
    /// The fallback's, or the first that was added; rather one that a message can call than a stream.
    route: Route,
    /// Whether no other service has it.
    is_only: bool,
}

impl Router {
    /// # Errors
    /// No service, two of one name, two fallbacks, or a method of several services that a nameless call could not choose.
    pub(super) fn new(services: Services, layers: &Layers, observers: Observers, gate: Arc<Gate>) -> Result<Self> {
        let Services { all, fallbacks, refuse_nameless } = services;
        let schemas: Vec<_> = all.iter().map(|service| service.schema()).collect();
        if schemas.is_empty() {
            return Err(Error::misuse("a server needs a service: call `Server::add` before `bind` or `serve`"));
        }
        if let [first, second, ..] = fallbacks[..] {
            let (first, second) = (schemas[first].name, schemas[second].name);
            return Err(Error::misuse(format!(
                "services {first:?} and {second:?} are both added by `add_fallback`: a server has one fallback; add the other by `add`"
            )));
        }
        let mut names = BTreeMap::new();
        for (at, schema) in schemas.iter().enumerate() {
            let methods = schema.methods.iter().enumerate().map(|(at, method)| (method.name, at)).collect();
            if names.insert(schema.name, (at, methods)).is_some() {
                let name = schema.name;
                return Err(Error::misuse(format!(
                    "service {name:?} is added twice: a call names its service without the namespace; rename one with `#[service(name = \"…\")]`"
                )));
            }
        }
        let fallback = fallbacks.first().copied();
        if !refuse_nameless {
            check_conflicts(&schemas, fallback)?;
        }
        let layers = all.iter().map(|service| Arc::new(layers.around(&service.layers().0))).collect();
        Ok(Self {
            nameless: nameless(&schemas, fallback),
            names,
            services: all,
            layers,
            gate,
            refuse_nameless,
            observers: observers.into(),
        })
    }
}

/// Refuses ping-pong methods that several services have, unless the fallback has them, too: most calls name no service.
///
/// Kitex looks at streams as well; those always name their service.
fn check_conflicts(schemas: &[&'static schema::Service], fallback: Option<usize>) -> Result<()> {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for at in fallback.into_iter().chain(0..schemas.len()) {
        for method in schemas[at].methods.iter().filter(|method| method.mode == Mode::PingPong) {
            let owner = *owners.entry(method.name).or_insert(at);
            if owner != at && fallback != Some(owner) {
                let (name, first, second) = (method.name, schemas[owner].name, schemas[at].name);
                return Err(Error::misuse(format!(
                    "services {first:?} and {second:?} both have a method {name:?}, and a call that names no service (each over Buffered or Framed) could mean either: \
                    add the one that it means by `Server::add_fallback`, or take no such calls by `Server::refuse_traffic_without_service_name`"
                )));
            }
        }
    }
    Ok(())
}

fn nameless(schemas: &[&'static schema::Service], fallback: Option<usize>) -> BTreeMap<&'static str, Nameless> {
    let mut found: BTreeMap<&'static str, Nameless> = BTreeMap::new();
    let others = (0..schemas.len()).filter(|at| fallback != Some(*at));
    for service in fallback.into_iter().chain(others) {
        for (at, method) in schemas[service].methods.iter().enumerate() {
            let route = Route { service, method: at };
            let Some(known) = found.get_mut(method.name) else {
                found.insert(method.name, Nameless { route, is_only: true });
                continue;
            };
            known.is_only = false;
            let is_pingpong = |route: Route| schemas[route.service].methods[route.method].mode == Mode::PingPong;
            if is_pingpong(route) && !is_pingpong(known.route) {
                known.route = route;
            }
        }
    }
    found
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

    /// Kitex's rules: a service that is known is the one; without a name it is the fallback, or the first that has the
    /// method; a name that is not known is forgiven where only one service has the method, since old clients send wrong ones.
    fn find_message(&self, service: Option<&str>, method: &str) -> Result<Route, (i32, String)> {
        let name = service.unwrap_or_default();
        if let Some((at, methods)) = service.and_then(|name| self.names.get(name)) {
            let unknown =
                || (ApplicationException::UNKNOWN_METHOD, format!("unknown method {method} (service {name})"));
            return methods.get(method).map(|method| Route { service: *at, method: *method }).ok_or_else(unknown);
        }
        let found = self.nameless.get(method).filter(|it| !self.refuse_nameless && (name.is_empty() || it.is_only));
        found
            .map(|it| it.route)
            .ok_or_else(|| (ApplicationException::UNKNOWN_SERVICE, format!("unknown service {name}, method {method}")))
    }

    fn method(&self, route: Route) -> &'static Method {
        &self.services[route.service].schema().methods[route.method]
    }

    fn admit(&self, context: &Context) -> Result<Admission> {
        self.gate.call(context)
    }

    fn call(&self, route: Route, context: Context, exchange: Exchange) -> Outcome {
        let exchange = match exchange {
            Exchange::Stream(halves) => Exchange::Stream(self.gate.pace(halves, &context)),
            message @ Exchange::Message { .. } => message,
        };
        let Some(watch) = self.observers.watch(&context) else { return self.run(route, context, exchange) };
        let mut begun = 0;
        let exchange = match exchange {
            Exchange::Stream(halves) => Exchange::Stream(halves.watched_on_server(&watch)),
            Exchange::Message { body, range, protocol, reply } => {
                watch.received(Ok(range.len()));
                begun = reply.len();
                Exchange::Message { body, range, protocol, reply }
            }
        };
        let outcome = self.run(route, context, exchange);
        Box::pin(async move {
            let outcome = watch.within(outcome).await;
            if let Ok(Answer::Message(reply)) = &outcome {
                watch.sent(&Ok(reply.len() - begun));
            }
            watch.finish(&outcome.as_ref().map(drop).map_err(|(err, _)| err.clone()));
            outcome
        })
    }
}

impl Router {
    fn run(&self, route: Route, context: Context, exchange: Exchange) -> Outcome {
        let layers = Arc::clone(&self.layers[route.service]);
        let call = ServerCall::new(route.method, self.method(route), context, exchange, layers);
        self.services[route.service].call(call).into()
    }
}
