//! Strongly connected components: what is part of itself.

use std::collections::{HashMap, VecDeque};

/// The component of each node of a graph, as a number. Nodes of one component reach each other.
///
/// Tarjan's algorithm with its stack on the heap: a graph may be as deep as a file is long.
pub(super) fn components(edges: &[Vec<usize>]) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let mut order = vec![NEW; edges.len()];
    let mut low = vec![0; edges.len()];
    let mut component = vec![NEW; edges.len()];
    let mut found = 0;
    let mut visited = 0;
    // Nodes whose component is not known yet.
    let mut open: Vec<usize> = Vec::new();
    // The way from the first node, each with how many of its edges were followed.
    let mut way: Vec<(usize, usize)> = Vec::new();
    for root in 0..edges.len() {
        if order[root] != NEW {
            continue;
        }
        way.push((root, 0));
        while let Some((node, followed)) = way.last_mut() {
            let node = *node;
            if *followed == 0 {
                order[node] = visited;
                low[node] = visited;
                visited += 1;
                open.push(node);
            }
            if let Some(next) = edges[node].get(*followed) {
                *followed += 1;
                if order[*next] == NEW {
                    way.push((*next, 0));
                } else if component[*next] == NEW {
                    low[node] = low[node].min(order[*next]);
                }
                continue;
            }
            way.pop();
            if let Some((parent, _)) = way.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == order[node] {
                while let Some(member) = open.pop() {
                    component[member] = found;
                    if member == node {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    component
}

/// Nodes that are on a circle, grouped by component, each group and the groups in order.
pub(super) fn circles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let component = components(edges);
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (node, component) in component.iter().enumerate() {
        groups[*component].push(node);
    }
    groups.retain(|group| match group[..] {
        [] => false,
        [node] => edges[node].contains(&node),
        _ => true,
    });
    groups.sort_unstable();
    groups
}

/// A way from a node back to itself, within the nodes that `within` allows.
pub(super) fn circle_through(edges: &[Vec<usize>], node: usize, within: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut from: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([node]);
    while let Some(at) = queue.pop_front() {
        for next in &edges[at] {
            if *next == node {
                let mut way = vec![at];
                while let Some(before) = way.last().filter(|last| **last != node).and_then(|last| from.get(last)) {
                    way.push(*before);
                }
                way.reverse();
                return way;
            }
            if within(*next) && !from.contains_key(next) {
                from.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    vec![node]
}

#[cfg(test)]
mod tests {
    use super::{circle_through, circles, components};

    #[test]
    fn nodes_that_reach_each_other_are_one_component() {
        let edges = [vec![1], vec![2], vec![0, 3], vec![], vec![4]];
        let found = components(&edges);
        assert!(found[0] == found[1] && found[1] == found[2] && found[2] != found[3] && found[3] != found[4]);
        assert_eq!(circles(&edges), [vec![0, 1, 2], vec![4]]);
        assert_eq!(circle_through(&edges, 1, |_| true), [1, 2, 0]);
        assert_eq!(circle_through(&edges, 4, |_| true), [4]);
    }

    #[test]
    fn a_graph_may_be_deep() {
        let edges: Vec<Vec<usize>> = (0..200_000).map(|node| vec![(node + 1) % 200_000]).collect();
        assert_eq!(circles(&edges).len(), 1);
    }
}
