//! What ONNX Runtime makes of networks, on small ones whose outcome is known from its own optimised models.

mod floats;
mod int8;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, LoweredNetwork, NodeId, Op};

fn keys(runtime: Runtime, graph: &Graph) -> Vec<String> {
    let network = LoweredNetwork::of(runtime.lower(graph));
    network.keys().map(|key| key.as_str().to_owned()).collect()
}

/// A convolution with batch normalisation.
fn conv_norm(b: &mut GraphBuilder, name: &str, op: Op, x: NodeId) -> NodeId {
    let y = b.add(name, op, &[x]).unwrap();
    b.add(&format!("{name}/bn"), Op::batch_norm(), &[y]).unwrap()
}

/// An inverted residual block of so many channels, behind a stem of three.
fn residual(channels: usize) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 3, 8, 8]).unwrap();
    let stem = conv_norm(&mut b, "stem", Op::conv(channels, 3, 1, 1), x);
    let y = conv_norm(&mut b, "depthwise", Op::conv(channels, 3, 1, 1).with_groups(channels), stem);
    let y = b.add("relu6", Op::Relu6, &[y]).unwrap();
    let y = conv_norm(&mut b, "project", Op::conv(channels, 1, 1, 0), y);
    let sum = b.add("sum", Op::Add, &[y, stem]).unwrap();
    let relu = b.add("relu", Op::Relu, &[sum]).unwrap();
    let pool = b.add("pool", Op::GlobalAvgPool, &[relu]).unwrap();
    b.build(&[pool]).unwrap()
}
