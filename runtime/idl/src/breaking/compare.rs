//! The rules.
//!
//! All of it is `const`, so loops count, text is compared by its bytes, and nothing recurses but the elements of
//! containers, whose nesting is bounded: the pairs of structs still to be compared stand in a queue.

use super::contract::{Contract, Enum, Field, Function, Service, Slice, Struct, Type};
use super::{Breaking, Item, Rule, Side};
use crate::ast::{Requiredness, StructKind};
use crate::model::Mode;
use crate::span::Span;

/// What [`compare`] remembers: a place for each pair of an old and a new type with a name.
#[derive(Debug)]
pub struct Scratch<'s> {
    /// As long as [`Scratch::pairs`] says.
    pub queue: &'s mut [usize],
    /// How many pairs stand in the queue already, also where no service reaches them.
    pub queued: usize,
    /// As long as [`Scratch::pairs`] says, and `false` but for the pairs in the queue.
    pub seen: &'s mut [bool],
}

impl Scratch<'_> {
    /// How long the two slices must be.
    #[must_use]
    pub const fn pairs(old: &Contract<'_>, new: &Contract<'_>) -> usize {
        old.structs.len() * new.structs.len() + old.enums.len() * new.enums.len()
    }

    /// Asks for a pair of structs to be compared.
    pub const fn add_structs(&mut self, old: usize, new: usize, contract: &Contract<'_>) {
        self.add(old * contract.structs.len() + new);
    }

    /// Asks for a pair of enums to be compared. `structs` is how many pairs of structs there are.
    pub const fn add_enums(&mut self, old: usize, new: usize, contract: &Contract<'_>, structs: usize) {
        self.add(structs + old * contract.enums.len() + new);
    }

    const fn add(&mut self, pair: usize) {
        if !self.seen[pair] {
            self.seen[pair] = true;
            self.queue[self.queued] = pair;
            self.queued += 1;
        }
    }
}

/// Compares two versions, writes what breaks peers into `found`, as much as has a place there, and returns how much it is.
pub const fn compare<'a>(
    old: &'a Contract<'a>,
    new: &'a Contract<'a>,
    scratch: &mut Scratch<'_>,
    found: &mut [Option<Breaking<'a>>],
) -> usize {
    let scratch = Scratch { queue: scratch.queue, queued: scratch.queued, seen: scratch.seen };
    let mut comparison = Comparison { old, new, scratch, found, total: 0 };
    comparison.run();
    comparison.total
}

struct Comparison<'a, 's> {
    old: &'a Contract<'a>,
    new: &'a Contract<'a>,
    /// The pairs that were met.
    scratch: Scratch<'s>,
    found: &'s mut [Option<Breaking<'a>>],
    total: usize,
}

impl<'a> Comparison<'a, '_> {
    const fn run(&mut self) {
        let mut at = 0;
        while at < self.old.services.len() {
            self.service(&self.old.services[at]);
            at += 1;
        }
        at = 0;
        while at < self.scratch.queued {
            self.pair(self.scratch.queue[at]);
            at += 1;
        }
    }

    const fn service(&mut self, old: &'a Service<'a>) {
        let Some(new) = find_service(self.new, old.name) else {
            self.push(Rule::ServiceRemoved, Item::Service(old.name), [Side::Absent; 2], [old.span, self.new.span]);
            return;
        };
        let mut streams = false;
        let mut at = old.functions.start;
        while at < old.functions.end {
            let was = &self.old.functions[at];
            match find_function(self.new, new.functions, was.name) {
                Some(is) => {
                    streams |= has_path(was.mode) && has_path(is.mode);
                    self.function(was, is);
                }
                None => {
                    self.push(Rule::FunctionRemoved, Item::Function(was.name), [Side::Absent; 2], [was.span, new.span]);
                }
            }
            at += 1;
        }
        // Only streams have paths.
        if streams && !same(self.old.package, self.new.package) {
            let sides = [Side::Word(self.old.package), Side::Word(self.new.package)];
            self.push(Rule::PackageChanged, Item::Package, sides, [self.old.span, self.new.span]);
        }
    }

    const fn function(&mut self, old: &'a Function<'a>, new: &'a Function<'a>) {
        let (item, places) = (Item::Function(old.name), [old.span, new.span]);
        if old.mode as u8 != new.mode as u8 {
            let sides = [Side::Word(mode_word(old.mode)), Side::Word(mode_word(new.mode))];
            return self.push(Rule::ModeChanged, item, sides, places);
        }
        if old.oneway != new.oneway {
            return self.push(Rule::OnewayChanged, item, [answer(old.oneway), answer(new.oneway)], places);
        }
        if old.mode.is_streaming() {
            // The message travels by itself, so the id of the argument does not.
            let (was, is) = (&self.old.fields[old.arguments.start], &self.new.fields[new.arguments.start]);
            self.ty(was.ty, is.ty, Rule::TypeChanged, Item::Argument(old.name, was), [was.span, is.span]);
        } else {
            self.fields(old.arguments, new.arguments, Owner::Function(old.name), places);
            self.exceptions(old, new);
        }
        let item = Item::Result(old.name);
        match (old.result, new.result) {
            (None, None) => {}
            (Some(was), Some(is)) => self.ty(was, is, Rule::ResultChanged, item, places),
            (Some(was), None) => {
                self.push(Rule::ResultChanged, item, [Side::Type(self.old, was), Side::Word("void")], places);
            }
            (None, Some(is)) => {
                self.push(Rule::ResultChanged, item, [Side::Word("void"), Side::Type(self.new, is)], places);
            }
        }
    }

    const fn exceptions(&mut self, old: &'a Function<'a>, new: &'a Function<'a>) {
        let mut at = old.throws.start;
        while at < old.throws.end {
            let was = &self.old.fields[at];
            let item = Item::Exception(old.name, was);
            match find_id(self.new, new.throws, was.id) {
                Some(is) => self.ty(was.ty, is.ty, Rule::TypeChanged, item, [was.span, is.span]),
                None => {
                    let sides = [Side::Type(self.old, was.ty), Side::Absent];
                    self.push(Rule::ExceptionRemoved, item, sides, [was.span, new.span]);
                }
            }
            at += 1;
        }
        at = new.throws.start;
        while at < new.throws.end && new.result.is_none() {
            let is = &self.new.fields[at];
            if find_id(self.old, old.throws, is.id).is_none() {
                let item = Item::Exception(old.name, is);
                let sides = [Side::Absent, Side::Type(self.new, is.ty)];
                self.push(Rule::ExceptionAdded, item, sides, [old.span, is.span]);
            }
            at += 1;
        }
    }

    /// Compares a pair from the queue.
    const fn pair(&mut self, pair: usize) {
        let structs = self.old.structs.len() * self.new.structs.len();
        if pair < structs {
            let (old, new) = (pair / self.new.structs.len(), pair % self.new.structs.len());
            self.structs(&self.old.structs[old], &self.new.structs[new]);
        } else {
            let pair = pair - structs;
            let (old, new) = (pair / self.new.enums.len(), pair % self.new.enums.len());
            self.enums(&self.old.enums[old], &self.new.enums[new]);
        }
    }

    const fn structs(&mut self, old: &'a Struct<'a>, new: &'a Struct<'a>) {
        let (was, is) = (matches!(old.kind, StructKind::Union), matches!(new.kind, StructKind::Union));
        let places = [old.span, new.span];
        if was != is {
            let sides = [Side::Word(keyword(old.kind)), Side::Word(keyword(new.kind))];
            return self.push(Rule::KindChanged, Item::Struct(old.name), sides, places);
        }
        let owner = if was { Owner::Union(old.name) } else { Owner::Struct(old.name) };
        self.fields(old.fields, new.fields, owner, places);
    }

    /// Compares fields; the places are those of what they belong to.
    const fn fields(&mut self, old: Slice, new: Slice, owner: Owner<'a>, places: [Span; 2]) {
        let mut at = old.start;
        while at < old.end {
            let was = &self.old.fields[at];
            match find_id(self.new, new, was.id) {
                Some(is) => self.field(was, is, owner),
                None => self.removed(was, new, owner, places[1]),
            }
            at += 1;
        }
        at = new.start;
        while at < new.end {
            let is = &self.new.fields[at];
            let required = matches!(is.requiredness, Requiredness::Required);
            if required && find_id(self.old, old, is.id).is_none() {
                let sides = [Side::Absent, Side::Word("required")];
                self.push(Rule::RequiredAdded, owner.item(is), sides, [places[0], is.span]);
            }
            at += 1;
        }
    }

    const fn removed(&mut self, was: &'a Field<'a>, new: Slice, owner: Owner<'a>, place: Span) {
        let item = owner.item(was);
        if let Some(moved) = find_name(self.new, new, was.name) {
            let sides = [Side::Number(was.id as i32), Side::Number(moved.id as i32)];
            self.push(Rule::IdChanged, item, sides, [was.span, moved.span]);
        } else if matches!(owner, Owner::Union(_)) {
            self.push(Rule::VariantRemoved, item, [Side::Type(self.old, was.ty), Side::Absent], [was.span, place]);
        } else if matches!(was.requiredness, Requiredness::Required) {
            self.push(Rule::RequiredRemoved, item, [Side::Word("required"), Side::Absent], [was.span, place]);
        }
    }

    const fn field(&mut self, old: &'a Field<'a>, new: &'a Field<'a>, owner: Owner<'a>) {
        let (was, is) =
            (matches!(old.requiredness, Requiredness::Required), matches!(new.requiredness, Requiredness::Required));
        if was != is {
            let sides = [Side::Word(word(old.requiredness)), Side::Word(word(new.requiredness))];
            self.push(Rule::RequirednessChanged, owner.item(old), sides, [old.span, new.span]);
        }
        self.ty(old.ty, new.ty, Rule::TypeChanged, owner.item(old), [old.span, new.span]);
    }

    const fn enums(&mut self, old: &'a Enum<'a>, new: &'a Enum<'a>) {
        let mut at = old.values.start;
        while at < old.values.end {
            let was = &self.old.values[at];
            let mut other = new.values.start;
            while other < new.values.end {
                let is = &self.new.values[other];
                if same(was.name, is.name) && was.value != is.value {
                    let item = Item::Value(old.name, was.name);
                    let sides = [Side::Number(was.value), Side::Number(is.value)];
                    self.push(Rule::ValueRenumbered, item, sides, [was.span, is.span]);
                }
                other += 1;
            }
            at += 1;
        }
    }

    const fn ty(&mut self, old: Type, new: Type, rule: Rule, item: Item<'a>, places: [Span; 2]) {
        if !self.fits(old, new) {
            self.push(rule, item, [Side::Type(self.old, old), Side::Type(self.new, new)], places);
        }
    }

    /// Whether two types are the same on the wire; what structs and enums have in them is compared later.
    const fn fits(&mut self, old: Type, new: Type) -> bool {
        match (old, new) {
            (Type::List(old), Type::List(new)) | (Type::Set(old), Type::Set(new)) => {
                self.fits(self.old.types[old], self.new.types[new])
            }
            (Type::Map(old_key, old), Type::Map(new_key, new)) => {
                let keys = self.fits(self.old.types[old_key], self.new.types[new_key]);
                let values = self.fits(self.old.types[old], self.new.types[new]);
                keys && values
            }
            (Type::Struct(old), Type::Struct(new)) => {
                self.scratch.add_structs(old, new, self.new);
                true
            }
            (Type::Enum(old), Type::Enum(new)) => {
                let structs = self.old.structs.len() * self.new.structs.len();
                self.scratch.add_enums(old, new, self.new, structs);
                true
            }
            // An enum is an i32 that has names.
            (Type::Enum(_), Type::I32) | (Type::I32, Type::Enum(_)) => true,
            (Type::Bool, Type::Bool)
            | (Type::I8, Type::I8)
            | (Type::I16, Type::I16)
            | (Type::I32, Type::I32)
            | (Type::I64, Type::I64)
            | (Type::Double, Type::Double)
            | (Type::String, Type::String)
            | (Type::Binary, Type::Binary)
            | (Type::Uuid, Type::Uuid)
            | (Type::Erroneous, _)
            | (_, Type::Erroneous) => true,
            _ => false,
        }
    }

    const fn push(&mut self, rule: Rule, item: Item<'a>, sides: [Side<'a>; 2], places: [Span; 2]) {
        if self.total < self.found.len() {
            let ([old, new], [old_span, new_span]) = (sides, places);
            self.found[self.total] = Some(Breaking { rule, item, old, new, old_span, new_span });
        }
        self.total += 1;
    }
}

/// What fields are of.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Function(&'a str),
    Struct(&'a str),
    Union(&'a str),
}

impl<'a> Owner<'a> {
    const fn item(self, field: &'a Field<'a>) -> Item<'a> {
        match self {
            Self::Function(name) => Item::Argument(name, field),
            Self::Struct(name) | Self::Union(name) => Item::Field(name, field),
        }
    }
}

/// What messages call a mode.
const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::PingPong => "ping-pong",
        Mode::Unary => "unary",
        Mode::Client => "client",
        Mode::Server => "server",
        Mode::Bidirectional => "bidirectional",
    }
}

/// Whether a method travels as a stream, on a path.
const fn has_path(mode: Mode) -> bool {
    !matches!(mode, Mode::PingPong)
}

const fn answer<'a>(oneway: bool) -> Side<'a> {
    Side::Word(if oneway { "oneway" } else { "answered" })
}

const fn keyword(kind: StructKind) -> &'static str {
    match kind {
        StructKind::Struct => "struct",
        StructKind::Union => "union",
        StructKind::Exception => "exception",
    }
}

const fn word(requiredness: Requiredness) -> &'static str {
    match requiredness {
        Requiredness::Default => "neither required nor optional",
        Requiredness::Required => "required",
        Requiredness::Optional => "optional",
    }
}

const fn find_service<'a>(contract: &'a Contract<'a>, name: &str) -> Option<&'a Service<'a>> {
    let mut at = 0;
    while at < contract.services.len() {
        if same(contract.services[at].name, name) {
            return Some(&contract.services[at]);
        }
        at += 1;
    }
    None
}

const fn find_function<'a>(contract: &'a Contract<'a>, within: Slice, name: &str) -> Option<&'a Function<'a>> {
    let mut at = within.start;
    while at < within.end {
        if same(contract.functions[at].name, name) {
            return Some(&contract.functions[at]);
        }
        at += 1;
    }
    None
}

const fn find_id<'a>(contract: &'a Contract<'a>, within: Slice, id: i16) -> Option<&'a Field<'a>> {
    let mut at = within.start;
    while at < within.end {
        if contract.fields[at].id == id {
            return Some(&contract.fields[at]);
        }
        at += 1;
    }
    None
}

const fn find_name<'a>(contract: &'a Contract<'a>, within: Slice, name: &str) -> Option<&'a Field<'a>> {
    let mut at = within.start;
    while at < within.end {
        if same(contract.fields[at].name, name) {
            return Some(&contract.fields[at]);
        }
        at += 1;
    }
    None
}

/// Whether two texts are the same.
pub const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
