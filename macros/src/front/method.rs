//! One method of a service: its attributes, and what its signature says in its mode.

use proc_macro2::Ident;
use quote::format_ident;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, Meta, Pat, PatType, Path, Token, TraitItemFn, Type, parse_quote};

use super::item::field;
use super::keys::{Keys, number};
use super::{docs, ty};
use crate::diag::Diag;
use crate::model::{
    Body, Exception, Field, Id, Item, Method, Mode, Name, Number, Output, Param, ParamKind, Root, Shape, Struct, Throws,
};
use crate::names::{self, Case};

/// Reads a method, and takes from it the attributes that only the macro knows.
pub(super) fn method(item: &mut TraitItemFn, case: Option<Case>, root: &Root, diag: &mut Diag) -> Method {
    let (own, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut item.attrs).into_iter().partition(is_own);
    item.attrs = kept;
    for attr in OWN {
        for again in own.iter().filter(|given| given.path().is_ident(attr)).skip(1) {
            diag.error(again, format!("`#[{attr}]` is given twice: remove one"));
        }
    }
    let name = name(&own, &item.sig.ident, case, diag);
    let throws = throws(&own, diag);
    let (context, params) = params(item, diag);
    // A signature that cannot be read fits no mode, and needs no second error for it.
    let mode = mode(&own, diag).filter(|_| params.iter().all(Option::is_some));
    let params: Vec<_> = params.into_iter().flatten().collect();
    let output = ty::output(&item.sig.output);
    let shape = |mode| {
        let args = |fields| args(&item.sig.ident, &name, fields, root);
        shape(mode, &params, output.as_ref()?, throws.is_some(), args)
    };
    let (shape, suits) = match mode.map(shape) {
        Some(Some(shape)) => (Some(shape), None),
        Some(None) => (
            None,
            Mode::ALL.into_iter().map(|(_, mode)| mode).chain([Mode::PingPong]).find(|&mode| shape(mode).is_some()),
        ),
        None => (None, None),
    };
    Method {
        ident: item.sig.ident.clone(),
        docs: docs(&item.attrs),
        sig: item.sig.clone(),
        default: item.default.clone(),
        cfg: item.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect(),
        shared: item.attrs.iter().filter(|attr| is_shared(attr)).cloned().collect(),
        oneway: oneway(&own, diag),
        name,
        mode,
        throws,
        context,
        params,
        output,
        shape,
        suits,
    }
}

/// The attributes that the macro reads and takes away.
const OWN: [&str; 4] = ["streaming", "method", "oneway", "throws"];

fn is_own(attr: &Attribute) -> bool {
    OWN.iter().any(|own| attr.path().is_ident(own))
}

fn is_shared(attr: &Attribute) -> bool {
    ["doc", "deprecated", "allow"].iter().any(|shared| attr.path().is_ident(shared))
}

fn first<'a>(own: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    own.iter().find(|attr| attr.path().is_ident(name))
}

/// `#[method(name = "..")]`, or the identifier in the case that `rename_all` asks for.
fn name(own: &[Attribute], ident: &Ident, case: Option<Case>, diag: &mut Diag) -> Name {
    let given = first(own, "method").and_then(|attr| {
        let mut keys = Keys::of(std::slice::from_ref(attr), "method", diag);
        let name = keys.name("name", names::is_identifier);
        keys.finish();
        name
    });
    given.unwrap_or_else(|| {
        let text = names::unraw(ident);
        Name { text: case.map_or_else(|| text.clone(), |case| case.apply(&text)), span: ident.span() }
    })
}

/// `#[streaming(mode = "..")]`; without it, ping-pong.
fn mode(own: &[Attribute], diag: &mut Diag) -> Option<Mode> {
    let Some(attr) = first(own, "streaming") else { return Some(Mode::PingPong) };
    let all = Mode::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
    if !attr.meta.require_list().is_ok_and(|list| !list.tokens.is_empty()) {
        diag.error(attr, format!("a stream needs its mode: `#[streaming(mode = \"..\")]` with {all}"));
        return None;
    }
    let mut keys = Keys::of(std::slice::from_ref(attr), "streaming", diag);
    let text = keys.string("mode", "bidirectional");
    let mode = text.as_ref().and_then(|text| Mode::named(&text.value()));
    if let (Some(text), None) = (&text, mode) {
        keys.error(text, format!("no such mode: `{}`; the four are {all}", text.value()));
    }
    keys.finish();
    mode
}

fn oneway(own: &[Attribute], diag: &mut Diag) -> Option<Path> {
    let attr = first(own, "oneway")?;
    if !matches!(attr.meta, Meta::Path(_)) {
        diag.error(attr, "`oneway` takes nothing: write `#[oneway]`");
    }
    Some(attr.path().clone())
}

/// `#[throws(1 => NotFound, 2 => Gone(other::NotFound))]`
fn throws(own: &[Attribute], diag: &mut Diag) -> Option<Throws> {
    let attr = first(own, "throws")?;
    let list = match &attr.meta {
        Meta::List(list) if !list.tokens.is_empty() => attr.parse_args_with(|input: ParseStream<'_>| {
            Punctuated::<_, Token![,]>::parse_terminated_with(input, Thrown::parse)
        }),
        other => Err(syn::Error::new_spanned(other, EXAMPLE)),
    };
    let exceptions = diag.ok(list).into_iter().flatten().map(|thrown| exception(thrown, diag)).collect();
    Some(Throws { attr: attr.path().clone(), exceptions })
}

/// An entry of `#[throws]`, as written.
struct Thrown {
    attrs: Vec<Attribute>,
    id: Number,
    variant: Ident,
    ty: Path,
}

impl Thrown {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let id = input.parse::<syn::Expr>()?;
        let id = number(&id).ok_or_else(|| syn::Error::new_spanned(&id, EXAMPLE))?;
        input.parse::<Token![=>]>()?;
        let named = input.peek(syn::Ident) && input.peek2(syn::token::Paren);
        let (name, ty) = if named {
            let name: Ident = input.parse()?;
            let carried;
            syn::parenthesized!(carried in input);
            (Some(name), carried.call(Path::parse_mod_style)?)
        } else {
            (None, input.call(Path::parse_mod_style)?)
        };
        let last = ty.segments.last().map(|segment| segment.ident.clone());
        let variant = name.or(last).ok_or_else(|| syn::Error::new_spanned(&ty, EXAMPLE))?;
        Ok(Self { attrs, id, variant, ty })
    }
}

/// Reads the attributes of an entry: `rename`, `nonpositive_id`, docs.
fn exception(thrown: Thrown, diag: &mut Diag) -> Exception {
    let Thrown { attrs, id, variant, ty } = thrown;
    if let Some(other) = attrs.iter().find(|attr| !["thrift", "doc"].iter().any(|known| attr.path().is_ident(known))) {
        diag.error(other, "an exception has a doc comment and `#[thrift(rename = \"..\")]` only: remove this");
    }
    let mut keys = Keys::of(&attrs, "thrift", diag);
    let snake = || Name { text: Case::Snake.apply(&names::unraw(&variant)), span: variant.span() };
    let name = keys.name("rename", names::is_identifier).unwrap_or_else(snake);
    let id = if keys.nonpositive_id() { Id::Nonpositive(id) } else { Id::Given(id) };
    keys.finish();
    Exception { name, id, variant, ty, docs: docs(&attrs) }
}

const EXAMPLE: &str = "each exception has an id: `#[throws(1 => NotFound)]`";

/// Whether the first argument is the context, and the arguments after it, as far as they can be read.
fn params(item: &mut TraitItemFn, diag: &mut Diag) -> (bool, Vec<Option<Param>>) {
    let mut context = false;
    let mut params = Vec::new();
    for input in &mut item.sig.inputs {
        let FnArg::Typed(arg) = input else { continue };
        if !context && params.is_empty() && ty::is_context(&arg.ty) {
            context = true;
        } else {
            params.push(param(arg, params.len(), diag));
        }
    }
    (context, params)
}

/// Reads an argument, and takes from it the attributes that rustc would not have there.
fn param(arg: &mut PatType, position: usize, diag: &mut Diag) -> Option<Param> {
    let (own, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut arg.attrs)
        .into_iter()
        .partition(|attr| ["thrift", "doc"].iter().any(|own| attr.path().is_ident(own)));
    arg.attrs = kept;
    if let Some(cfg) = arg.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
        diag.error(cfg, "an argument cannot come and go: put `#[cfg]` on the method");
    }
    let Pat::Ident(pat) = &*arg.pat else {
        diag.error(&arg.pat, "an argument needs a name, since that is its name in the schema");
        // rustc has an error of its own for other patterns.
        *arg.pat = parse_quote!(_);
        return None;
    };
    let mut field = field(&pat.ident, &arg.ty, &own, diag);
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    if matches!(field.id, Id::Missing) {
        field.id = Id::Given(Number { value: position.saturating_add(1), span: pat.ident.span() });
    }
    Some(Param { field, ty: (*arg.ty).clone(), kind: ty::param(&arg.ty) })
}

/// What a signature says in a mode, or `None` where it does not fit.
fn shape(
    mode: Mode,
    params: &[Param],
    output: &Output,
    throws: bool,
    args: impl FnOnce(Vec<Field>) -> Item,
) -> Option<Shape> {
    use ParamKind::{Bidi, Receiver, Sender, Value};
    let ok = &output.ok;
    let kinds: Vec<_> = params.iter().map(|param| &param.kind).collect();
    let carrying = |message: &Type| Field { ty: message.clone(), ..params[0].field.clone() };
    let call = |ok: &Option<Type>| Shape::Call {
        args: args(params.iter().map(|param| param.field.clone()).collect()),
        success: ok.clone(),
        error: output.error_enum().filter(|_| throws).cloned(),
    };
    match (mode, kinds.as_slice(), ok) {
        (Mode::Bidirectional, [Bidi(types)], None) => {
            Some(Shape::Bidirectional { request: carrying(&types.0), response: types.1.clone() })
        }
        (Mode::Client, [Receiver(request)], Some(response)) => {
            Some(Shape::Client { request: carrying(request), response: response.clone() })
        }
        (Mode::Server, [Value, Sender(response)], None) if !params[0].field.optional => {
            Some(Shape::Server { request: params[0].field.clone(), response: response.clone() })
        }
        (Mode::Unary, [Value], ok) => Some(call(ok)),
        (Mode::PingPong, kinds, ok) if kinds.iter().all(|kind| matches!(kind, Value)) => Some(call(ok)),
        _ => None,
    }
}

/// The struct that a method's arguments travel in.
fn args(method: &Ident, name: &Name, fields: Vec<Field>, root: &Root) -> Item {
    Item {
        ident: format_ident!("__{}_args", names::unraw(method), span = proc_macro2::Span::call_site()),
        name: Name { text: format!("{}Args", Case::Pascal.apply(&name.text)), span: name.span },
        docs: String::new(),
        root: root.clone(),
        generics: syn::Generics::default(),
        default: None,
        body: Body::Struct(Struct { fields, exception: None, arguments: true }),
    }
}
