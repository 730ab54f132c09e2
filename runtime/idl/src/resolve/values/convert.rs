//! Values that are known, as another type.

use crate::diagnostic::Diagnostic;
use crate::model::{EnumId, Type, TypeKind, Value};
use crate::span::Span;

use super::{Evaluator, Keep, without_duplicates};

impl Evaluator<'_> {
    /// A value that is referred to, as the type that is expected there.
    pub(super) fn convert(&mut self, value: &Value, ty: &Type, span: Span, level: usize) -> Option<Value> {
        // What is copied counts by its size, too.
        let length = match value {
            Value::String(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        self.count(1 + length / 16, span)?;
        let ty = self.program.underlying(ty);
        let integer = match value {
            Value::I8(number) => Some(i64::from(*number)),
            Value::I16(number) => Some(i64::from(*number)),
            Value::I32(number) | Value::Enum(_, number) => Some(i64::from(*number)),
            Value::I64(number) => Some(*number),
            Value::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        };
        match (&ty.kind, value, integer) {
            (TypeKind::Bool, Value::Bool(truth), _) => Some(Value::Bool(*truth)),
            (TypeKind::Bool, Value::I8(_) | Value::I16(_) | Value::I32(_) | Value::I64(_), Some(number)) => {
                Some(Value::Bool(number != 0))
            }
            (TypeKind::I8 | TypeKind::I16 | TypeKind::I32 | TypeKind::I64, _, Some(number)) => {
                self.integer(number, ty, span)
            }
            (TypeKind::Double, Value::Double(number), _) => Some(Value::Double(*number)),
            #[allow(clippy::cast_precision_loss, reason = "what a double cannot hold it rounds, as in all compilers")]
            (TypeKind::Double, Value::I8(_) | Value::I16(_) | Value::I32(_) | Value::I64(_), Some(number)) => {
                Some(Value::Double(number as f64))
            }
            (TypeKind::String, Value::String(text), _) => Some(Value::String(text.clone())),
            (TypeKind::Binary, Value::Binary(bytes), _) => Some(Value::Binary(bytes.clone())),
            (TypeKind::Binary, Value::String(text), _) => Some(Value::Binary(text.clone().into_bytes())),
            (TypeKind::String, Value::Binary(bytes), _) => String::from_utf8(bytes.clone()).ok().map(Value::String),
            (TypeKind::Uuid, Value::Uuid(bytes), _) => Some(Value::Uuid(*bytes)),
            (TypeKind::Uuid, Value::String(text), _) => self.uuid(text, span),
            (TypeKind::Enum(id), Value::Enum(other, number), _) if id == other => Some(Value::Enum(*id, *number)),
            (TypeKind::Enum(id), Value::I8(_) | Value::I16(_) | Value::I32(_) | Value::I64(_), Some(number)) => {
                self.number_of_enum(*id, number, span)
            }
            (TypeKind::List(element), Value::List(values), _) => {
                Some(Value::List(self.convert_all(values, element, span, level)?))
            }
            // A set is written as a list is, so that a list that is referred to is one, too.
            (TypeKind::Set(element), Value::Set(values) | Value::List(values), _) => {
                let values = self.convert_all(values, element, span, level)?;
                Some(Value::Set(without_duplicates(values, |value| value, Keep::First).0))
            }
            (TypeKind::Map(key, element), Value::Map(entries), _) => {
                let level = self.deeper(level, span)?;
                let converted = entries
                    .iter()
                    .map(|(k, v)| Some((self.convert(k, key, span, level)?, self.convert(v, element, span, level)?)));
                let entries: Vec<(Value, Value)> = converted.collect::<Option<_>>()?;
                Some(Value::Map(without_duplicates(entries, |(key, _)| key, Keep::Last).0))
            }
            (TypeKind::Struct(id), Value::Struct(other, fields), _) if id == other => {
                let level = self.deeper(level, span)?;
                let item = &self.program[*id];
                let copied = fields
                    .iter()
                    .map(|(index, value)| Some((*index, self.convert(value, &item.fields[*index].ty, span, level)?)));
                Some(Value::Struct(*id, copied.collect::<Option<_>>()?))
            }
            _ => {
                let message = format!("expected {}, found {}", self.what(ty), self.what_value(value));
                let mut diagnostic = Diagnostic::error(span, message);
                // Two of them may have the same name, in two files.
                if let (TypeKind::Enum(expected), Value::Enum(found, _)) = (&ty.kind, value) {
                    let place = |id: EnumId| self.program[id].name_span;
                    diagnostic = diagnostic.note(place(*expected), "expected this one");
                    diagnostic = diagnostic.note(place(*found), "found this one");
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn convert_all(&mut self, values: &[Value], ty: &Type, span: Span, level: usize) -> Option<Vec<Value>> {
        let level = self.deeper(level, span)?;
        values.iter().map(|value| self.convert(value, ty, span, level)).collect()
    }

    pub(super) fn integer(&mut self, number: i64, ty: &Type, span: Span) -> Option<Value> {
        let fitting = match ty.kind {
            TypeKind::I8 => i8::try_from(number).ok().map(Value::I8),
            TypeKind::I16 => i16::try_from(number).ok().map(Value::I16),
            TypeKind::I32 => i32::try_from(number).ok().map(Value::I32),
            _ => Some(Value::I64(number)),
        };
        if fitting.is_none() {
            let message = format!("{number} does not fit in {}", self.what(ty));
            self.diagnostics.push(Diagnostic::error(span, message).help("compilers would cut it: take a larger type"));
        }
        fitting
    }

    pub(super) fn number_of_enum(&mut self, id: EnumId, number: i64, span: Span) -> Option<Value> {
        let item = &self.program[id];
        let Ok(small) = i32::try_from(number) else {
            let message = format!("{number} does not fit in the enum `{}`, an i32", item.name);
            self.diagnostics.push(Diagnostic::error(span, message));
            return None;
        };
        if !self.index.has_number(self.program, id, small) && !self.is_incomplete(id) {
            let message = format!("the enum `{}` has no value with the number {small}", item.name);
            let diagnostic = Diagnostic::warning(span, message).note(item.name_span, "defined here");
            self.diagnostics.push(diagnostic.help("Apache Thrift refuses this"));
        }
        Some(Value::Enum(id, small))
    }

    /// 32 hexadecimal digits with dashes between, as in `00112233-4455-6677-8899-aabbccddeeff`, also in braces.
    pub(super) fn uuid(&mut self, text: &str, span: Span) -> Option<Value> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let parsed = parse_uuid(inner.as_bytes());
        if parsed.is_none() {
            let diagnostic = Diagnostic::error(span, "this is no uuid");
            let help = "a uuid looks like `00112233-4455-6677-8899-aabbccddeeff`";
            self.diagnostics.push(diagnostic.help(help));
        }
        parsed.map(Value::Uuid)
    }

    fn what_value(&self, value: &Value) -> String {
        match value {
            Value::Bool(_) => "a bool".to_owned(),
            Value::I8(_) | Value::I16(_) | Value::I32(_) | Value::I64(_) => "an integer".to_owned(),
            Value::Double(_) => "a double".to_owned(),
            Value::String(_) => "a string".to_owned(),
            Value::Binary(_) => "a binary".to_owned(),
            Value::Uuid(_) => "a uuid".to_owned(),
            Value::Enum(id, _) => format!("a value of the enum `{}`", self.program[*id].name),
            Value::List(_) => "a list".to_owned(),
            Value::Set(_) => "a set".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Struct(id, _) => format!("a value of `{}`", self.program[*id].name),
        }
    }
}

fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (at, byte) in text.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
}
