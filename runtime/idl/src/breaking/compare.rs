//! The rules.
//!
//! All of it is `const`, so loops count, text is compared by its bytes, and nothing recurses but the elements of
//! containers, whose nesting is bounded: the pairs of structs still to be compared stand in a queue.

use super::contract::{Contract, Enum, Field, Function, Service, Slice, Struct, Type};
use super::{Breaking, Item, Rule, Side};
use crate::ast::{Requiredness, StructKind};
use crate::model::Mode;

/// What [`compare`] remembers: a place for each pair of an old and a new type with a name.
#[derive(Debug)]
pub struct Scratch<'s> {
    /// As long as [`Scratch::pairs`] says.
    pub queue: &'s mut [usize],
    /// As long as [`Scratch::pairs`] says, and `false`.
    pub seen: &'s mut [bool],
}

impl Scratch<'_> {
    /// How long the two slices must be.
    #[must_use]
    pub const fn pairs(old: &Contract<'_>, new: &Contract<'_>) -> usize {
        old.structs.len() * new.structs.len() + old.enums.len() * new.enums.len()
    }
}

/// Compares two versions, writes what breaks peers into `found`, as much as has a place there, and returns how much it is.
pub const fn compare<'a>(
    old: &'a Contract<'a>,
    new: &'a Contract<'a>,
    scratch: &mut Scratch<'_>,
    found: &mut [Option<Breaking<'a>>],
) -> usize {
    let mut comparison = Comparison { old, new, seen: scratch.seen, queue: scratch.queue, queued: 0, found, total: 0 };
    comparison.run();
    comparison.total
}

struct Comparison<'a, 's> {
    old: &'a Contract<'a>,
    new: &'a Contract<'a>,
    /// The pairs that were met.
    seen: &'s mut [bool],
    /// The pairs that were met, in that order.
    queue: &'s mut [usize],
    queued: usize,
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
        while at < self.queued {
            self.pair(self.queue[at]);
            at += 1;
        }
    }

    const fn service(&mut self, old: &'a Service<'a>) {
        let Some(new) = find_service(self.new, old.name) else {
            self.push(Rule::ServiceRemoved, Item::Service(old.name), Side::Absent, Side::Absent);
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
                None => self.push(Rule::FunctionRemoved, Item::Function(was.name), Side::Absent, Side::Absent),
            }
            at += 1;
        }
        // Only streams have paths.
        if streams && !same(self.old.package, self.new.package) {
            let (old, new) = (Side::Word(self.old.package), Side::Word(self.new.package));
            self.push(Rule::PackageChanged, Item::Package, old, new);
        }
    }

    const fn function(&mut self, old: &'a Function<'a>, new: &'a Function<'a>) {
        let item = Item::Function(old.name);
        if old.mode as u8 != new.mode as u8 {
            return self.push(
                Rule::ModeChanged,
                item,
                Side::Word(mode_word(old.mode)),
                Side::Word(mode_word(new.mode)),
            );
        }
        if old.oneway != new.oneway {
            return self.push(Rule::OnewayChanged, item, answer(old.oneway), answer(new.oneway));
        }
        if old.mode.is_streaming() {
            // The message travels by itself, so the id of the argument does not.
            let (was, is) = (&self.old.fields[old.arguments.start], &self.new.fields[new.arguments.start]);
            self.ty(was.ty, is.ty, Rule::TypeChanged, Item::Argument(old.name, was));
        } else {
            self.fields(old.arguments, new.arguments, Owner::Function(old.name));
            self.exceptions(old, new);
        }
        let item = Item::Result(old.name);
        match (old.result, new.result) {
            (None, None) => {}
            (Some(was), Some(is)) => self.ty(was, is, Rule::ResultChanged, item),
            (Some(was), None) => self.push(Rule::ResultChanged, item, Side::Type(self.old, was), Side::Word("void")),
            (None, Some(is)) => self.push(Rule::ResultChanged, item, Side::Word("void"), Side::Type(self.new, is)),
        }
    }

    const fn exceptions(&mut self, old: &'a Function<'a>, new: &'a Function<'a>) {
        let mut at = old.throws.start;
        while at < old.throws.end {
            let was = &self.old.fields[at];
            let item = Item::Exception(old.name, was);
            match find_id(self.new, new.throws, was.id) {
                Some(is) => self.ty(was.ty, is.ty, Rule::TypeChanged, item),
                None => self.push(Rule::ExceptionRemoved, item, Side::Type(self.old, was.ty), Side::Absent),
            }
            at += 1;
        }
        at = new.throws.start;
        while at < new.throws.end && new.result.is_none() {
            let is = &self.new.fields[at];
            if find_id(self.old, old.throws, is.id).is_none() {
                let item = Item::Exception(old.name, is);
                self.push(Rule::ExceptionAdded, item, Side::Absent, Side::Type(self.new, is.ty));
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
        if was != is {
            let item = Item::Struct(old.name);
            return self.push(Rule::KindChanged, item, Side::Word(keyword(old.kind)), Side::Word(keyword(new.kind)));
        }
        self.fields(old.fields, new.fields, if was { Owner::Union(old.name) } else { Owner::Struct(old.name) });
    }

    const fn fields(&mut self, old: Slice, new: Slice, owner: Owner<'a>) {
        let mut at = old.start;
        while at < old.end {
            let was = &self.old.fields[at];
            match find_id(self.new, new, was.id) {
                Some(is) => self.field(was, is, owner),
                None => self.removed(was, new, owner),
            }
            at += 1;
        }
        at = new.start;
        while at < new.end {
            let is = &self.new.fields[at];
            let required = matches!(is.requiredness, Requiredness::Required);
            if required && find_id(self.old, old, is.id).is_none() {
                self.push(Rule::RequiredAdded, owner.item(is), Side::Absent, Side::Word("required"));
            }
            at += 1;
        }
    }

    const fn removed(&mut self, was: &'a Field<'a>, new: Slice, owner: Owner<'a>) {
        if let Some(moved) = find_name(self.new, new, was.name) {
            let (old, new) = (Side::Number(was.id as i32), Side::Number(moved.id as i32));
            self.push(Rule::IdChanged, owner.item(was), old, new);
        } else if matches!(owner, Owner::Union(_)) {
            self.push(Rule::VariantRemoved, owner.item(was), Side::Type(self.old, was.ty), Side::Absent);
        } else if matches!(was.requiredness, Requiredness::Required) {
            self.push(Rule::RequiredRemoved, owner.item(was), Side::Word("required"), Side::Absent);
        }
    }

    const fn field(&mut self, old: &'a Field<'a>, new: &'a Field<'a>, owner: Owner<'a>) {
        let (was, is) =
            (matches!(old.requiredness, Requiredness::Required), matches!(new.requiredness, Requiredness::Required));
        if was != is {
            let (was, is) = (Side::Word(word(old.requiredness)), Side::Word(word(new.requiredness)));
            self.push(Rule::RequirednessChanged, owner.item(old), was, is);
        }
        self.ty(old.ty, new.ty, Rule::TypeChanged, owner.item(old));
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
                    self.push(Rule::ValueRenumbered, item, Side::Number(was.value), Side::Number(is.value));
                }
                other += 1;
            }
            at += 1;
        }
    }

    const fn ty(&mut self, old: Type, new: Type, rule: Rule, item: Item<'a>) {
        if !self.fits(old, new) {
            self.push(rule, item, Side::Type(self.old, old), Side::Type(self.new, new));
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
                self.enqueue(old * self.new.structs.len() + new);
                true
            }
            (Type::Enum(old), Type::Enum(new)) => {
                let structs = self.old.structs.len() * self.new.structs.len();
                self.enqueue(structs + old * self.new.enums.len() + new);
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

    const fn enqueue(&mut self, pair: usize) {
        if !self.seen[pair] {
            self.seen[pair] = true;
            self.queue[self.queued] = pair;
            self.queued += 1;
        }
    }

    const fn push(&mut self, rule: Rule, item: Item<'a>, old: Side<'a>, new: Side<'a>) {
        if self.total < self.found.len() {
            self.found[self.total] = Some(Breaking { rule, item, old, new });
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
