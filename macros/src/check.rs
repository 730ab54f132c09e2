//! Every rule about an item. A rule is a function that looks at the model and points at the token that breaks it.

use std::collections::{HashMap, HashSet};

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{FnArg, ReceiverKind, ReturnType, TraitItem};

use crate::diag::Diag;
use crate::front;
use crate::model::{
    Body, Enum, Exception, Field, Id, Item, Method, Mode, Name, Number, Output, Param, ParamKind, Service, Shape,
    Struct, Throws, Union, simple,
};
use crate::names::{self, Case};

/// The rules for `#[derive(Thrift)]`.
pub(crate) fn item(item: &Item, diag: &mut Diag) {
    if !item.generics.params.is_empty() {
        diag.error(
            &item.generics.params,
            "Thrift has no generic types: name the types, and derive each one that is needed",
        );
    }
    match &item.body {
        Body::Struct(body) => fields(item, body, diag),
        Body::Union(body) => union(item, body, diag),
        Body::Enum(body) => enumeration(&item.ident, body, diag),
        Body::Newtype(_) | Body::None => {}
    }
}

/// The rules for `#[thrill::service]`.
pub(crate) fn service(service: &Service, diag: &mut Diag) {
    declaration(service, diag);
    for item in &service.item.items {
        only_methods(item, diag);
    }
    for it in &service.methods {
        method(it, diag);
        reserved(service, it, diag);
        error_enum(service, it, diag);
    }
    unique_names("method", "`#[method(name = \"..\")]`", service.methods.iter().map(|it| (&it.name, &it.ident)), diag);
}

/// Whether code can be generated for a method of a service that has mistakes elsewhere.
pub(crate) fn is_sound(service: &Service, it: &Method) -> bool {
    let mut diag = Diag::default();
    method(it, &mut diag);
    reserved(service, it, &mut diag);
    error_enum(service, it, &mut diag);
    diag.finish().is_ok()
}

/// Whether an error enum can be generated, and with its exceptions, in a service that has mistakes.
pub(crate) fn is_sound_enum(service: &Service, it: &Method) -> (bool, bool) {
    let (mut own, mut list) = (Diag::default(), Diag::default());
    error_enum(service, it, &mut own);
    if let Some(throws) = &it.throws {
        exceptions(throws, &mut list);
    }
    (own.finish().is_ok(), list.finish().is_ok())
}

/// The rules for a method by itself.
pub(crate) fn method(method: &Method, diag: &mut Diag) {
    signature(method, diag);
    for param in &method.params {
        owned(param, diag);
    }
    fits_its_mode(method, diag);
    match &method.shape {
        Some(Shape::Call { args, .. }) => item(args, diag),
        Some(Shape::Bidirectional { request, .. } | Shape::Client { request, .. } | Shape::Server { request, .. }) => {
            message(request, diag);
        }
        None => {}
    }
    answers(method, diag);
    if let Some(throws) = &method.throws {
        exceptions(throws, diag);
    }
}

fn fields(item: &Item, body: &Struct, diag: &mut Diag) {
    unique_ids("a field's", body.fields.iter().map(|field| (field.id, &field.ident)), diag);
    unique_names("field", RENAME, body.fields.iter().map(|field| (&field.name, &field.ident)), diag);
    for field in &body.fields {
        requiredness(field, item.default.is_some(), diag);
    }
}

fn requiredness(field: &Field, has_default: bool, diag: &mut Diag) {
    if let Some(required) = &field.required {
        if field.optional {
            diag.error(
                required,
                "a field is optional or required: remove `required`, or write the type without `Option`",
            );
        }
        if let (Some(default), false) = (&field.default, has_default) {
            diag.error(
                default,
                "a required field is never left out, so its default would never be used: remove one of the two, or add \
                    `#[thrift(default)]` to the struct, whose `Default` then uses it",
            );
        }
    }
    if let (Some(flag), None, false) = (&field.default_requiredness, &field.required, field.optional) {
        diag.error(flag, "this field has default requiredness as it is: remove `default_requiredness`");
    }
    if field.optional && front::option(&field.ty).is_some() {
        diag.error(&field.ty, "a field is there or not: write one `Option`, not `Option<Option<..>>`");
    }
}

fn union(item: &Item, body: &Union, diag: &mut Diag) {
    let ident = &item.ident;
    let example = "#[thrift(unknown)] Unknown(thrill::UnknownField)";
    keeps_unknown("a union", "variants", example, ident, &body.unknown, diag);
    unique_ids("a variant's", body.variants.iter().map(|variant| (variant.id, &variant.ident)), diag);
    unique_names("variant", RENAME, body.variants.iter().map(|variant| (&variant.name, &variant.ident)), diag);
    for variant in &body.variants {
        if front::option(&variant.ty).is_some() {
            diag.error(&variant.ty, "a union's variant is its value: write the type without `Option`");
        }
    }
    let mut defaults = body.variants.iter().filter_map(|variant| variant.default.as_ref());
    match (defaults.next(), &item.default) {
        (None, Some(flag)) => {
            diag.error(flag, "say which variant is the default: add `default = ..` to one, or remove this");
        }
        _ => {
            for again in defaults {
                diag.error(again, "a union is one value, so it has one default: remove the others");
            }
        }
    }
}

fn enumeration(ident: &Ident, body: &Enum, diag: &mut Diag) {
    keeps_unknown("an enum", "values", "#[thrift(unknown)] Unknown(i32)", ident, &body.unknown, diag);
    let names = body.variants.iter().flat_map(|variant| {
        std::iter::once(&variant.name).chain(&variant.aliases).map(move |name| (name, &variant.ident))
    });
    unique_names("variant", RENAME, names, diag);
    let mut taken = HashMap::new();
    for variant in &body.variants {
        let value = variant.value.value;
        if i32::try_from(value).is_err() {
            diag.error(&variant.value, format!("{value} does not fit an `i32`, which is what an enum is on the wire"));
        } else if let Some(first) = taken.insert(value, &variant.ident) {
            diag.error(
                &variant.value,
                format!("{value} is already the value of `{first}`: write `#[thrift(value = N)]` with a free one"),
            );
        }
    }
}

fn keeps_unknown(kind: &str, of: &str, example: &str, ident: &Ident, unknown: &[Ident], diag: &mut Diag) {
    match unknown {
        [] => diag.error(ident, format!("{kind} keeps the {of} that a newer peer knows: add `{example}`")),
        [_] => {}
        [_, more @ ..] => {
            for again in more {
                diag.error(again, format!("{kind} has one `#[thrift(unknown)]` variant: remove the others"));
            }
        }
    }
}

/// Ids are there, in range, and used once.
fn unique_ids<'a>(whose: &str, ids: impl Iterator<Item = (Id, &'a Ident)> + Clone, diag: &mut Diag) {
    let mut free = Id::next_free(ids.clone().map(|(id, _)| id))..;
    let mut suggest = || free.next().unwrap_or_default();
    let mut taken = HashMap::new();
    for (id, ident) in ids {
        match id {
            Id::Unreadable => {}
            Id::Missing => diag.error(ident, format!("`{ident}` needs an id: add `#[thrift(id = {})]`", suggest())),
            Id::Given(id) if !(1..=i64::from(i16::MAX)).contains(&id.value) => {
                let whose = format!("{} cannot be {whose} id", id.value);
                diag.error(&id, format!("{whose}: ids are 1 to 32767, and {} is free", suggest()));
            }
            Id::Nonpositive(id) if !(i64::from(i16::MIN)..=0).contains(&id.value) => {
                let range = "`nonpositive_id` is for ids from -32768 to 0";
                diag.error(&id, format!("{range}, and this is {}: remove it, or write the id that is meant", id.value));
            }
            Id::Given(id) | Id::Nonpositive(id) => {
                if let Some(first) = taken.insert(id.value, ident) {
                    diag.error(&id, format!("id {} is already that of `{first}`: {} is free", id.value, suggest()));
                }
            }
        }
    }
}

/// Names on the wire are used once.
fn unique_names<'a>(what: &str, rename: &str, names: impl Iterator<Item = (&'a Name, &'a Ident)>, diag: &mut Diag) {
    let mut taken = HashMap::new();
    for (name, ident) in names {
        let text = &name.text;
        if let Some(first) = taken.insert(text, ident) {
            diag.error(
                name,
                format!("the {what} `{first}` is already `{text}` on the wire: give one another name by {rename}"),
            );
        }
    }
}

const RENAME: &str = "`#[thrift(rename = \"..\")]`";

/// A trait without generics and `unsafe`.
fn declaration(service: &Service, diag: &mut Diag) {
    let item = &service.item;
    if !item.generics.params.is_empty() {
        diag.error(&item.generics.params, "a service has no generics: Thrift has none, so name the types");
    }
    if let Some(clause) = &item.generics.where_clause {
        diag.error(clause, "a service has no `where` clause: remove it");
    }
    if let Some(token) = &item.unsafety {
        diag.error(token, "a service is safe to implement: remove `unsafe`");
    }
    if let Some(token) = &item.modifiers.auto_token {
        diag.error(token, "a service is implemented by hand: remove `auto`");
    }
    bases(service, diag);
}

/// A service extends one other, which has no generics either.
fn bases(service: &Service, diag: &mut Diag) {
    let Some((base, others)) = service.bases.split_first() else {
        if let Some(named) = &service.extends {
            let (ident, base) = (&service.item.ident, names::spelled(named));
            diag.error(named, format!("the service that is extended is a supertrait: write `trait {ident}: {base}`"));
        }
        return;
    };
    for segment in base.path.segments.iter().filter(|segment| !segment.arguments.is_none()) {
        diag.error(&segment.arguments, "a service has no generics: extend it by its path alone");
    }
    for other in others {
        let (base, path) = (names::spelled(&base.path), names::spelled(&other.path));
        diag.error(
            &other.path,
            format!(
                "a service extends one other, and `{base}` is one: if `{path}` is no service, write \
                    `#[service(extends = {base})]`"
            ),
        );
    }
}

fn only_methods(item: &TraitItem, diag: &mut Diag) {
    let what = match item {
        TraitItem::Fn(_) => return,
        TraitItem::Type(_) => "associated types",
        TraitItem::Const(_) => "associated constants",
        _ => "macros",
    };
    diag.error(item, format!("a service has methods only, no {what}: move this out of the trait"));
}

/// `async fn m(&self, ..)` without generics and body.
fn signature(method: &Method, diag: &mut Diag) {
    let sig = &method.sig;
    let name = &sig.ident;
    if sig.asyncness.is_none() {
        diag.error(&sig.fn_token, format!("a method is `async`: write `async fn {name}`"));
    }
    match sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => {
            if !matches!(&receiver.kind, ReceiverKind::Reference(_, _, None)) {
                diag.error(receiver, "a handler is shared by all calls: write `&self`");
            }
        }
        _ => diag.error(name, format!("a method has `&self` first: write `async fn {name}(&self, ..)`")),
    }
    if !sig.generics.params.is_empty() {
        diag.error(&sig.generics.params, "a method has no generics: Thrift has none, so name the types");
    }
    if let Some(clause) = &sig.generics.where_clause {
        diag.error(clause, "a method has no `where` clause: remove it");
    }
    let unusual: [Option<&dyn ToTokens>; 4] = [
        sig.constness.as_ref().map(|token| token as _),
        matches!(sig.safety, syn::Safety::Unsafe(_) | syn::Safety::Safe(_)).then_some(&sig.safety as _),
        sig.abi.as_ref().map(|token| token as _),
        sig.variadic.as_ref().map(|token| token as _),
    ];
    for token in unusual.into_iter().flatten() {
        diag.error(token, "a method is a plain `async fn`: remove this");
    }
    if let Some(body) = &method.default {
        diag.error(body, "a method of a service is implemented by its handlers: write `;` instead of a body");
    }
}

/// Thrift values are owned; a reference can only be the context, and the context comes first.
fn owned(param: &Param, diag: &mut Diag) {
    let ParamKind::Unowned(tokens) = &param.kind else { return };
    let message = if front::is_context(&param.ty) {
        "`&Context` comes first: move it behind `&self`"
    } else {
        "an argument is an owned Thrift value: write the type without `&` or `impl`; only the context, \
            `&Context` first, is a reference"
    };
    diag.error(tokens, message);
}

fn fits_its_mode(method: &Method, diag: &mut Diag) {
    let Some(mode) = method.mode else { return };
    let unowned = method.params.iter().any(|param| matches!(param.kind, ParamKind::Unowned(_)));
    if method.shape.is_some() || unowned {
        return;
    }
    if method.output.is_none() {
        let (at, got) = match &method.sig.output {
            ReturnType::Default => (method.ident.to_token_stream(), "nothing".to_owned()),
            ReturnType::Type(_, ty) => (ty.to_token_stream(), format!("`{}`", names::spelled(ty))),
        };
        let result = result_of(mode);
        diag.error(&at, format!("a call can fail, so a method returns a `Result`, not {got}: write `-> {result}`"));
        return;
    }
    let takes = wanted(mode, &names::unraw(&method.ident));
    let instead = match method.suits {
        Some(Mode::PingPong) => "; the signature as it is fits a method without `#[streaming]`".to_owned(),
        Some(other) => format!("; the signature as it is fits `#[streaming(mode = \"{}\")]`", other.name()),
        None => String::new(),
    };
    let (inputs, output) = (&method.sig.inputs, &method.sig.output);
    let at: TokenStream =
        if method.sig.inputs.is_empty() { method.ident.to_token_stream() } else { quote!(#inputs #output) };
    diag.error(&at, format!("{takes}{instead}"));
}

fn result_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Bidirectional | Mode::Server => "Result<()>",
        Mode::Client | Mode::Unary => "Result<Response>",
        Mode::PingPong => "Result<T>",
    }
}

fn wanted(mode: Mode, m: &str) -> String {
    match mode {
        Mode::Bidirectional => format!(
            "mode \"bidirectional\" takes one stream of requests in and responses out: `async fn {m}(&self, \
                stream: BidiStream<Request, Response>) -> Result<()>`"
        ),
        Mode::Client => format!(
            "mode \"client\" takes a `Receiver` of requests and returns one response: `async fn {m}(&self, \
                requests: Receiver<Request>) -> Result<Response>`"
        ),
        Mode::Server => format!(
            "mode \"server\" takes one request and a `Sender` of responses: `async fn {m}(&self, req: Request, \
                responses: Sender<Response>) -> Result<()>`"
        ),
        Mode::Unary => format!(
            "mode \"unary\" takes one request and returns one response: `async fn {m}(&self, req: Request) -> \
                Result<Response>`"
        ),
        Mode::PingPong => format!(
            "a method without `#[streaming]` takes values and returns one: `async fn {m}(&self, a: A, b: B) -> \
                Result<T>`"
        ),
    }
}

/// A stream's argument is a message, not a field of one: only its name and id mean something.
fn message(request: &Field, diag: &mut Diag) {
    unique_ids("an argument's", std::iter::once((request.id, &request.ident)), diag);
    let meaningless =
        [request.required.as_ref().map(|it| it as &dyn ToTokens), request.default.as_ref().map(|it| it as _)];
    for key in meaningless.into_iter().flatten() {
        diag.error(key, "the messages of a stream are never left out: remove this");
    }
}

/// `#[oneway]` and `#[throws]` fit the mode and the result.
fn answers(method: &Method, diag: &mut Diag) {
    let streams = method.mode.is_some_and(Mode::is_streaming);
    if let Some(oneway) = &method.oneway {
        if method.mode.is_some_and(|mode| mode != Mode::PingPong) {
            diag.error(oneway, "a stream is answered, so it cannot be `#[oneway]`: remove one of the two attributes");
        } else if let Some(throws) = &method.throws {
            diag.error(
                &throws.attr,
                "nobody would see what a `#[oneway]` method throws: remove one of the two attributes",
            );
        } else if let Some(Output { ok: Some(ty), .. }) = &method.output {
            diag.error(ty, "a `#[oneway]` method is not answered: write `-> Result<()>`");
        }
    }
    let error = method.error_enum();
    let suggested = suggested_enum(method);
    match (&method.throws, error) {
        (Some(throws), _) if streams => {
            diag.error(
                &throws.attr,
                "a stream has no place for declared exceptions: remove `#[throws]`, and \
                answer with a status or a business error",
            );
        }
        (Some(throws), None) if method.oneway.is_none() && method.output.is_some() => diag.error(
            &throws.attr,
            format!("name the error enum to generate from this: return `Result<.., {suggested}>`"),
        ),
        (Some(_), Some(ty)) if simple(ty).is_none() => {
            diag.error(ty, format!("this names the enum to generate here: write a plain name such as `{suggested}`"));
        }
        (None, Some(ty)) if streams => diag.error(
            ty,
            "a stream fails with `thrill::Error`: write `Result<..>` \
            with one type",
        ),
        (None, Some(ty)) => diag.error(
            ty,
            "an error type of its own is for declared exceptions: add `#[throws(1 => SomeException)]`, or write \
                `Result<..>` with one type",
        ),
        _ => {}
    }
}

/// The exceptions of one method: ids that are not the result's, each once; variants that do not collide.
fn exceptions(throws: &Throws, diag: &mut Diag) {
    unique_ids("an exception's", throws.exceptions.iter().map(|it| (it.id, &it.variant)), diag);
    let mut taken = HashSet::new();
    for exception in &throws.exceptions {
        let Exception { id, variant, ty, .. } = exception;
        if matches!(id, Id::Nonpositive(Number { value: 0, .. })) {
            diag.error(id, "field 0 of a reply is the result, so it cannot be an exception: write another id");
        }
        let instead = || format!("`{} => Other({})`", id.to_token_stream(), names::spelled(ty));
        if variant == "Error" {
            let message = "the variant `Error` is for every other failure: name this one, such as";
            diag.error(variant, format!("{message} {}", instead()));
        } else if !taken.insert(variant) {
            diag.error(variant, format!("`{variant}` is already a variant: name this one, such as {}", instead()));
        }
    }
    if taken.len() == throws.exceptions.len() {
        unique_names("exception", RENAME, throws.exceptions.iter().map(|it| (&it.name, &it.variant)), diag);
    }
}

/// A method's name is not one that the clients have already.
fn reserved(service: &Service, method: &Method, diag: &mut Diag) {
    let client = service.companion(if method.is_on_stream_client() { "StreamClient" } else { "Client" });
    let name = names::unraw(&method.ident);
    if ["builder", "clone"].contains(&name.as_str()) {
        diag.error(
            &method.ident,
            format!(
                "`{name}` would hide the generated `{client}::{name}`: rename the method, and keep its name \
                on the wire by `#[method(name = \"{name}\")]`"
            ),
        );
    }
}

/// An error enum is generated once, under a name of its own.
fn error_enum(service: &Service, method: &Method, diag: &mut Diag) {
    let Some((ident, exceptions)) = method.declared() else { return };
    let companions = ["", "Server", "Client", "StreamClient"].map(|suffix| service.companion(suffix));
    let suggested = suggested_enum(method);
    let known = service.error_enums.iter().find(|known| known.ident == *ident);
    if exceptions.iter().any(|exception| exception.ty.is_ident(ident)) {
        diag.error(
            ident,
            format!(
                "`{ident}` is the exception itself; the enum to generate needs its own name, such as `{suggested}`"
            ),
        );
    } else if companions.contains(ident) {
        diag.error(
            ident,
            format!("`{ident}` is the service's own: name the error enum otherwise, such as `{suggested}`"),
        );
    } else if let Some(known) = known.filter(|known| declared(&known.exceptions) != declared(exceptions)) {
        let first = &known.methods[0];
        diag.error(
            ident,
            format!("`{first}` throws other exceptions by this name: throw the same, or name this enum `{suggested}`"),
        );
    }
}

/// A name for the error enum of a method that gives it none, or a wrong one.
fn suggested_enum(method: &Method) -> String {
    format!("{}Error", Case::Pascal.apply(&names::unraw(&method.ident)))
}

/// A throws list as text, to compare two.
fn declared(exceptions: &[Exception]) -> String {
    let spelled = |it: &Exception| {
        let (id, ty) = (it.id.to_token_stream(), it.ty.to_token_stream());
        format!("{id} => {}({ty}) {};", it.variant, it.name.text)
    };
    exceptions.iter().map(spelled).collect()
}
