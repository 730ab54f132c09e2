//! What stands inside of definitions: values of enums, fields, functions.

use super::{Failed, Parsed, Parser};
use crate::ast::{self, Requiredness};
use crate::diagnostic::Diagnostic;
use crate::lexer::Kind;

impl Parser<'_> {
    pub(super) fn enum_value(&mut self) -> Parsed<ast::EnumValue> {
        self.skip_dialect_annotations();
        let docs = self.docs_before();
        let start = self.span();
        let name = self.declared_name("the name of a value")?;
        let value = if self.eat(b'=') {
            if self.kind() != Kind::Int {
                return Err(self.expected_with("an integer", |one| {
                    one.help("the value of an enum is a plain integer, no constant and no other value")
                }));
            }
            Some(self.integer()?)
        } else {
            None
        };
        let annotations = self.annotations()?;
        let span = start.to(self.last_span());
        self.end_of_element("the value")?;
        let docs = self.docs_after(docs);
        Ok(ast::EnumValue { docs, name, value, annotations, span })
    }

    /// `1: required i32 name = 5 (key = "value"),`
    pub(super) fn field(&mut self, what: &str) -> Parsed<ast::Field> {
        self.skip_dialect_annotations();
        let docs = self.docs_before();
        let start = self.span();
        let id = if self.kind() == Kind::Int {
            let id = self.integer()?;
            if !self.eat(b':') {
                self.expected(&format!("`:` after the id of {what}"));
                if self.kind() != Kind::Name {
                    return Err(Failed);
                }
            }
            Some(id)
        } else {
            None
        };
        let requiredness = self.requiredness();
        let ty = self.value_type()?;
        let reference = self.eat(b'&');
        let name = self.declared_name(name_of(what))?;
        let default = if self.eat(b'=') { Some(self.value()?) } else { None };
        self.xsd()?;
        let annotations = self.annotations()?;
        let span = start.to(self.last_span());
        self.end_of_element(what)?;
        let docs = self.docs_after(docs);
        Ok(ast::Field { docs, id, requiredness, ty, reference, name, default, annotations, span })
    }

    fn requiredness(&mut self) -> Requiredness {
        let found = match self.word() {
            "required" if self.is_name_at(1) => Requiredness::Required,
            "optional" if self.is_name_at(1) => Requiredness::Optional,
            _ => return Requiredness::Default,
        };
        let first = self.span();
        self.next();
        // Both words are also names of types, so a type and a name have to follow.
        let is_second = matches!(self.word(), "required" | "optional") && self.is_name_at(1);
        if is_second && (self.is_name_at(2) || self.is_at(2, b'<')) {
            let message = format!("`{}` behind another word of requiredness", self.word());
            self.report(Diagnostic::error(self.span(), message).note(first, "the first is here").help("remove one"));
            self.next();
        }
        found
    }

    /// What Apache Thrift has for XML schemas, which means nothing here.
    fn xsd(&mut self) -> Parsed<()> {
        while matches!(self.word(), "xsd_optional" | "xsd_nillable" | "xsd_attrs") {
            let has_fields = self.word() == "xsd_attrs";
            let opened = self.span();
            self.next();
            if has_fields && self.eat(b'{') {
                self.deeper(|parser| {
                    parser.block("the attributes", opened, |parser| parser.field("the attribute").map(drop));
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn function(&mut self) -> Parsed<ast::Function> {
        self.skip_dialect_annotations();
        let docs = self.docs_before();
        let start = self.span();
        if self.word() == "performs" && self.is_name_at(1) && !self.is_at(2, b'(') {
            self.dialect("performs", "`performs`", "write the functions into the service");
            self.next();
            self.next();
            return Err(Failed);
        }
        // `oneway` and `async` are keywords only where a type and a name follow.
        let oneway = matches!(self.word(), "oneway" | "async") && self.is_name_at(1) && !self.is_at(2, b'(');
        if oneway {
            self.next();
        }
        let result = self.ty("the type of the result")?;
        let name = self.declared_name("the name of the function after the type of its result")?;
        let opened = self.span();
        if !self.eat(b'(') {
            return Err(self.expected("`(` and the arguments of the function"));
        }
        let mut arguments = Vec::new();
        let mut healthy = self.parenthesized("the arguments", opened, |parser| {
            arguments.push(parser.field("the argument")?);
            Ok(())
        });
        let mut throws = Vec::new();
        if self.eat_word("throws") {
            let opened = self.span();
            if !self.eat(b'(') {
                return Err(self.expected("`(` and the exceptions"));
            }
            healthy = healthy.and(self.parenthesized("the exceptions", opened, |parser| {
                throws.push(parser.field("the exception")?);
                Ok(())
            }));
        }
        let annotations = self.annotations()?;
        let span = start.to(self.last_span());
        healthy?;
        self.end_of_element("the function")?;
        let docs = self.docs_after(docs);
        Ok(ast::Function { docs, oneway, result, name, arguments, throws, annotations, span })
    }

    /// What may stand behind an element: a separator, the end of the list, or the beginning of the next one.
    fn end_of_element(&mut self, what: &str) -> Parsed<()> {
        match self.kind() {
            Kind::Mark(b',' | b';') => self.separators(),
            Kind::Mark(b'}' | b')' | b'@') | Kind::Name | Kind::Int | Kind::End => {}
            Kind::Mark(b'=') if what == "the exception" => {
                return Err(self.report(Diagnostic::error(self.span(), "an exception has no default")));
            }
            _ => return Err(self.expected(&format!("`,` or the end of {what}"))),
        }
        Ok(())
    }

    /// Passes over what fbthrift writes before a definition or a member, and says so.
    pub(super) fn skip_dialect_annotations(&mut self) {
        while self.is(b'@') {
            self.dialect("@", "annotations like `@Name{…}`", "write annotations as `(key = \"value\")` at the end");
            self.next();
            self.next();
            if self.is(b'{') {
                self.skip_balanced();
            }
        }
    }
}

/// How the name of a field is called where it is missing.
fn name_of(what: &str) -> &'static str {
    match what {
        "the argument" => "the name of the argument after its type",
        "the exception" => "the name of the exception after its type",
        _ => "the name of the field after its type",
    }
}
