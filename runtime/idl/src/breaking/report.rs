//! Changes as text, also in constant evaluation, where there is no heap and no formatting.

use super::compare::{Scratch, compare};
use super::contract::{Contract, Type};
use super::{Breaking, Item, Side};

/// Text in a slice of bytes: what has no place there is counted, not kept.
#[derive(Debug)]
pub struct Text<'b> {
    bytes: &'b mut [u8],
    len: usize,
}

impl<'b> Text<'b> {
    /// Begins at the start of a slice.
    pub const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    const fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() {
            if self.len < self.bytes.len() {
                self.bytes[self.len] = text[at];
            }
            self.len += 1;
            at += 1;
        }
    }

    const fn push_number(&mut self, number: i64) {
        if number < 0 {
            self.push("-");
        }
        let mut digits = [0; 20];
        let mut rest = number.unsigned_abs();
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let (_, digits) = digits.split_at(at);
        if let Ok(digits) = std::str::from_utf8(digits) {
            self.push(digits);
        }
    }

    const fn push_quoted(&mut self, text: &str) {
        self.push("`");
        self.push(text);
        self.push("`");
    }

    const fn push_type(&mut self, contract: &Contract<'_>, ty: Type) {
        match ty {
            Type::Bool => self.push("bool"),
            Type::I8 => self.push("i8"),
            Type::I16 => self.push("i16"),
            Type::I32 => self.push("i32"),
            Type::I64 => self.push("i64"),
            Type::Double => self.push("double"),
            Type::String => self.push("string"),
            Type::Binary => self.push("binary"),
            Type::Uuid => self.push("uuid"),
            Type::List(element) => {
                self.push("list<");
                self.push_type(contract, contract.types[element]);
                self.push(">");
            }
            Type::Set(element) => {
                self.push("set<");
                self.push_type(contract, contract.types[element]);
                self.push(">");
            }
            Type::Map(key, value) => {
                self.push("map<");
                self.push_type(contract, contract.types[key]);
                self.push(", ");
                self.push_type(contract, contract.types[value]);
                self.push(">");
            }
            Type::Struct(at) => self.push(contract.structs[at].name),
            Type::Enum(at) => self.push(contract.enums[at].name),
            Type::Erroneous => self.push("?"),
        }
    }

    const fn push_item(&mut self, item: Item<'_>) {
        let (what, of, field) = match item {
            Item::Package => return self.push("the package"),
            Item::Service(name) => ("service ", name, None),
            Item::Function(name) => ("method ", name, None),
            Item::Result(name) => ("the result of ", name, None),
            Item::Struct(name) => ("", name, None),
            Item::Argument(of, field) => ("argument ", of, Some(field)),
            Item::Exception(of, field) => ("exception ", of, Some(field)),
            Item::Field(of, field) => ("field ", of, Some(field)),
            Item::Value(of, name) => {
                self.push_quoted(name);
                self.push(" of ");
                return self.push_quoted(of);
            }
        };
        self.push(what);
        if let Some(field) = field {
            self.push_number(field.id as i64);
            self.push(" of ");
        }
        self.push_quoted(of);
        if let Some(field) = field {
            self.push(", ");
            self.push_quoted(field.name);
            self.push(",");
        }
    }

    const fn push_side(&mut self, side: Side<'_>) {
        match side {
            Side::Absent => self.push("nothing"),
            Side::Word(word) => self.push_quoted(word),
            Side::Number(number) => self.push_number(number as i64),
            Side::Type(contract, ty) => {
                self.push("`");
                self.push_type(contract, ty);
                self.push("`");
            }
        }
    }

    const fn push_breaking(&mut self, found: &Breaking<'_>) {
        self.push_item(found.item);
        match (found.old, found.new) {
            (_, Side::Absent) => self.push(" is gone"),
            (Side::Absent, new) => {
                self.push(" is new: ");
                self.push_side(new);
            }
            (old, new) => {
                self.push(" was ");
                self.push_side(old);
                self.push(" and is ");
                self.push_side(new);
            }
        }
    }
}

impl Breaking<'_> {
    /// Writes what changed, as far as it has a place, and returns its length.
    pub const fn text(&self, bytes: &mut [u8]) -> usize {
        let mut text = Text::new(bytes);
        text.push_breaking(self);
        text.len
    }
}

/// All changes that break peers, for a compiler's message.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What is told, the rest is counted.
    found: [Option<Breaking<'a>>; MOST],
    total: usize,
}

const MOST: usize = 50;

impl<'a> Report<'a> {
    /// Compares two versions.
    #[must_use]
    pub const fn new(old: &'a Contract<'a>, new: &'a Contract<'a>, scratch: &mut Scratch<'_>) -> Self {
        let mut found = [None; MOST];
        let total = compare(old, new, scratch, &mut found);
        Self { found, total }
    }

    /// Whether nothing breaks peers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Writes a line for each change between two others, as far as there is a place, and returns the length.
    pub const fn text(&self, before: &str, after: &str, bytes: &mut [u8]) -> usize {
        let mut text = Text::new(bytes);
        text.push(before);
        text.push("\n");
        let mut at = 0;
        while at < MOST {
            if let Some(found) = &self.found[at] {
                text.push("  ");
                text.push(found.rule.name());
                text.push(": ");
                text.push_breaking(found);
                text.push("\n    help: ");
                text.push(found.rule.help());
                text.push("\n");
            }
            at += 1;
        }
        if self.total > MOST {
            text.push("  and ");
            text.push_number((self.total - MOST) as i64);
            text.push(" more\n");
        }
        text.push(after);
        text.len
    }
}
