//! What each thing of the IDL is called in Rust.
//!
//! Types are `UpperCamel`, fields, methods and modules `snake_case`, constants `SHOUTY_CASE`. Where two names become one, all
//! that do so keep their spelling in the IDL; what is still taken gets an `_` behind it. None of this is on the wire.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use thrill_idl::model::{Enum, Field, File, Function, ItemId, Service, ServiceId};
use thrill_idl::{FileId, Program};

use super::chosen;
use crate::names::Case;

/// The names, by the indexes of the program's lists. Keywords are not raw yet.
#[derive(Default)]
pub(super) struct Names {
    /// The modules of files; that of the file asked for is never used.
    pub(super) modules: Vec<String>,
    pub(super) typedefs: Vec<String>,
    pub(super) enums: Vec<EnumNames>,
    pub(super) structs: Vec<StructNames>,
    pub(super) consts: Vec<String>,
    pub(super) services: Vec<ServiceNames>,
}

#[derive(Default)]
pub(super) struct EnumNames {
    pub(super) name: String,
    /// A variant, or the constant that is another name of one.
    pub(super) values: Vec<String>,
    /// The variant for numbers that have no name.
    pub(super) unknown: String,
}

#[derive(Default)]
pub(super) struct StructNames {
    pub(super) name: String,
    /// Fields, or variants.
    pub(super) fields: Vec<String>,
    /// Of a union: the variant for fields that are not known.
    pub(super) unknown: String,
}

#[derive(Default)]
pub(super) struct ServiceNames {
    pub(super) name: String,
    pub(super) functions: Vec<FunctionNames>,
}

#[derive(Default)]
pub(super) struct FunctionNames {
    pub(super) name: String,
    pub(super) context: String,
    pub(super) arguments: Vec<String>,
    /// The error enum, and its variants.
    pub(super) error: String,
    pub(super) throws: Vec<String>,
}

impl Names {
    /// Names everything.
    pub(super) fn of(program: &Program) -> Self {
        let mut names = Self { modules: modules(program), ..Self::default() };
        names.typedefs.resize_with(program.typedefs.len(), Default::default);
        names.consts.resize_with(program.consts.len(), Default::default);
        names.enums = program.enums.iter().map(enumeration).collect();
        names.structs = program.structs.iter().map(|item| structure(&item.fields, item.is_union())).collect();
        names.services.resize_with(program.services.len(), Default::default);
        let mut taken: Vec<_> = program.files.iter().map(|file| names.types(program, file)).collect();
        if let [root, ..] = &mut taken[..] {
            names.modules.iter_mut().skip(1).for_each(|module| *module = free(std::mem::take(module), root));
        }
        for (file, taken) in program.files.iter().zip(&mut taken) {
            names.constants(program, file);
            names.traits(program, file, taken);
        }
        for id in bases_first(program) {
            names.functions(program, id);
        }
        names
    }

    /// Names the types of a file. Returns all that is taken then.
    fn types(&mut self, program: &Program, file: &File) -> HashSet<String> {
        let is_type = |id: &&ItemId| matches!(id, ItemId::Typedef(_) | ItemId::Enum(_) | ItemId::Struct(_));
        let items: Vec<ItemId> = file.items.iter().filter(is_type).copied().collect();
        let raw = items.iter().map(|item| match *item {
            ItemId::Enum(id) => Raw::of(&program[id].name, &program[id].annotations),
            ItemId::Struct(id) => Raw::of(&program[id].name, &program[id].annotations),
            ItemId::Typedef(id) => Raw::of(&program[id].name, &program[id].annotations),
            ItemId::Const(_) | ItemId::Service(_) => Raw { text: "", given: None },
        });
        let mut taken = HashSet::new();
        for (item, name) in items.iter().zip(assign(raw, type_case, &mut taken)) {
            match *item {
                ItemId::Enum(id) => self.enums[id.index()].name = name,
                ItemId::Struct(id) => self.structs[id.index()].name = name,
                ItemId::Typedef(id) => self.typedefs[id.index()] = name,
                ItemId::Const(_) | ItemId::Service(_) => {}
            }
        }
        taken
    }

    fn constants(&mut self, program: &Program, file: &File) {
        let mut taken = HashSet::new();
        for item in &file.items {
            let ItemId::Const(id) = *item else { continue };
            let raw = Raw::of(&program[id].name, &program[id].annotations);
            // Never the spelling of the IDL: a constant in small letters would match in place of every variable so named.
            let name = raw.given.map_or_else(|| Case::ScreamingSnake.apply(raw.text), str::to_owned);
            self.consts[id.index()] = free(valid(name), &mut taken);
        }
    }

    /// Names the traits of a file, with room for what stands beside them.
    fn traits(&mut self, program: &Program, file: &File, taken: &mut HashSet<String>) {
        for item in &file.items {
            let ItemId::Service(id) = *item else { continue };
            let Service { name, annotations, .. } = &program[id];
            let raw = Raw::of(name, annotations);
            let mut name = raw.given.map_or_else(|| type_case(raw.text), str::to_owned);
            let beside = |name: &str| ["", "Server", "Client", "StreamClient"].map(|suffix| format!("{name}{suffix}"));
            let is_bound = matches!(name.as_str(), "Send" | "Sync" | "Sized");
            if is_bound || beside(&name).iter().any(|name| taken.contains(name)) {
                name.push_str("Service");
            }
            while beside(&name).iter().any(|name| taken.contains(name)) {
                name.push('_');
            }
            taken.extend(beside(&name));
            self.services[id.index()].name = name;
        }
        for item in &file.items {
            let ItemId::Service(id) = *item else { continue };
            let functions = program[id].functions.iter().map(|function| {
                let mut names = signature(function);
                names.throws = self.variants(program, function);
                if !names.throws.is_empty() {
                    let name = chosen::name(&function.annotations).unwrap_or(&function.name);
                    let plain = format!("{}Error", Case::Pascal.apply(name));
                    let longer = format!("{}{plain}", self.services[id.index()].name);
                    names.error = free(if taken.contains(&plain) { longer } else { plain }, taken);
                }
                names
            });
            self.services[id.index()].functions = functions.collect();
        }
    }

    /// The variants of an error enum are called as what they carry, or, where that does not tell them apart, as what is
    /// thrown.
    fn variants(&self, program: &Program, function: &Function) -> Vec<String> {
        // A stream has no place for declared exceptions.
        if function.mode.is_streaming() {
            return Vec::new();
        }
        let types = function
            .throws
            .iter()
            .map(|field| program.as_struct(&field.ty).map_or("", |id| self.structs[id.index()].name.as_str()));
        let types: Vec<&str> = types.collect();
        let tells = |name: &str| name != "Error" && types.iter().filter(|other| **other == name).count() == 1;
        let mut taken = HashSet::from(["Error".to_owned()]);
        let raw = function.throws.iter().zip(&types).map(|(field, ty)| {
            let given = chosen::name(&field.annotations).or_else(|| tells(ty).then_some(*ty));
            Raw { text: &field.name, given }
        });
        assign(raw, type_case, &mut taken)
    }

    /// Names the methods of a service. Those that it inherits have their names already.
    fn functions(&mut self, program: &Program, id: ServiceId) {
        // What the generated clients have anyway.
        let mut taken: HashSet<String> = ["builder", "clone"].map(str::to_owned).into();
        for base in program.lineage(id).skip(1) {
            taken.extend(self.services[base.index()].functions.iter().map(|function| function.name.clone()));
        }
        let raw = program[id].functions.iter().map(|function| Raw::of(&function.name, &function.annotations));
        let names = assign(raw, |name| Case::Snake.apply(name), &mut taken);
        for (function, name) in self.services[id.index()].functions.iter_mut().zip(names) {
            function.name = name;
        }
    }
}

/// A name in the IDL, and the one that an annotation gives.
#[derive(Clone, Copy)]
struct Raw<'a> {
    text: &'a str,
    given: Option<&'a str>,
}

impl<'a> Raw<'a> {
    fn of(text: &'a str, annotations: &'a thrill_idl::model::Annotations) -> Self {
        Self { text, given: chosen::name(annotations) }
    }
}

/// Names that differ from each other, and from what is taken.
fn assign<'a>(
    raw: impl Iterator<Item = Raw<'a>>,
    convert: impl Fn(&str) -> String,
    taken: &mut HashSet<String>,
) -> Vec<String> {
    let raw: Vec<Raw<'a>> = raw.collect();
    let converted: Vec<String> =
        raw.iter().map(|raw| raw.given.map_or_else(|| convert(raw.text), str::to_owned)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in &converted {
        *counts.entry(name).or_default() += 1;
    }
    let wanted = raw.iter().zip(&converted).map(|(raw, name)| match (raw.given, counts[name.as_str()]) {
        (Some(given), _) => given.to_owned(),
        (None, 1) => name.clone(),
        (None, _) => raw.text.to_owned(),
    });
    wanted.map(|name| free(valid(name), taken)).collect()
}

/// A name that nothing else has, taken from now on.
fn free(mut name: String, taken: &mut HashSet<String>) -> String {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

/// A name that Rust can have, if need be as a raw one.
fn valid(name: String) -> String {
    let impossible = matches!(name.as_str(), "self" | "Self" | "super" | "crate" | "_" | "");
    if impossible { name + "_" } else { name }
}

/// A name that is in camel case already stays as it is: `HTTPServer`.
fn type_case(name: &str) -> String {
    let is_camel = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !name.contains('_');
    if is_camel { name.to_owned() } else { Case::Pascal.apply(name) }
}

fn enumeration(item: &Enum) -> EnumNames {
    let mut taken = HashSet::new();
    let is_alias = |at: usize| item.values[..at].iter().any(|value| value.value == item.values[at].value);
    let raw = |at: &usize| Raw::of(&item.values[*at].name, &item.values[*at].annotations);
    let (aliases, variants): (Vec<usize>, Vec<usize>) = (0..item.values.len()).partition(|at| is_alias(*at));
    let mut values = vec![String::new(); item.values.len()];
    for (at, name) in variants.iter().zip(assign(variants.iter().map(raw), type_case, &mut taken)) {
        values[*at] = name;
    }
    let shouty = |name: &str| Case::ScreamingSnake.apply(name);
    for (at, name) in aliases.iter().zip(assign(aliases.iter().map(raw), shouty, &mut taken)) {
        values[*at] = name;
    }
    EnumNames { name: String::new(), values, unknown: unknown(&taken) }
}

fn structure(fields: &[Field], is_union: bool) -> StructNames {
    let mut taken = HashSet::new();
    let raw = fields.iter().map(|field| Raw::of(&field.name, &field.annotations));
    let case = if is_union { type_case } else { |name: &str| Case::Snake.apply(name) };
    let fields = assign(raw, case, &mut taken);
    StructNames { name: String::new(), fields, unknown: unknown(&taken) }
}

/// The variant that keeps what is not known.
fn unknown(taken: &HashSet<String>) -> String {
    let name = if taken.contains("Unknown") { "Unrecognized" } else { "Unknown" };
    free(name.to_owned(), &mut taken.clone())
}

/// Names what belongs to a function alone.
fn signature(function: &Function) -> FunctionNames {
    let mut taken = HashSet::new();
    let raw = |field: &'_ Field| -> (String, Option<String>) {
        (field.name.clone(), chosen::name(&field.annotations).map(str::to_owned))
    };
    let owned: Vec<_> = function.arguments.iter().map(raw).collect();
    let arguments = owned.iter().map(|(text, given)| Raw { text, given: given.as_deref() });
    let arguments = assign(arguments, |name| Case::Snake.apply(name), &mut taken);
    let context = free("cx".to_owned(), &mut taken);
    FunctionNames { context, arguments, ..FunctionNames::default() }
}

/// The module of each file: the last part of its `namespace rs`, or its name. Where two files would have the same, both are
/// called by their directories, too.
fn modules(program: &Program) -> Vec<String> {
    let snake = |name: &str| {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let name = Case::Snake.apply(&name);
        if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
    };
    let short = |file: &File| match file.namespace("rs") {
        Some(namespace) => snake(namespace.name.rsplit('.').next().unwrap_or_default()),
        None => snake(file.stem()),
    };
    let names: Vec<String> = program.files.iter().map(short).collect();
    let root = program.root().path.parent().unwrap_or(Path::new(""));
    let mut taken = HashSet::new();
    let mut modules = Vec::with_capacity(names.len());
    for (file, name) in program.files.iter().zip(&names) {
        let is_alone = names[1..].iter().filter(|other| *other == name).count() <= 1;
        let path = file.path.strip_prefix(root).unwrap_or(&file.path).with_extension("");
        let name = if is_alone { name.clone() } else { snake(&path.to_string_lossy()) };
        modules.push(if file.id == FileId(0) { name } else { free(valid(name), &mut taken) });
    }
    modules
}

/// The services, each behind the one that it extends.
fn bases_first(program: &Program) -> Vec<ServiceId> {
    let mut order: Vec<ServiceId> = (0..).map(ServiceId).take(program.services.len()).collect();
    order.sort_by_key(|id| program.lineage(*id).count());
    order
}

/// Whether a name has to be a raw identifier, in any edition.
pub(super) fn is_keyword(name: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
        "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
        "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type",
        "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
    ];
    KEYWORDS.binary_search(&name).is_ok()
}
