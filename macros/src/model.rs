//! What the macros know about an item: what `front` reads, `check` judges and `expand` writes.
//!
//! Everything that a rule can be about is a token with its place, so that an error can point at it. The model may hold
//! an item that breaks rules; `expand` sees it only when `check` has found nothing.

use std::path::PathBuf;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, Generics, ItemTrait, LitStr, Path, Signature, Type, TypeParamBound, parse_quote};
use thrill_idl::Program;

/// A type with `#[derive(Thrift)]`, or the arguments of a method, which travel as a struct.
pub(crate) struct Item {
    pub(crate) ident: Ident,
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) root: Root,
    pub(crate) generics: Generics,
    /// Where it says `default`.
    pub(crate) default: Option<Path>,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Struct(Struct),
    Union(Union),
    Enum(Enum),
    /// A tuple struct of one field: that field on the wire.
    Newtype(Type),
    /// What has no Thrift form; an error says so already.
    None,
}

pub(crate) struct Struct {
    pub(crate) fields: Vec<Field>,
    /// Where it says `exception`.
    pub(crate) exception: Option<Path>,
    /// Whether it carries a method's arguments.
    pub(crate) arguments: bool,
}

#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) name: Name,
    pub(crate) id: Id,
    /// The type inside the `Option` of an optional field.
    pub(crate) ty: Type,
    pub(crate) optional: bool,
    /// Where it says `required`.
    pub(crate) required: Option<Path>,
    /// Where it says `default_requiredness`.
    pub(crate) default_requiredness: Option<Path>,
    pub(crate) default: Option<Expr>,
    pub(crate) docs: String,
}

pub(crate) struct Union {
    pub(crate) variants: Vec<UnionVariant>,
    /// The variants that say `unknown`. There must be one.
    pub(crate) unknown: Vec<Ident>,
}

pub(crate) struct UnionVariant {
    pub(crate) ident: Ident,
    pub(crate) name: Name,
    pub(crate) id: Id,
    pub(crate) ty: Type,
    pub(crate) default: Option<Expr>,
    pub(crate) docs: String,
}

pub(crate) struct Enum {
    pub(crate) variants: Vec<EnumVariant>,
    /// The variants that say `unknown`. There must be one.
    pub(crate) unknown: Vec<Ident>,
}

pub(crate) struct EnumVariant {
    pub(crate) ident: Ident,
    pub(crate) name: Name,
    /// Other names of the same number.
    pub(crate) aliases: Vec<Name>,
    pub(crate) value: Number,
    pub(crate) docs: String,
}

/// A trait with `#[thrill::service]`.
pub(crate) struct Service {
    /// The trait as written, without the attributes that the macro reads.
    pub(crate) item: ItemTrait,
    pub(crate) name: Name,
    pub(crate) namespace: Option<Name>,
    /// The package in the paths of streams, where the namespace does not give it.
    pub(crate) package: Option<Name>,
    pub(crate) docs: String,
    pub(crate) root: Root,
    /// The supertraits that are services. There may be one.
    pub(crate) bases: Vec<Base>,
    /// Where it says `extends`.
    pub(crate) extends: Option<Path>,
    /// The file with the version that peers were built with.
    pub(crate) locked: Option<Locked>,
    pub(crate) methods: Vec<Method>,
    pub(crate) error_enums: Vec<ErrorEnum>,
    /// Whether there are methods for the stream client, or a base that may have some.
    pub(crate) streams: bool,
    /// Whether there are methods for the ping-pong client, or a base that may have some.
    pub(crate) calls: bool,
}

/// `locked = "api.lock.thrift"`
pub(crate) struct Locked {
    /// The path as written.
    pub(crate) path: Name,
    /// The whole path.
    pub(crate) file: PathBuf,
    /// What it says; `None` where there is no such file.
    pub(crate) program: Option<Program>,
}

/// A service that another one extends: a supertrait.
#[derive(Clone)]
pub(crate) struct Base {
    /// The trait, as written.
    pub(crate) path: Path,
    /// Its server, which stands beside it and knows all that is to be known of it.
    pub(crate) server: Path,
}

/// The enum that `#[throws]` makes, however many methods name it.
pub(crate) struct ErrorEnum {
    pub(crate) ident: Ident,
    pub(crate) methods: Vec<Ident>,
    pub(crate) exceptions: Vec<Exception>,
    /// The `#[cfg]` that all its methods have in common; where they differ, the enum is always there.
    pub(crate) cfg: Vec<Attribute>,
}

pub(crate) struct Method {
    pub(crate) ident: Ident,
    pub(crate) name: Name,
    pub(crate) docs: String,
    pub(crate) sig: Signature,
    /// The body of a default implementation.
    pub(crate) default: Option<syn::Block>,
    /// Attributes that every piece of code about this method needs: `cfg`.
    pub(crate) cfg: Vec<Attribute>,
    /// Attributes that the client's method shares: `doc`, `deprecated`, `allow`.
    pub(crate) shared: Vec<Attribute>,
    /// `None` where the attribute names no mode; an error says so already.
    pub(crate) mode: Option<Mode>,
    /// Where it says `oneway`.
    pub(crate) oneway: Option<Path>,
    pub(crate) throws: Option<Throws>,
    /// Whether the first argument is the context.
    pub(crate) context: bool,
    pub(crate) params: Vec<Param>,
    /// `None` where it returns no `Result`.
    pub(crate) output: Option<Output>,
    /// What the signature says in its mode; `None` where it does not fit.
    pub(crate) shape: Option<Shape>,
    /// Another mode that the signature fits, where it does not fit its own.
    pub(crate) suits: Option<Mode>,
}

/// The `streaming.mode` of a method, by Kitex's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    PingPong,
    Unary,
    Client,
    Server,
    Bidirectional,
}

/// An argument after the context, as written.
pub(crate) struct Param {
    pub(crate) field: Field,
    pub(crate) ty: Type,
    pub(crate) kind: ParamKind,
}

#[derive(Clone)]
pub(crate) enum ParamKind {
    Value,
    /// `BidiStream<In, Out>`
    Bidi(Box<(Type, Type)>),
    /// `Receiver<T>`
    Receiver(Type),
    /// `Sender<T>`
    Sender(Type),
    /// A reference or `impl Trait`: the tokens at fault.
    Unowned(TokenStream),
}

/// What a method returns: `Result<ok>` or `Result<ok, error>`. `()` is no `ok`.
pub(crate) struct Output {
    pub(crate) ok: Option<Type>,
    pub(crate) error: Option<Type>,
}

/// The messages of a method, once its signature fits its mode.
pub(crate) enum Shape {
    Bidirectional {
        request: Field,
        response: Type,
    },
    Client {
        request: Field,
        response: Type,
    },
    Server {
        request: Field,
        response: Type,
    },
    /// Unary and ping-pong: arguments in a struct, the result in a wrapper.
    Call {
        args: Item,
        success: Option<Type>,
        error: Option<Type>,
    },
}

/// `#[throws(1 => NotFound, 2 => Gone(NotFound))]`
pub(crate) struct Throws {
    pub(crate) attr: Path,
    pub(crate) exceptions: Vec<Exception>,
}

#[derive(Clone)]
pub(crate) struct Exception {
    pub(crate) name: Name,
    pub(crate) id: Id,
    /// The variant that carries it: the last part of the type's path, if it has no name of its own.
    pub(crate) variant: Ident,
    pub(crate) ty: Path,
    pub(crate) docs: String,
}

/// A name on the wire, and where it comes from.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A number, and where it is written.
#[derive(Clone, Copy)]
pub(crate) struct Number {
    pub(crate) value: i64,
    pub(crate) span: Span,
}

/// The id of a field, a variant or an argument.
#[derive(Clone, Copy)]
pub(crate) enum Id {
    Given(Number),
    /// A number below 1, where it says that this is meant.
    Nonpositive(Number),
    Missing,
    /// It is there and cannot be read; an error says so already.
    Unreadable,
}

/// Where `thrill` is.
#[derive(Clone)]
pub(crate) struct Root(pub(crate) Path);

impl Item {
    /// The fields of a struct; a union and an enum have none.
    pub(crate) fn fields(&self) -> &[Field] {
        match &self.body {
            Body::Struct(body) => &body.fields,
            _ => &[],
        }
    }
}

impl Field {
    /// The type as written.
    pub(crate) fn written(&self) -> Type {
        let ty = &self.ty;
        if self.optional { parse_quote!(::core::option::Option<#ty>) } else { ty.clone() }
    }

    /// Whether the field is read into an `Option`: absence is a value of its own, or an error.
    pub(crate) fn may_stay_empty(&self) -> bool {
        self.optional || self.required.is_some()
    }
}

impl Mode {
    /// Every value of `streaming.mode`.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("bidirectional", Self::Bidirectional),
        ("client", Self::Client),
        ("server", Self::Server),
        ("unary", Self::Unary),
    ];

    /// Finds a mode by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, mode)| mode)
    }

    /// The mode as its attribute spells it; a ping-pong method has none.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|&&(_, mode)| mode == self).map_or("", |(name, _)| name)
    }

    /// Whether messages travel bare.
    pub(crate) fn is_streaming(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Client | Self::Server)
    }
}

impl Service {
    /// The package in the paths of streams: as Kitex has it, the last part of the namespace, in lower case.
    pub(crate) fn package(&self) -> Option<String> {
        let namespace = self.namespace.as_ref().map(|namespace| namespace.text.as_str());
        self.package.as_ref().map(|package| package.text.clone()).or_else(|| crate::names::package(namespace))
    }

    /// The lints that the trait is free of: what is generated with it is, too.
    pub(crate) fn allow(&self) -> Vec<&Attribute> {
        self.item.attrs.iter().filter(|attr| attr.path().is_ident("allow")).collect()
    }

    /// `EchoServer` and the like: a generated item with the trait's place, so that errors about it point there.
    pub(crate) fn companion(&self, suffix: &str) -> Ident {
        companion(&self.item.ident, suffix)
    }

    /// The service that it extends.
    pub(crate) fn base(&self) -> Option<&Base> {
        self.bases.first()
    }
}

impl Base {
    /// The service that a supertrait is.
    pub(crate) fn new(path: &Path) -> Self {
        let mut server = path.clone();
        if let Some(last) = server.segments.last_mut() {
            last.ident = companion(&last.ident, "Server");
        }
        Self { path: path.clone(), server }
    }

    /// Whether the path can be that of a service, which has no generics.
    pub(crate) fn is_sound(&self) -> bool {
        self.path.segments.iter().all(|segment| segment.arguments.is_none())
    }

    /// Its schema, a constant.
    pub(crate) fn schema(&self, p: &TokenStream) -> TokenStream {
        let server = &self.server;
        quote!(<#server<()> as #p::extends::Extensible>::SCHEMA)
    }

    /// One of its clients, `Client` or `StreamClient`: one without methods where it has none.
    pub(crate) fn client(&self, which: &Ident, p: &TokenStream) -> TokenStream {
        let server = &self.server;
        quote!(<#server<()> as #p::extends::Extensible>::#which)
    }
}

fn companion(ident: &Ident, suffix: &str) -> Ident {
    Ident::new(&format!("{}{suffix}", crate::names::unraw(ident)), ident.span())
}

impl Method {
    /// The enum to generate from `#[throws]`, and what it is to hold.
    pub(crate) fn declared(&self) -> Option<(&Ident, &[Exception])> {
        Some((self.error_enum().and_then(simple)?, &self.throws.as_ref()?.exceptions))
    }

    /// The error enum that the return type names.
    pub(crate) fn error_enum(&self) -> Option<&Type> {
        self.output.as_ref()?.error_enum()
    }

    /// Whether the stream client calls it; the other client calls the rest.
    pub(crate) fn is_on_stream_client(&self) -> bool {
        self.mode != Some(Mode::PingPong)
    }

    /// The messages, whose types must be structs or unions; a ping-pong method's are its own.
    pub(crate) fn messages(&self) -> Vec<&Type> {
        match &self.shape {
            Some(
                Shape::Bidirectional { request, response }
                | Shape::Client { request, response }
                | Shape::Server { request, response },
            ) => vec![&request.ty, response],
            Some(Shape::Call { args, success, .. }) if self.mode == Some(Mode::Unary) => {
                args.fields().iter().map(|field| &field.ty).chain(success).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Output {
    /// The error enum that the method names: neither left out nor thrill's own `Error`.
    pub(crate) fn error_enum(&self) -> Option<&Type> {
        let ty = self.error.as_ref()?;
        let Type::Path(path) = ty else { return Some(ty) };
        let plain = path.path.segments.last().is_some_and(|segment| segment.ident == "Error");
        (!plain).then_some(ty)
    }
}

impl Id {
    /// The id after the greatest of `used`: what to suggest where one is missing.
    pub(crate) fn next_free(used: impl Iterator<Item = Self>) -> i64 {
        let values = used.filter_map(|id| match id {
            Self::Given(number) => Some(number.value),
            _ => None,
        });
        values.filter(|&value| value < i64::from(i16::MAX)).max().unwrap_or(0).max(0) + 1
    }
}

/// The name that a type consists of.
pub(crate) fn simple(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

/// Whether a supertrait is one of the standard library's, and so no service.
pub(crate) fn is_standard(path: &Path) -> bool {
    const KNOWN: [&str; 17] = [
        "Send",
        "Sync",
        "Sized",
        "Unpin",
        "UnwindSafe",
        "RefUnwindSafe",
        "Any",
        "Clone",
        "Copy",
        "Debug",
        "Display",
        "Default",
        "Eq",
        "PartialEq",
        "Ord",
        "PartialOrd",
        "Hash",
    ];
    let segments = &path.segments;
    let in_std = segments.len() > 1 && ["std", "core", "alloc"].iter().any(|root| segments[0].ident == root);
    in_std || segments.last().is_some_and(|last| KNOWN.iter().any(|known| last.ident == known))
}

/// Whether a service has the supertrait anyway.
pub(crate) fn is_implied(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|it| ["Send", "Sync", "Sized"].iter().any(|known| it.ident == known))
        }
        _ => false,
    }
}

impl Root {
    /// The only module whose names generated code may use.
    pub(crate) fn private(&self) -> TokenStream {
        let path = &self.0;
        quote!(#path::private)
    }
}

impl ToTokens for Id {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if let Self::Given(number) | Self::Nonpositive(number) = self {
            number.to_tokens(tokens);
        }
    }
}

impl ToTokens for Name {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        LitStr::new(&self.text, self.span).to_tokens(tokens);
    }
}

impl ToTokens for Number {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let mut literal = proc_macro2::Literal::i64_unsuffixed(self.value);
        literal.set_span(self.span);
        literal.to_tokens(tokens);
    }
}
