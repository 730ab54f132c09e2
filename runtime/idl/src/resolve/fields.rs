//! Structs and their fields; also arguments and declared exceptions, which are fields too.

use std::collections::HashMap;

use crate::MissingIds;
use crate::ast::{self, Radix, Requiredness, StructKind};
use crate::diagnostic::Diagnostic;
use crate::model::{self, Field, TypeKind};
use crate::span::{FileId, Span};

use super::annotations::{self, Place};
use super::{Resolver, scope};

/// Whose fields they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Struct(StructKind),
    Arguments,
    Throws,
}

impl Of {
    fn what(self) -> &'static str {
        match self {
            Self::Struct(_) => "field",
            Self::Arguments => "argument",
            Self::Throws => "exception",
        }
    }

    fn place(self) -> Place {
        match self {
            Self::Struct(_) => Place::Field,
            Self::Arguments => Place::Argument,
            Self::Throws => Place::Throws,
        }
    }
}

impl Resolver<'_> {
    pub(super) fn structs(&mut self) {
        for (file, item) in &self.scopes.structs {
            let (fields, _) = self.fields(*file, &item.fields, Of::Struct(item.kind));
            if item.kind == StructKind::Union {
                self.check_union(item);
            }
            self.warn_of_uuid(&fields);
            let place = match item.kind {
                StructKind::Struct => Place::Struct,
                StructKind::Union => Place::Union,
                StructKind::Exception => Place::Exception,
            };
            self.program.structs.push(model::Struct {
                file: *file,
                kind: item.kind,
                name: item.name.text.clone(),
                docs: item.docs.clone(),
                fields,
                infinite: false,
                annotations: annotations::check(&item.annotations, place, self.diagnostics),
                span: item.span,
                name_span: item.name.span,
            });
        }
    }

    /// The fields without mistakes, and whether these are all. Defaults are evaluated later.
    pub(super) fn fields(&mut self, file: FileId, written: &[ast::Field], of: Of) -> (Vec<Field>, bool) {
        let mut fields = Vec::with_capacity(written.len());
        let mut names = scope::Names::default();
        let mut ids: HashMap<i16, Span> = HashMap::with_capacity(written.len());
        let mut numbers = Numbers::default();
        for field in written {
            // All of these are looked at, so that all mistakes are told.
            let id = self.id(field, &mut numbers, of);
            let ty = self.ty(file, &field.ty);
            let annotations = annotations::check(&field.annotations, of.place(), self.diagnostics);
            if let Some(ty) = &ty {
                annotations::check_type(&annotations, &self.program, ty, self.diagnostics);
            }
            if let Some(first) = names.insert(&field.name) {
                let message = format!("the name `{}` is used twice", field.name.text);
                self.report(Diagnostic::error(field.name.span, message).note(first, "first used here"));
                continue;
            }
            let Some(id) = id else { continue };
            let id_span = field.id.map_or(field.name.span, |id| id.span);
            if let Some(first) = ids.insert(id, id_span) {
                let message = format!("the id {id} of `{}` is used twice", field.name.text);
                let help = format!("each {} has an id of its own", of.what());
                self.report(Diagnostic::error(id_span, message).note(first, "first used here").help(help));
                ids.insert(id, first);
                continue;
            }
            let Some(ty) = ty else { continue };
            fields.push(Field {
                id,
                name: field.name.text.clone(),
                requiredness: self.requiredness(field, of),
                ty,
                default: None,
                docs: field.docs.clone(),
                reference: field.reference,
                recursive: false,
                annotations,
                span: field.span,
                name_span: field.name.span,
            });
        }
        let complete = fields.len() == written.len();
        (fields, complete)
    }

    fn id(&mut self, field: &ast::Field, numbers: &mut Numbers, of: Of) -> Option<i16> {
        let (what, name) = (of.what(), &field.name);
        let Some(written) = field.id else {
            let (apache, thriftgo) = numbers.missing();
            let number = match self.options.missing_ids {
                MissingIds::Apache => apache,
                MissingIds::Thriftgo => thriftgo,
                MissingIds::Error => {
                    let diagnostic = Diagnostic::error(field.span, format!("the {what} `{}` has no id", name.text));
                    self.report(diagnostic.help(format!(
                        "compilers number it differently: write `{apache}:` before it if peers use Apache Thrift, \
                         `{thriftgo}:` if they use thriftgo (Kitex)"
                    )));
                    return None;
                }
            };
            return self.small_id(number, name.span, what);
        };
        numbers.written(written.value);
        let id = self.small_id(written.value, written.span, what)?;
        if written.radix != Radix::Decimal {
            let message = format!("Kitex (thriftgo) takes this id for 0 without a word: it is {id}");
            self.report(Diagnostic::warning(written.span, message).help(format!("write `{id}:`")));
        }
        if id == 0 && of == Of::Throws {
            let diagnostic = Diagnostic::error(written.span, "an exception cannot have the id 0: the result has it");
            self.report(diagnostic.help("ids of exceptions begin with 1"));
            return None;
        }
        if id <= 0 {
            let message = format!("the id {id} is not positive: Apache Thrift gives it another number by default");
            self.report(Diagnostic::warning(written.span, message).help("ids of new fields begin with 1"));
        }
        Some(id)
    }

    fn small_id(&mut self, number: i64, span: Span, what: &str) -> Option<i16> {
        let id = i16::try_from(number).ok();
        if id.is_none() {
            let message = format!("the id {number} does not fit in an i16");
            let help = format!("the id of {} lies between -32768 and 32767", article(what));
            self.report(Diagnostic::error(span, message).help(help));
        }
        id
    }

    fn requiredness(&mut self, field: &ast::Field, of: Of) -> Requiredness {
        let warning = match (of, field.requiredness) {
            (Of::Struct(StructKind::Union), Requiredness::Required) => {
                "`required` means nothing in a union: exactly one field is set"
            }
            (Of::Arguments, Requiredness::Optional) => "`optional` means nothing before an argument: it is always sent",
            (Of::Throws, Requiredness::Required) => "`required` means nothing before an exception: at most one is sent",
            _ => "",
        };
        if !warning.is_empty() {
            self.report(Diagnostic::warning(field.span, warning).help("remove the word"));
        }
        match (of, field.requiredness) {
            (Of::Struct(StructKind::Union) | Of::Throws, _) => Requiredness::Optional,
            (Of::Arguments, Requiredness::Optional) => Requiredness::Default,
            (_, written) => written,
        }
    }

    fn check_union(&mut self, item: &ast::Struct) {
        let mut defaults = item.fields.iter().filter_map(|field| field.default.as_ref());
        let Some(first) = defaults.next() else { return };
        for default in defaults {
            let message = format!("the union `{}` has a second default", item.name.text);
            let diagnostic = Diagnostic::error(default.span, message).note(first.span, "the first is here");
            self.report(diagnostic.help("only one field of a union is set: remove one default"));
        }
    }

    /// Warns once in a file of a type that Kitex does not have.
    pub(super) fn warn_of_uuid(&mut self, fields: &[Field]) {
        for field in fields {
            if let Some(span) = uuid(&field.ty) {
                if self.warned_of_uuid.insert(span.file) {
                    let message = "Kitex (thriftgo) does not know `uuid`, and cannot read this file";
                    let help = "for such peers use `string` or `binary`";
                    self.report(Diagnostic::warning(span, message).help(help));
                }
            }
        }
    }
}

fn article(what: &str) -> String {
    if what.starts_with(['a', 'e']) { format!("an {what}") } else { format!("a {what}") }
}

/// Where a type names uuid.
fn uuid(ty: &model::Type) -> Option<Span> {
    match &ty.kind {
        TypeKind::Uuid => Some(ty.span),
        TypeKind::List(element) | TypeKind::Set(element) => uuid(element),
        TypeKind::Map(key, value) => uuid(key).or_else(|| uuid(value)),
        _ => None,
    }
}

/// The ids that compilers give to fields without one.
struct Numbers {
    apache: i64,
    thriftgo: i64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { apache: -1, thriftgo: 0 }
    }
}

impl Numbers {
    fn written(&mut self, id: i64) {
        if id <= 0 {
            self.apache = id.saturating_sub(1);
        }
        self.thriftgo = id;
    }

    /// The next id of Apache Thrift, and that of thriftgo.
    fn missing(&mut self) -> (i64, i64) {
        let apache = self.apache;
        self.apache = apache.saturating_sub(1);
        self.thriftgo = self.thriftgo.saturating_add(1);
        (apache, self.thriftgo)
    }
}
