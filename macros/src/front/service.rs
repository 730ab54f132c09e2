//! `#[thrill::service]`: the trait.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, ItemTrait, Path, TraitItem, TypeParamBound};

use super::docs;
use super::item::root;
use super::keys::Keys;
use super::locked::locked;
use super::method::method;
use crate::diag::Diag;
use crate::model::{Base, ErrorEnum, Method, Name, Service, is_standard};
use crate::names::{self, Case, spelled};

/// Reads the arguments of the attribute and its trait.
pub(crate) fn service(args: TokenStream, mut item: ItemTrait, diag: &mut Diag) -> Service {
    let mut keys = Keys::parse(args, "service", diag);
    let name = keys.name("name", names::is_identifier);
    let namespace = keys.name("namespace", names::is_namespace);
    let package = package(&mut keys);
    let case = rename_all(&mut keys);
    let root = root(&mut keys);
    let extends = keys.path("extends", "Base");
    let locked = locked(&mut keys);
    keys.finish();

    let bases = bases(&item, extends.as_ref());
    let methods: Vec<Method> = item
        .items
        .iter_mut()
        .filter_map(|item| match item {
            TraitItem::Fn(item) => Some(method(item, case, &root, diag)),
            _ => None,
        })
        .collect();
    Service {
        name: name.unwrap_or_else(|| Name { text: names::unraw(&item.ident), span: item.ident.span() }),
        namespace,
        package,
        docs: docs(&item.attrs),
        root,
        error_enums: error_enums(&methods),
        streams: !bases.is_empty() || methods.iter().any(Method::is_on_stream_client),
        calls: !bases.is_empty() || methods.iter().any(|method| !method.is_on_stream_client()),
        bases,
        extends,
        locked,
        methods,
        item,
    }
}

/// The services that a trait extends: the supertrait that `extends` names, or else those that are none of the standard
/// library's.
fn bases(item: &ItemTrait, extends: Option<&Path>) -> Vec<Base> {
    let paths = item.supertraits.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => Some(&bound.path),
        _ => None,
    });
    let is_base = |path: &&Path| match extends {
        Some(extends) => spelled(path) == spelled(extends),
        None => !is_standard(path),
    };
    paths.filter(is_base).map(Base::new).collect()
}

/// The enums that `#[throws]` makes: the first method that names one says what it holds.
fn error_enums(methods: &[Method]) -> Vec<ErrorEnum> {
    let mut enums: Vec<ErrorEnum> = Vec::new();
    for method in methods {
        let Some((ident, exceptions)) = method.declared() else { continue };
        if let Some(known) = enums.iter_mut().find(|known| known.ident == *ident) {
            known.methods.push(method.ident.clone());
            if !same_cfg(&known.cfg, &method.cfg) {
                known.cfg.clear();
            }
        } else {
            let methods = vec![method.ident.clone()];
            enums.push(ErrorEnum {
                ident: ident.clone(),
                methods,
                exceptions: exceptions.to_vec(),
                cfg: method.cfg.clone(),
            });
        }
    }
    enums
}

fn same_cfg(one: &[Attribute], other: &[Attribute]) -> bool {
    quote!(#(#one)*).to_string() == quote!(#(#other)*).to_string()
}

/// `package = "my-file"`, which need not be a name in Thrift.
fn package(keys: &mut Keys<'_>) -> Option<Name> {
    let text = keys.string("package", "echo")?;
    if !names::is_package(&text.value()) {
        keys.error(&text, "a package has letters, digits, `_`, `-` and `.` only: it stands in a stream's path");
    }
    Some(Name { text: text.value(), span: text.span() })
}

fn rename_all(keys: &mut Keys<'_>) -> Option<Case> {
    let text = keys.string("rename_all", "PascalCase")?;
    let case = Case::named(&text.value());
    if case.is_none() {
        let all = Case::ALL.map(|(name, _)| format!("`{name}`")).join(", ");
        keys.error(&text, format!("no such case: `{}`; the four are {all}", text.value()));
    }
    case
}
