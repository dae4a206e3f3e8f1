//! Written models, judged by ONNX's own checker.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, Op};
use nasprof_onnx::{Weights, write};
use nasprof_spaces::{Space, builtin_names};
use nasprof_testkit::python::on_models;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Checks models, shapes and types included, and prints name, weights and metadata of each.
const CHECK: &str = r#"
import json, math, sys, onnx
found = []
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    stored = {t.name: math.prod(t.dims) for t in model.graph.initializer}
    statistics = sum(n for name, n in stored.items() if name.endswith(("/mean", "/variance")))
    found.append({"params": sum(stored.values()) - statistics, "statistics": statistics,
                  "metadata": {p.key: p.value for p in model.metadata_props},
                  "output": [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]})
print(json.dumps(found))
"#;

fn model(graph: &Graph) -> Vec<u8> {
    write(graph, "test", &Weights::Random { seed: 3 }, &[("seed", "3".to_owned())]).unwrap()
}

#[test]
fn the_checker_of_onnx_accepts_every_shipped_space() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut expected = Vec::new();
    for name in builtin_names() {
        let space = Space::builtin(name).unwrap();
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
        expected.push((name, graph));
    }
    let models: Vec<Vec<u8>> = expected.iter().map(|(_, graph)| model(graph)).collect();
    let Some(output) = on_models(CHECK, &models) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found.len(), expected.len());
    for ((name, graph), found) in expected.iter().zip(found) {
        let cost = graph.cost();
        assert_eq!(found["params"], cost.params, "{name}");
        assert_eq!(found["statistics"], cost.buffers, "{name}");
        assert_eq!(found["metadata"], serde_json::json!({"seed": "3"}));
        assert_eq!(found["output"], serde_json::json!(graph.node(graph.outputs()[0]).shape.0), "{name}");
    }
}

/// The control: the same checker finds what is wrong.
#[test]
fn the_checker_of_onnx_refuses_a_wrong_model() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let y = b.add("pool", Op::MaxPool { kernel: [3, 3], stride: [2, 2], pad: [1, 1] }, &[x]).unwrap();
    let bytes = model(&b.build(&[y]).unwrap());
    // The stride of the pool becomes another one: the shapes no longer agree.
    let strides = bytes.windows(7).position(|w| w == b"strides").unwrap() + 7;
    let two = bytes[strides..].iter().position(|&b| b == 2).unwrap() + strides;
    let mut wrong = bytes.clone();
    wrong[two] = 1;
    for (content, accepted) in [(bytes, true), (wrong, false)] {
        let Some(output) = on_models(CHECK, &[content]) else { return };
        assert_eq!(output.status.success(), accepted, "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn random_weights_depend_on_seed_and_name_only() {
    let with = |seed, name: &str| {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4, 8, 8]).unwrap();
        let y = b.add(name, Op::conv(4, 3, 1, 1), &[x]).unwrap();
        write(&b.build(&[y]).unwrap(), "test", &Weights::Random { seed }, &[]).unwrap()
    };
    assert_eq!(with(1, "a"), with(1, "a"));
    assert_ne!(with(1, "a"), with(2, "a"));
    assert_ne!(with(1, "a"), with(1, "b"));
}

#[test]
fn what_cannot_be_written_is_named() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let y = b.choice("which", vec![("only".to_owned(), x)]).unwrap();
    let error = write(&b.build(&[y]).unwrap(), "test", &Weights::Random { seed: 0 }, &[]).unwrap_err();
    assert_eq!(error.to_string(), "node `which`: `choice` has no counterpart in ONNX");

    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 1 << 15]).unwrap();
    let y = b.add("huge", Op::Linear { out_features: 1 << 15, bias: false }, &[x]).unwrap();
    let error = write(&b.build(&[y]).unwrap(), "test", &Weights::Random { seed: 0 }, &[]).unwrap_err();
    assert_eq!(error.to_string(), "the weights take 4294967296 bytes; an ONNX file holds at most 2 GiB");
}

#[test]
fn trained_weights_must_fit() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 2]).unwrap();
    let y = b.add("fc", Op::Linear { out_features: 3, bias: false }, &[x]).unwrap();
    let graph = b.build(&[y]).unwrap();
    let file = |name: &str, dims: &str, bytes: usize| {
        let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":{dims},"data_offsets":[0,{bytes}]}}}}"#);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![7; bytes]].concat()
    };
    let written = |file: &[u8]| {
        let weights = Weights::trained(file).map_err(|e| e.to_string())?;
        write(&graph, "test", &weights, &[]).map_err(|e| e.to_string())
    };
    let given = written(&file("net/fc/weight", "[3,2]", 24)).unwrap();
    assert!(given.windows(24).any(|w| w == [7; 24]), "the file's values are in the model");
    assert_eq!(written(&file("fc/weight", "[3,2]", 24)).unwrap(), given);
    for (bytes, expected) in [
        (
            file("net/fd/weight", "[3,2]", 24),
            "the weights have no tensor `fc/weight`, which node `fc` needs (did you mean `fd/weight`?)",
        ),
        (
            file("net/fc/weight", "[2,3]", 24),
            "tensor `fc/weight` is F32 of shape (2, 3), but node `fc` needs 32-bit floats of shape (3, 2)",
        ),
        (file("net/fc/weight", "[3,2]", 24)[..60].to_vec(), "not a safetensors file"),
        (vec![0xff; 64], "not a safetensors file"),
        (Vec::new(), "not a safetensors file"),
        (file("net/fc/weight", "[18446744073709551615,9]", 24), "not a safetensors file"),
    ] {
        let error = written(&bytes).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}
