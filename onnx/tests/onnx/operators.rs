//! Operators of other programs: what they become, with shapes and multiply-accumulates worked out by hand.

use crate::message::Message;
use crate::model::{Model, declared, floats, int, ints, list, ops, text, weight};
use nasprof_graph::{Graph, Op};

/// Operations, the shape of the first output, and multiply-accumulates.
fn judged(graph: &Graph) -> (Vec<&str>, &[usize], u64) {
    (ops(graph), &graph.node(graph.outputs()[0]).shape.0, graph.cost().macs)
}

fn image() -> Model {
    Model::new(&[1, 4, 9, 9])
}

#[test]
fn shapes_that_a_model_computes_are_folded() {
    let scalar = |name: &str, value: i64| declared(name, &[], 7).bytes(9, value.to_le_bytes());
    let graph = Model::new(&[0, 4, 9, 9])
        .node("Shape", &["x"], "shape", &[])
        .tensor(&scalar("zero", 0))
        .node("Gather", &["shape", "zero"], "batch", &[])
        .tensor(&list("axes", &[0]))
        .node("Unsqueeze", &["batch", "axes"], "batch_list", &[])
        .tensor(&list("rest", &[-1]))
        .node("Concat", &["batch_list", "rest"], "wanted", &[int("axis", 0)])
        .node("Reshape", &["x", "wanted"], "flat", &[])
        .tensor(&weight("matrix", &[324, 5]))
        .node("MatMul", &["flat", "matrix"], "y", &[])
        .read()
        .unwrap();
    assert_eq!(judged(&graph), (vec!["input", "flatten", "linear"], &[1, 5][..], 324 * 5));
    // Arithmetic: half of the height and width.
    let graph = image()
        .node("Shape", &["x"], "shape", &[])
        .tensor(&list("half", &[1, 1, 2, 2]))
        .node("Div", &["shape", "half"], "sizes", &[])
        .node("Resize", &["x", "", "", "sizes"], "y", &[text("mode", "nearest")])
        .read()
        .unwrap();
    assert_eq!(judged(&graph), (vec!["input", "resize"], &[1, 4, 4, 4][..], 0));
    image()
        .node("Shape", &["x"], "shape", &[])
        .tensor(&list("none", &[0, 1, 1, 1]))
        .node("Div", &["shape", "none"], "sizes", &[])
        .node("Reshape", &["x", "sizes"], "y", &[])
        .fails("it divides integers by zero");
}

#[test]
fn arithmetic_with_constants_is_a_layer_or_belongs_to_one() {
    let conv = || image().tensor(&weight("w", &[8, 4, 3, 3])).node("Conv", &["x", "w"], "c", &[]);
    let bias = conv().tensor(&weight("b", &[8, 1, 1])).node("Add", &["c", "b"], "y", &[]).read().unwrap();
    assert_eq!(judged(&bias), (vec!["input", "conv"], &[1, 8, 7, 7][..], 8 * 49 * 36));
    assert_eq!(bias.cost().params, 8 * 36 + 8);
    // Not one value for each channel: a layer of its own, with its constant as an operand.
    let map = conv().tensor(&weight("b", &[7, 7])).node("Mul", &["b", "c"], "y", &[]).read().unwrap();
    assert_eq!(ops(&map), ["input", "conv", "constant", "broadcast_mul"]);
    assert_eq!(map.cost().params, 8 * 36 + 49);
    let number = conv().tensor(&floats("two", &[], &[2.0])).node("Pow", &["c", "two"], "y", &[]).read().unwrap();
    assert_eq!(ops(&number), ["input", "conv", "pow"]);
    // The value of a convolution that is read twice keeps no bias.
    let twice = conv().tensor(&weight("b", &[8, 1, 1])).node("Add", &["c", "b"], "a", &[]);
    let twice = twice.node("Mul", &["a", "c"], "y", &[]).read().unwrap();
    assert_eq!(ops(&twice).iter().filter(|op| **op == "conv").count(), 1);
    assert_eq!(twice.cost().params, 8 * 36 + 8);
    assert!(ops(&twice).contains(&"broadcast_add"), "{:?}", ops(&twice));
}

#[test]
fn functions_that_exporters_take_apart_are_found_again() {
    let numbers = |model: Model| {
        ["3", "6", "0", "1", "0.5", "1.41421354", "2", "0.00001"]
            .iter()
            .fold(model, |model, n| model.tensor(&floats(n, &[], &[n.parse().unwrap()])))
    };
    let model = || numbers(image());
    let relu6 = || model().node("Add", &["x", "3"], "a", &[]).node("Clip", &["a", "0", "6"], "b", &[]);
    let swish = relu6().node("Div", &["b", "6"], "c", &[]).node("Mul", &["x", "c"], "y", &[]).read().unwrap();
    assert_eq!(ops(&swish), ["input", "hswish"]);
    let late = relu6().node("Mul", &["b", "x"], "c", &[]).node("Div", &["c", "6"], "y", &[]).read().unwrap();
    assert_eq!(ops(&late), ["input", "hswish"]);
    let silu = model().node("Sigmoid", &["x"], "s", &[]).node("Mul", &["s", "x"], "y", &[]).read().unwrap();
    assert_eq!(ops(&silu), ["input", "silu"]);
    let gelu = model()
        .node("Div", &["x", "1.41421354"], "a", &[])
        .node("Erf", &["a"], "b", &[])
        .node("Add", &["b", "1"], "c", &[])
        .node("Mul", &["x", "c"], "d", &[])
        .node("Mul", &["d", "0.5"], "y", &[])
        .read()
        .unwrap();
    assert_eq!(ops(&gelu), ["input", "gelu"]);
    let norm = |exponent: &str| {
        model()
            .tensor(&weight("scale", &[9]))
            .tensor(&weight("shift", &[9]))
            .node("ReduceMean", &["x"], "mean", &[ints("axes", &[-1])])
            .node("Sub", &["x", "mean"], "d", &[])
            .node("Pow", &["d", exponent], "square", &[])
            .node("ReduceMean", &["square"], "variance", &[ints("axes", &[3])])
            .node("Add", &["variance", "0.00001"], "e", &[])
            .node("Sqrt", &["e"], "deviation", &[])
            .node("Div", &["d", "deviation"], "n", &[])
            .node("Mul", &["n", "scale"], "m", &[])
            .node("Add", &["m", "shift"], "y", &[])
            .read()
            .unwrap()
    };
    assert_eq!(ops(&norm("2")), ["input", "layer_norm"]);
    assert_eq!(norm("2").cost().params, 18);
    // Controls: another exponent, another factor, a value that something else reads.
    assert!(!ops(&norm("3")).contains(&"layer_norm"));
    let other = relu6().node("Div", &["b", "3"], "c", &[]).node("Mul", &["x", "c"], "y", &[]).read().unwrap();
    assert_eq!(ops(&other), ["input", "broadcast_add", "relu6", "div", "mul"]);
}

#[test]
fn windows_of_every_kind_have_the_shapes_of_onnx() {
    let pool = |op_type: &str, attributes: &[Message]| {
        let all = [&[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])], attributes].concat();
        image().node(op_type, &["x"], "y", &all).read().unwrap()
    };
    assert_eq!(judged(&pool("MaxPool", &[])), (vec!["input", "max_pool"], &[1, 4, 4, 4][..], 0));
    let ceil = pool("MaxPool", &[int("ceil_mode", 1)]);
    assert_eq!(judged(&ceil), (vec!["input", "max_pool_nd"], &[1, 4, 5, 5][..], 0));
    let dilated = pool("MaxPool", &[ints("dilations", &[2, 2])]);
    assert_eq!(judged(&dilated), (vec!["input", "max_pool_nd"], &[1, 4, 4, 4][..], 0));
    let uneven = pool("AveragePool", &[ints("pads", &[0, 0, 1, 1])]);
    assert_eq!(judged(&uneven), (vec!["input", "pad", "avg_pool"], &[1, 4, 5, 5][..], 0));
    // (9 - 1) 2 - 2 + 3 + 1 = 18; each of 324 inputs meets 8 outputs in a window of 9.
    let up = [ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1]), ints("output_padding", &[1, 1])];
    let transposed = image().tensor(&weight("w", &[4, 8, 3, 3])).node("ConvTranspose", &["x", "w"], "y", &up);
    let transposed = transposed.read().unwrap();
    assert_eq!(judged(&transposed), (vec!["input", "conv_transpose"], &[1, 8, 18, 18][..], 324 * 8 * 9));
    // Three dimensions, and one.
    let three = Model::new(&[1, 2, 5, 6, 7]).tensor(&weight("w", &[4, 1, 3, 3, 3]));
    let three = three.node("Conv", &["x", "w"], "y", &[int("group", 2)]).read().unwrap();
    assert_eq!(judged(&three), (vec!["input", "conv_nd"], &[1, 4, 3, 4, 5][..], 4 * 60 * 27));
    let one = Model::new(&[1, 2, 9]).tensor(&weight("w", &[4, 2, 3]));
    let one =
        one.node("Conv", &["x", "w"], "y", &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2])]).read().unwrap();
    assert_eq!(judged(&one), (vec!["input", "conv_nd"], &[1, 4, 5][..], 4 * 5 * 6));
}

#[test]
fn recurrent_layers_count_their_products() {
    let lstm = Model::new(&[7, 1, 5])
        .tensor(&weight("w", &[2, 12, 5]))
        .tensor(&weight("r", &[2, 12, 3]))
        .tensor(&weight("b", &[2, 24]))
        .node("LSTM", &["x", "w", "r", "b"], "y", &[int("hidden_size", 3), text("direction", "bidirectional")])
        .read()
        .unwrap();
    // 7 steps, 2 directions, 4 gates of 3, each over 5 inputs and 3 states; matrices and two biases for each direction.
    assert_eq!(lstm.node(lstm.outputs()[0]).shape.0, [7, 2, 1, 3]);
    assert_eq!(lstm.cost().macs, 7 * 2 * 12 * (5 + 3));
    assert_eq!(lstm.cost().params, 2 * (12 * 5 + 12 * 3 + 24));
    let gru = |before| {
        Model::new(&[7, 1, 5]).tensor(&weight("w", &[1, 9, 5])).tensor(&weight("r", &[1, 9, 3])).node(
            "GRU",
            &["x", "w", "r"],
            "y",
            &[int("hidden_size", 3), int("linear_before_reset", before)],
        )
    };
    assert_eq!(gru(1).read().unwrap().cost().macs, 7 * 9 * 8);
    gru(0).fails("`linear_before_reset` 0 is not supported");
}

#[test]
fn attention_is_products_and_views() {
    let graph = Model::new(&[1, 16, 64])
        .tensor(&list("heads", &[1, 16, 4, 16]))
        .node("Reshape", &["x", "heads"], "a", &[])
        .node("Transpose", &["a"], "q", &[ints("perm", &[0, 2, 1, 3])])
        .node("Transpose", &["a"], "k", &[ints("perm", &[0, 2, 3, 1])])
        .node("MatMul", &["q", "k"], "scores", &[])
        .node("Softmax", &["scores"], "p", &[int("axis", -1)])
        .node("MatMul", &["p", "q"], "y", &[])
        .read()
        .unwrap();
    let expected = vec!["input", "reshape", "transpose", "transpose", "matmul", "softmax", "matmul"];
    assert_eq!(judged(&graph), (expected, &[1, 4, 16, 16][..], 2 * 4 * 16 * 16 * 16));
    // Heads in the place of the batch: their number is in the key.
    let merged = Model::new(&[1, 16, 64])
        .tensor(&list("heads", &[16, 4, 16]))
        .node("Reshape", &["x", "heads"], "a", &[])
        .node("Relu", &["a"], "y", &[])
        .read()
        .unwrap();
    assert!(matches!(&merged.nodes()[2].op, Op::Unbatched { op } if **op == Op::Relu), "{:?}", merged.nodes());
}

#[test]
fn parts_and_repetitions_have_the_shapes_of_onnx() {
    let halves =
        image().node("Split", &["x"], "y", &[int("axis", 1), ints("split", &[1, 3])]).version(11).read().unwrap();
    assert_eq!(judged(&halves), (vec!["input", "slice"], &[1, 1, 9, 9][..], 0));
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        image()
            .tensor(&list("starts", starts))
            .tensor(&list("ends", ends))
            .tensor(&list("axes", axes))
            .tensor(&list("steps", steps))
            .node("Slice", &["x", "starts", "ends", "axes", "steps"], "y", &[])
    };
    let strided = slice(&[0, 1], &[i64::MAX, -1], &[2, 3], &[2, 1]).read().unwrap();
    assert_eq!(judged(&strided), (vec!["input", "slice", "slice"], &[1, 4, 5, 7][..], 0));
    let reversed = slice(&[-1], &[i64::MIN], &[1], &[-1]).read().unwrap();
    assert_eq!(judged(&reversed), (vec!["input", "gather"], &[1, 4, 9, 9][..], 0));
    slice(&[3], &[3], &[1], &[1]).fails("axis 1 is empty after the slice");
    slice(&[0], &[3], &[1], &[0]).fails("a step is 0");
    let tiled = image().tensor(&list("n", &[1, 1, 2, 1])).node("Tile", &["x", "n"], "y", &[]).read().unwrap();
    assert_eq!(judged(&tiled), (vec!["input", "concat"], &[1, 4, 18, 9][..], 0));
    let deep = image().node("DepthToSpace", &["x"], "y", &[int("blocksize", 2)]).read().unwrap();
    assert_eq!(judged(&deep).1, [1, 1, 18, 18]);
    image().node("SpaceToDepth", &["x"], "y", &[int("blocksize", 2)]).fails("blocks of 2 do not divide");
    let mirrored = Model::new(&[1, 16]).tensor(&list("p", &[0, 2, 0, 3]));
    let mirrored = mirrored.node("Pad", &["x", "p"], "y", &[text("mode", "reflect")]).read().unwrap();
    assert_eq!(judged(&mirrored), (vec!["input", "reshape", "pad_nd", "flatten"], &[1, 21][..], 0));
    let means = image().node("ReduceMean", &["x"], "y", &[ints("axes", &[1]), int("keepdims", 0)]).read().unwrap();
    assert_eq!(judged(&means), (vec!["input", "reduce_mean"], &[1, 9, 9][..], 0));
    let upsampled = image().tensor(&floats("s", &[4], &[1.0, 1.0, 2.0, 1.5]));
    let upsampled = upsampled.node("Resize", &["x", "", "s"], "y", &[]).version(13).read().unwrap();
    assert_eq!(judged(&upsampled), (vec!["input", "resize"], &[1, 4, 18, 13][..], 0));
}

/// Only the branch that is taken is read; the other one may hold anything.
#[test]
fn a_known_condition_selects_a_branch() {
    let branch = |op_type: &str, output: &str| {
        let node = Message::new().bytes(1, "x").bytes(2, output).bytes(4, op_type);
        let value = Message::new().bytes(1, output);
        Message::new().message(1, &node).message(12, &value)
    };
    let attribute = |name: &str, graph: &Message| Message::new().bytes(1, name).message(6, graph).int(20, 5);
    let of = |first: i64| {
        image().tensor(&list("a", &[first])).tensor(&list("b", &[1])).node("Equal", &["a", "b"], "condition", &[]).node(
            "If",
            &["condition"],
            "y",
            &[attribute("then_branch", &branch("Relu", "t")), attribute("else_branch", &branch("TopK", "e"))],
        )
    };
    assert_eq!(ops(&of(1).read().unwrap()), ["input", "relu"]);
    of(2).fails("this operator is not supported: `TopK`");
}

#[test]
fn sizes_that_a_model_leaves_open_can_be_given() {
    let model = || Model::new(&[0, 4, 9, 0]).node("Relu", &["x"], "y", &[]);
    let error = model().read_at(&[]).unwrap_err().to_string();
    assert!(error.contains("input `x` has no fixed size in dimension 3"), "{error}");
    // Sizes of one name are one size.
    assert_eq!(model().read_at(&[("x", &[5, 4, 9, 5])]).unwrap().data_shapes()[0].0, [5, 4, 9, 5]);
    let error = model().read_at(&[("x", &[2, 4, 9, 5])]).unwrap_err().to_string();
    assert_eq!(error, "input `x`: `width` is 5 here and 2 elsewhere");
    for (name, shape, naming) in [
        ("x", &[2, 4, 8, 5][..], "input `x`: the model fixes dimension 2 at 9, not 8"),
        ("x", &[2, 4, 9], "input `x`: it has 4 dimensions, 3 are given"),
        ("x", &[2, 4, 9, 0], "input `x`: dimension 3 is 0"),
        ("y", &[2, 4, 9, 5], "the model has no input `y` (its inputs: x)"),
    ] {
        let error = model().read_at(&[(name, shape)]).unwrap_err().to_string();
        assert!(error.starts_with(naming), "{error}");
    }
    // A size of -1 is open as well.
    assert_eq!(Model::new(&[-1, 4]).node("Relu", &["x"], "y", &[]).read().unwrap().data_shapes()[0].0, [1, 4]);
}

/// The first dimensions of inputs that differ are no batch, and stay as the model fixes them.
#[test]
fn inputs_may_differ_in_their_first_dimension() {
    let graph = Model::new(&[1, 4, 9, 9])
        .input("z", &[3, 4, 9, 9])
        .tensor(&weight("w", &[8, 4, 3, 3]))
        .node("Conv", &["z", "w"], "c", &[])
        .node("Conv", &["x", "w"], "d", &[])
        .node("Add", &["c", "d"], "y", &[])
        .read()
        .unwrap();
    assert_eq!((graph.batch(), graph.cost().macs, graph.cost().params), (None, 4 * 8 * 49 * 36, 8 * 36));
}

/// Graphs within graphs, deeper than any program writes: an error and no overflow of the stack.
#[test]
fn nested_branches_are_bounded() {
    let mut graph = Message::new();
    for _ in 0..200 {
        let attribute = Message::new().bytes(1, "then_branch").message(6, &graph).int(20, 5);
        let node = Message::new().bytes(2, "y").bytes(4, "If").message(5, &attribute);
        graph = Message::new().message(1, &node);
    }
    let model = Message::new().message(7, &graph).into_bytes();
    assert!(nasprof_onnx::read(&model).unwrap_err().to_string().contains("nested too deeply"));
}

/// A small file can ask for any amount of arithmetic on constants: beyond a budget only shapes are known.
#[test]
fn arithmetic_on_constants_is_bounded() {
    let model = |count: usize| {
        let mut model = image().tensor(&list("ones", &[1])).tensor(&list("size", &[1000]));
        for i in 0..count {
            model = model.node("Expand", &["ones", "size"], &format!("e{i}"), &[]);
        }
        model
            .tensor(&list("two", &[2]))
            .node("Mul", &["two", "two"], "four", &[])
            .tensor(&list("rest", &[-1]))
            .node("Concat", &["four", "rest"], "shape", &[int("axis", 0)])
            .node("Reshape", &["x", "shape"], "y", &[])
    };
    assert_eq!(judged(&model(10).read().unwrap()).1, [4, 81]);
    model(5000).fails("not known before the model runs");
}
