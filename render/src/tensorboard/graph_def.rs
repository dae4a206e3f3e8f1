//! Graphs as TensorFlow's `GraphDef`, which TensorBoard draws with collapsible scopes.

use std::collections::{BTreeMap, HashSet};

use nasprof_graph::{Graph, Node, Shape, key};

use super::schema::{AttrValue, Dim, GraphDef, ListValue, NodeDef, TensorShapeProto, VersionDef};

/// The graph; node names keep their scopes, attributes are those of LUT keys, and edges carry output shapes.
pub(super) fn graph_def(graph: &Graph) -> GraphDef {
    let names = names(graph);
    let node = |(node, name): (&Node, &String)| {
        let shapes = ListValue { shape: vec![shape(&node.shape)] };
        let shapes = AttrValue { list: Some(shapes), s: None };
        let mut attr = BTreeMap::from([("_output_shapes".to_owned(), shapes)]);
        let attributes = key::attributes(&node.op);
        if !attributes.is_empty() {
            attr.insert("attributes".to_owned(), AttrValue { list: None, s: Some(attributes.into_bytes()) });
        }
        let input = node.inputs.iter().map(|input| names[input.0].clone()).collect();
        NodeDef { name: name.clone(), op: node.op.name().to_owned(), input, attr }
    };
    GraphDef {
        node: graph.nodes().iter().zip(&names).map(node).collect(),
        versions: Some(VersionDef { producer: PRODUCER }),
    }
}

/// A `GraphDef` version of TensorFlow 2.
const PRODUCER: i32 = 987;

fn shape(shape: &Shape) -> TensorShapeProto {
    TensorShapeProto { dim: shape.0.iter().map(|&size| Dim { size: size as i64 }).collect() }
}

/// Names in the characters that TensorFlow allows, still unique.
fn names(graph: &Graph) -> Vec<String> {
    let mut taken = HashSet::new();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-/".contains(c) { c } else { '_' };
    let unique = |node: &Node| {
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
