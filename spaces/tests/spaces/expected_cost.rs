//! Expected costs and their gradients, against enumeration, finite differences and drawing.

#[allow(dead_code, reason = "each test file uses a part")]
use std::collections::BTreeSet;

use nasprof_graph::cost::op_cost;
use nasprof_graph::expectation::{
    ExpectationError, ExpectedCost, Method, Sampling, keys_that_can_run, run_probabilities,
};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Graph, GraphBuilder, LayerKey, Node, Op, Overhead, Shape};
use nasprof_spaces::{Space, SpaceSpec, builtin_names};
use nasprof_testkit::graphs::{architectures, distributions, random_graph};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A cost that tells every operation and every number of operands apart.
fn cost(op: &Op, inputs: &[&Shape], output: &Shape) -> Option<f64> {
    let macs = op_cost(op, inputs, output).macs as f64;
    Some(macs + LayerKey::new(op, inputs).as_str().bytes().map(f64::from).sum::<f64>())
}

fn workspace(op: &Op, inputs: &[&Shape], _output: &Shape) -> u64 {
    if matches!(op, Op::Conv { .. }) { 100 * inputs[0].elements() } else { 8 }
}

fn overhead(op: &Op, inputs: &[&Shape], output: &Shape) -> Overhead {
    Overhead { workspace: workspace(op, inputs, output), kept: 3 * output.elements() }
}

fn latency_of(network: &Graph) -> f64 {
    network.layers().map(|(_, n)| cost(&n.op, &network.input_shapes(n), &n.shape).unwrap()).sum()
}

fn memory_of(network: &Graph) -> f64 {
    network.peak_memory_bytes(|n: &Node| overhead(&n.op, &network.input_shapes(n), &n.shape)) as f64
}

type Oracle = fn(&Graph) -> f64;

/// Each expected cost with what it is of one network.
fn all(graph: &Graph, runtime: Runtime, sampling: Sampling) -> Vec<(&'static str, ExpectedCost, Oracle)> {
    vec![
        ("latency", ExpectedCost::of_layers(graph, runtime, cost, sampling).unwrap(), latency_of),
        ("macs", ExpectedCost::macs(graph, runtime, sampling).unwrap(), |g| g.cost().macs as f64),
        ("params", ExpectedCost::params(graph, runtime, sampling).unwrap(), |g| g.cost().params as f64),
        ("memory", ExpectedCost::peak_memory(graph, runtime, overhead, sampling).unwrap(), memory_of),
    ]
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

fn zeros(probabilities: &[Vec<f64>]) -> Vec<Vec<f64>> {
    probabilities.iter().map(|p| vec![0.0; p.len()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn small_graphs_equal_enumeration(seed in any::<u64>()) {
        let (graph, probabilities) = random_graph(seed);
        for runtime in [Runtime::TorchEager, Runtime::OnnxRuntime] {
            for (name, mut expected, oracle) in all(&graph, runtime, Sampling::default()) {
                let is_sum = name != "memory" && runtime == Runtime::TorchEager;
                prop_assert_eq!(expected.method() == Method::Exact, is_sum, "{}", name);
                let mut total = 0.0;
                let mut conditional = zeros(&probabilities);
                for (arch, p) in architectures(&graph, &probabilities) {
                    let cost = oracle(&runtime.subnet(&graph, &arch).unwrap());
                    total += p * cost;
                    for ((sums, p_of), &selected) in conditional.iter_mut().zip(&probabilities).zip(&arch.0) {
                        sums[usize::from(selected)] += p * cost / p_of[usize::from(selected)];
                    }
                }
                let mut gradient = zeros(&probabilities);
                let value = expected.evaluate(&probabilities, &mut gradient).unwrap();
                prop_assert!(close(value, total), "{}: {} {}", name, value, total);
                prop_assert!(close(expected.value(&probabilities).unwrap(), value));
                for (a, b) in gradient.concat().into_iter().zip(conditional.concat()) {
                    prop_assert!(close(a, b), "{}: gradient {} {}", name, a, b);
                }
            }
        }
    }

    /// The selector against the passes: layers, costs and peak memory of each network.
    #[test]
    fn selections_equal_the_passes(seed in any::<u64>()) {
        let (graph, probabilities) = random_graph(seed);
        let mut selector = Selector::new(&graph);
        for (arch, _) in architectures(&graph, &probabilities) {
            let network = Runtime::TorchEager.subnet(&graph, &arch).unwrap();
            let selected: Vec<(String, usize)> = selector.select(&arch).unwrap().iter()
                .map(|layer| (graph.node(layer.node).name.clone(), layer.operands as usize)).collect();
            let expected: Vec<(String, usize)> =
                network.layers().map(|(_, n)| (n.name.clone(), n.inputs.len())).collect();
            prop_assert_eq!(selected, expected);
            let of = |n: &Node| workspace(&n.op, &graph.input_shapes(n), &n.shape);
            let bytes: Vec<u64> = graph.nodes().iter().map(of).collect();
            prop_assert_eq!(selector.peak_bytes(&[]), network.peak_activation_bytes());
            let working = network.peak_working_bytes(|n| workspace(&n.op, &network.input_shapes(n), &n.shape));
            prop_assert_eq!(selector.peak_bytes(&bytes), working);
        }
    }
}

fn softmax(alphas: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of = |a: &Vec<f64>| {
        let sum: f64 = a.iter().map(|x| x.exp()).sum();
        a.iter().map(|x| x.exp() / sum).collect()
    };
    alphas.iter().map(of).collect()
}

/// Through a softmax, as a search uses it.
#[test]
fn the_gradient_is_that_of_finite_differences() {
    for name in ["mobilenet-cifar10", "darts-cifar10", "zoph-cifar10", "ofa-resnet50"] {
        let graph = Space::builtin(name).unwrap().graph;
        let rng = &mut ChaCha8Rng::seed_from_u64(5);
        let alphas: Vec<Vec<f64>> =
            distributions(&graph, rng).iter().map(|d| d.iter().map(|p| 2.0 * p.ln()).collect()).collect();
        let probabilities = softmax(&alphas);
        for mut expected in [
            ExpectedCost::of_layers(&graph, Runtime::TorchEager, cost, Sampling::default()).unwrap(),
            ExpectedCost::params(&graph, Runtime::TorchEager, Sampling::default()).unwrap(),
        ] {
            let mut gradient = zeros(&probabilities);
            let value = expected.evaluate(&probabilities, &mut gradient).unwrap();
            for choice in (0..alphas.len()).step_by(5) {
                for candidate in 0..alphas[choice].len() {
                    let mut at = |step: f64| {
                        let mut moved = alphas.clone();
                        moved[choice][candidate] += step;
                        expected.value(&softmax(&moved)).unwrap()
                    };
                    let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
                    let through_softmax = probabilities[choice][candidate] * (gradient[choice][candidate] - value);
                    let scale = value.abs();
                    assert!(
                        (difference - through_softmax).abs() < 1e-7 * scale,
                        "{name}: {difference} {through_softmax}"
                    );
                }
            }
        }
    }
}

#[test]
fn large_spaces_are_exact_and_agree_with_drawing() {
    const NETWORKS: usize = 400;
    for name in builtin_names() {
        let space = Space::builtin(name).unwrap();
        let rng = &mut ChaCha8Rng::seed_from_u64(6);
        let uniform = space.uniform_probabilities();
        let networks: Vec<Graph> = (0..NETWORKS)
            .map(|_| Runtime::TorchEager.subnet(&space.graph, &space.sample(rng)).unwrap().into_graph())
            .collect();
        let sampling = Sampling { samples: 400, seed: 7 };
        for (what, mut expected, oracle) in all(&space.graph, Runtime::TorchEager, sampling) {
            match expected.method() {
                Method::Exact => assert_ne!(what, "memory"),
                Method::Enumerated { networks } => {
                    assert_eq!((what, space.networks()), ("memory", networks.into()), "{name}")
                }
                method => assert_eq!((what, method), ("memory", Method::Sampled { samples: 400, seed: 7 }), "{name}"),
            }
            let drawn: Vec<f64> = networks.iter().map(oracle).collect();
            let mean = drawn.iter().sum::<f64>() / NETWORKS as f64;
            let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (NETWORKS - 1) as f64;
            let value = expected.value(&uniform).unwrap();
            // Five standard errors; both sides are drawn for memory.
            let error = 5.0 * (2.0 * variance / NETWORKS as f64).sqrt() + 1e-9 * mean;
            assert!((value - mean).abs() <= error, "{name} {what}: {value} {mean} {error}");
        }
    }
}

/// `x → heavy → {zero, heavy2} → sum with x`: a zero takes away what feeds only it, and the sum has one operand left.
fn with_a_zero() -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8]).unwrap();
    let heavy = b.add("heavy", Op::conv(4, 3, 1, 1), &[x]).unwrap();
    let zero = b.add("zero", Op::Zero { stride: [1, 1] }, &[heavy]).unwrap();
    let after = b.add("after", Op::conv(4, 1, 1, 0), &[heavy]).unwrap();
    let choice = b.choice("choice", vec![("zero".to_owned(), zero), ("after".to_owned(), after)]).unwrap();
    let folded = b.add("folded", Op::conv(4, 5, 1, 2), &[choice]).unwrap();
    let sum = b.add("sum", Op::Add, &[x, folded]).unwrap();
    b.build(&[sum]).unwrap()
}

#[test]
fn a_zero_prunes_before_and_after_it() {
    let graph = with_a_zero();
    let macs = |name: &str| {
        let node = graph.nodes().iter().find(|n| n.name == name).unwrap();
        graph.node_cost(node).macs as f64
    };
    let mut expected = ExpectedCost::macs(&graph, Runtime::TorchEager, Sampling::default()).unwrap();
    let probabilities = vec![vec![0.25, 0.75]];
    let path = macs("heavy") + macs("after") + macs("folded");
    let mut gradient = zeros(&probabilities);
    assert!(close(expected.evaluate(&probabilities, &mut gradient).unwrap(), 0.75 * path));
    assert!(close(gradient[0][0], 0.0) && close(gradient[0][1], path));
    // Control: without folding, as the reference has it, the convolution after the zero would count in any case, and a
    // sum over candidates without pruning would count the one before it as well.
    let runs = run_probabilities(&graph, &probabilities).unwrap().unwrap();
    let unfolded: f64 = graph.nodes().iter().zip(runs).map(|(n, p)| p * graph.node_cost(n).macs as f64).sum();
    assert!(close(unfolded, 0.75 * path + 0.25 * macs("folded")));
    let unpruned = macs("heavy") + 0.75 * macs("after") + macs("folded");
    assert!(unpruned > unfolded);
}

#[test]
fn an_unknown_cost_is_named_where_it_can_arise() {
    let graph = with_a_zero();
    let without = |missing: &'static str| {
        move |op: &Op, inputs: &[&Shape], _: &Shape| (LayerKey::new(op, inputs).as_str() != missing).then_some(1.0)
    };
    let compile = |missing| ExpectedCost::of_layers(&graph, Runtime::TorchEager, without(missing), Sampling::default());
    let folded = "conv(out=4,kernel=5x5,pad=2x2)[4x8x8]";
    let error = compile(folded).unwrap_err();
    assert_eq!(error, ExpectationError::UnknownCost(LayerKey(folded.to_owned())));
    assert_eq!(error.to_string(), format!("unknown cost of layer `{folded}`"));
    // A sum of one operand never runs, and the zero itself is no layer.
    assert!(compile("add()[4x8x8]").is_ok() && compile("zero()[4x8x8]").is_ok());
    assert!(compile("add()[4x8x8,4x8x8]").is_err());
}

#[test]
fn probabilities_and_gradients_must_fit() {
    let graph = with_a_zero();
    let mut expected = ExpectedCost::macs(&graph, Runtime::TorchEager, Sampling::default()).unwrap();
    assert!(expected.value(&[]).is_err() && expected.value(&[vec![0.5, 0.6]]).is_err());
    assert!(expected.evaluate(&[vec![0.5, 0.5]], &mut [vec![0.0]]).is_err());
    assert!(expected.evaluate(&[vec![0.5, 0.5]], &mut [vec![0.0; 2]]).is_ok());
}

/// Drawn gradients are those of enumeration on average, and a seed repeats them.
#[test]
fn drawing_agrees_with_enumeration() {
    let text = |blocks: usize| {
        format!(
            "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
             settings = [[24, {blocks}, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 5x5\", \"MB6 3x3\"]\nskip_connect = true\n"
        )
    };
    let build = |blocks| SpaceSpec::parse(&text(blocks)).unwrap().build("small").unwrap().graph;
    // 3 * 4^5 = 3072 architectures are enumerated, 3 * 4^6 are drawn.
    let method = |graph: &Graph, seed| {
        ExpectedCost::peak_memory(graph, Runtime::TorchEager, overhead, Sampling { samples: 300, seed }).unwrap()
    };
    assert_eq!(method(&build(6), 0).method(), Method::Enumerated { networks: 3072 });
    let graph = build(7);
    let probabilities = distributions(&graph, &mut ChaCha8Rng::seed_from_u64(8));
    let run = |seed| {
        let mut gradient = zeros(&probabilities);
        let value = method(&graph, seed).evaluate(&probabilities, &mut gradient).unwrap();
        (value, gradient)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let (mut total, mut conditional) = (0.0, zeros(&probabilities));
    for (arch, p) in architectures(&graph, &probabilities) {
        let cost = memory_of(&Runtime::TorchEager.subnet(&graph, &arch).unwrap());
        total += p * cost;
        for ((sums, p_of), &selected) in conditional.iter_mut().zip(&probabilities).zip(&arch.0) {
            sums[usize::from(selected)] += p * cost / p_of[usize::from(selected)];
        }
    }
    let (value, gradient) = run(1);
    assert!((value / total - 1.0).abs() < 0.03, "{value} {total}");
    for (a, b) in gradient.concat().into_iter().zip(conditional.concat()) {
        assert!((a / b - 1.0).abs() < 0.03, "{a} {b}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn keys_that_can_run_are_those_of_all_networks(seed in any::<u64>()) {
        let (graph, probabilities) = random_graph(seed);
        let mut expected = BTreeSet::new();
        for (arch, _) in architectures(&graph, &probabilities) {
            let network = Runtime::TorchEager.subnet(&graph, &arch).unwrap();
            expected.extend(network.layers().map(|(_, node)| LayerKey::of(&network, node)));
        }
        let keys = keys_that_can_run(&graph).unwrap();
        for (key, witness) in &keys {
            let network = Runtime::TorchEager.subnet(&graph, witness).unwrap();
            prop_assert!(network.layers().any(|(_, node)| LayerKey::of(&network, node) == *key), "{} {:?}", key, witness);
        }
        prop_assert_eq!(keys.into_keys().collect::<BTreeSet<_>>(), expected);
    }
}
