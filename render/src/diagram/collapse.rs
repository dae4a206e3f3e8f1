//! Collapses scopes to single boxes, so that large graphs stay legible.

use std::collections::HashMap;

use nasprof_base::text::count;
use nasprof_graph::{Graph, Op};

use super::State;
use super::state::selected;

/// Most boxes before scopes collapse.
const MAX_BOXES: usize = 60;

/// A box of the picture: a node, or all nodes of a scope.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: String,
    /// Lines in the box.
    pub(super) lines: Vec<String>,
    pub(super) state: State,
    /// Style of the box: an operation's kind or `scope`.
    pub(super) kind: &'static str,
    /// Shape of its output.
    pub(super) shape: String,
}

/// A graph of boxes; every edge goes from a lower to a higher index.
#[derive(Debug)]
pub(super) struct Collapsed {
    pub(super) groups: Vec<Group>,
    pub(super) edges: Vec<Edge>,
}

/// A connection between boxes.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether it is part of the network.
    pub(super) active: bool,
}

/// Collapses as few scopes as needed to keep the number of boxes within the limit.
pub(super) fn collapse(graph: &Graph, states: &[State], selection: &[u16]) -> Collapsed {
    let deepest = graph.nodes().iter().map(|n| n.name.split('/').count()).max().unwrap_or(1);
    // The finest grouping that is small enough, else the coarsest.
    let grouping = (1..=deepest)
        .rev()
        .map(|depth| membership(graph, depth))
        .find(|(_, groups)| *groups <= MAX_BOXES)
        .unwrap_or_else(|| membership(graph, 1));
    boxes(graph, states, selection, &grouping.0, grouping.1)
}

/// The box of each node when scopes are cut at a depth. A scope is cut into runs of consecutive nodes, so that edges
/// between boxes cannot form a cycle.
fn membership(graph: &Graph, depth: usize) -> (Vec<usize>, usize) {
    let scope = |name: &str| name.split('/').take(depth).collect::<Vec<_>>().join("/");
    let mut groups = 0;
    let mut before: Option<String> = None;
    let member = |node: &nasprof_graph::Node| {
        let own = scope(&node.name);
        if before.as_ref() != Some(&own) {
            groups += 1;
            before = Some(own);
        }
        groups - 1
    };
    let members: Vec<usize> = graph.nodes().iter().map(member).collect();
    (members, groups)
}

fn boxes(graph: &Graph, states: &[State], selection: &[u16], members: &[usize], count: usize) -> Collapsed {
    let mut nodes: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (i, &group) in members.iter().enumerate() {
        nodes[group].push(i);
    }
    let mut edges: Vec<Edge> = Vec::new();
    let mut known: HashMap<(usize, usize), usize> = HashMap::new();
    let choices = graph.choices();
    for (i, node) in graph.nodes().iter().enumerate() {
        let chosen = match &node.op {
            Op::Choice { choice, .. } => choices.iter().position(|c| c.name == *choice).and_then(|p| selection.get(p)),
            _ => None,
        };
        for (position, id) in node.inputs.iter().enumerate() {
            let (from, to) = (members[id.0], members[i]);
            let active = states[i] != State::Pruned
                && states[id.0] != State::Pruned
                && chosen.is_none_or(|&index| usize::from(index) == position);
            if from == to {
                continue;
            }
            match known.get(&(from, to)) {
                Some(&edge) => edges[edge].active |= active,
                None => {
                    known.insert((from, to), edges.len());
                    edges.push(Edge { from, to, active });
                }
            }
        }
    }
    let groups = nodes.iter().map(|nodes| group(graph, states, selection, nodes)).collect();
    Collapsed { groups, edges }
}

fn group(graph: &Graph, states: &[State], selection: &[u16], nodes: &[usize]) -> Group {
    let last = &graph.nodes()[nodes[nodes.len() - 1]];
    let state = nodes.iter().map(|&i| states[i]).min().unwrap_or(State::Runs);
    let shape = last.shape.without_batch().replace('x', "×");
    let chosen = |i: &usize| match &graph.nodes()[*i].op {
        Op::Choice { choice, candidates } => {
            selected(graph, choice, selection).and_then(|index| candidates.get(index)).cloned()
        }
        _ => None,
    };
    if let [only] = nodes {
        let attributes = nasprof_graph::key::attributes(&last.op);
        let leaf = last.name.rsplit('/').next().unwrap_or(&last.name);
        let mut lines = vec![leaf.to_owned()];
        let what = describe(&last.op, last.shape.channels());
        if leaf != what {
            lines.push(what);
        }
        lines.extend(chosen(only));
        let title = format!("{}\n{}({attributes})\noutput {shape}", last.name, last.op.name());
        return Group { title, lines, state, kind: kind(&last.op), shape };
    }
    let scope = common_scope(graph, nodes);
    let number = |wanted: State| nodes.iter().filter(|&&i| states[i] == wanted).count();
    let (runs, pruned) = (number(State::Runs), number(State::Pruned));
    let mut lines = vec![scope.clone()];
    // A single choice is named; many choices are counted.
    let choices: Vec<String> = nodes.iter().filter_map(chosen).collect();
    match &choices[..] {
        [only] => lines.push(only.clone()),
        [] => {}
        many => lines.push(count(many.len(), "choice")),
    }
    lines.push(if pruned == 0 { count(nodes.len(), "node") } else { format!("{runs} of {} nodes run", nodes.len()) });
    let title = format!("{scope}\n{}: {runs} run, {pruned} pruned\noutput {shape}", count(nodes.len(), "node"));
    Group { title, lines, state, kind: "scope", shape }
}

/// An operation in a few words.
fn describe(op: &Op, channels: usize) -> String {
    let mut words = vec![op.name().replace('_', " ")];
    if let Op::Conv { kernel, stride, groups, dilation, .. } = op {
        words.push(format!("{}×{}", kernel[0], kernel[1]));
        if *groups > 1 {
            words.push(if *groups == channels { "depthwise".to_owned() } else { format!("in {groups} groups") });
        }
        if *dilation != [1, 1] {
            words.push(format!("dilated {}", dilation[0]));
        }
        if *stride != [1, 1] {
            words.push(format!("/{}", stride[0]));
        }
    } else if let Op::MaxPool { kernel, stride, .. } | Op::AvgPool { kernel, stride, .. } = op {
        words.push(format!("{}×{} /{}", kernel[0], kernel[1], stride[0]));
    }
    words.join(" ")
}

/// The longest scope that all nodes share.
fn common_scope(graph: &Graph, nodes: &[usize]) -> String {
    let first: Vec<&str> = graph.nodes()[nodes[0]].name.split('/').collect();
    let shared = |depth: usize| {
        nodes.iter().all(|&i| graph.nodes()[i].name.split('/').take(depth).eq(first.iter().take(depth).copied()))
    };
    let depth = (1..first.len()).rev().find(|&d| shared(d)).unwrap_or(1);
    first[..depth].join("/")
}

/// The style of an operation: as in the reference, choices, merges and zeros stand out.
pub(super) fn kind(op: &Op) -> &'static str {
    match op {
        Op::Choice { .. } => "choice",
        Op::Add | Op::Mul | Op::Concat { .. } | Op::MatMul => "merge",
        Op::Zero { .. } | Op::Zeros { .. } => "zero",
        Op::Input { .. } => "input",
        op if op.has_parameters() => "weights",
        _ => "plain",
    }
}

#[cfg(test)]
mod tests {
    use nasprof_spaces::Space;

    use super::*;

    #[test]
    fn large_graphs_become_few_boxes_without_cycles() {
        for name in nasprof_spaces::builtin_names() {
            let graph = Space::builtin(name).unwrap().graph;
            let states = vec![State::Runs; graph.nodes().len()];
            let collapsed = collapse(&graph, &states, &[]);
            assert!(collapsed.edges.iter().all(|e| e.from < e.to), "{name}");
            assert!(collapsed.groups.len() <= 200, "{name}: {} boxes", collapsed.groups.len());
        }
    }
}
