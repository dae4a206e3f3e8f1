//! Probabilities that nodes run, against enumeration and against drawing.

#[allow(dead_code, reason = "each test file uses a part")]
use nasprof_graph::expectation::{run_probabilities, sampled_run_probabilities};
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::{Graph, Op};
use nasprof_spaces::{Space, builtin_names};
use nasprof_testkit::graphs::{architectures, distributions, random_graph};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The sum over all architectures of the probability of those whose pruned network has the node. Choice nodes
/// themselves leave no node behind and are not looked at.
fn enumerated(graph: &Graph, distributions: &[Vec<f64>]) -> Vec<f64> {
    let mut total = vec![0.0; graph.nodes().len()];
    for (arch, p) in architectures(graph, distributions) {
        let pruned = eliminate_dead_code(&select(graph, &arch).unwrap());
        for (i, node) in graph.nodes().iter().enumerate() {
            if pruned.nodes().iter().any(|n| n.name == node.name) {
                total[i] += p;
            }
        }
    }
    total
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn exact_is_what_enumeration_gives(seed in any::<u64>()) {
        let (graph, distributions) = random_graph(seed);
        let exact = run_probabilities(&graph, &distributions).unwrap().unwrap();
        let expected = enumerated(&graph, &distributions);
        for (i, node) in graph.nodes().iter().enumerate() {
            // Inputs stay in a network that does not read them.
            if !matches!(node.op, Op::Choice { .. } | Op::Input { .. }) {
                prop_assert!((exact[i] - expected[i]).abs() < 1e-9, "{}: {} {}", node.name, exact[i], expected[i]);
            }
        }
    }
}

#[test]
fn every_builtin_space_is_exact_and_agrees_with_drawing() {
    const SAMPLES: u32 = 1000;
    for name in builtin_names() {
        let graph = Space::builtin(name).unwrap().graph;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let distributions = distributions(&graph, &mut rng);
        let exact = run_probabilities(&graph, &distributions).unwrap().expect(name);
        let sampled = sampled_run_probabilities(&graph, &distributions, SAMPLES, &mut rng).unwrap();
        for (node, (p, share)) in graph.nodes().iter().zip(exact.iter().zip(sampled)) {
            // Six standard deviations, and half a sample for probabilities next to 0 or 1.
            let near = 6.0 * (p * (1.0 - p) / f64::from(SAMPLES)).max(0.0).sqrt() + 0.5 / f64::from(SAMPLES);
            assert!((p - share).abs() <= near, "{name}: {}: {p} {share}", node.name);
        }
    }
}

#[test]
fn the_reference_states_these_for_zoph() {
    let graph = Space::builtin("zoph-cifar10").unwrap().graph;
    let distributions = distributions(&graph, &mut ChaCha8Rng::seed_from_u64(2));
    let exact = run_probabilities(&graph, &distributions).unwrap().unwrap();
    let of = |name: &str| exact[graph.nodes().iter().position(|n| n.name == name).unwrap()];
    let p = &distributions[2];
    assert!((of("cells/0/blocks/2/conv") - (1.0 - p[7])).abs() < 1e-12);
    assert!((of("cells/0/blocks/2/concat") - (1.0 - p[7])).abs() < 1e-12);
    assert!((of("cells/0/blocks/2/sep_conv_5x5/bn") - p[1]).abs() < 1e-12);
    assert_eq!(of("cells/0/blocks/2"), 1.0);
}

#[test]
fn distributions_that_do_not_fit() {
    let (graph, _) = (0..).map(random_graph).find(|(graph, _)| graph.choices().len() == 1).unwrap();
    let fails = |d: &[Vec<f64>]| run_probabilities(&graph, d).unwrap_err().to_string();
    let name = &graph.choices()[0].name;
    assert_eq!(fails(&[]), "0 distributions for 1 choices");
    assert_eq!(fails(&[vec![1.0]]), format!("choice `{name}` has 2 candidates, its distribution has 1"));
    for bad in [vec![0.5, 0.6], vec![-0.5, 1.5], vec![f64::NAN, 1.0], vec![f64::INFINITY, 0.0]] {
        let message = format!("the probabilities of choice `{name}` do not sum to 1");
        assert_eq!(fails(&[bad]), message);
    }
}
