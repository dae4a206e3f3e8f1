//! Random graphs and distributions.

use nasprof_graph::{Arch, Graph, GraphBuilder, NodeId, Op};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A random graph of layers, merges, zeros and choices; some choices share a name.
pub fn random_graph(seed: u64) -> (Graph, Vec<Vec<f64>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut b = GraphBuilder::new();
    let mut ids = vec![b.input("x", [1, 2, 4, 4]).unwrap()];
    for i in 0..rng.random_range(3..14) {
        let mut pick = || ids[rng.random_range(0..ids.len())];
        let (one, two) = (pick(), pick());
        let name = format!("n{i}");
        let y = match rng.random_range(0..13) {
            0 | 1 => b.add(&name, Op::Zero { stride: [1, 1] }, &[one]),
            2 => b.add(&name, Op::Relu, &[one]),
            3 => b.add(&name, Op::Add, &[one, two]),
            4 => b.add(&name, Op::Add, &[one, two, ids[0]]),
            5 => b.add(&name, Op::Mul, &[one, two]),
            6 => b.add(&name, Op::conv(2, 3, 1, 1), &[one]),
            7 => {
                let kernel = [1, 3, 5][rng.random_range(0..3)];
                b.scope(&name, |b| b.sharing("shared", |b| b.add("c", Op::conv(2, kernel, 1, kernel / 2), &[one])))
            }
            8 => b.add(&name, Op::batch_norm(), &[one]),
            9 => merged(&mut b, &name, one, two),
            10 => b.choice_named(&name, format!("shared{}", rng.random_range(0..2)), named(one, two)),
            _ => b.choice(&name, named(one, two)),
        };
        ids.push(y.unwrap());
    }
    let output = ids[ids.len() - 1];
    let graph = b.build(&[output]).unwrap();
    let distributions = distributions(&graph, &mut rng);
    (graph, distributions)
}

fn named(one: NodeId, two: NodeId) -> Vec<(String, NodeId)> {
    vec![("a".to_owned(), one), ("b".to_owned(), two)]
}

/// Concatenation, a view of it, and back to two channels.
fn merged(b: &mut GraphBuilder, name: &str, one: NodeId, two: NodeId) -> Result<NodeId, nasprof_graph::GraphError> {
    b.scope(name, |b| {
        let y = b.add("concat", Op::Concat { axis: 1 }, &[one, two])?;
        let y = b.add("pad", Op::Pad { padding: [1, 0, 1, 0] }, &[y])?;
        let y = b.add("crop", Op::Crop { top: 1, left: 1 }, &[y])?;
        b.add("conv", Op::conv(2, 1, 1, 0), &[y])
    })
}

/// A distribution for each choice, none of its probabilities small.
pub fn distributions(graph: &Graph, rng: &mut impl Rng) -> Vec<Vec<f64>> {
    let draw = |count: usize, rng: &mut dyn RngCore| {
        let raw: Vec<f64> = (0..count).map(|_| rng.random_range(0.1..1.0)).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|p| p / sum).collect()
    };
    graph.choices().iter().map(|c| draw(c.candidates.len(), rng)).collect()
}

/// Every architecture with its probability.
pub fn architectures(graph: &Graph, distributions: &[Vec<f64>]) -> Vec<(Arch, f64)> {
    let choices = graph.choices();
    let count: usize = choices.iter().map(|c| c.candidates.len()).product();
    let of = |mut number: usize| {
        let (mut arch, mut p) = (Vec::new(), 1.0);
        for (choice, distribution) in choices.iter().zip(distributions) {
            let selected = number % choice.candidates.len();
            number /= choice.candidates.len();
            arch.push(selected as u16);
            p *= distribution[selected];
        }
        (Arch(arch), p)
    };
    (0..count).map(of).collect()
}

/// A strided convolution of two groups in any number of dimensions.
#[must_use]
pub fn conv_nd(out_channels: usize, dimensions: usize, transposed: bool) -> Op {
    Op::ConvNd {
        out_channels,
        kernel: vec![3; dimensions],
        stride: vec![2; dimensions],
        pad: vec![1; dimensions],
        dilation: vec![1; dimensions],
        output_pad: vec![usize::from(transposed); dimensions],
        groups: 2,
        bias: true,
        transposed,
    }
}
