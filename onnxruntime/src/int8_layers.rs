//! Matches the nodes of an optimised model in 8-bit integers to layers. The runtime renames fused nodes, so nodes are
//! identified by their inputs. The model must be the expected graph, node by node; otherwise times would be assigned to
//! layers that did not run.

use std::collections::{HashMap, HashSet};

use nasprof_graph::{Graph, Node, Op};
use nasprof_onnx::optimized::{OptimizedModel, OptimizedNode};

/// For each node of the optimised model, by its name: the index of its layer among the graph's layers.
///
/// # Errors
/// If the runtime's model differs from the graph: the first node that differs.
pub(crate) fn match_layers(graph: &Graph, model: &OptimizedModel) -> Result<HashMap<String, usize>, String> {
    let stored: HashSet<&str> = model.stored.iter().map(|(name, _)| name.as_str()).collect();
    let layers: Vec<(usize, &Node)> = graph.layers().map(|(id, node)| (id.0, node)).collect();
    let same = equal_values(graph);
    // For each value of the model, by name: the graph's node that computes it.
    let mut values: HashMap<&str, usize> = HashMap::new();
    for (i, node) in graph.nodes().iter().enumerate().filter(|(_, node)| matches!(node.op, Op::Input { .. })) {
        values.insert(&node.name, i);
    }
    let mut matched: HashMap<String, usize> = HashMap::new();
    let mut taken = vec![false; layers.len()];
    for node in &model.nodes {
        let runs = signature(node);
        let read: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
        let read: Vec<&str> = read.into_iter().filter(|input| !input.is_empty() && !stored.contains(input)).collect();
        let operands: Option<Vec<usize>> = read.iter().map(|input| values.get(input).copied()).collect();
        let fits = |&(place, (_, layer)): &(usize, &(usize, &Node))| {
            // Stored inputs are not values of the model.
            let read = layer.inputs.iter().filter(|id| !graph.node(**id).op.is_stored()).map(|id| same[id.0]);
            let reads = read.eq(operands.iter().flatten().copied());
            !taken[place] && reads && expected(&layer.op).as_ref() == Some(&runs)
        };
        let candidates: Vec<(usize, &(usize, &Node))> = layers.iter().enumerate().filter(fits).collect();
        // Layers with the same inputs are distinguished by the scale of their output, which is unique.
        let own = |(_, (_, layer)): &&(usize, &(usize, &Node))| {
            let scale = format!("{}/scale", layer.name);
            node.inputs.contains(&scale)
        };
        let Some(&(place, &(value, _))) = candidates.iter().find(own).or(candidates.first()) else {
            let names = operands.iter().flatten().map(|&operand| graph.nodes()[operand].name.as_str());
            let names: Vec<&str> = names.collect();
            return Err(format!("ONNX Runtime runs {runs} on `{}`, which was not expected", names.join("`, `")));
        };
        taken[place] = true;
        if let Some(output) = node.outputs.first() {
            values.insert(output, same[value]);
        }
        if matched.insert(node.name.clone(), place).is_some() {
            return Err("ONNX Runtime has two nodes of one name".to_owned());
        }
    }
    if let Some(place) = taken.iter().position(|taken| !taken) {
        let (_, layer) = layers[place];
        let expected = expected(&layer.op).unwrap_or_else(|| layer.op.name().to_owned());
        return Err(format!("ONNX Runtime runs nothing for `{}`, where {expected} was expected", layer.name));
    }
    Ok(matched)
}

/// For each node, the first node with the same value: the graph may repeat a conversion for each of its readers.
fn equal_values(graph: &Graph) -> Vec<usize> {
    let mut same: Vec<usize> = Vec::with_capacity(graph.nodes().len());
    let mut conversions: HashMap<usize, usize> = HashMap::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        same.push(match node.op {
            Op::Dequantize => *conversions.entry(same[node.inputs[0].0]).or_insert(i),
            _ => i,
        });
    }
    same
}

/// Signature of a copy between the layouts.
fn copy(to: bool) -> String {
    format!("Transpose {} NHWC", if to { "to" } else { "from" })
}

/// Signature of a node: its operator, and whether it works pixel by pixel (NHWC).
fn signature(node: &OptimizedNode) -> String {
    let number = |name: &str| node.numbers.iter().find(|(known, _)| known == name).map(|(_, values)| &values[..]);
    match node.operator.as_str() {
        "Transpose" if number("perm") == Some(&[0, 2, 3, 1]) => copy(true),
        "Transpose" if number("perm") == Some(&[0, 3, 1, 2]) => copy(false),
        "NhwcMaxPool" => "MaxPool in NHWC".to_owned(),
        operator if number("channels_last") == Some(&[1]) => format!("{operator} in NHWC"),
        operator => operator.to_owned(),
    }
}

/// Signature of a layer's node; `None` if the layer is not known to be a single node.
fn expected(op: &Op) -> Option<String> {
    let name = match op {
        Op::Quantized { op, channels_last, .. } => {
            let name = match **op {
                Op::Conv { .. } => "QLinearConv",
                Op::Linear { .. } => "QGemm",
                Op::Add => "QLinearAdd",
                Op::Mul => "QLinearMul",
                Op::Concat { .. } => "QLinearConcat",
                Op::AvgPool { .. } => "QLinearAveragePool",
                Op::GlobalAvgPool => "QLinearGlobalAveragePool",
                Op::Sigmoid => "QLinearSigmoid",
                Op::LeakyRelu { .. } => "QLinearLeakyRelu",
                Op::Softmax { .. } => "QLinearSoftmax",
                Op::MaxPool { .. } => "MaxPool",
                Op::Flatten => "Flatten",
                Op::Crop { .. } => "Slice",
                Op::ChannelsLast { to } => return Some(copy(to)),
                _ => return None,
            };
            let has_layout =
                matches!(**op, Op::Conv { .. } | Op::AvgPool { .. } | Op::GlobalAvgPool | Op::MaxPool { .. });
            return Some(format!("{name}{}", if has_layout && *channels_last { " in NHWC" } else { "" }));
        }
        Op::ChannelsLast { to } => return Some(copy(*to)),
        Op::Quantize { .. } => "QuantizeLinear",
        Op::Dequantize => "DequantizeLinear",
        Op::BatchNorm { .. } => "BatchNormalization",
        Op::Hsigmoid => "HardSigmoid",
        Op::Tanh => "Tanh",
        Op::Mul => "Mul",
        Op::Pad { .. } => "Pad",
        Op::Resize { .. } => "Resize",
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use nasprof_graph::GraphBuilder;
    use nasprof_graph::runtime::Runtime;

    use super::*;

    /// Two convolutions of one operand, and their sum.
    fn graph() -> Graph {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 16, 8, 8]).unwrap();
        let conv = Op::conv(16, 3, 1, 1).with_bias();
        let left = b.add("left", conv.clone(), &[x]).unwrap();
        let right = b.add("right", conv, &[x]).unwrap();
        let sum = b.add("sum", Op::Add, &[left, right]).unwrap();
        Runtime::OnnxRuntimeInt8.lower(&b.build(&[sum]).unwrap())
    }

    fn node(operator: &str, inputs: &[&str], output: &str, numbers: &[(&str, &[i64])]) -> OptimizedNode {
        OptimizedNode {
            name: format!("{operator}_{output}"),
            operator: operator.to_owned(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![output.to_owned()],
            numbers: numbers.iter().map(|&(name, values)| (name.to_owned(), values.to_vec())).collect(),
            ..OptimizedNode::default()
        }
    }

    fn model() -> OptimizedModel {
        let last: &[(&str, &[i64])] = &[("channels_last", &[1])];
        let nodes = vec![
            node("QuantizeLinear", &["x", "s", "z"], "q", &[]),
            node("Transpose", &["q"], "t", &[("perm", &[0, 2, 3, 1])]),
            // The runtime may run the second first.
            node("QLinearConv", &["t", "s", "z", "w", "right/scale"], "1", last),
            node("QLinearConv", &["t", "s", "z", "w", "left/scale"], "2", last),
            node("QLinearAdd", &["2", "s", "z", "1", "s", "z"], "3", &[]),
            node("Transpose", &["3"], "4", &[("perm", &[0, 3, 1, 2])]),
            node("DequantizeLinear", &["4", "s", "z"], "5", &[]),
        ];
        let stored = ["s", "z", "w", "left/scale", "right/scale"].map(|name| (name.to_owned(), Vec::new()));
        OptimizedModel { nodes, stored: stored.to_vec() }
    }

    #[test]
    fn nodes_are_found_by_what_they_read_and_give() {
        let graph = graph();
        let names: Vec<&str> = graph.layers().map(|(_, node)| node.name.as_str()).collect();
        let found = match_layers(&graph, &model()).unwrap();
        assert_eq!(found.len(), names.len());
        assert_eq!(names[found["QLinearConv_1"]], "right");
        assert_eq!(names[found["QLinearConv_2"]], "left");
        assert_eq!(names[found["QLinearAdd_3"]], "sum");
    }

    /// Times are never listed under a layer that did not run so.
    #[test]
    fn what_comes_out_otherwise_is_refused() {
        let changed = |change: &dyn Fn(&mut Vec<OptimizedNode>)| {
            let mut model = model();
            change(&mut model.nodes);
            match_layers(&graph(), &model).unwrap_err()
        };
        let plain = changed(&|nodes| nodes[2].numbers.clear());
        assert_eq!(plain, "ONNX Runtime runs QLinearConv on `x/quantize/to_channels_last`, which was not expected");
        assert!(changed(&|nodes| nodes[4].operator = "Add".to_owned()).contains("runs Add on `left`, `right`"));
        assert!(changed(&|nodes| nodes[5].numbers[0].1 = vec![0, 1, 2, 3]).contains("runs Transpose on `sum`"));
        assert!(changed(&|nodes| drop(nodes.pop())).contains("runs nothing for `sum/dequantize5`"));
        assert!(changed(&|nodes| nodes[4].inputs[3] = "elsewhere".to_owned()).contains("not expected"));
        let twice = changed(&|nodes| nodes[3].name = nodes[2].name.clone());
        assert!(twice.contains("two nodes of one name"), "{twice}");
    }
}
