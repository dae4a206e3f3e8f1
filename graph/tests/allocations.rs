//! What promises not to allocate.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use allocation_counter::measure;
use nasprof_graph::expectation::{ExpectedCost, Sampling};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Arch, Space};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[test]
fn selecting_and_evaluating_allocate_nothing() {
    for name in ["mobilenet-cifar10", "darts-cifar10"] {
        let space = Space::builtin(name).unwrap();
        let rng = &mut ChaCha8Rng::seed_from_u64(0);
        let archs: Vec<Arch> = (0..20).map(|_| space.sample(rng)).collect();
        let mut selector = Selector::new(&space.graph);
        let workspace = vec![1; space.graph.nodes().len()];
        let selecting = measure(|| {
            for arch in &archs {
                selector.select(arch).unwrap();
                selector.peak_bytes(&workspace);
            }
        });
        assert_eq!(selecting.count_total, 0, "{name}");

        let uniform = space.uniform_probabilities();
        let mut gradient = uniform.clone();
        let sampling = Sampling { samples: 2, seed: 0 };
        for mut expected in [
            ExpectedCost::macs(&space.graph, Runtime::TorchEager, sampling).unwrap(),
            ExpectedCost::params(&space.graph, Runtime::TorchEager, sampling).unwrap(),
            ExpectedCost::peak_memory(&space.graph, Runtime::TorchEager, |_, _, _| 1, sampling).unwrap(),
        ] {
            let evaluating = measure(|| {
                expected.evaluate(&uniform, &mut gradient).unwrap();
                expected.value(&uniform).unwrap();
            });
            assert_eq!(evaluating.count_total, 0, "{name}: {:?}", expected.method());
        }
        // Control: building the network allocates.
        assert!(measure(|| drop(Runtime::TorchEager.subnet(&space.graph, &archs[0]))).count_total > 100);
    }
}
