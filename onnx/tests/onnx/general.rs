//! Operations on any number of dimensions: they come back from ONNX as they went, with the shapes that ONNX infers.

use nasprof_graph::{Cell, Function, Graph, GraphBuilder, Op, PadMode, Reduction, Shape};
use nasprof_onnx::{Weights, read, write};
use nasprof_testkit::graphs::conv_nd;
use nasprof_testkit::python::on_models;

/// Infers the shape of each model's output without what the model says of it.
const INFER: &str = r#"
import json, sys, onnx
found = []
for path in sys.argv[1:]:
    model = onnx.load(path)
    del model.graph.value_info[:]
    output = model.graph.output[0]
    output.type.tensor_type.ClearField("shape")
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    found.append([d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim])
print(json.dumps(found))
"#;

/// Each operation with the shape of its operand.
fn operations() -> Vec<(Op, Vec<usize>)> {
    let image = || vec![1, 8, 11, 13];
    let convolution = |dimensions, transposed| conv_nd(6, dimensions, transposed);
    let pool = |kind, ceil, dilation| Op::PoolNd {
        kind,
        kernel: vec![3, 2],
        stride: vec![2, 2],
        pad: vec![1, 0],
        dilation: vec![dilation; 2],
        ceil,
        count_padding: kind == Reduction::Mean,
    };
    let reduce = |kind, axes: &[usize], keep| Op::Reduce { kind, axes: axes.to_vec(), keep };
    let mut all: Vec<(Op, Vec<usize>)> = Function::ALL
        .into_iter()
        .filter(|function| {
            function.arity() == 1 && !matches!(function, Function::ToFloat | Function::Mish | Function::Not)
        })
        .map(|function| (Op::elementwise(function), image()))
        .collect();
    for function in [Function::BroadcastAdd, Function::Sub, Function::BroadcastMul, Function::Div, Function::Pow] {
        all.push((Op::Elementwise { function, parameters: vec![0.75] }, image()));
    }
    all.extend([
        (Op::Elementwise { function: Function::Clamp, parameters: vec![-0.5, 0.25] }, image()),
        (reduce(Reduction::Mean, &[1], true), image()),
        (reduce(Reduction::Sum, &[1, 3], false), image()),
        (reduce(Reduction::Max, &[2], false), image()),
        (reduce(Reduction::Min, &[1, 2, 3], true), image()),
        (reduce(Reduction::Prod, &[1], true), image()),
        (reduce(Reduction::L2, &[2, 3], true), image()),
        (reduce(Reduction::LogSumExp, &[1], true), image()),
        (Op::Transpose { order: vec![0, 2, 3, 1] }, image()),
        (Op::Reshape { rest: vec![4, 2, 143] }, image()),
        (Op::Slice { axis: 3, start: 1, end: 11, step: 3 }, image()),
        (Op::Gather { axis: 1, count: 11 }, image()),
        (Op::Expand { shape: [1, 8, 5, 13].into() }, vec![1, 8, 1, 13]),
        (convolution(1, false), vec![1, 8, 11]),
        (convolution(3, false), vec![1, 8, 11, 5, 7]),
        (convolution(1, true), vec![1, 8, 11]),
        (convolution(2, true), image()),
        (pool(Reduction::Max, true, 1), image()),
        (pool(Reduction::Max, false, 2), image()),
        (pool(Reduction::Mean, true, 1), image()),
        (Op::PadNd { pads: vec![[0, 0], [1, 2], [0, 0], [3, 0]], mode: PadMode::Constant }, image()),
        (Op::PadNd { pads: vec![[0, 0], [0, 0], [1, 2], [3, 0]], mode: PadMode::Reflect }, image()),
        (Op::LayerNorm { axis: 2, epsilon: 1e-3, bias: true }, image()),
        (Op::LayerNorm { axis: 3, epsilon: 1e-5, bias: false }, image()),
        (Op::GroupNorm { groups: 8, epsilon: 1e-3 }, image()),
        (Op::Recurrent { cell: Cell::Lstm, hidden: 3, bidirectional: false }, vec![1, 2, 5]),
        (Op::Recurrent { cell: Cell::Gru, hidden: 3, bidirectional: true }, vec![1, 2, 5]),
        (Op::Recurrent { cell: Cell::Rnn, hidden: 3, bidirectional: false }, vec![1, 2, 5]),
    ]);
    all
}

fn graph(op: &Op, shape: &[usize]) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", Shape(shape.to_vec())).unwrap();
    let y = b.add("y", op.clone(), &[x]).unwrap();
    let z = b.add("z", Op::Relu, &[y]).unwrap();
    b.build(&[z]).unwrap()
}

fn written(graph: &Graph) -> Vec<u8> {
    write(graph, "test", &Weights::Random { seed: 3 }, &[]).unwrap()
}

#[test]
fn general_operations_come_back_the_same() {
    for (op, shape) in operations() {
        let before = graph(&op, &shape);
        let after = read(&written(&before)).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        assert_eq!((before.cost(), before.data_shapes()), (after.cost(), after.data_shapes()), "{op:?}");
        let shape_of = |graph: &Graph| graph.node(graph.outputs()[0]).shape.clone();
        assert_eq!(shape_of(&before), shape_of(&after), "{op:?}");
        assert!(after.nodes().iter().any(|node| node.op == op), "{op:?} in {:?}", after.nodes());
    }
}

#[test]
fn shapes_are_those_that_onnx_infers() {
    let all = operations();
    let models: Vec<Vec<u8>> = all.iter().map(|(op, shape)| written(&graph(op, shape))).collect();
    let Some(output) = on_models(INFER, &models) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<Vec<usize>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found.len(), all.len());
    for ((op, shape), found) in all.iter().zip(found) {
        let graph = graph(op, shape);
        assert_eq!(graph.node(graph.outputs()[0]).shape.0, found, "{op:?} of {shape:?}");
    }
}
