//! Services and their functions.

use std::collections::HashMap;

use crate::ast::{self, TypeKind as Written};
use crate::diagnostic::Diagnostic;
use crate::model::{Annotations, Field, Function, Mode, Service, ServiceId, Type};
use crate::span::{FileId, Span};
use crate::suggest;

use super::annotations::{self, Place};
use super::fields::Of;
use super::scope::{self, Declared, Found};
use super::types::{MOST_NOTES, ambiguous};
use super::{Resolver, graph};

/// How many services may stand above each other.
const MOST_ANCESTORS: usize = 64;

impl Resolver<'_> {
    pub(super) fn services(&mut self) {
        let scopes = self.scopes;
        for (file, item) in &scopes.services {
            let extends = item.extends.as_ref().and_then(|base| self.base(*file, base));
            let annotations = annotations::check(&item.annotations, Place::Service, self.diagnostics);
            let mut names = scope::Names::default();
            let mut functions = Vec::with_capacity(item.functions.len());
            for function in &item.functions {
                let resolved = self.function(*file, function);
                if let Some(first) = names.insert(&function.name) {
                    let message = format!("the service `{}` has `{}` twice", item.name.text, function.name.text);
                    let diagnostic = Diagnostic::error(function.name.span, message).note(first, "first used here");
                    self.report(diagnostic.help("Thrift has no overloading: rename one"));
                    continue;
                }
                functions.extend(resolved);
            }
            self.program.services.push(Service {
                file: *file,
                name: item.name.text.clone(),
                docs: item.docs.clone(),
                extends,
                functions,
                annotations,
                span: item.span,
                name_span: item.name.span,
            });
        }
        self.check_lineages();
    }

    fn base(&mut self, file: FileId, name: &ast::Name) -> Option<ServiceId> {
        match self.scopes.find(file, &name.text) {
            Found::One(Declared::Service(id), _) => return Some(id),
            Found::One(Declared::Broken, _) => {}
            Found::One(declared, place) => {
                let message = format!("`{}` is {}, not a service", name.text, declared.what());
                self.report(Diagnostic::error(name.span, message).note(place, "defined here"));
            }
            Found::Two(first, second) => self.report(ambiguous(&name.text, name.span, first, second)),
            Found::Nothing => {
                let is_service = |declared| matches!(declared, Declared::Service(_));
                self.scopes.unknown(file, &name.text, name.span, "service", self.diagnostics, is_service);
            }
        }
        None
    }

    /// A function; `None` where part of it has a mistake: without that part it would be another.
    fn function(&mut self, file: FileId, item: &ast::Function) -> Option<Function> {
        let annotations = annotations::check(&item.annotations, Place::Function, self.diagnostics);
        let (arguments, has_all_arguments) = self.fields(file, &item.arguments, Of::Arguments);
        let (throws, has_all_throws) = self.fields(file, &item.throws, Of::Throws);
        let throws_exceptions = self.check_throws(&throws);
        let result = match &item.result.kind {
            Written::Void => Ok(None),
            _ => self.ty(file, &item.result).map(Some).ok_or(()),
        };
        self.warn_of_uuid(&arguments);
        if item.oneway {
            self.check_oneway(item, &annotations);
        }
        let mode = self.mode(&annotations);
        let function = Function {
            name: item.name.text.clone(),
            docs: item.docs.clone(),
            oneway: item.oneway,
            mode: mode?,
            result: result.ok()?,
            arguments,
            throws,
            annotations,
            span: item.span,
            name_span: item.name.span,
        };
        let fits = !has_all_arguments || self.check_mode(&function);
        let is_oneway_sound = !item.oneway || (function.result.is_none() && function.throws.is_empty());
        (has_all_arguments && has_all_throws && throws_exceptions && fits && is_oneway_sound).then_some(function)
    }

    fn check_throws(&mut self, throws: &[Field]) -> bool {
        let mut healthy = true;
        for field in throws {
            match self.program.as_struct(&field.ty) {
                None => {
                    let message = format!("`{}` is no exception, so it cannot be thrown", field.name);
                    self.report(Diagnostic::error(field.ty.span, message).help("make it a field of an exception"));
                    healthy = false;
                }
                Some(id) if !self.program[id].is_exception() => {
                    let item = &self.program[id];
                    let message = format!("`{}` is no exception: Apache Thrift does not let it be thrown", item.name);
                    let diagnostic = Diagnostic::warning(field.ty.span, message).note(item.name_span, "defined here");
                    self.report(diagnostic.help("define it with `exception`: the bytes are the same"));
                }
                Some(_) => {}
            }
        }
        healthy
    }

    fn check_oneway(&mut self, item: &ast::Function, annotations: &Annotations) {
        let name = &item.name.text;
        if !matches!(item.result.kind, Written::Void) {
            let message = format!("`{name}` is oneway, so nothing comes back: its result must be `void`");
            self.report(Diagnostic::error(item.result.span, message));
        }
        if let Some(first) = item.throws.first() {
            let message = format!("`{name}` is oneway, so nothing comes back: it cannot throw");
            self.report(Diagnostic::error(first.span, message).help("remove `throws`, or `oneway`"));
        }
        if let Some(mode) = annotations.all(MODE).next() {
            let message = format!("`{name}` is oneway, and cannot stream: a stream has a response");
            self.report(Diagnostic::error(mode.span, message).help("remove `oneway`, or `streaming.mode`"));
        }
    }

    /// The mode that the annotation says.
    fn mode(&mut self, annotations: &Annotations) -> Option<Mode> {
        let mut given = annotations.all(MODE);
        let Some(first) = given.next() else { return Some(Mode::PingPong) };
        if let Some(second) = given.next() {
            let diagnostic = Diagnostic::error(second.span, format!("`{MODE}` is given twice"));
            self.report(diagnostic.note(first.span, "first given here").help("remove one"));
            return None;
        }
        let known = Mode::ALL.iter().find(|(name, _)| *name == first.value);
        if known.is_none() {
            let message = format!("`{}` is not a mode of streaming", first.value);
            let help = match suggest::closest(&first.value, Mode::ALL.iter().map(|(name, _)| *name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "it is one of bidirectional, client, server, unary".to_owned(),
            };
            self.report(Diagnostic::error(first.value_span, message).help(help));
        }
        known.map(|(_, mode)| *mode)
    }

    /// Whether a function has what its mode needs.
    fn check_mode(&mut self, function: &Function) -> bool {
        let Some(annotation) = function.annotations.all(MODE).next() else { return true };
        // That is reported, and everything else would follow from it.
        if function.oneway {
            return false;
        }
        let name = &function.name;
        let mut healthy = true;
        if function.arguments.len() != 1 {
            let message =
                format!("`{name}` has {} arguments: a streaming function has exactly one", function.arguments.len());
            let span = function.arguments.get(1).map_or(function.name_span, |field| field.span);
            let diagnostic = Diagnostic::error(span, message).note(annotation.span, "it streams because of this");
            self.report(diagnostic.help("put everything into one struct, the message"));
            healthy = false;
        }
        if function.mode.is_streaming() {
            match &function.result {
                Some(result) => healthy &= self.check_message(function, result, "response"),
                None => {
                    let message = format!("`{name}` is void: a streaming function has a response, a struct");
                    let diagnostic = Diagnostic::error(function.name_span, message);
                    self.report(diagnostic.note(annotation.span, "it streams because of this"));
                    healthy = false;
                }
            }
            if let [request] = &function.arguments[..] {
                healthy &= self.check_message(function, &request.ty, "request");
            }
            if let Some(first) = function.throws.first() {
                let message = format!("the exceptions of `{name}` are never sent: a stream ends with a status");
                let diagnostic = Diagnostic::warning(first.span, message);
                self.report(diagnostic.note(annotation.span, "it streams because of this").help("remove `throws`"));
            }
        }
        healthy
    }

    /// Whether a type can be the message of a stream.
    fn check_message(&mut self, function: &Function, ty: &Type, role: &str) -> bool {
        let is_struct = self.program.as_struct(ty).is_some();
        if !is_struct {
            let message = format!("the {role} of `{}` is not a struct: streams carry structs", function.name);
            self.report(Diagnostic::error(ty.span, message).help("make it the only field of a struct"));
        }
        is_struct
    }

    /// Services that extend themselves, or too many, or that have a function of one that they extend.
    fn check_lineages(&mut self) {
        let services = &self.program.services;
        let edges: Vec<Vec<usize>> =
            services.iter().map(|one| one.extends.iter().map(|id| id.index()).collect()).collect();
        for circle in graph::circles(&edges) {
            let way = graph::circle_through(&edges, circle[0], |_| true);
            let place = |at: usize| {
                let (_, item) = self.scopes.services[at];
                (item.extends.as_ref().map_or(item.name.span, |base| base.span), &item.name.text)
            };
            let (span, name) = place(way[0]);
            let mut diagnostic = Diagnostic::error(span, format!("the service `{name}` extends itself"));
            for at in way.iter().skip(1).take(MOST_NOTES) {
                diagnostic = diagnostic.note(place(*at).0, "through this one");
            }
            self.report(diagnostic);
            circle.iter().for_each(|at| self.program.services[*at].extends = None);
        }
        for at in 0..self.program.services.len() {
            self.check_lineage(at);
        }
    }

    fn check_lineage(&mut self, at: usize) {
        let Some(base) = self.program.services[at].extends else { return };
        let ancestors: Vec<ServiceId> = self.program.lineage(base).take(MOST_ANCESTORS + 1).collect();
        let (_, item) = self.scopes.services[at];
        if ancestors.len() > MOST_ANCESTORS {
            let span = item.extends.as_ref().map_or(item.name.span, |base| base.span);
            self.report(Diagnostic::error(
                span,
                format!("there are more than {MOST_ANCESTORS} services above this one"),
            ));
            self.program.services[at].extends = None;
            return;
        }
        let mut inherited: HashMap<&str, (Span, &str)> = HashMap::new();
        for ancestor in ancestors {
            let service = &self.program[ancestor];
            for function in &service.functions {
                inherited.entry(&function.name).or_insert((function.name_span, &service.name));
            }
        }
        let mut again = Vec::new();
        for (index, function) in self.program.services[at].functions.iter().enumerate() {
            if let Some((first, base)) = inherited.get(function.name.as_str()) {
                let message = format!("`{}` has `{}` already, from `{base}`", item.name.text, function.name);
                let diagnostic = Diagnostic::error(function.name_span, message).note(*first, "first used here");
                let help = "an inherited function cannot be replaced: rename this one, or remove it";
                again.push((index, diagnostic.help(help)));
            }
        }
        let mut index = 0..;
        let is_new = |_: &Function| again.binary_search_by_key(&index.next(), |(at, _)| Some(*at)).is_err();
        self.program.services[at].functions.retain(is_new);
        again.into_iter().for_each(|(_, diagnostic)| self.report(diagnostic));
    }
}

/// The annotation that makes a function stream.
pub(super) const MODE: &str = "streaming.mode";
