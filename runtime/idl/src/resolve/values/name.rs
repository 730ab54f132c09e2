//! Names in values: constants, and values of enums.

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{EnumId, Type, TypeKind, Value};
use crate::resolve::scope::{Declared, Found};
use crate::resolve::types::ambiguous;
use crate::span::{FileId, Span};
use crate::suggest;

use super::Evaluator;

impl Evaluator<'_> {
    /// The value of a name, as a type.
    pub(super) fn name(&mut self, file: FileId, name: &str, span: Span, ty: &Type, level: usize) -> Option<Value> {
        let constant = self.scopes.find(file, name);
        let member = self.member(file, name);
        match (constant, member) {
            (Found::Two(first, second), _) => {
                self.diagnostics.push(ambiguous(name, span, first, second));
                None
            }
            (Found::One(Declared::Const(_), first), Some(Member::Value(_, _, second))) => {
                self.diagnostics.push(ambiguous(name, span, first, second));
                None
            }
            (Found::One(Declared::Const(at), _), _) => {
                // A constant without a value has a mistake that is reported.
                let value = self.values[at].take()?;
                let converted = self.convert(&value, ty, span, level);
                self.values[at] = Some(value);
                converted
            }
            (_, Some(Member::Value(id, number, _))) => {
                match self.member_of_another_enum(file, name, span, ty, id, number) {
                    Some(value) => Some(value),
                    None => self.convert(&Value::Enum(id, number), ty, span, level),
                }
            }
            (_, Some(Member::Broken)) | (Found::One(Declared::Broken, _), None) => None,
            // A definition whose name is written here is meant.
            (Found::One(declared, place), None) => {
                let message = format!("`{name}` is {}, not a value", declared.what());
                self.diagnostics.push(Diagnostic::error(span, message).note(place, "defined here"));
                None
            }
            (Found::Nothing | Found::One(..), member) => self.member_by_type(file, name, span, ty).or_else(|| {
                self.unknown(file, name, span, ty, member.as_ref());
                None
            }),
        }
    }

    /// `Enum.V` and `inc.Enum.V`, where the enum may also be named by a typedef.
    fn member(&mut self, file: FileId, name: &str) -> Option<Member> {
        let (name, member) = name.rsplit_once('.')?;
        let Found::One(declared, _) = self.scopes.find(file, name) else { return None };
        let id = match declared {
            Declared::Broken => return Some(Member::Broken),
            Declared::Enum(id) => id,
            Declared::Typedef(at) => self.enum_of_typedef(at)?,
            _ => return None,
        };
        Some(match self.index.value_named(self.program, id, member) {
            Some(value) => Member::Value(id, value.value, value.name_span),
            None if self.is_incomplete(id) => Member::Broken,
            None => Member::Missing(id),
        })
    }

    /// The enum that a typedef stands for.
    fn enum_of_typedef(&self, at: usize) -> Option<EnumId> {
        let (file, item) = self.scopes.typedefs[at];
        // The list of typedefs has no broken ones, so that it is found by its place.
        let typedefs = &self.program.typedefs;
        let index = typedefs.binary_search_by_key(&(file, item.span.start), |one| (one.file, one.span.start)).ok()?;
        match self.program.underlying(&typedefs[index].ty).kind {
            TypeKind::Enum(id) => Some(id),
            _ => None,
        }
    }

    pub(super) fn is_incomplete(&self, id: EnumId) -> bool {
        let (_, item) = self.scopes.enums[id.index()];
        item.incomplete || item.values.len() != self.program[id].values.len()
    }

    /// Where an enum is expected, Apache Thrift only looks at what stands behind the last dot. So `Enum.V` and `inc.V` are
    /// short forms for an enum of another file; anything else is warned of.
    fn member_by_type(&mut self, file: FileId, name: &str, span: Span, ty: &Type) -> Option<Value> {
        let TypeKind::Enum(id) = ty.kind else { return None };
        let expected = &self.program[id];
        let (before, member) = name.rsplit_once('.')?;
        let value = self.index.value_named(self.program, id, member)?;
        let is_short = (before == expected.name && self.scopes.includes(file, expected.file))
            || self.scopes.is_prefix_of(file, before, expected.file);
        if !is_short {
            let full = format!("{}{}.{member}", self.scopes.prefix_of(file, expected.file), expected.name);
            let message = format!("`{name}` does not exist, and is taken for `{full}` as by Apache Thrift");
            self.diagnostics.push(Diagnostic::warning(span, message).help(format!("write `{full}`")));
        }
        Some(Value::Enum(id, value.value))
    }

    /// Where an enum is expected, Apache Thrift takes a value of another one by its name, thriftgo by its number. That is
    /// accepted where both are the same, as for two copies of one enum.
    fn member_of_another_enum(
        &mut self,
        file: FileId,
        name: &str,
        span: Span,
        ty: &Type,
        other: EnumId,
        number: i32,
    ) -> Option<Value> {
        let TypeKind::Enum(id) = ty.kind else { return None };
        let (_, member) = name.rsplit_once('.')?;
        let same =
            self.index.value_named(self.program, id, member).filter(|same| id != other && same.value == number)?;
        let expected = &self.program[id];
        let full = format!("{}{}.{member}", self.scopes.prefix_of(file, expected.file), expected.name);
        let message = format!("`{name}` is a value of another enum, and is taken for `{full}`: both are {number}");
        let diagnostic = Diagnostic::warning(span, message).note(same.name_span, "defined here");
        self.diagnostics.push(diagnostic.help(format!("write `{full}`")));
        Some(Value::Enum(id, number))
    }

    fn unknown(&mut self, file: FileId, name: &str, span: Span, ty: &Type, member: Option<&Member>) {
        if self.diagnostics.dropped(file, Severity::Error) > 0 {
            self.diagnostics.push(Diagnostic::error(span, format!("unknown value `{name}`")));
            return;
        }
        if let Some(Member::Missing(id)) = member {
            let item = &self.program[*id];
            let (before, last) = name.rsplit_once('.').unwrap_or_default();
            let diagnostic = Diagnostic::error(span, format!("the enum `{}` has no value `{last}`", item.name));
            let diagnostic = diagnostic.note(item.name_span, "defined here");
            let near = suggest::closest(last, item.values.iter().map(|value| value.name.as_str()));
            self.diagnostics.push(match near {
                Some(near) => diagnostic.help(format!("did you mean `{before}.{near}`?")),
                None => diagnostic,
            });
            return;
        }
        let lower = name.to_ascii_lowercase();
        let hint = match ty.kind {
            TypeKind::Bool if matches!(lower.as_str(), "true" | "false") => Some(format!("write `{lower}`")),
            TypeKind::Enum(id) if self.program[id].value_named(name).is_some() => {
                let item = &self.program[id];
                let prefix = self.scopes.prefix_of(file, item.file);
                Some(format!("write `{}{}.{name}`: values are named with their enum", prefix, item.name))
            }
            _ => None,
        };
        match hint {
            Some(hint) => {
                self.diagnostics.push(Diagnostic::error(span, format!("unknown value `{name}`")).help(hint));
            }
            None => {
                let is_const = |declared| matches!(declared, Declared::Const(_));
                self.scopes.unknown(file, name, span, "value", self.diagnostics, is_const);
            }
        }
    }
}

/// What `Enum.V` was found to be.
enum Member {
    Value(EnumId, i32, Span),
    /// The enum has no such value.
    Missing(EnumId),
    /// The enum has a mistake that was reported.
    Broken,
}
