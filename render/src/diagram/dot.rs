//! Graphviz DOT output.

use nasprof_base::text::printable;
use nasprof_graph::Graph;

use super::State;
use super::collapse::kind;

/// A graph in Graphviz's language, in full detail: shapes on edges, and nodes that do not run drawn dashed. `states` has
/// one entry for each node.
#[must_use]
pub fn dot(graph: &Graph, states: &[State]) -> String {
    let mut text =
        String::from("digraph {\n  node [shape=box, style=filled, fillcolor=white, fontname=\"sans-serif\"];\n");
    for (i, (node, state)) in graph.nodes().iter().zip(states).enumerate() {
        let colour = match kind(&node.op) {
            "choice" => "lightskyblue",
            "merge" => "palegreen",
            "zero" => "lightcoral",
            "input" => "lightgray",
            _ => "white",
        };
        let style = match state {
            State::Runs => "filled",
            State::Elided => "filled,dashed",
            State::Pruned => "dotted",
        };
        let attributes = nasprof_graph::key::attributes(&node.op);
        let label = quoted(&format!("{}\n{}({attributes})", node.name, node.op.name()));
        text.push_str(&format!("  n{i} [label={label}, fillcolor={colour}, style=\"{style}\"];\n"));
    }
    for (i, (node, state)) in graph.nodes().iter().zip(states).enumerate() {
        for id in &node.inputs {
            let shape = quoted(&graph.node(*id).shape.without_batch());
            let off = *state == State::Pruned || states[id.0] == State::Pruned;
            let style = if off { ", style=dotted" } else { "" };
            text.push_str(&format!("  n{} -> n{i} [label={shape}{style}];\n", id.0));
        }
    }
    text.push_str("}\n");
    text
}

/// A string of the language: quotes and backslashes escaped, line ends as `\n`.
fn quoted(text: &str) -> String {
    let escaped = printable(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(quoted("a\"]; x\\"), "\"a\\\"]; x\\\\\"");
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
    }
}
