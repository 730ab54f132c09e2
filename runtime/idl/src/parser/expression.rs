//! Types, values, literals and annotations.

use super::{Failed, MAX_DEPTH, Parsed, Parser, shortened};
use crate::ast::{self, BaseType, TypeKind, ValueKind};
use crate::diagnostic::Diagnostic;
use crate::lexer::Kind;
use crate::literal;
use crate::span::Span;

impl Parser<'_> {
    /// Runs a rule that contains itself, unless it does so too often.
    pub(super) fn deeper<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested deeper than {MAX_DEPTH} levels");
            self.report(
                Diagnostic::error(self.span(), message).help("name the inner part with a typedef or a constant"),
            );
            return Err(Failed);
        }
        self.depth += 1;
        let parsed = rule(self);
        self.depth -= 1;
        parsed
    }

    /// The type of something that has a value.
    pub(super) fn value_type(&mut self) -> Parsed<ast::Type> {
        let ty = self.ty("a type")?;
        if matches!(ty.kind, TypeKind::Void) {
            let diagnostic = Diagnostic::error(ty.span, "`void` is only possible as the result of a function");
            return Err(self.report(diagnostic));
        }
        Ok(ty)
    }

    pub(super) fn ty(&mut self, what: &str) -> Parsed<ast::Type> {
        let start = self.span();
        let kind = self.type_kind(what)?;
        let span = start.to(self.last_span());
        let annotations = self.annotations()?;
        Ok(ast::Type { kind, annotations, span })
    }

    fn type_kind(&mut self, what: &str) -> Parsed<TypeKind> {
        let word = self.word();
        let is_container = self.is_at(1, b'<') || self.text_at(1) == "cpp_type";
        let base = match word {
            "" => return Err(self.expected(what)),
            "list" | "set" | "map" if is_container => return self.deeper(|parser| parser.container(word)),
            "void" => TypeKind::Void,
            "bool" => TypeKind::Base(BaseType::Bool),
            "byte" | "i8" => TypeKind::Base(BaseType::I8),
            "i16" => TypeKind::Base(BaseType::I16),
            "i32" => TypeKind::Base(BaseType::I32),
            "i64" => TypeKind::Base(BaseType::I64),
            "double" => TypeKind::Base(BaseType::Double),
            "string" => TypeKind::Base(BaseType::String),
            "binary" => TypeKind::Base(BaseType::Binary),
            "uuid" => TypeKind::Base(BaseType::Uuid),
            _ if self.is_at(1, b'<') => return Err(self.unknown_container()),
            name => TypeKind::Named(name.to_owned()),
        };
        self.next();
        Ok(base)
    }

    fn container(&mut self, word: &str) -> Parsed<TypeKind> {
        self.next();
        self.cpp_type()?;
        let opened = self.span();
        if !self.eat(b'<') {
            return Err(self.expected(&format!("`<` and what the {word} has in it")));
        }
        let first = Box::new(self.value_type()?);
        let kind = match word {
            "list" => TypeKind::List(first),
            "set" => TypeKind::Set(first),
            _ => {
                if !self.eat(b',') {
                    return Err(self.expected_with("`,` and the type of the map's values", |one| {
                        one.note(opened, "opened here").help("a map has two types: `map<string, i32>`")
                    }));
                }
                TypeKind::Map(first, Box::new(self.value_type()?))
            }
        };
        let what = match word {
            "list" => "the list",
            "set" => "the set",
            _ => "the map",
        };
        self.close(b'>', what, opened);
        self.cpp_type()?;
        Ok(kind)
    }

    /// `cpp_type "std::vector"`, without meaning here.
    fn cpp_type(&mut self) -> Parsed<()> {
        if self.word() == "cpp_type" && self.token(1).kind == Kind::String {
            self.next();
            self.string("a C++ type in quotes")?;
        }
        Ok(())
    }

    fn unknown_container(&mut self) -> Failed {
        match self.word() {
            "stream" => self.dialect(
                "stream",
                "`stream<…>`",
                "let the function return the plain type, with the annotation `(streaming.mode = \"server\")`",
            ),
            "sink" => self.dialect(
                "sink",
                "`sink<…>`",
                "let the function take and return plain types, with the annotation `(streaming.mode = \"client\")`",
            ),
            word => {
                let message = format!("`{}` is not a container", shortened(word));
                self.report(Diagnostic::error(self.span(), message).help("containers are `list`, `set` and `map`"));
                true
            }
        };
        self.next();
        self.skip_balanced();
        Failed
    }

    pub(super) fn value(&mut self) -> Parsed<ast::Value> {
        let start = self.span();
        let kind = match self.kind() {
            Kind::Int => ValueKind::Int(self.integer()?),
            Kind::Double => self.double()?,
            Kind::String => ValueKind::String(self.string("a value")?.value),
            Kind::Mark(b'[') => self.deeper(Self::list)?,
            Kind::Mark(b'{') => self.deeper(Self::map)?,
            Kind::Name => {
                let name = self.text_at(0);
                self.next();
                match name {
                    "true" => ValueKind::Bool(true),
                    "false" => ValueKind::Bool(false),
                    name => ValueKind::Name(name.to_owned()),
                }
            }
            _ => return Err(self.expected("a value")),
        };
        Ok(ast::Value { kind, span: start.to(self.last_span()) })
    }

    fn list(&mut self) -> Parsed<ValueKind> {
        let opened = self.span();
        self.next();
        let mut values = Vec::new();
        loop {
            self.separators();
            if self.eat(b']') {
                return Ok(ValueKind::List(values));
            }
            if !self.begins_value() {
                self.close(b']', "the list", opened);
                return Err(Failed);
            }
            values.push(self.value()?);
        }
    }

    fn map(&mut self) -> Parsed<ValueKind> {
        let opened = self.span();
        self.next();
        let mut entries = Vec::new();
        loop {
            self.separators();
            if self.eat(b'}') {
                return Ok(ValueKind::Map(entries));
            }
            if !self.begins_value() {
                self.close(b'}', "the map", opened);
                return Err(Failed);
            }
            let key = self.value()?;
            if !self.eat(b':') {
                return Err(self.expected_with("`:` and the value that belongs to the key", |one| {
                    one.note(opened, "opened here")
                }));
            }
            entries.push((key, self.value()?));
        }
    }

    fn begins_value(&self) -> bool {
        matches!(self.kind(), Kind::Int | Kind::Double | Kind::String | Kind::Name | Kind::Mark(b'[' | b'{'))
            && !self.is_definition()
    }

    pub(super) fn integer(&mut self) -> Parsed<ast::Integer> {
        let span = self.span();
        let text = self.text_at(0);
        let parsed = literal::integer(text);
        if let Some(bad) = literal::misleading_zero(text) {
            self.report(Diagnostic::warning(span, bad.message).help(bad.help));
        }
        self.next();
        match parsed {
            Ok((value, radix)) => Ok(ast::Integer { value, radix, span }),
            Err(bad) => Err(self.report(Diagnostic::error(span, bad.message).help(bad.help))),
        }
    }

    fn double(&mut self) -> Parsed<ValueKind> {
        let span = self.span();
        let text = self.text_at(0);
        self.next();
        match literal::double(text) {
            Some(value) => Ok(ValueKind::Double(value)),
            None => {
                let message = format!("`{}` does not fit in a double", shortened(text));
                Err(self.report(Diagnostic::error(span, message)))
            }
        }
    }

    pub(super) fn string(&mut self, what: &str) -> Parsed<ast::Text> {
        self.string_with(what, Diagnostic::error)
    }

    fn string_with(&mut self, what: &str, escape: fn(Span, String) -> Diagnostic) -> Parsed<ast::Text> {
        if self.kind() != Kind::String {
            return Err(self.expected(what));
        }
        let span = self.span();
        let mut bad = Vec::new();
        let value = literal::string(self.text_at(0), &mut |escape| bad.push(escape));
        self.next();
        for one in bad {
            let start = span.start as usize;
            let place = Span::new(self.file, start + one.range.start, start + one.range.end);
            self.report(escape(place, one.message).help(one.help));
        }
        Ok(ast::Text { value, span })
    }

    /// `(key = "value", key2 = 'value'; key3)`, if there are any.
    pub(super) fn annotations(&mut self) -> Parsed<Vec<ast::Annotation>> {
        let mut annotations = Vec::new();
        let opened = self.span();
        if !self.eat(b'(') {
            return Ok(annotations);
        }
        // What has a mistake is left out, and what is annotated is not.
        let listed = self.parenthesized("the annotations", opened, |parser| {
            annotations.push(parser.annotation()?);
            Ok(())
        });
        if listed.is_err() && self.tokens[self.at - 1].kind != Kind::Mark(b')') {
            return Err(Failed);
        }
        Ok(annotations)
    }

    fn annotation(&mut self) -> Parsed<ast::Annotation> {
        let key = self.name("the key of an annotation")?;
        let mut value = None;
        if self.eat(b'=') {
            if matches!(self.kind(), Kind::Name | Kind::Int | Kind::Double) {
                let help = format!("write `\"{}\"`", shortened(self.text_at(0)));
                let diagnostic = Diagnostic::error(self.span(), "the value of an annotation is a string");
                self.report(diagnostic.help(help));
                self.next();
                return Err(Failed);
            }
            // thriftgo takes the text of annotations as it is, and so they are full of regular expressions.
            value = Some(self.string_with("the value of the annotation, a string", Diagnostic::warning)?);
        }
        let span = key.span.to(self.last_span());
        Ok(ast::Annotation { key, value, span })
    }
}
