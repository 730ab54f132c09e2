//! Which changes of an interface break its peers.
//!
//! A change breaks peers if a client or server built before it and one built after it, in any combination, would refuse,
//! lose or misread what the other sends. Names of structs, fields and arguments do not travel, so they may change; what is
//! new may be added, as long as nobody must send it.
//!
//! ```
//! use thrill_idl::breaking::{Rule, breaking};
//! use thrill_idl::{Options, load_str};
//!
//! let load = |text: &str| load_str("user.thrift", text, &Options::default()).program;
//! let old = load("struct User { 1: string name, 2: i32 age } service Users { User me() }");
//! let new = load("struct User { 1: string nick, 2: i64 age, 3: bool admin } service Users { User me() }");
//!
//! let found = breaking(&old, &new);
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].rule, Rule::TypeChanged);
//! assert_eq!(found[0].to_string(), "type-changed: field 2 of `User`, `age`, was `i32` and is `i64`");
//! ```
//!
//! Everything below [`breaking`] is `const`: `#[thrill::service(locked = "…")]` runs the same comparison while it compiles.

mod compare;
mod contract;
mod lower;
mod report;
#[cfg(test)]
mod tests;

use std::fmt;

pub use compare::{Scratch, compare, same};
pub use contract::{Contract, Enum, EnumValue, Field, Function, NOWHERE, Service, Slice, Struct, Type};
pub use lower::Tables;
pub use report::{Report, Text};

use crate::diagnostic::snippet;
use crate::model::{ItemId, Program};
use crate::source::{Location, Sources};
use crate::span::Span;

/// The changes between two versions of a file that break peers. What the files include counts, too.
///
/// Services are those of the two files themselves. Types are compared where a service reaches them, and those of the two
/// files also by their names, since services of other files may send them.
#[must_use]
pub fn breaking(old: &Program, new: &Program) -> Vec<Change> {
    let (old_tables, new_tables) = (Tables::of(old), Tables::of(new));
    let (old_contract, new_contract) = (old_tables.contract(), new_tables.contract());
    let structs = old.structs.len() * new.structs.len();
    found(&old_contract, &new_contract, &mut |scratch| {
        for item in &old.root().items {
            match *item {
                ItemId::Struct(id) => {
                    if let Some(same) = new.find_struct(new.root().id, &old[id].name) {
                        scratch.add_structs(id.index(), same.index(), &new_contract);
                    }
                }
                ItemId::Enum(id) => {
                    if let Some(same) = new.find_enum(new.root().id, &old[id].name) {
                        scratch.add_enums(id.index(), same.index(), &new_contract, structs);
                    }
                }
                ItemId::Const(_) | ItemId::Typedef(_) | ItemId::Service(_) => {}
            }
        }
    })
}

/// The changes between two contracts that break peers. Types are compared where a service reaches them.
#[must_use]
pub fn changes(old: &Contract<'_>, new: &Contract<'_>) -> Vec<Change> {
    found(old, new, &mut |_| {})
}

/// What is found, with the pairs that are asked for.
fn found(old: &Contract<'_>, new: &Contract<'_>, ask: &mut dyn FnMut(&mut Scratch<'_>)) -> Vec<Change> {
    let pairs = Scratch::pairs(old, new);
    let mut found = Vec::new();
    loop {
        let mut scratch = Scratch { queue: &mut vec![0; pairs], queued: 0, seen: &mut vec![false; pairs] };
        ask(&mut scratch);
        let total = compare(old, new, &mut scratch, &mut found);
        if total <= found.len() {
            return found.iter().flatten().map(|found: &Breaking<'_>| found.into()).collect();
        }
        // The first run only counts.
        found = vec![None; total];
    }
}

/// A change that breaks peers, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The rule.
    pub rule: Rule,
    /// What changed, from what to what.
    pub text: String,
    /// Where it was, in the old files; of what is new, where that belongs.
    pub old: Span,
    /// Where it is, in the new files; of what is gone, where that belonged.
    pub new: Span,
}

impl Change {
    /// `file:line:column: rule: text`, the line of the new file with a caret, that of the old one, and what to do; without a
    /// line break at its end.
    #[must_use]
    pub fn render(&self, old: &Sources, new: &Sources) -> String {
        let mut text = match new.locate(self.new) {
            Some(Location { path, line, column }) => format!("{}:{line}:{column}: {self}", path.display()),
            None => self.to_string(),
        };
        snippet(&mut text, new, self.new, "");
        snippet(&mut text, old, self.old, "it was here");
        text.push_str("\n   = help: ");
        text.push_str(self.rule.help());
        text
    }
}

impl From<&Breaking<'_>> for Change {
    fn from(found: &Breaking<'_>) -> Self {
        let mut text = vec![0; found.text(&mut [])];
        found.text(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        Self { rule: found.rule, text, old: found.old_span, new: found.new_span }
    }
}

/// The rule's name and the text, in one line.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.name(), self.text)
    }
}

/// A change that breaks peers, without a heap.
#[derive(Clone, Copy, Debug)]
pub struct Breaking<'a> {
    /// The rule.
    pub rule: Rule,
    /// What changed.
    pub item: Item<'a>,
    /// What it was.
    pub old: Side<'a>,
    /// What it is.
    pub new: Side<'a>,
    /// Where it was; of what is new, where that belongs.
    pub old_span: Span,
    /// Where it is; of what is gone, where that belonged.
    pub new_span: Span,
}

/// What a [`Breaking`] change is about, by its old name where it has one.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// The package in the paths of streams.
    Package,
    /// A service.
    Service(&'a str),
    /// A function.
    Function(&'a str),
    /// The result of a function.
    Result(&'a str),
    /// An argument of a function.
    Argument(&'a str, &'a Field<'a>),
    /// A declared exception of a function.
    Exception(&'a str, &'a Field<'a>),
    /// A struct, union or exception.
    Struct(&'a str),
    /// A field of a struct.
    Field(&'a str, &'a Field<'a>),
    /// A value of an enum.
    Value(&'a str, &'a str),
}

/// One side of a [`Breaking`] change.
#[derive(Clone, Copy, Debug)]
pub enum Side<'a> {
    /// It is not there.
    Absent,
    /// A word of the IDL: a mode, a requiredness.
    Word(&'a str),
    /// A type of a contract.
    Type(&'a Contract<'a>, Type),
    /// An id, or an enum's number.
    Number(i32),
}

/// Why a change breaks peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The package in the paths of streams is another.
    PackageChanged,
    /// A service is gone.
    ServiceRemoved,
    /// A function is gone.
    FunctionRemoved,
    /// A function has another `streaming.mode`.
    ModeChanged,
    /// A function became `oneway`, or no longer is.
    OnewayChanged,
    /// A function's result is of another type, came or went.
    ResultChanged,
    /// A declared exception is gone.
    ExceptionRemoved,
    /// A function without result declares an exception more: peers that do not know it take it for success.
    ExceptionAdded,
    /// What has one id is of another type.
    TypeChanged,
    /// A field has another id.
    IdChanged,
    /// A field that is new is required.
    RequiredAdded,
    /// A field that was required is gone.
    RequiredRemoved,
    /// A field became required, or no longer is.
    RequirednessChanged,
    /// A struct became a union, or a union a struct.
    KindChanged,
    /// A field of a union is gone.
    VariantRemoved,
    /// A value of an enum has another number.
    ValueRenumbered,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 16] = [
        Self::PackageChanged,
        Self::ServiceRemoved,
        Self::FunctionRemoved,
        Self::ModeChanged,
        Self::OnewayChanged,
        Self::ResultChanged,
        Self::ExceptionRemoved,
        Self::ExceptionAdded,
        Self::TypeChanged,
        Self::IdChanged,
        Self::RequiredAdded,
        Self::RequiredRemoved,
        Self::RequirednessChanged,
        Self::KindChanged,
        Self::VariantRemoved,
        Self::ValueRenumbered,
    ];

    /// The name by which messages call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PackageChanged => "package-changed",
            Self::ServiceRemoved => "service-removed",
            Self::FunctionRemoved => "function-removed",
            Self::ModeChanged => "mode-changed",
            Self::OnewayChanged => "oneway-changed",
            Self::ResultChanged => "result-changed",
            Self::ExceptionRemoved => "exception-removed",
            Self::ExceptionAdded => "exception-added",
            Self::TypeChanged => "type-changed",
            Self::IdChanged => "id-changed",
            Self::RequiredAdded => "required-added",
            Self::RequiredRemoved => "required-removed",
            Self::RequirednessChanged => "requiredness-changed",
            Self::KindChanged => "kind-changed",
            Self::VariantRemoved => "variant-removed",
            Self::ValueRenumbered => "value-renumbered",
        }
    }

    /// What to do instead.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::PackageChanged => "keep the last part of the namespace",
            Self::ServiceRemoved => "keep the service, under its name on the wire",
            Self::FunctionRemoved => "keep the method, under its name on the wire",
            Self::ModeChanged | Self::OnewayChanged | Self::ResultChanged => {
                "keep it, and add a method of another name"
            }
            Self::ExceptionRemoved => "keep the exception declared, even if it is never thrown",
            Self::ExceptionAdded => "add a method of another name that returns a value",
            Self::TypeChanged => "keep its type, and add a field with a new id",
            Self::IdChanged => "give it back its id",
            Self::RequiredAdded => "make the new field optional",
            Self::RequiredRemoved => "keep the field",
            Self::RequirednessChanged => "leave it as it was",
            Self::KindChanged => "keep its kind, and add a type of another name",
            Self::VariantRemoved => "keep the variant, even if it is never sent",
            Self::ValueRenumbered => "give it back its number",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
