//! Fields and values by name: a struct may have as many fields as its values have entries.

use std::collections::{HashMap, HashSet};

use crate::model::{EnumId, EnumValue, Program, StructId};

#[derive(Default)]
pub(super) struct Index<'a> {
    fields: HashMap<StructId, HashMap<&'a str, usize>>,
    values: HashMap<EnumId, HashMap<&'a str, &'a EnumValue>>,
    numbers: HashMap<EnumId, HashSet<i32>>,
}

impl<'a> Index<'a> {
    pub(super) fn field(&mut self, program: &'a Program, id: StructId, name: &str) -> Option<usize> {
        let by_name = || program[id].fields.iter().enumerate().map(|(at, field)| (field.name.as_str(), at)).collect();
        self.fields.entry(id).or_insert_with(by_name).get(name).copied()
    }

    pub(super) fn value_named(&mut self, program: &'a Program, id: EnumId, name: &str) -> Option<&'a EnumValue> {
        let by_name = || program[id].values.iter().map(|value| (value.name.as_str(), value)).collect();
        self.values.entry(id).or_insert_with(by_name).get(name).copied()
    }

    pub(super) fn has_number(&mut self, program: &'a Program, id: EnumId, number: i32) -> bool {
        let numbers = || program[id].values.iter().map(|value| value.value).collect();
        self.numbers.entry(id).or_insert_with(numbers).contains(&number)
    }
}
