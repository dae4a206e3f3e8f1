//! Models that are read: what was written comes back the same, and what is hostile is refused.

use crate::message::Message;
use crate::model::{Model, declared, int, ints, list, ops, text, weight};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, LayerKey, Op, ResizeMode};
use nasprof_onnx::{OnnxError, Weights, read, write};
use nasprof_spaces::{Space, builtin_names};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn written(graph: &Graph) -> Vec<u8> {
    write(graph, "test", &Weights::Random { seed: 3 }, &[]).unwrap()
}

fn keys(graph: &Graph) -> Vec<LayerKey> {
    let lowered = Runtime::TorchEager.lower(graph);
    lowered.layers().map(|(_, node)| LayerKey::of(&lowered, node)).collect()
}

fn assert_same(before: &Graph, after: &Graph, what: &str) {
    assert_eq!(keys(before), keys(after), "{what}");
    let lower = |graph| Runtime::TorchEager.lower(graph);
    assert_eq!(lower(before).cost(), lower(after).cost(), "{what}");
    assert_eq!(before.data_shapes(), after.data_shapes(), "{what}");
}

#[test]
fn networks_of_every_shipped_space_come_back_the_same() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for name in builtin_names() {
        let space = Space::builtin(name).unwrap();
        for _ in 0..2 {
            let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
            let back = read(&written(&graph)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_same(&graph, &back, name);
        }
    }
}

#[test]
fn every_operation_comes_back_the_same() {
    let conv = |bias| Op::Conv {
        out_channels: 12,
        kernel: [5, 3],
        stride: [2, 1],
        pad: [2, 1],
        dilation: [1, 2],
        groups: 4,
        bias,
        activation: None,
    };
    let pool = |count_padding| Op::AvgPool { kernel: [3, 3], stride: [2, 2], pad: [1, 1], count_padding };
    for op in [
        conv(true),
        conv(false),
        Op::BatchNorm { epsilon: 1e-3 },
        Op::Relu,
        Op::Relu6,
        Op::LeakyRelu { slope: 0.2 },
        Op::Hsigmoid,
        Op::Hswish,
        Op::Sigmoid,
        Op::Tanh,
        Op::Softmax { axis: 2 },
        Op::MaxPool { kernel: [3, 2], stride: [2, 1], pad: [1, 0] },
        pool(true),
        pool(false),
        Op::GlobalAvgPool,
        Op::Flatten,
        Op::Linear { out_features: 5, bias: true },
        Op::Linear { out_features: 5, bias: false },
        Op::Crop { top: 1, left: 2 },
        Op::Pad { padding: [1, 2, 3, 4] },
        Op::Resize { size: [22, 39], mode: ResizeMode::Nearest },
        Op::Resize { size: [22, 39], mode: ResizeMode::Bilinear },
        Op::Identity,
        Op::Dropout { probability: 0.5 },
    ] {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 8, 11, 13]).unwrap();
        let y = b.add("y", op.clone(), &[x]).unwrap();
        let z = b.add("z", Op::Tanh, &[y]).unwrap();
        let graph = b.build(&[z]).unwrap();
        let back = read(&written(&graph)).unwrap();
        assert_same(&graph, &back, op.name());
        if !matches!(op, Op::Dropout { .. } | Op::Linear { .. }) {
            let found = back.nodes().iter().any(|node| node.op == op);
            assert!(found, "attributes without a cost come back too: {op:?} in {:?}", back.nodes());
        }
    }
}

#[test]
fn merges_and_shared_weights_come_back_the_same() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 8, 6, 6]).unwrap();
    let shared = |b: &mut GraphBuilder, scope: &str, x| {
        b.scope(scope, |b| b.sharing("both", |b| b.add("conv", Op::conv(8, 3, 1, 1), &[x]))).unwrap()
    };
    let y = shared(&mut b, "first", x);
    let z = shared(&mut b, "second", y);
    let sum = b.add("sum", Op::Add, &[x, y, z]).unwrap();
    let gate = b.add("gate", Op::GlobalAvgPool, &[sum]).unwrap();
    let gated = b.add("gated", Op::Mul, &[sum, gate]).unwrap();
    let zeros = b.add("zeros", Op::Zeros { shape: [1, 2, 6, 6].into() }, &[]).unwrap();
    let all = b.add("all", Op::Concat { axis: 1 }, &[gated, zeros]).unwrap();
    let product = b.add("product", Op::MatMul, &[all, all]).unwrap();
    let graph = b.build(&[product, sum, sum, x]).unwrap();
    let back = read(&written(&graph)).unwrap();
    assert_same(&graph, &back, "merges");
    assert_eq!(back.cost().params, 8 * 8 * 9, "the weights are there once");
    assert_eq!(back.outputs().len(), 4);
}

#[test]
fn other_programs_write_the_same_differently() {
    // A batch that is not fixed, a bias as a sum, a mean for the pool, a flattening as a new shape, an attribute's default.
    let graph = Model::new(&[0, 4, 9, 9])
        .tensor(&weight("w", &[8, 4, 3, 3]))
        .node("Conv", &["x", "w"], "conv", &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])])
        .node("ReduceMean", &["conv"], "mean", &[ints("axes", &[-1, -2])])
        .tensor(&list("shape", &[-1, 8]))
        .node("Reshape", &["mean", "shape"], "flat", &[])
        .tensor(&weight("matrix", &[8, 5]))
        .node("MatMul", &["flat", "matrix"], "product", &[])
        .tensor(&weight("bias", &[5]))
        .node("Add", &["bias", "product"], "y", &[])
        .read()
        .unwrap();
    assert_eq!(ops(&graph), ["input", "conv", "global_avg_pool", "flatten", "linear"]);
    assert_eq!(graph.data_shapes()[0].0, [1, 4, 9, 9]);
    assert_eq!(graph.cost().params, 8 * 4 * 9 + 8 * 5 + 5);
    assert_eq!(graph.nodes()[1].shape.0, [1, 8, 5, 5]);

    // Uneven padding is an operation of its own.
    let graph = Model::new(&[1, 4, 8, 8])
        .tensor(&weight("w", &[8, 4, 3, 3]))
        .node("Conv", &["x", "w"], "y", &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])])
        .read()
        .unwrap();
    assert_eq!(graph.nodes()[1].op, Op::Pad { padding: [0, 1, 0, 1] });
    assert_eq!(graph.nodes()[2].shape.0, [1, 8, 4, 4]);
}

/// Values of weights are not looked at, so it does not matter where they are; those of constants are.
#[test]
fn data_outside_of_the_file_is_never_opened() {
    let external = |tensor: Message| {
        let entry = Message::new().bytes(1, "location").bytes(2, "../../etc/passwd");
        tensor.message(13, &entry).int(14, 1)
    };
    let conv = |tensor: &Message| Model::new(&[1, 4, 8, 8]).tensor(tensor).node("Conv", &["x", "w"], "y", &[]).read();
    let outside = conv(&external(declared("w", &[8, 4, 3, 3], 1))).unwrap();
    assert_eq!(outside, conv(&weight("w", &[8, 4, 3, 3])).unwrap());
    Model::new(&[1, 4, 8, 8])
        .tensor(&external(declared("shape", &[2], 7)))
        .node("Reshape", &["x", "shape"], "y", &[])
        .fails("node `y` (Reshape): its input `shape` is stored outside of the model's file");
}

#[test]
fn what_our_operations_do_not_have_is_named() {
    let model = || Model::new(&[1, 4, 9, 9]);
    model().node("Einsum", &["x"], "y", &[]).fails("this operator is not supported: `Einsum` (node `y`)");
    // All of them at once.
    let several =
        model().node("Einsum", &["x"], "a", &[]).node("TopK", &["a"], "b", &[]).node("Einsum", &["b"], "y", &[]);
    several.fails("these operators are not supported: `Einsum` (2 nodes, first `a`), `TopK` (node `b`)");
    let pool = |attributes: &[Message]| {
        let all = [&[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])], attributes].concat();
        model().node("MaxPool", &["x"], "y", &all)
    };
    pool(&[]).read().unwrap();
    pool(&[int("new_attribute", 1)]).fails("attribute `new_attribute` is not supported");
    pool(&[text("ceil_mode", "1")]).fails("attribute `ceil_mode` has an unexpected type");
    model().node("Resize", &["x"], "y", &[int("antialias", 1)]).fails("`antialias` 1 is not supported");
    model().node("Cast", &["x"], "y", &[int("to", 7)]).fails("a cast of data to int64 is not supported");
    model().node("Gather", &["x", "x"], "y", &[]).fails("its input `x` is computed");
    model().node("If", &["x"], "y", &[]).fails("its condition is not known before the model runs");
    model().tensor(&declared("w", &[8, 4, 3, 3], 10)).node("Conv", &["x", "w"], "y", &[]).fails("has type float16");
    model().version(6).node("Relu", &["x"], "y", &[]).fails("operator set is 6");
    model().version(99).node("Relu", &["x"], "y", &[]).fails("operator set is 99");
    Model::new(&[1, 4, 9, 0]).node("Relu", &["x"], "y", &[]).fails("no fixed size in dimension 3 (`width`)");
}

#[test]
fn models_that_cannot_be_right_are_refused() {
    let model = || Model::new(&[1, 4, 9, 9]);
    // A circle, a value from nowhere, two of one name, no output.
    let circle = "no earlier node computes its input `b`: the nodes are not in order, or form a cycle";
    model().node("Relu", &["b"], "a", &[]).node("Relu", &["a"], "b", &[]).fails(circle);
    model().node("Relu", &["a"], "a", &[]).fails("no earlier node computes its input `a`");
    model().node("Relu", &["x"], "a", &[]).fails("no node computes its output `y`");
    model().node("Relu", &["x"], "x", &[]).fails("duplicate value name `x`");
    model().node("Relu", &["x"], "", &[]).fails("it has no output");
    model().node("Relu", &[], "y", &[]).fails("input 0 is missing");
    // Shapes and sizes.
    let conv = |w: &Message, attributes: &[Message]| model().tensor(w).node("Conv", &["x", "w"], "y", attributes);
    conv(&weight("w", &[8, 3, 3, 3]), &[]).fails("its weight is for 3 channels in 1 groups, the input has 4");
    conv(&weight("w", &[8, 4, 3, 3]), &[ints("kernel_shape", &[5, 5])]).fails("is not that of its weight");
    conv(&weight("w", &[8, 4, 3, 3]), &[int("group", -1)]).fails("`group` -1 is invalid");
    conv(&weight("w", &[8, 4, 3, 3]), &[int("group", 0)]).fails("in 0 groups");
    conv(&weight("w", &[8, 4, 3, 3]), &[ints("strides", &[0, 0]), text("auto_pad", "SAME_UPPER")]).fails("too large");
    conv(&weight("w", &[8, 4, 3, 3]), &[ints("pads", &[i64::MAX; 4])]).fails("does not fit");
    conv(&weight("w", &[8, 4, 3, 3]), &[ints("pads", &[-1, 0, 0, 0])]).fails("`pads` [-1, 0, 0, 0]");
    conv(&declared("w", &[8, 4, 3, 3], 1).bytes(9, [0; 4]), &[]).fails("has values for another shape");
    conv(&declared("w", &[1 << 62, 4, 3, 3], 1), &[]).fails("has the shape");
    conv(&declared("w", &[8, 4, -3, -3], 1), &[]).fails("has the shape");
    let external = declared("w", &[1 << 40, 4, 1, 1], 1).int(14, 1);
    conv(&external, &[]).fails("too large");
    Model::new(&[1, 1 << 20, 1 << 20, 1 << 20]).node("Relu", &["x"], "y", &[]).fails("too large");
    Model::new(&[1, i64::MAX, i64::MAX]).node("Relu", &["x"], "y", &[]).fails("too large");
    Model::new(&[1, -4, 9, 9]).node("Relu", &["x"], "y", &[]).fails("the size -4 in dimension 1");
    let reshape = |shape: &[i64]| model().tensor(&list("s", shape)).node("Reshape", &["x", "s"], "y", &[]);
    for shape in [&[-1, -1][..], &[0, 0, 0, 0, 0], &[i64::MIN, 5], &[i64::MAX, i64::MAX, i64::MAX], &[0, 5], &[]] {
        reshape(shape).fails("cannot reshape (1, 4, 9, 9) to");
    }
    let zeros = |shape: &[i64]| model().tensor(&list("s", shape)).node("ConstantOfShape", &["s"], "y", &[]);
    zeros(&[1 << 40, 1 << 40]).fails("too large");
    zeros(&[-1, 2]).fails("is invalid");
    let many = vec![1; 65];
    zeros(&many).fails("too large here");
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    assert!(read(&[]).unwrap_err().to_string().contains("0 graphs"));
    assert!(read(b"PK\x03\x04 an archive, not a model").is_err());
    assert!(read(&[0xff; 100]).is_err());
    // A length of 2^62 and nothing behind it.
    let claimed = [0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
    assert_eq!(
        read(&claimed).unwrap_err().to_string(),
        "not an ONNX model: it ends in the middle of a field, or a length is wrong"
    );
    // Sixteen million empty nodes in 32 MB.
    // Two graphs would be read as one.
    let two = Message::new().bytes(7, []).bytes(7, []).into_bytes();
    assert!(read(&two).unwrap_err().to_string().contains("2 graphs"));
    let hollow = Message::new().bytes(7, [0x0a, 0x00].repeat(16_000_000)).into_bytes();
    assert!(matches!(read(&hollow), Err(OnnxError::TooManyParts(_))));
    // As many attributes in one node, and integers of one byte each: each asks for more memory than it takes in the file.
    let attributes = Message::new().bytes(1, [0x2a, 0x00].repeat(16_000_000));
    let attributes = Message::new().message(7, &attributes).into_bytes();
    assert!(matches!(read(&attributes), Err(OnnxError::TooManyParts(_))));
    for list in [1, 5, 7] {
        let of = |count: usize| {
            let tensor = Message::new().bytes(list, [1].repeat(count));
            Message::new().message(7, &Message::new().message(5, &tensor)).into_bytes()
        };
        assert!(read(&of(65)).unwrap_err().to_string().contains("more than 64 integers"), "field {list}");
        // Control: as many as a constant may have are read on.
        assert!(read(&of(64)).unwrap_err().to_string().contains("does not state its operator set"), "field {list}");
    }
    let sparse = Message::new().message(7, &Message::new().bytes(15, [])).into_bytes();
    assert!(read(&sparse).unwrap_err().to_string().contains("sparse tensors"));
    // Groups within groups, which nobody writes.
    assert!(read(&[0x0b; 100_000]).is_err());
}

/// However a file is cut or changed: an answer, and no panic.
#[test]
fn damaged_models_are_errors_or_other_networks() {
    let space = Space::builtin("zoph-cifar10").unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 9, 9]).unwrap();
    let y = b.add("conv", Op::conv(2, 3, 2, 1).with_bias(), &[x]).unwrap();
    let y = b.add("pool", Op::MaxPool { kernel: [3, 3], stride: [2, 2], pad: [1, 1] }, &[y]).unwrap();
    let y = b.add("pad", Op::Pad { padding: [1; 4] }, &[y]).unwrap();
    let small = written(&b.build(&[y]).unwrap());
    for end in 0..small.len() {
        assert!(read(&small[..end]).is_err(), "cut at {end} of {}", small.len());
    }
    for i in 0..small.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = small.clone();
            changed[i] = value;
            let _ = read(&changed);
        }
    }
    let large = written(&graph);
    for _ in 0..200 {
        let mut changed = large.clone();
        // Most of the file is weights; what is around them is at the end and the start.
        let places = changed.len();
        for _ in 0..rng.random_range(1..20) {
            let i = rng.random_range(0..places);
            changed[i] = rng.random();
        }
        changed.truncate(rng.random_range(0..=2 * places).min(places));
        let _ = read(&changed);
    }
}
