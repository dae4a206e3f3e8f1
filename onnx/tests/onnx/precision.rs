//! Models in 16-bit floats and in 8-bit integers, judged by ONNX's own checker.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, Op};
use nasprof_onnx::{Floats, OnnxError, Weights, write, write_in};
use nasprof_spaces::{Space, builtin_names};
use nasprof_testkit::python::on_models;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Checks models, and prints of each the types of its inputs, its outputs and what it stores, what its convolutions and sums read
/// and give, and its metadata.
const CHECK: &str = r#"
import json, sys, onnx
found = []
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    graph = model.graph
    gives = {output: node.op_type for node in graph.node for output in node.output}
    reads = {}
    for node in graph.node:
        for value in node.input:
            reads.setdefault(value, set()).add(node.op_type)
    kernels = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "Add", "Concat", "MaxPool")]
    found.append({
        "inputs": [v.type.tensor_type.elem_type for v in graph.input],
        "outputs": [v.type.tensor_type.elem_type for v in graph.output],
        "stored": sorted({t.data_type for t in graph.initializer}),
        "read": sorted({gives.get(value, "stored") for node in kernels for value in node.input}),
        "given": sorted({kind for node in kernels for value in node.output for kind in reads.get(value, {"nothing"})}),
        "metadata": {p.key: p.value for p in model.metadata_props},
    })
print(json.dumps(found))
"#;

const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT8: i64 = 3;
const INT32: i64 = 6;
const FLOAT16: i64 = 10;

fn model(graph: &Graph, floats: Floats) -> Vec<u8> {
    write_in(graph, "test", &Weights::Random { seed: 3 }, &[], floats).unwrap()
}

/// What the checker finds in models; `None` where it is missing.
fn checked(models: &[Vec<u8>]) -> Option<Vec<Value>> {
    let output = on_models(CHECK, models)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// One network of each shipped space whose weights are few.
fn networks(runtime: Runtime) -> Vec<Graph> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let network = |name| {
        let space = Space::builtin(name).unwrap();
        runtime.subnet(&space.graph, &space.sample(&mut rng)).unwrap().into_graph()
    };
    builtin_names().map(network).filter(|network| network.cost().params < 5_000_000).collect()
}

#[test]
fn models_in_16_bit_floats_hold_nothing_else() {
    let graphs = networks(Runtime::TorchEager);
    let Some(found) = checked(&graphs.iter().map(|graph| model(graph, Floats::Half)).collect::<Vec<_>>()) else {
        return;
    };
    assert!(found.len() > 8);
    for found in found {
        for part in ["inputs", "outputs", "stored"] {
            assert_eq!(found[part], serde_json::json!([FLOAT16]), "{part}");
        }
        assert!(found["metadata"].as_object().unwrap().is_empty());
    }
    // The control: without a word a model is in 32 bits.
    let Some(found) = checked(&[model(&graphs[0], Floats::Single)]) else { return };
    assert_eq!(found[0]["stored"], serde_json::json!([FLOAT]));
}

#[test]
fn models_in_8_bit_integers_convert_on_all_sides_and_say_what_they_are_for() {
    let graphs = networks(Runtime::OnnxRuntimeInt8);
    let Some(found) = checked(&graphs.iter().map(|graph| model(graph, Floats::Single)).collect::<Vec<_>>()) else {
        return;
    };
    for (found, graph) in found.iter().zip(&graphs) {
        // Scales are floats, weights 8-bit integers, biases 32-bit ones, zero points of values unsigned.
        assert_eq!(found["stored"], serde_json::json!([FLOAT, UINT8, INT8, INT32]));
        assert_eq!([&found["inputs"], &found["outputs"]], [&serde_json::json!([FLOAT]); 2]);
        assert_eq!(found["read"], serde_json::json!(["DequantizeLinear"]), "{:?}", graph.nodes().first());
        assert_eq!(found["given"], serde_json::json!(["QuantizeLinear"]));
        assert!(found["metadata"]["nasprof.int8"].as_str().unwrap().starts_with("for timing only"));
    }
    // The control: the same networks in floats.
    let Some(found) = checked(&[model(&networks(Runtime::TorchEager)[0], Floats::Single)]) else { return };
    assert!(!found[0]["read"].as_array().unwrap().contains(&"DequantizeLinear".into()));
    assert!(found[0]["metadata"].as_object().unwrap().is_empty());
}

/// A layer alone reads integers and gives them.
#[test]
fn a_layer_in_8_bit_integers_has_inputs_of_integers() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let quantized = |op| Op::Quantized { op: Box::new(op), activation: None, channels_last: true };
    let y = b.add("conv", quantized(Op::conv(8, 3, 1, 1).with_bias()), &[x]).unwrap();
    let conv = b.build(&[y]).unwrap();
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let y = b.add("copy", quantized(Op::ChannelsLast { to: true }), &[x]).unwrap();
    let copy = b.build(&[y]).unwrap();
    let Some(found) = checked(&[conv, copy].map(|graph| model(&graph, Floats::Single))) else { return };
    for found in found {
        assert_eq!([&found["inputs"], &found["outputs"]], [&serde_json::json!([UINT8]); 2]);
    }
}

#[test]
fn what_reads_floats_as_integers_is_named() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let y = b.add("relu", Op::Relu, &[x]).unwrap();
    let z = b.add("float", Op::Dequantize, &[y]).unwrap();
    let error = write(&b.build(&[z]).unwrap(), "test", &Weights::Random { seed: 0 }, &[]).unwrap_err();
    assert_eq!(error, OnnxError::NoIntegers { value: "relu".to_owned() });
}
