//! Networks in 8-bit integers.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, LoweredNetwork, Op};

use super::residual;

const INT8: Runtime = Runtime::OnnxRuntimeInt8;

fn keys(graph: &Graph) -> Vec<String> {
    super::keys(INT8, graph)
}

/// Two convolutions with something between them.
fn between(op: Op) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let first = b.add("first", Op::conv(16, 1, 1, 0).with_bias(), &[x]).unwrap();
    let middle = b.add("middle", op, &[first]).unwrap();
    let last = b.add("last", Op::conv(16, 1, 1, 0).with_bias(), &[middle]).unwrap();
    let flat = b.add("flat", Op::Flatten, &[last]).unwrap();
    b.build(&[flat]).unwrap()
}

/// What stands between the two.
fn keys_between(op: Op) -> Vec<String> {
    let keys = keys(&between(op));
    let convs: Vec<usize> = (0..keys.len()).filter(|&i| keys[i].starts_with("conv(")).collect();
    keys[convs[0] + 1..convs[1]].to_vec()
}

#[test]
fn a_residual_block_computes_with_integers_and_an_activation_takes_nothing() {
    assert_eq!(
        keys(&residual(32)),
        [
            "quantize()[3x8x8]",
            "reorder(to=nhwc,int8)[3x8x8]",
            "conv(out=32,kernel=3x3,pad=1x1,bias,int8,nhwc)[3x8x8]",
            "conv(out=32,kernel=3x3,pad=1x1,groups=32,bias,int8,nhwc)[32x8x8]",
            "conv(out=32,kernel=1x1,bias,int8,nhwc)[32x8x8]",
            "add(int8,nhwc)[32x8x8,32x8x8]",
            "global_avg_pool(int8,nhwc)[32x8x8]",
            "reorder(from=nhwc,int8)[32x1x1]",
            "dequantize()[32x1x1]",
        ]
    );
    // A control: in floats they are others, each.
    let floats = LoweredNetwork::of(Runtime::OnnxRuntime.lower(&residual(32)));
    assert!(floats.keys().all(|key| !keys(&residual(32)).contains(&key.as_str().to_owned())));
}

#[test]
fn what_has_no_integer_kernel_stands_between_conversions() {
    assert_eq!(keys_between(Op::Tanh), ["dequantize()[16x8x8]", "tanh()[16x8x8]", "quantize()[16x8x8]"]);
    assert_eq!(
        keys_between(Op::Hswish),
        [
            "dequantize()[16x8x8]",
            "hsigmoid()[16x8x8]",
            "dequantize()[16x8x8]",
            "mul()[16x8x8,16x8x8]",
            "quantize()[16x8x8]"
        ]
    );
    // A normalisation takes values channel by channel, so they are copied there and back.
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let first = b.add("first", Op::conv(16, 1, 1, 0).with_bias(), &[x]).unwrap();
    let pool = b.add("pool", Op::MaxPool { kernel: [3, 3], stride: [1, 1], pad: [1, 1] }, &[first]).unwrap();
    let norm = b.add("norm", Op::batch_norm(), &[pool]).unwrap();
    let last = b.add("last", Op::conv(16, 1, 1, 0).with_bias(), &[norm]).unwrap();
    let flat = b.add("flat", Op::Flatten, &[last]).unwrap();
    assert_eq!(
        keys(&b.build(&[flat]).unwrap())[3..8],
        [
            "max_pool(kernel=3x3,pad=1x1,int8,nhwc)[16x8x8]",
            "reorder(from=nhwc,int8)[16x8x8]",
            "dequantize()[16x8x8]",
            "batch_norm()[16x8x8]",
            "quantize()[16x8x8]",
        ]
    );
    // Controls: what has one stands alone, and a ReLU is no kernel.
    assert_eq!(keys_between(Op::Sigmoid), ["sigmoid(int8,nhwc)[16x8x8]"]);
    assert_eq!(keys_between(Op::Relu), [""; 0]);
}

/// A ReLU of a value that others read as it is gives integers of another range.
#[test]
fn a_relu_of_a_shared_value_is_two_conversions() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let first = b.add("first", Op::conv(16, 1, 1, 0).with_bias(), &[x]).unwrap();
    let relu = b.add("relu", Op::Relu, &[first]).unwrap();
    let last = b.add("last", Op::conv(16, 1, 1, 0).with_bias(), &[relu]).unwrap();
    let sum = b.add("sum", Op::Add, &[first, last]).unwrap();
    let flat = b.add("flat", Op::Flatten, &[sum]).unwrap();
    assert_eq!(keys(&b.build(&[flat]).unwrap())[3..5], ["dequantize()[16x8x8]", "quantize()[16x8x8]"]);
}

#[test]
fn costs_are_those_of_bytes() {
    let graph = residual(32);
    let plain = Runtime::OnnxRuntime.lower(&graph);
    let int8 = INT8.lower(&graph);
    assert_eq!([int8.cost().macs, int8.cost().params], [plain.cost().macs, plain.cost().params]);
    assert_eq!(int8.clone().checked().unwrap(), int8);
    assert_eq!(INT8.lower(&int8), int8, "what has integers stays as it is");
    // Weights have 8 bits and biases 32.
    let (weights, biases) = (32 * 3 * 9 + 32 * 9 + 32 * 32, 3 * 32);
    assert_eq!(int8.stored_bytes(), weights + 4 * biases);
    assert_eq!(plain.stored_bytes(), 4 * (weights + biases));
    let cost_of = |start: &str| {
        let network = LoweredNetwork::of(int8.clone());
        let layer = network.keyed_layers().iter().find(|layer| layer.key.as_str().starts_with(start)).unwrap();
        (layer.cost.bytes_read, layer.cost.bytes_written)
    };
    assert_eq!(cost_of("quantize"), (4 * 3 * 64, 3 * 64));
    assert_eq!(cost_of("dequantize"), (32, 4 * 32));
    assert_eq!(cost_of("add"), (2 * 32 * 64, 32 * 64));
    assert_eq!(cost_of("conv(out=32,kernel=1x1"), (32 * 64 + 32 * 32 + 4 * 32, 32 * 64));
    // The input and the sum's operands: 3 x 64 floats, and three values of 32 x 64 integers.
    assert_eq!(int8.peak_activation_bytes(), 4 * 3 * 64 + 3 * 32 * 64);
    assert!(plain.peak_activation_bytes() > 3 * int8.peak_activation_bytes());
}

/// Graphs come from outside too.
#[test]
fn what_has_no_form_on_integers_is_refused() {
    let quantized = |op| Op::Quantized { op: Box::new(op), activation: None, channels_last: false };
    for op in [quantized(Op::Tanh), Op::Dequantize, Op::Quantize { activation: None }] {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4, 8, 8]).unwrap();
        let error = b.add("y", quantized(op), &[x]).unwrap_err().to_string();
        assert!(error.contains("has no form on 8-bit integers"), "{error}");
    }
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4]).unwrap();
    assert!(b.add("y", Op::ChannelsLast { to: true }, &[x]).is_err());
}
