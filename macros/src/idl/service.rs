//! The Rust of services.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use thrill_idl::model::{Field, File, Function, Mode, Requiredness, Service, ServiceId, Type};

use thrill_idl::FileId;

use super::Generator;
use super::chosen::Chosen;
use super::item::{docs, id_key, lints, rename};
use super::names::FunctionNames;
use super::ty::Use;
use crate::model::is_standard;

impl Generator<'_> {
    /// A trait with `#[thrill::service]`.
    pub(super) fn service(&self, id: ServiceId) -> TokenStream {
        let item = &self.program[id];
        let names = &self.names.services[id.index()];
        let name = self.ident(&names.name, self.places.at(item.name_span));
        let (docs, lints, root) = (docs(&item.docs), lints(), self.root());
        let renamed = (names.name != item.name).then(|| {
            let name = &item.name;
            quote!(name = #name)
        });
        let other_root = self.options.other_root().map(|root| quote!(crate = #root));
        let base = item.extends.map(|base| {
            let path = self.path(item.file, self.program[base].file);
            let name = self.ident(&self.names.services[base.index()].name, self.places.start());
            quote!(#path #name)
        });
        // A supertrait is known to be a service, unless it is called as one of the standard library.
        let is_standard = |base: &TokenStream| syn::parse2(base.clone()).is_ok_and(|path| is_standard(&path));
        let extends = base.clone().filter(is_standard).map(|base| quote!(extends = #base));
        let supertrait = base.map(|base| quote!(: #base));
        let package = self.package(&self.program[item.file]);
        let keys: Vec<TokenStream> = renamed.into_iter().chain(package).chain(extends).chain(other_root).collect();
        let methods =
            item.functions.iter().zip(&names.functions).map(|(function, names)| self.function(item, function, names));
        quote! {
            #docs
            #lints
            #[#root::service(#(#keys),*)]
            pub trait #name #supertrait {
                #(#methods)*
            }
        }
    }

    /// What makes the path of a stream the one that Kitex has.
    fn package(&self, file: &File) -> Option<TokenStream> {
        let namespace = file.namespace_for("go").filter(|name| crate::names::is_namespace(name));
        if let Some(namespace) = namespace {
            return Some(quote!(namespace = #namespace));
        }
        let package = file.package();
        // `thrift!` is no file whose name could say it.
        let is_inline = file.id == self.program.root().id && matches!(self.places, super::Places::Tokens(_));
        let is_said = file.namespace_for("go").is_some() || !is_inline;
        (is_said && crate::names::is_package(&package)).then(|| quote!(package = #package))
    }

    fn function(&self, service: &Service, function: &Function, names: &FunctionNames) -> TokenStream {
        let Service { file, annotations, .. } = service;
        let root = self.root();
        let chosen = Chosen::default().and(annotations).and(&function.annotations);
        let place = self.places.at(function.name_span);
        let name = self.ident(&names.name, place);
        let docs = docs(&function.docs);
        let streaming = function.mode.name().map(|mode| quote!(#[streaming(mode = #mode)]));
        let raw = &function.name;
        let renamed = (names.name != *raw).then(|| quote!(#[method(name = #raw)]));
        let oneway = function.oneway.then(|| quote!(#[oneway]));
        let (throws, error) = self.throws(*file, function, names);

        let arguments: Vec<TokenStream> = function
            .arguments
            .iter()
            .zip(&names.arguments)
            .map(|(field, name)| self.argument(field, name, function, chosen, *file))
            .collect();
        let result = function.result.as_ref().map(|ty| self.plain(ty, chosen, *file));
        let response = result.unwrap_or_else(|| quote!(()));
        let cx = format_ident!("{}", names.context);
        let first = function.arguments.first().map(|field| self.plain(&field.ty, chosen, *file));
        let (inputs, output) = match function.mode {
            Mode::Bidirectional => (quote!(#(#arguments)* #root::BidiStream<#first, #response>), quote!(())),
            Mode::Client => (quote!(#(#arguments)* #root::Receiver<#first>), response),
            Mode::Server => {
                let taken = names.arguments.iter().any(|name| name == "responses");
                let responses = if taken { quote!(responses_) } else { quote!(responses) };
                (quote!(#(#arguments)* #first, #responses: #root::Sender<#response>), quote!(()))
            }
            Mode::Unary | Mode::PingPong => (quote!(#(#arguments),*), response),
        };
        quote! {
            #docs
            #streaming
            #renamed
            #oneway
            #throws
            async fn #name(&self, #cx: &#root::Context, #inputs) -> #root::Result<#output #error>;
        }
    }

    /// A type that is no field's.
    fn plain(&self, ty: &Type, chosen: Chosen, from: FileId) -> TokenStream {
        self.tokens(&self.ty(ty, Use { chosen, key: false }), from)
    }

    /// An argument with its type; of a stream without it, since the stream stands around that.
    fn argument(&self, field: &Field, name: &str, function: &Function, chosen: Chosen, from: FileId) -> TokenStream {
        let ident = self.ident(name, self.places.at(field.name_span));
        let docs = docs(&field.docs);
        let (id, renamed) = (id_key(field.id), rename(&ident, &field.name));
        if function.mode.is_streaming() {
            return quote!(#docs #[thrift(#id #renamed)] #ident:);
        }
        let ty = self.ty(&field.ty, Use { chosen: chosen.and(&field.annotations), key: false });
        // Without a default value, an argument has to be there, whatever the IDL says.
        let required = field.requiredness == Requiredness::Required;
        let keys = match (&field.default, required) {
            (_, true) => Some(quote!(, required)),
            (Some(value), false) => Some(self.default(value, &ty, from)),
            (None, false) if !self.is_default(field) => Some(quote!(, required, default_requiredness)),
            (None, false) => None,
        };
        let ty = self.tokens(&ty, from);
        quote!(#docs #[thrift(#id #keys #renamed)] #ident: #ty)
    }

    /// `#[throws(..)]`, and the error type that it makes.
    fn throws(
        &self,
        from: FileId,
        function: &Function,
        names: &FunctionNames,
    ) -> (Option<TokenStream>, Option<TokenStream>) {
        if names.throws.is_empty() {
            return (None, None);
        }
        let entries = function.throws.iter().zip(&names.throws).filter_map(|(field, variant)| {
            let variant = self.ident(variant, self.places.at(field.name_span));
            let thrown = self.program.as_struct(&field.ty)?;
            let path = self.struct_path(thrown, from);
            let (docs, id) = (docs(&field.docs), proc_macro2::Literal::i16_unsuffixed(field.id));
            let raw = &field.name;
            let is_usual = crate::names::Case::Snake.apply(&crate::names::unraw(&variant)) == *raw;
            let renamed = (!is_usual).then(|| quote!(rename = #raw));
            let nonpositive = (field.id <= 0).then(|| quote!(nonpositive_id));
            let keys: Vec<TokenStream> = renamed.into_iter().chain(nonpositive).collect();
            let keys = (!keys.is_empty()).then(|| quote!(#[thrift(#(#keys),*)]));
            let is_last = path.clone().into_iter().last().is_some_and(|last| variant == last.to_string());
            let carried = if is_last { path } else { quote!(#variant(#path)) };
            Some(quote!(#docs #keys #id => #carried))
        });
        let entries: Vec<TokenStream> = entries.collect();
        let error = self.ident(&names.error, self.places.at(function.name_span));
        (Some(quote!(#[throws(#(#entries),*)])), Some(quote!(, #error)))
    }
}
