//! Graphs that come from outside: each fault is one error, never a panic.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, Op};
use proptest::prelude::*;
use serde_json::{Value, json};

fn node(name: &str, op: Value, inputs: &[usize], shape: &[usize]) -> Value {
    json!({ "name": name, "op": op, "inputs": inputs, "shape": shape })
}

fn input(name: &str, shape: &[usize]) -> Value {
    node(name, json!({ "type": "input", "shape": shape }), &[], shape)
}

fn check(nodes: &[Value], outputs: &[usize]) -> Result<Graph, String> {
    let graph: Graph = serde_json::from_value(json!({ "nodes": nodes, "outputs": outputs })).unwrap();
    graph.checked().map_err(|e| e.to_string())
}

fn refused(nodes: &[Value], outputs: &[usize], message: &str) {
    assert_eq!(check(nodes, outputs).unwrap_err(), message);
}

#[test]
fn a_built_graph_survives_the_round_trip() {
    let mut b = GraphBuilder::new();
    let x = b.input("in", [1, 3, 8, 8]).unwrap();
    let y = b.add("conv", Op::conv(4, 3, 1, 1), &[x]).unwrap();
    let z = b.add("zero", Op::Zero { stride: [1, 1] }, &[y]).unwrap();
    let y = b.choice("choice", vec![("conv".to_owned(), y), ("zero".to_owned(), z)]).unwrap();
    let graph = b.build(&[y]).unwrap();
    let text = serde_json::to_string(&graph).unwrap();
    let read: Graph = serde_json::from_str(&text).unwrap();
    assert_eq!(read.checked().unwrap(), graph);
}

#[test]
fn references_must_point_backwards() {
    let x = input("x", &[1, 8]);
    let relu = |inputs: &[usize]| node("y", json!({ "type": "relu" }), inputs, &[1, 8]);
    let message = |i: usize| {
        format!(
            "node `y` (relu): input {i} does not come before the node: the graph has a cycle or a dangling reference"
        )
    };
    assert!(check(&[x.clone(), relu(&[0])], &[1]).is_ok());
    for late in [1, 2, 99, usize::MAX] {
        refused(&[x.clone(), relu(&[late])], &[1], &message(late));
    }
    assert!(check(&[x], &[7]).unwrap_err().starts_with("node `output` (output): input 7 does not come before"));
}

#[test]
fn names_shapes_and_counts_must_be_right() {
    let x = input("x", &[1, 8]);
    let relu = |name: &str, inputs: &[usize], shape: &[usize]| node(name, json!({ "type": "relu" }), inputs, shape);
    refused(&[x.clone(), relu("x", &[0], &[1, 8])], &[1], "node `x` (relu): duplicate name");
    refused(&[x.clone(), relu("y", &[0], &[1, 9])], &[1], "node `y` (relu): shapes (1, 8) and (1, 9) do not match");
    refused(&[x.clone(), relu("y", &[0, 0], &[1, 8])], &[1], "node `y` (relu): takes 1 inputs, got 2");
    refused(&[x.clone(), relu("y", &[], &[1, 8])], &[1], "node `y` (relu): takes 1 inputs, got 0");
    let matmul = node("y", json!({ "type": "mat_mul" }), &[0], &[1, 8]);
    refused(&[x.clone(), matmul], &[1], "node `y` (matmul): takes 2 inputs, got 1");
    refused(&[input("x", &[0, 8])], &[0], "node `x` (input): a tensor of shape (0, 8) has no elements");
    let huge = [1, 1 << 40];
    refused(
        &[input("x", &huge)],
        &[0],
        "node `x` (input): a tensor of shape (1, 1099511627776) is too large (limit 2^36 elements)",
    );
}

#[test]
fn choices_must_offer_something_consistent() {
    let choice = |name: &str, candidates: &[&str], inputs: &[usize]| {
        node(name, json!({ "type": "choice", "choice": "c", "candidates": candidates }), inputs, &[1, 8])
    };
    let x = input("x", &[1, 8]);
    let fails = |nodes: &[Value], problem: &str| {
        let message = check(nodes, &[nodes.len() - 1]).unwrap_err();
        assert!(message.contains(problem), "{message}");
    };
    fails(&[x.clone(), choice("y", &[], &[])], "takes 1 or more inputs, got 0");
    fails(&[x.clone(), choice("y", &["a", "b"], &[0])], "2 candidate names for 1 inputs");
    fails(&[x.clone(), choice("y", &["a", "a"], &[0, 0])], "candidate `a` is listed twice");
    fails(
        &[x.clone(), input("z", &[1, 9]), choice("y", &["a", "b"], &[0, 1])],
        "candidate `a` gives (1, 8), candidate `b` gives (1, 9)",
    );
    fails(
        &[x.clone(), choice("y", &["a", "b"], &[0, 0]), choice("z", &["a", "c"], &[0, 1])],
        "two nodes of this name have different candidates",
    );
    let many: Vec<String> = (0..70_000).map(|i| i.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    fails(&[x, choice("y", &many, &vec![0; many.len()])], "70000 candidates (limit 65535)");
}

#[test]
fn shared_parameters_must_be_of_one_kind() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 8, 4, 4]).unwrap();
    let mut small_and_large = |name: &str, kernel: usize| {
        b.scope(name, |b| {
            b.sharing("shared", |b| b.scope("inner", |b| b.add("conv", Op::conv(8, kernel, 1, kernel / 2), &[x])))
        })
    };
    let (small, large) = (small_and_large("a", 3).unwrap(), small_and_large("b", 5).unwrap());
    let sum = b.add("sum", Op::Add, &[small, large]).unwrap();
    let graph = b.build(&[sum]).unwrap();
    assert_eq!(graph.node(small).name, "a/inner/conv");
    assert_eq!(graph.node(small).parameter_path(), "shared/inner/conv");
    assert_eq!(graph.node(sum).parameters, None);
    // The larger ones only; both are computed.
    assert_eq!(graph.cost().params, 8 * 8 * 25);
    assert_eq!(graph.cost().macs, 16 * 8 * 8 * (25 + 9));
    let read: Graph = serde_json::from_str(&serde_json::to_string(&graph).unwrap()).unwrap();
    assert_eq!(read.checked().unwrap(), graph);

    let mut norm = node("norm", json!({ "type": "batch_norm", "epsilon": 0.0 }), &[0], &[1, 8]);
    norm["parameters"] = json!("linear");
    let linear = node("linear", json!({ "type": "linear", "out_features": 8, "bias": true }), &[0], &[1, 8]);
    refused(
        &[input("x", &[1, 8]), linear, norm],
        &[2],
        "node `norm` (batch_norm): the parameters `linear` already belong to a linear",
    );
}

/// Operations with attributes from zero to the largest number a file can hold.
fn any_op() -> impl Strategy<Value = Value> {
    let size = prop_oneof![0_usize..4, Just(1 << 20), Just(usize::MAX / 2), Just(usize::MAX)];
    let pair = [size.clone(), size.clone()];
    let number = prop_oneof![Just(-1.0), Just(0.0), Just(0.5), Just(1e300)];
    let name = prop::sample::select(vec![
        "relu",
        "global_avg_pool",
        "flatten",
        "mat_mul",
        "add",
        "mul",
        "identity",
        "hswish",
        "softmax",
        "concat",
        "crop",
        "pad",
        "resize",
        "conv",
        "linear",
        "max_pool",
        "avg_pool",
        "zero",
        "batch_norm",
        "dropout",
        "drop_path",
        "custom",
        "choice",
    ]);
    (name, size.clone(), pair.clone(), pair.clone(), pair.clone(), pair, size, number, any::<bool>()).prop_map(
        |(name, n, kernel, stride, pad, dilation, groups, number, flag)| {
            json!({
                "type": name, "axis": n, "top": n, "left": n, "padding": [n, n, n, n], "size": kernel,
                "mode": "nearest", "kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation,
                "out_channels": n, "groups": groups, "bias": flag, "out_features": n, "count_padding": flag,
                "epsilon": number, "probability": number, "kind": "nobody", "attributes": {}, "choice": "c",
                "candidates": ["a", "b"],
            })
        },
    )
}

fn any_shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![0_usize..5, Just(1 << 30), Just(usize::MAX)], 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn no_operation_panics_on_any_shape(
        op in any_op(),
        first in any_shape(),
        second in any_shape(),
        operands in 0_usize..3,
        claimed in any_shape(),
    ) {
        let operands: Vec<usize> = (0..operands).collect();
        let nodes = [input("a", &first), input("b", &second), node("y", op, &operands, &claimed)];
        let _ = check(&nodes, &[2]);
        // The right shape instead of the claimed one, so that what follows a good graph runs as well.
        if let Ok(graph) = serde_json::from_value::<Graph>(json!({ "nodes": nodes[..2], "outputs": [0] }))
            && graph.clone().checked().is_ok()
        {
            let mut b = GraphBuilder::new();
            let a = b.input("a", nasprof_graph::Shape(first)).unwrap();
            let c = b.input("b", nasprof_graph::Shape(second)).unwrap();
            let op: Op = serde_json::from_value(nodes[2]["op"].clone()).unwrap();
            if let Ok(y) = b.add("y", op, &[a, c][..operands.len()]) {
                let graph = b.build(&[y]).unwrap();
                let _ = graph.cost().arithmetic_intensity();
                let _ = graph.peak_activation_bytes();
                let _ = graph.with_batch(3);
                for runtime in [Runtime::TorchEager, Runtime::OnnxRuntime] {
                    let lowered = runtime.lower(&graph);
                    prop_assert_eq!(runtime.lower(&lowered), lowered);
                }
                let text = serde_json::to_string(&graph).unwrap();
                let read: Graph = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(read.checked().unwrap(), graph);
            }
        }
    }
}
