//! Graphs as TensorFlow's `GraphDef`, which TensorBoard draws with collapsible scopes.

use std::collections::HashSet;

use nasprof_graph::{Graph, Shape, key};
use nasprof_onnx::protobuf::Message;

/// The graph; node names keep their scopes, attributes are those of LUT keys, and edges carry output shapes.
pub(super) fn graph_def(graph: &Graph) -> Message {
    let names = names(graph);
    let mut message = Message::new();
    for (node, name) in graph.nodes().iter().zip(&names) {
        let mut definition = Message::new().bytes(1, name).bytes(2, node.op.name());
        for input in &node.inputs {
            definition = definition.bytes(3, &names[input.0]);
        }
        let attributes = key::attributes(&node.op);
        if !attributes.is_empty() {
            definition = attribute(definition, "attributes", &Message::new().bytes(2, attributes));
        }
        let shapes = Message::new().message(7, &shape(&node.shape));
        definition = attribute(definition, "_output_shapes", &Message::new().message(1, &shapes));
        message = message.message(1, &definition);
    }
    message.message(4, &Message::new().int(1, PRODUCER))
}

/// A `GraphDef` version of TensorFlow 2.
const PRODUCER: i64 = 987;

fn attribute(node: Message, name: &str, value: &Message) -> Message {
    node.message(5, &Message::new().bytes(1, name).message(2, value))
}

fn shape(shape: &Shape) -> Message {
    shape.0.iter().fold(Message::new(), |message, &size| message.message(2, &Message::new().int(1, size as i64)))
}

/// Names in the characters that TensorFlow allows, still unique.
fn names(graph: &Graph) -> Vec<String> {
    let mut taken = HashSet::new();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-/".contains(c) { c } else { '_' };
    let unique = |node: &nasprof_graph::Node| {
        let name: String = node.name.chars().map(allowed).collect();
        let mut candidate = name.clone();
        let mut number = 2;
        while !taken.insert(candidate.clone()) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        candidate
    };
    graph.nodes().iter().map(unique).collect()
}

#[cfg(test)]
mod tests {
    use nasprof_graph::{GraphBuilder, Op};

    use super::*;

    #[test]
    fn names_stay_apart_in_the_allowed_characters() {
        let mut b = GraphBuilder::new();
        let x = b.input("a b", [1, 3, 8, 8]).unwrap();
        let y = b.add("a_b", Op::Relu, &[x]).unwrap();
        let z = b.add("a<b", Op::Relu, &[y]).unwrap();
        assert_eq!(names(&b.build(&[z]).unwrap()), ["a_b", "a_b_2", "a_b_3"]);
    }
}
