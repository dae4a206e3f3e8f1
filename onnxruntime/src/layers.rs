//! Matches the nodes of an optimised model to layers. The runtime must have optimised the network as expected; otherwise
//! times would be assigned to layers that did not run.

use std::collections::HashMap;

use nasprof_graph::{Activation, Graph, Node, Op};
use nasprof_onnx::layer_of;
use nasprof_onnx::optimized::OptimizedNode;

/// For each node of the optimised model, by its name: the index of its layer among the graph's layers.
///
/// # Errors
/// If the runtime fused the network differently than expected: the node, and the expectation.
pub(crate) fn match_layers(graph: &Graph, nodes: &[OptimizedNode]) -> Result<HashMap<String, usize>, String> {
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut copies: HashMap<(bool, &str), usize> = HashMap::new();
    let layers: Vec<&Node> = graph.layers().map(|(_, node)| node).collect();
    for (place, node) in layers.iter().enumerate() {
        if let Op::Reorder { to_blocks, .. } = node.op {
            copies.insert((to_blocks, graph.node(node.inputs[0]).name.as_str()), place);
        } else {
            by_name.insert(node.name.as_str(), place);
        }
    }
    let mut matched: HashMap<String, usize> = HashMap::new();
    let mut found: Vec<Vec<&OptimizedNode>> = vec![Vec::new(); layers.len()];
    for node in nodes {
        let place = match node.operator.as_str() {
            "ReorderInput" => copies.get(&(true, node.inputs.first().map_or("", |input| layer_of(input)))),
            "ReorderOutput" => copies.get(&(false, node.outputs.first().map_or("", |output| layer_of(output)))),
            _ => candidates(node).find_map(|name| by_name.get(name)),
        };
        let Some(&place) = place else {
            return Err(format!("ONNX Runtime runs `{}` ({}), which was not expected", node.name, signature(node)));
        };
        found[place].push(node);
        matched.insert(node.name.clone(), place);
    }
    if matched.len() != nodes.len() {
        return Err("ONNX Runtime has two nodes of one name".to_owned());
    }
    for (layer, found) in layers.iter().zip(found) {
        let expected = expected(&layer.op);
        let fits = match (&expected, &found[..]) {
            (_, []) => false,
            (Some(expected), [one]) => signature(one) == *expected,
            (Some(_), _) => false,
            // A layer that is exported as several operators may remain several kernels.
            (None, _) => true,
        };
        if !fits {
            let found: Vec<String> = found.iter().map(|node| signature(node)).collect();
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            let expected = expected.unwrap_or_else(|| layer.op.name().to_owned());
            return Err(format!("ONNX Runtime runs {found} for `{}`, where {expected} was expected", layer.name));
        }
    }
    Ok(matched)
}

/// Possible names of a node's layer, the likeliest first.
fn candidates(node: &OptimizedNode) -> impl Iterator<Item = &str> {
    let output = node.outputs.first().map_or("", String::as_str);
    let name = without_number(&node.name);
    let blocked = name.strip_suffix("_nchwc").unwrap_or(name);
    // A batch normalisation in blocks becomes a depthwise convolution and gets a second suffix.
    let norm = blocked.strip_suffix("_bn").unwrap_or(blocked);
    [output, blocked, norm, &node.name]
        .into_iter()
        .flat_map(|name| [name, layer_of(name), name.rsplit_once('/').map_or(name, |(parent, _)| parent)])
}

/// A name without the number that the runtime adds if the name is taken.
fn without_number(name: &str) -> &str {
    match name.rsplit_once("_token_") {
        Some((stem, number)) if number.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
}

/// Signature of a node: its operator, the operators fused into it, and whether it works in blocks.
fn signature(node: &OptimizedNode) -> String {
    let operator = match node.operator.as_str() {
        "FusedConv" => "Conv",
        "FusedGemm" => "Gemm",
        other => other,
    };
    let mut text = operator.to_owned();
    if operator == "Conv" && node.inputs.get(3).is_some_and(|input| !input.is_empty()) {
        text.push_str("+Add");
    }
    if let Some(activation) = node.text("activation") {
        text.push('+');
        text.push_str(activation);
    }
    if node.is_blocked() {
        text.push_str(" in blocks");
    }
    text
}

/// Signature of a layer's only node; `None` if the layer may be several nodes.
fn expected(op: &Op) -> Option<String> {
    let (core, sum, activation, block) = match op {
        Op::Kernel { op, sum, activation, block } => (op.as_ref(), *sum, activation.as_deref(), *block),
        Op::Reorder { to_blocks, .. } => {
            return Some(format!("{} in blocks", if *to_blocks { "ReorderInput" } else { "ReorderOutput" }));
        }
        op => (op, false, None, 0),
    };
    let simple = match core {
        Op::Conv { activation: Some(Activation::Relu), .. } => Some(&Op::Relu),
        Op::Conv { activation: Some(Activation::Relu6), .. } => Some(&Op::Relu6),
        _ => None,
    };
    let activation = activation.or(simple);
    let operator = match core {
        // In blocks, a batch normalisation is a depthwise convolution.
        Op::BatchNorm { .. } if block > 0 => "Conv",
        Op::Conv { .. } => "Conv",
        Op::MaxPool { .. } => "MaxPool",
        Op::AvgPool { .. } => "AveragePool",
        Op::GlobalAvgPool => "GlobalAveragePool",
        _ => return None,
    };
    let mut text = operator.to_owned();
    if sum {
        text.push_str("+Add");
    }
    if let Some(activation) = activation {
        text.push('+');
        text.push_str(activation_name(activation));
    }
    if block > 0 {
        text.push_str(" in blocks");
    }
    Some(text)
}

fn activation_name(op: &Op) -> &'static str {
    match op {
        Op::Relu => "Relu",
        Op::Relu6 => "Clip",
        Op::LeakyRelu { .. } => "LeakyRelu",
        Op::Hsigmoid => "HardSigmoid",
        Op::Hswish => "HardSwish",
        Op::Sigmoid => "Sigmoid",
        _ => "Tanh",
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::GraphBuilder;
    use nasprof_graph::runtime::Runtime;

    use super::*;

    /// A convolution with activation in blocks, and a copy behind it.
    fn graph() -> Graph {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 3, 8, 8]).unwrap();
        let y = b.add("conv", Op::conv(16, 3, 1, 1).with_bias(), &[x]).unwrap();
        let y = b.add("relu", Op::Relu, &[y]).unwrap();
        Runtime::OnnxRuntimeNchw16c.lower(&b.build(&[y]).unwrap())
    }

    fn nodes() -> Vec<OptimizedNode> {
        let conv = OptimizedNode {
            name: "conv_nchwc_token_7".to_owned(),
            operator: "Conv".to_owned(),
            domain: "com.microsoft.nchwc".to_owned(),
            inputs: ["x", "w", "b"].map(str::to_owned).to_vec(),
            outputs: vec!["reorder_token_0".to_owned()],
            texts: vec![("activation".to_owned(), "Relu".to_owned())],
            ..OptimizedNode::default()
        };
        let copy = OptimizedNode {
            name: "ReorderOutput".to_owned(),
            operator: "ReorderOutput".to_owned(),
            domain: conv.domain.clone(),
            inputs: conv.outputs.clone(),
            outputs: vec!["conv".to_owned()],
            ..OptimizedNode::default()
        };
        vec![conv, copy]
    }

    #[test]
    fn nodes_are_found_by_what_they_give() {
        let found = match_layers(&graph(), &nodes()).unwrap();
        assert_eq!(found, HashMap::from([("conv_nchwc_token_7".to_owned(), 0), ("ReorderOutput".to_owned(), 1)]));
    }

    /// Times are never listed under a layer that did not run so.
    #[test]
    fn what_comes_out_otherwise_is_refused() {
        let changed = |change: &dyn Fn(&mut Vec<OptimizedNode>)| {
            let mut nodes = nodes();
            change(&mut nodes);
            match_layers(&graph(), &nodes).unwrap_err()
        };
        let plain = changed(&|nodes| nodes[0].domain.clear());
        assert_eq!(plain, "ONNX Runtime runs Conv+Relu for `conv`, where Conv+Relu in blocks was expected");
        assert!(changed(&|nodes| nodes[0].texts.clear()).contains("runs Conv in blocks for"));
        assert!(changed(&|nodes| nodes[0].inputs.push("other".to_owned())).contains("Conv+Add+Relu"));
        assert!(changed(&|nodes| drop(nodes.pop())).contains("runs nothing for `conv/from_blocks`"));
        assert!(changed(&|nodes| nodes[1].outputs[0] = "elsewhere".to_owned()).contains("not expected"));
        let twice = changed(&|nodes| {
            let node = nodes[0].clone();
            nodes.push(node);
        });
        assert!(twice.contains("two nodes of one name"), "{twice}");
    }
}
