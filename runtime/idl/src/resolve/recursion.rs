//! What is part of itself: fields that need a box, structs that no value can have, defaults that never end.

use crate::Options;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Program, Requiredness, Struct, StructId, Value};

use super::graph;
use super::types::MOST_NOTES;

/// Marks recursive fields, and reports what is infinite.
pub(super) fn check(program: &mut Program, options: &Options, diagnostics: &mut Diagnostics) {
    mark_recursive(program);
    let finite = finite_structs(program);
    warn_of_infinite_structs(program, &finite, diagnostics);
    for (item, finite) in program.structs.iter_mut().zip(finite) {
        item.infinite = !finite;
    }
    report_infinite_defaults(program, options, diagnostics);
}

/// The struct that a field has in itself, not in a container.
fn targets<'a>(program: &'a Program, item: &'a Struct) -> impl Iterator<Item = (usize, usize)> + 'a {
    let target = |(at, field)| program.as_struct(field).map(|id| (at, id.index()));
    item.fields.iter().map(|field| &field.ty).enumerate().filter_map(target)
}

fn mark_recursive(program: &mut Program) {
    let edges: Vec<Vec<usize>> =
        program.structs.iter().map(|item| targets(program, item).map(|(_, to)| to).collect()).collect();
    let component = graph::components(&edges);
    let mut recursive = Vec::new();
    for (from, item) in program.structs.iter().enumerate() {
        let inner = targets(program, item).filter(|(_, to)| component[*to] == component[from]);
        recursive.extend(inner.map(|(field, _)| (from, field)));
    }
    for (item, field) in recursive {
        program.structs[item].fields[field].recursive = true;
    }
}

/// Which structs can have a value that is not in itself for ever.
fn finite_structs(program: &Program) -> Vec<bool> {
    let count = program.structs.len();
    // How many structs each still waits for: all that a struct requires, one of those of a union.
    let mut waits = vec![0usize; count];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut ready = Vec::new();
    for (at, item) in program.structs.iter().enumerate() {
        let needed: Vec<usize> = targets(program, item)
            .filter(|(field, _)| item.is_union() || is_needed(&item.fields[*field]))
            .map(|(_, to)| to)
            .collect();
        let has_other = item.is_union() && (needed.len() < item.fields.len() || needed.is_empty());
        if needed.is_empty() || has_other {
            ready.push(at);
            continue;
        }
        waits[at] = if item.is_union() { 1 } else { needed.len() };
        needed.iter().for_each(|to| waiting[*to].push(at));
    }
    let mut finite = vec![false; count];
    while let Some(at) = ready.pop() {
        if std::mem::replace(&mut finite[at], true) {
            continue;
        }
        for other in &waiting[at] {
            waits[*other] = waits[*other].saturating_sub(1);
            if waits[*other] == 0 {
                ready.push(*other);
            }
        }
    }
    finite
}

/// Warns of structs that require themselves. All compilers take them, and no program can make them.
fn warn_of_infinite_structs(program: &Program, finite: &[bool], diagnostics: &mut Diagnostics) {
    let edges: Vec<Vec<usize>> = program
        .structs
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let needed = targets(program, item).filter(|(field, to)| {
                !finite[at] && !finite[*to] && (item.is_union() || is_needed(&item.fields[*field]))
            });
            needed.map(|(_, to)| to).collect()
        })
        .collect();
    for circle in graph::circles(&edges) {
        let way = graph::circle_through(&edges, circle[0], |at| circle.binary_search(&at).is_ok());
        let mut steps = way.iter().zip(way.iter().cycle().skip(1)).filter_map(|(from, to)| {
            let item = &program.structs[*from];
            let (field, _) = targets(program, item)
                .find(|(field, at)| at == to && (item.is_union() || is_needed(&item.fields[*field])))?;
            Some((item, &item.fields[field]))
        });
        let Some((item, field)) = steps.next() else { continue };
        let message = format!("no value of `{}` can exist: it would be in itself for ever", item.name);
        let mut diagnostic = Diagnostic::warning(field.span, message);
        for (_, field) in steps.take(MOST_NOTES) {
            diagnostic = diagnostic.note(field.span, "through this one");
        }
        diagnostics.push(diagnostic.help("make one of the fields `optional`, or a list"));
    }
}

/// Whether a value of the field's struct needs one of this field's type.
fn is_needed(field: &crate::model::Field) -> bool {
    field.requiredness == Requiredness::Required
}

/// Reports defaults that need themselves: a default struct has the defaults of its other fields in it.
fn report_infinite_defaults(program: &Program, options: &Options, diagnostics: &mut Diagnostics) {
    // The fields that put structs into a new value of their struct.
    let fills = |item: &Struct| -> Vec<usize> {
        let is_filled = |(at, field): (usize, &crate::model::Field)| {
            let by_default = field.default.as_ref().is_some_and(has_struct);
            // What cannot exist is warned of already.
            let needs = |id: StructId| is_needed(field) && !program[id].infinite;
            let by_need = field.default.is_none() && program.as_struct(&field.ty).is_some_and(needs);
            (by_default || by_need).then_some(at)
        };
        item.fields.iter().enumerate().filter_map(is_filled).collect()
    };
    let filled: Vec<Vec<usize>> = program.structs.iter().map(fills).collect();
    if filled.iter().all(Vec::is_empty) {
        return;
    }
    // A node for each such field.
    let mut nodes: Vec<(usize, usize)> = Vec::new();
    let mut first_node = Vec::with_capacity(filled.len());
    for (at, fields) in filled.iter().enumerate() {
        first_node.push(nodes.len());
        nodes.extend(fields.iter().map(|field| (at, *field)));
    }
    let mut left = options.max_values;
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(nodes.len());
    for (at, field) in &nodes {
        let field = &program.structs[*at].fields[*field];
        let mut to = Vec::new();
        let mut add = |id: StructId, given: &[(usize, Value)]| {
            for (position, other) in filled[id.index()].iter().enumerate() {
                let is_given = given.binary_search_by_key(other, |(index, _)| *index).is_ok();
                if !is_given && left > 0 {
                    left -= 1;
                    to.push(first_node[id.index()] + position);
                }
            }
        };
        match &field.default {
            Some(default) => visit_structs(default, &mut add),
            None => {
                if let Some(id) = program.as_struct(&field.ty) {
                    add(id, &[]);
                }
            }
        }
        edges.push(to);
    }
    if left == 0 {
        let message = format!("defaults put more than {} values into each other, the limit", options.max_values);
        diagnostics.push(Diagnostic::error(program.structs[0].name_span, message));
        return;
    }
    for circle in graph::circles(&edges) {
        let way = graph::circle_through(&edges, circle[0], |at| circle.binary_search(&at).is_ok());
        let place = |node: usize| {
            let (item, field) = nodes[node];
            &program.structs[item].fields[field]
        };
        let first = place(way[0]);
        let message = format!("the default of `{}` has itself in it for ever", first.name);
        let mut diagnostic = Diagnostic::error(first.span, message);
        for node in way.iter().skip(1).take(MOST_NOTES) {
            diagnostic = diagnostic.note(place(*node).span, "through this one");
        }
        diagnostics.push(diagnostic.help("remove one of the defaults"));
    }
}

fn has_struct(value: &Value) -> bool {
    let mut has = false;
    visit_structs(value, &mut |_, _| has = true);
    has
}

type Visit<'a> = dyn FnMut(StructId, &[(usize, Value)]) + 'a;

/// Calls `visit` for every struct in a value, with the fields that it gives.
fn visit_structs(value: &Value, visit: &mut Visit<'_>) {
    match value {
        Value::List(values) | Value::Set(values) => values.iter().for_each(|value| visit_structs(value, visit)),
        Value::Map(entries) => {
            for (key, value) in entries {
                visit_structs(key, visit);
                visit_structs(value, visit);
            }
        }
        Value::Struct(id, fields) => {
            visit(*id, fields);
            fields.iter().for_each(|(_, value)| visit_structs(value, visit));
        }
        _ => {}
    }
}
