//! Annotations: carried over as they are, and those that say something to this project checked.

use crate::ast;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Annotation, Annotations, Program, Type, TypeKind};
use crate::suggest;

use super::functions::MODE;

/// What is annotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Namespace,
    Typedef,
    Const,
    Enum,
    EnumValue,
    Struct,
    Union,
    Exception,
    Field,
    Argument,
    Throws,
    Service,
    Function,
    Type,
}

use Place::{Argument, Const, Enum, EnumValue, Exception, Field, Function, Service, Struct, Throws, Typedef, Union};

/// A key of the project, `thrill.name`, and the one of pilota that means the same.
struct Key {
    name: &'static str,
    pilota: Option<&'static str>,
    places: &'static [Place],
    rule: Rule,
}

/// What values a key may have.
enum Rule {
    /// A name in Rust.
    Name,
    /// One of these, each for certain types.
    Types(&'static [(&'static str, Kinds)]),
    Bool,
    /// Paths in Rust, with commas between.
    Paths,
    /// Any text that is not empty.
    Text,
}

/// Which types something is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Strings,
    Binaries,
    Hashed,
    Doubles,
}

const KEYS: &[Key] = &[
    Key {
        name: "name",
        pilota: Some("name"),
        places: &[
            Typedef, Const, Enum, EnumValue, Struct, Union, Exception, Field, Argument, Throws, Service, Function,
        ],
        rule: Rule::Name,
    },
    Key {
        name: "type",
        pilota: Some("rust_type"),
        places: &[Typedef, Field, Argument, Place::Type],
        rule: Rule::Types(&[
            ("string", Kinds::Strings),
            ("bytestring", Kinds::Strings),
            ("bytes", Kinds::Binaries),
            ("vec", Kinds::Binaries),
            ("hash", Kinds::Hashed),
            ("btree", Kinds::Hashed),
            ("ordered_f64", Kinds::Doubles),
        ]),
    },
    Key {
        name: "arc",
        pilota: Some("rust_wrapper_arc"),
        places: &[Typedef, Field, Argument, Place::Type, Function, Service],
        rule: Rule::Bool,
    },
    Key { name: "newtype", pilota: None, places: &[Typedef], rule: Rule::Bool },
    Key { name: "derive", pilota: None, places: &[Enum, Struct, Union, Exception], rule: Rule::Paths },
    Key {
        name: "attribute",
        pilota: Some("serde_attribute"),
        places: &[Typedef, Enum, EnumValue, Struct, Union, Exception, Field],
        rule: Rule::Text,
    },
];

/// The annotations of the model, with those of the project checked.
pub(super) fn check(written: &[ast::Annotation], place: Place, diagnostics: &mut Diagnostics) -> Annotations {
    let model = |annotation: &ast::Annotation| Annotation {
        key: annotation.key.text.clone(),
        value: annotation.value.as_ref().map_or_else(|| "1".to_owned(), |value| value.value.clone()),
        span: annotation.span,
        value_span: annotation.value.as_ref().map_or(annotation.key.span, |value| value.span),
    };
    let annotations = Annotations(written.iter().map(model).collect());
    for (annotation, written) in annotations.iter().zip(written) {
        if let Some(name) = annotation.key.strip_prefix("thrill.") {
            check_own(annotation, written, name, place, diagnostics);
        } else if let Some(name) = annotation.key.strip_prefix("pilota.") {
            check_pilota(annotation, written, name, diagnostics);
        } else if annotation.key == MODE && place != Function {
            let diagnostic = Diagnostic::warning(annotation.span, format!("`{MODE}` means nothing here"));
            diagnostics.push(diagnostic.help("write it behind a function"));
        }
    }
    annotations
}

fn check_own(
    annotation: &Annotation,
    written: &ast::Annotation,
    name: &str,
    place: Place,
    diagnostics: &mut Diagnostics,
) {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        let help = match suggest::closest(name, KEYS.iter().map(|key| key.name)) {
            Some(near) => format!("did you mean `thrill.{near}`?"),
            None => {
                let all: Vec<String> = KEYS.iter().map(|key| format!("thrill.{}", key.name)).collect();
                format!("there are {}", all.join(", "))
            }
        };
        let message = format!("unknown annotation `{}`", annotation.key);
        diagnostics.push(Diagnostic::error(written.key.span, message).help(help));
        return;
    };
    if !key.places.contains(&place) {
        let places: Vec<&str> = key.places.iter().map(|place| place.what()).collect();
        let message = format!("`{}` means nothing here", annotation.key);
        let help = format!("it is possible for {}", places.join(", "));
        diagnostics.push(Diagnostic::error(annotation.span, message).help(help));
    }
    if let Err((what, hint)) = key.rule.check(&annotation.value) {
        let message = format!("`{}` is not {what}", annotation.value.escape_debug());
        diagnostics.push(Diagnostic::error(annotation.value_span, message).help(hint));
    }
}

/// Keys of pilota are taken as they are found in the files of others: what is unknown there is only warned of.
fn check_pilota(annotation: &Annotation, written: &ast::Annotation, name: &str, diagnostics: &mut Diagnostics) {
    let pilota = || KEYS.iter().filter_map(|key| key.pilota);
    let Some(key) = KEYS.iter().find(|key| key.pilota == Some(name)) else {
        let help = match suggest::closest(name, pilota()) {
            Some(near) => format!("did you mean `pilota.{near}`?"),
            None => format!("known are {}", pilota().map(|key| format!("pilota.{key}")).collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the annotation `{}` is unknown, and ignored", annotation.key);
        diagnostics.push(Diagnostic::warning(written.key.span, message).help(help));
        return;
    };
    if let Err((what, hint)) = key.rule.check(&annotation.value) {
        let message = format!("`{}` is not {what}", annotation.value.escape_debug());
        diagnostics.push(Diagnostic::error(annotation.value_span, message).help(hint));
    }
}

/// Whether the annotations that choose a Rust type are possible for a type.
pub(super) fn check_type(annotations: &Annotations, program: &Program, ty: &Type, diagnostics: &mut Diagnostics) {
    for annotation in annotations.all("thrill.type") {
        let Some(kinds) = kinds_of(&annotation.value) else { continue };
        let fits = match program.underlying(ty).kind {
            TypeKind::String => kinds == Kinds::Strings,
            TypeKind::Binary => kinds == Kinds::Binaries,
            TypeKind::Set(_) | TypeKind::Map(..) => kinds == Kinds::Hashed,
            TypeKind::Double => kinds == Kinds::Doubles,
            _ => false,
        };
        if !fits {
            let possible = match kinds {
                Kinds::Strings => "`string`",
                Kinds::Binaries => "`binary`",
                Kinds::Hashed => "`set` and `map`",
                Kinds::Doubles => "`double`",
            };
            let message = format!("`{}` cannot be chosen for this type", annotation.value);
            let diagnostic = Diagnostic::error(annotation.value_span, message);
            diagnostics.push(diagnostic.help(format!("it is possible for {possible}")));
        }
    }
}

fn kinds_of(value: &str) -> Option<Kinds> {
    KEYS.iter().find_map(|key| match key.rule {
        Rule::Types(types) => types.iter().find(|(name, _)| *name == value).map(|(_, kinds)| *kinds),
        _ => None,
    })
}

impl Rule {
    /// What a value should be and is not, and a hint.
    fn check(&self, value: &str) -> Result<(), (&'static str, String)> {
        match self {
            Self::Name if is_rust_name(value) => Ok(()),
            Self::Name => Err(("a name in Rust", "write letters, digits and `_`, without a digit first".to_owned())),
            Self::Types(types) if types.iter().any(|(name, _)| *name == value) => Ok(()),
            Self::Types(types) => {
                let names = || types.iter().map(|(name, _)| *name);
                let hint = match suggest::closest(value, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it is one of {}", names().collect::<Vec<_>>().join(", ")),
                };
                Err(("a known type", hint))
            }
            Self::Bool if matches!(value, "true" | "false" | "1") => Ok(()),
            Self::Bool => Err(("true or false", "write \"true\"".to_owned())),
            Self::Paths if value.split(',').all(is_rust_path) => Ok(()),
            Self::Paths => Err(("a list of paths", "write for example \"serde::Serialize, Eq\"".to_owned())),
            Self::Text if !value.trim().is_empty() => Ok(()),
            Self::Text => Err(("an attribute", "write for example \"#[serde(default)]\"".to_owned())),
        }
    }
}

fn is_rust_name(text: &str) -> bool {
    let text = text.strip_prefix("r#").unwrap_or(text);
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !matches!(text, "_" | "self" | "Self" | "super" | "crate")
}

fn is_rust_path(text: &str) -> bool {
    let text = text.trim();
    text.strip_prefix("::").unwrap_or(text).split("::").all(|part| is_rust_name(part) || part == "crate")
}

impl Place {
    fn what(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Typedef => "typedefs",
            Self::Const => "constants",
            Self::Enum => "enums",
            Self::EnumValue => "values of enums",
            Self::Struct => "structs",
            Self::Union => "unions",
            Self::Exception => "exceptions",
            Self::Field => "fields",
            Self::Argument => "arguments",
            Self::Throws => "declared exceptions",
            Self::Service => "services",
            Self::Function => "functions",
            Self::Type => "uses of types",
        }
    }
}
