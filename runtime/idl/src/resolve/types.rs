//! Typedefs and the uses of types.

use crate::ast::{self, BaseType, TypeKind as Written};
use crate::diagnostic::Diagnostic;
use crate::model::{self, Type, TypeKind, TypedefId};
use crate::parser::MAX_DEPTH;
use crate::span::{FileId, Span};

use super::annotations::{self, Place};
use super::scope::{Declared, Found};
use super::{Resolver, graph, next_id};

/// A typedef without mistakes.
pub(super) struct Sound {
    pub(super) id: TypedefId,
    /// How many levels its type has, with those of the typedefs in it.
    depth: usize,
}

/// A typedef in the type of another.
struct Use {
    typedef: usize,
    /// How many containers are around it.
    level: usize,
}

impl Resolver<'_> {
    pub(super) fn typedefs(&mut self) {
        let scopes = self.scopes;
        let mut uses = Vec::with_capacity(scopes.typedefs.len());
        let mut healthy = Vec::with_capacity(scopes.typedefs.len());
        for (file, item) in &scopes.typedefs {
            let mut found = Vec::new();
            healthy.push(self.typedef_uses(*file, &item.ty, 0, &mut found));
            uses.push(found);
        }
        let edges: Vec<Vec<usize>> = uses.iter().map(|uses| uses.iter().map(|one| one.typedef).collect()).collect();
        for circle in graph::circles(&edges) {
            self.report_typedef_circle(&edges, &circle);
            circle.iter().for_each(|at| healthy[*at] = false);
        }
        self.typedefs = scopes.typedefs.iter().map(|_| None).collect();
        let mut depths: Vec<Option<usize>> = vec![None; uses.len()];
        for at in components_first(&edges) {
            // What a typedef needs stands before it here, so that all of it is known, or broken.
            let inner = uses[at].iter().map(|one| Some(one.level + depths[one.typedef]?));
            let Some(inner) = inner.collect::<Option<Vec<usize>>>().filter(|_| healthy[at]) else { continue };
            let (_, item) = scopes.typedefs[at];
            let depth = 1 + inner.into_iter().max().unwrap_or(0).max(levels(&item.ty));
            if depth > MAX_DEPTH {
                self.report(too_deep(item.name.span));
                continue;
            }
            depths[at] = Some(depth);
        }
        let mut count = 0;
        for (at, depth) in depths.iter().enumerate() {
            if let Some(depth) = depth {
                self.typedefs[at] = Some(Sound { id: TypedefId(count), depth: *depth });
                count += 1;
            }
        }
        for (at, (file, item)) in scopes.typedefs.iter().enumerate() {
            if self.typedefs[at].is_none() {
                continue;
            }
            // It has been looked through, so that it has no mistakes but those of its annotations.
            let Some(ty) = self.ty(*file, &item.ty) else { continue };
            let annotations = annotations::check(&item.annotations, Place::Typedef, self.diagnostics);
            annotations::check_type(&annotations, &self.program, &ty, self.diagnostics);
            self.program.typedefs.push(model::Typedef {
                file: *file,
                name: item.name.text.clone(),
                docs: item.docs.clone(),
                ty,
                annotations,
                span: item.span,
                name_span: item.name.span,
            });
        }
        debug_assert_eq!(next_id(&self.program.typedefs), count);
    }

    /// Collects the typedefs in a type. Returns whether all names in it are those of types.
    fn typedef_uses(&mut self, file: FileId, ty: &ast::Type, level: usize, uses: &mut Vec<Use>) -> bool {
        match &ty.kind {
            Written::Void | Written::Base(_) => true,
            Written::Named(name) => match self.declared_type(file, name, ty.span) {
                Some(Declared::Typedef(typedef)) => {
                    uses.push(Use { typedef, level });
                    true
                }
                declared => declared.is_some(),
            },
            Written::List(element) | Written::Set(element) => self.typedef_uses(file, element, level + 1, uses),
            Written::Map(key, value) => {
                let key = self.typedef_uses(file, key, level + 1, uses);
                self.typedef_uses(file, value, level + 1, uses) && key
            }
        }
    }

    fn report_typedef_circle(&mut self, edges: &[Vec<usize>], circle: &[usize]) {
        let way = graph::circle_through(edges, circle[0], |at| circle.binary_search(&at).is_ok());
        let item = |at: usize| &self.scopes.typedefs[at].1.name;
        let first = item(way[0]);
        let mut diagnostic = Diagnostic::error(first.span, format!("the typedef `{}` is part of itself", first.text));
        for at in way.iter().skip(1).take(MOST_NOTES) {
            diagnostic = diagnostic.note(item(*at).span, "through this one");
        }
        self.report(diagnostic.help("a struct can be part of itself, a typedef cannot"));
    }

    /// What a name of a type means; `None` where it is none, which is reported.
    fn declared_type(&mut self, file: FileId, name: &str, span: Span) -> Option<Declared> {
        match self.scopes.find(file, name) {
            Found::One(Declared::Broken, _) => None,
            Found::One(declared, _) if declared.is_type() => Some(declared),
            Found::One(declared, place) => {
                let message = format!("`{name}` is {}, not a type", declared.what());
                self.report(Diagnostic::error(span, message).note(place, "defined here"));
                None
            }
            Found::Two(first, second) => {
                self.report(ambiguous(name, span, first, second));
                None
            }
            Found::Nothing => {
                self.scopes.unknown(file, name, span, "type", self.diagnostics, Declared::is_type);
                None
            }
        }
    }

    /// The use of a type; `None` where a name in it has a mistake, which is reported.
    pub(super) fn ty(&mut self, file: FileId, ty: &ast::Type) -> Option<Type> {
        self.ty_at(file, ty, 0)
    }

    fn ty_at(&mut self, file: FileId, ty: &ast::Type, level: usize) -> Option<Type> {
        let kind = match &ty.kind {
            // The parser lets nobody have a value of it.
            Written::Void => return None,
            Written::Base(base) => base_type(*base),
            Written::Named(name) => match self.declared_type(file, name, ty.span)? {
                Declared::Typedef(at) => {
                    let sound = self.typedefs[at].as_ref()?;
                    if level + sound.depth > MAX_DEPTH {
                        self.report(too_deep(ty.span));
                        return None;
                    }
                    TypeKind::Typedef(sound.id)
                }
                Declared::Enum(id) => TypeKind::Enum(id),
                Declared::Struct(id) => TypeKind::Struct(id),
                Declared::Const(_) | Declared::Service(_) | Declared::Broken => return None,
            },
            Written::List(element) => TypeKind::List(Box::new(self.ty_at(file, element, level + 1)?)),
            Written::Set(element) => TypeKind::Set(Box::new(self.ty_at(file, element, level + 1)?)),
            Written::Map(key, value) => {
                let (key, value) = (self.ty_at(file, key, level + 1), self.ty_at(file, value, level + 1));
                TypeKind::Map(Box::new(key?), Box::new(value?))
            }
        };
        let annotations = annotations::check(&ty.annotations, Place::Type, self.diagnostics);
        let ty = Type { kind, annotations, span: ty.span };
        annotations::check_type(&ty.annotations, &self.program, &ty, self.diagnostics);
        Some(ty)
    }
}

/// Nodes so that what a node needs stands before it, where it does not need itself.
fn components_first(edges: &[Vec<usize>]) -> Vec<usize> {
    let component = graph::components(edges);
    let mut order: Vec<usize> = (0..edges.len()).collect();
    // Components are numbered when they are complete, after all that they lead to.
    order.sort_by_key(|node| component[*node]);
    order
}

/// How many levels of containers a type has.
fn levels(ty: &ast::Type) -> usize {
    match &ty.kind {
        Written::Void | Written::Base(_) | Written::Named(_) => 0,
        Written::List(element) | Written::Set(element) => 1 + levels(element),
        Written::Map(key, value) => 1 + levels(key).max(levels(value)),
    }
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!("with the typedefs in it, this type is nested deeper than {MAX_DEPTH} levels");
    Diagnostic::error(span, message).help("put a struct between")
}

pub(super) fn ambiguous(name: &str, span: Span, first: Span, second: Span) -> Diagnostic {
    Diagnostic::error(span, format!("`{name}` is ambiguous"))
        .note(first, "it may mean this")
        .note(second, "or this")
        .help("rename one of the files, or what is in them")
}

/// How many places of a long circle are shown.
pub(super) const MOST_NOTES: usize = 8;

fn base_type(base: BaseType) -> TypeKind {
    match base {
        BaseType::Bool => TypeKind::Bool,
        BaseType::I8 => TypeKind::I8,
        BaseType::I16 => TypeKind::I16,
        BaseType::I32 => TypeKind::I32,
        BaseType::I64 => TypeKind::I64,
        BaseType::Double => TypeKind::Double,
        BaseType::String => TypeKind::String,
        BaseType::Binary => TypeKind::Binary,
        BaseType::Uuid => TypeKind::Uuid,
    }
}
