//! Headers and definitions.

use super::{Failed, Parsed, Parser};
use crate::ast::{self, Item, StructKind};
use crate::diagnostic::Diagnostic;
use crate::lexer::{CommentKind, Kind};
use crate::span::Span;
use crate::suggest;

/// What begins a header or a definition.
const KEYWORDS: &[&str] =
    &["include", "cpp_include", "namespace", "const", "typedef", "enum", "struct", "union", "exception", "service"];

/// Headers that Apache Thrift had once, each for one language.
const OLD_NAMESPACES: &[&str] = &[
    "cpp_namespace",
    "php_namespace",
    "py_module",
    "perl_package",
    "ruby_namespace",
    "java_package",
    "cocoa_prefix",
    "csharp_namespace",
    "delphi_namespace",
    "smalltalk_category",
    "smalltalk_prefix",
    "xsd_namespace",
];

impl<'a> Parser<'a> {
    pub(super) fn file(&mut self) -> ast::File {
        let docs = self.file_docs();
        let mut items = Vec::new();
        loop {
            self.separators();
            if self.kind() == Kind::End {
                return ast::File { docs, items, broken: std::mem::take(&mut self.broken) };
            }
            let start = self.at;
            match self.item() {
                Ok(item) => items.push(item),
                Err(Failed) => {
                    if self.at == start {
                        self.next();
                    }
                    self.skip_to_definition(start);
                }
            }
        }
    }

    /// The first doc comment, if a header follows it.
    fn file_docs(&mut self) -> String {
        let is_header = matches!(self.word(), "include" | "cpp_include" | "namespace");
        let first = self.comments.iter().take_while(|one| one.before == 0).find(|one| one.kind == CommentKind::Doc);
        match first {
            Some(_) if is_header => self.docs_before(),
            _ => String::new(),
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        self.skip_dialect_annotations();
        let docs = self.docs_before();
        let start = self.span();
        let word = self.word();
        let keyword = if KEYWORDS.contains(&word) { word } else { self.misspelled(word)? };
        self.next();
        let item = match keyword {
            "include" => Item::Include(self.include(start)?),
            "cpp_include" => Item::CppInclude(self.string("the path to include, in quotes")?),
            "namespace" => Item::Namespace(self.namespace(start)?),
            "const" => Item::Const(self.constant(start, docs)?),
            "typedef" => Item::Typedef(self.typedef(start, docs)?),
            "enum" => Item::Enum(self.enumeration(start, docs)?),
            "union" => Item::Struct(self.structure(StructKind::Union, start, docs)?),
            "exception" => Item::Struct(self.structure(StructKind::Exception, start, docs)?),
            "service" => Item::Service(self.service(start, docs)?),
            _ => Item::Struct(self.structure(StructKind::Struct, start, docs)?),
        };
        Ok(item)
    }

    /// The keyword that is meant by what is none, reported; or no definition at all.
    fn misspelled(&mut self, word: &'a str) -> Parsed<&'static str> {
        const DIALECT: &[(&str, &str, &str)] = &[
            ("hs_include", "`hs_include`", "remove it"),
            ("package", "`package`", "write `namespace * name`"),
            ("interaction", "`interaction`", "write a service"),
        ];
        if let Some((word, what, help)) = DIALECT.iter().find(|(known, ..)| *known == word) {
            if self.dialect(word, what, help) {
                // What follows belongs to it.
                self.next();
            }
            return Err(Failed);
        }
        if OLD_NAMESPACES.contains(&word) {
            let language = word.split('_').next().unwrap_or_default();
            let language = if language == "ruby" { "rb" } else { language };
            let message = format!("`{word}` is no longer part of Thrift");
            let help = format!("write `namespace {language} …`");
            return Err(self.report(Diagnostic::error(self.span(), message).help(help)));
        }
        if word == "senum" {
            let diagnostic = Diagnostic::error(self.span(), "`senum` is no longer part of Thrift");
            return Err(self.report(diagnostic.help("use `string`, or an `enum`")));
        }
        let meant = if self.is_name_at(1) { suggest::closest(word, KEYWORDS.iter().copied()) } else { None };
        let Some(keyword) = meant else {
            return Err(self.expected_with("a definition", |diagnostic| {
                diagnostic.help(format!("a definition begins with one of {}", KEYWORDS.join(", ")))
            }));
        };
        let keyword = KEYWORDS.iter().find(|known| **known == keyword).copied().unwrap_or_default();
        self.expected_with("a definition", |one| one.help(format!("did you mean `{keyword}`?")));
        Ok(keyword)
    }

    /// Reports a word of fbthrift once in a file. Returns whether this was the first.
    pub(super) fn dialect(&mut self, word: &'static str, what: &str, help: &str) -> bool {
        let is_first = !self.dialect.contains(&word);
        if is_first {
            self.dialect.push(word);
            let message =
                format!("{what} is of Meta's dialect of Thrift (fbthrift), which Apache Thrift and Kitex do not know");
            let message = if word == "@" { message.replacen(" is of", " are of", 1) } else { message };
            self.report(Diagnostic::error(self.span(), message).help(help));
        }
        is_first
    }

    /// Whether a definition begins here although something else has not ended: its keyword is the first of the line, and
    /// what follows is no field, value or function.
    pub(super) fn is_definition(&self) -> bool {
        let follows = match self.word() {
            "include" | "cpp_include" => self.token(1).kind == Kind::String,
            "enum" | "struct" | "union" | "exception" => self.is_name_at(1) && self.is_at(2, b'{'),
            "service" => self.is_name_at(1) && (self.is_at(2, b'{') || self.text_at(2) == "extends"),
            "const" => self.is_name_at(1) && (self.is_at(2, b'<') || (self.is_name_at(2) && self.is_at(3, b'='))),
            "typedef" => self.is_name_at(1) && (self.is_at(2, b'<') || self.is_name_at(2)),
            "namespace" => (self.is_name_at(1) || self.is_at(1, b'*')) && self.is_name_at(2),
            _ => return false,
        };
        follows && self.begins_line()
    }

    /// After a mistake: to what may be the next definition.
    fn skip_to_definition(&mut self, start: usize) {
        let mut braces = 0usize;
        loop {
            let moved = self.at > start;
            match self.kind() {
                Kind::End => return,
                Kind::Mark(b'{') => braces += 1,
                Kind::Mark(b'}') => {
                    braces = braces.saturating_sub(1);
                    self.next();
                    if braces == 0 {
                        return;
                    }
                    continue;
                }
                Kind::Mark(b'@') if moved && braces == 0 && self.begins_line() => return,
                Kind::Name if moved && (self.is_definition() || (braces == 0 && self.begins_item())) => return,
                _ => {}
            }
            self.next();
        }
    }

    fn begins_item(&self) -> bool {
        KEYWORDS.contains(&self.text_at(0)) && self.begins_line()
    }

    fn include(&mut self, start: Span) -> Parsed<ast::Include> {
        let path = self.string("the path to include, in quotes")?;
        let span = start.to(path.span);
        Ok(ast::Include { path, span })
    }

    fn namespace(&mut self, start: Span) -> Parsed<ast::Namespace> {
        let scope = if self.is(b'*') {
            let span = self.span();
            self.next();
            ast::Name { text: "*".to_owned(), span }
        } else {
            self.name("a language or `*`")?
        };
        if self.kind() == Kind::String {
            let name = self.text_at(0).trim_matches(['"', '\'']);
            let diagnostic = Diagnostic::error(self.span(), "a namespace is a name, not a string");
            return Err(self.report(diagnostic.help(format!("write `namespace {} {name}`", scope.text))));
        }
        let name = self.name("the name of the namespace")?;
        let annotations = self.annotations()?;
        Ok(ast::Namespace { scope, name, annotations, span: start.to(self.last_span()) })
    }

    fn constant(&mut self, start: Span, docs: String) -> Parsed<ast::Const> {
        let ty = self.value_type()?;
        let name = self.declared_name("the name of the constant")?;
        let rest = |parser: &mut Self| {
            if !parser.eat(b'=') {
                return Err(parser.expected("`=` and the value of the constant"));
            }
            let value = parser.value()?;
            let mut annotations = parser.annotations()?;
            let mut span = start.to(parser.last_span());
            parser.separators();
            if annotations.is_empty() && parser.is(b'(') {
                // thriftgo has them behind the separator.
                annotations = parser.annotations()?;
                span = start.to(parser.last_span());
                parser.separators();
            }
            Ok((value, annotations, span))
        };
        match rest(self) {
            Ok((value, annotations, span)) => {
                let docs = self.docs_after(docs);
                Ok(ast::Const { docs, ty, name, value, annotations, span })
            }
            Err(Failed) => {
                self.broken.push(name);
                Err(Failed)
            }
        }
    }

    fn typedef(&mut self, start: Span, docs: String) -> Parsed<ast::Typedef> {
        let ty = self.value_type()?;
        let name = self.declared_name("the new name of the type")?;
        let annotations = self.annotations()?;
        let span = start.to(self.last_span());
        self.separators();
        let docs = self.docs_after(docs);
        Ok(ast::Typedef { docs, ty, name, annotations, span })
    }

    fn enumeration(&mut self, start: Span, docs: String) -> Parsed<ast::Enum> {
        let name = self.declared_name("the name of the enum")?;
        let opened = self.open("the enum", &name)?;
        let mut values = Vec::new();
        let healthy = self.block("the enum", opened, |parser| {
            values.push(parser.enum_value()?);
            Ok(())
        });
        let annotations = self.annotations().unwrap_or_default();
        let span = start.to(self.last_span());
        Ok(ast::Enum { docs, name, values, incomplete: !healthy, annotations, span })
    }

    fn structure(&mut self, kind: StructKind, start: Span, docs: String) -> Parsed<ast::Struct> {
        let (what, name_of) = match kind {
            StructKind::Struct => ("the struct", "the name of the struct"),
            StructKind::Union => ("the union", "the name of the union"),
            StructKind::Exception => ("the exception", "the name of the exception"),
        };
        let name = self.declared_name(name_of)?;
        // They say something about XML, in C++ only.
        while matches!(self.word(), "xsd_all") {
            self.next();
        }
        let opened = self.open(what, &name)?;
        let mut fields = Vec::new();
        let healthy = self.block(what, opened, |parser| {
            fields.push(parser.field("the field")?);
            Ok(())
        });
        let annotations = self.annotations().unwrap_or_default();
        let span = start.to(self.last_span());
        Ok(ast::Struct { docs, kind, name, fields, incomplete: !healthy, annotations, span })
    }

    fn service(&mut self, start: Span, docs: String) -> Parsed<ast::Service> {
        let name = self.declared_name("the name of the service")?;
        let extends = if self.eat_word("extends") {
            match self.name("the name of the service that is extended") {
                Ok(base) => Some(base),
                Err(Failed) => {
                    self.broken.push(name);
                    return Err(Failed);
                }
            }
        } else {
            None
        };
        let opened = self.open("the service", &name)?;
        let mut functions = Vec::new();
        self.block("the service", opened, |parser| {
            functions.push(parser.function()?);
            Ok(())
        });
        let annotations = self.annotations().unwrap_or_default();
        let span = start.to(self.last_span());
        Ok(ast::Service { docs, name, extends, functions, annotations, span })
    }

    /// The `{` of a definition.
    fn open(&mut self, what: &str, name: &ast::Name) -> Parsed<Span> {
        let span = self.span();
        if self.eat(b'{') {
            return Ok(span);
        }
        if self.word() == "extends" && what != "the service" {
            let diagnostic = Diagnostic::error(span, format!("{what} cannot extend another: only services can"));
            self.report(diagnostic.help("give it a field of the other type"));
        } else {
            self.expected(&format!("`{{` to begin {what}"));
        }
        self.broken.push(name.clone());
        Err(Failed)
    }
}
