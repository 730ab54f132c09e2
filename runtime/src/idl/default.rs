//! Defaults as literals of IDL.

use std::cmp::Ordering;

use thrill_idl::ast::{self, ValueKind};

use crate::codec::Value;
use crate::schema::Type;

/// A value as a literal of its type, or why there is none.
pub(super) fn literal(value: &Value, ty: &Type) -> Result<ast::Value, &'static str> {
    let kind = match (value, ty) {
        (Value::Bool(it), _) => ValueKind::Bool(*it),
        (Value::I8(it), _) => ValueKind::Int(i64::from(*it).into()),
        (Value::I16(it), _) => ValueKind::Int(i64::from(*it).into()),
        (Value::I32(it), Type::Enum(of)) => match of.values.iter().find(|value| value.value == *it) {
            Some(value) => ValueKind::Name(format!("{}.{}", of.name, value.name)),
            None => ValueKind::Int(i64::from(*it).into()),
        },
        (Value::I32(it), _) => ValueKind::Int(i64::from(*it).into()),
        (Value::I64(it), _) => ValueKind::Int((*it).into()),
        (Value::Double(it), _) if it.is_finite() => ValueKind::Double(*it),
        (Value::Double(_), _) => return Err("it has no word for a double that is not finite"),
        (Value::Binary(it), _) => match std::str::from_utf8(it) {
            Ok(text) => ValueKind::String(text.to_owned()),
            Err(_) => return Err("it has no binary that is not UTF-8"),
        },
        (Value::Uuid(it), _) => ValueKind::String(uuid(*it)),
        (Value::List { elements, .. }, Type::List(of)) => ValueKind::List(all(elements, of)?),
        (Value::Set { elements, .. }, Type::Set(of)) => {
            let mut elements = all(elements, of)?;
            elements.sort_by(order);
            ValueKind::List(elements)
        }
        (Value::Map { entries, .. }, Type::Map(key_of, of)) => {
            let entry = |(key, value): &(Value, Value)| Ok((literal(key, key_of)?, literal(value, of)?));
            let mut entries = entries.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            entries.sort_by(|(one, _), (other, _)| order(one, other));
            ValueKind::Map(entries)
        }
        (Value::Struct(given), Type::Struct(of)) => {
            let entry = |(id, value): &(i16, Value)| {
                let field = of.fields.iter().find(|field| field.id == *id).ok_or("it does not know the variant")?;
                Ok((ValueKind::String(field.name.to_owned()).into(), literal(value, &field.ty)?))
            };
            ValueKind::Map(given.iter().map(entry).collect::<Result<_, &'static str>>()?)
        }
        _ => return Err("it is not of the field's type"),
    };
    Ok(kind.into())
}

fn all(values: &[Value], ty: &Type) -> Result<Vec<ast::Value>, &'static str> {
    values.iter().map(|value| literal(value, ty)).collect()
}

/// An order for what Rust may hash, so that the text is the same each time.
fn order(one: &ast::Value, other: &ast::Value) -> Ordering {
    match (&one.kind, &other.kind) {
        (ValueKind::Int(one), ValueKind::Int(other)) => one.value.cmp(&other.value),
        (ValueKind::Double(one), ValueKind::Double(other)) => one.total_cmp(other),
        (ValueKind::String(one), ValueKind::String(other)) => one.cmp(other),
        (one, other) => format!("{one:?}").cmp(&format!("{other:?}")),
    }
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
