//! What promises not to allocate.

use allocation_counter::measure;
use nasprof_graph::expectation::{ExpectedCost, Sampling};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Arch, Overhead};
use nasprof_spaces::{Space, SpaceSpec, builtin_text};
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
            ExpectedCost::peak_memory(&space.graph, Runtime::TorchEager, |_, _, _| Overhead::default(), sampling)
                .unwrap(),
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

/// Bytes in use at once while a description is read and built, and whether it was refused.
fn building(text: &str) -> (u64, bool) {
    let mut refused = false;
    let used = measure(|| refused = SpaceSpec::parse(text).and_then(|spec| spec.build("test")).is_err());
    (used.bytes_max, refused)
}

/// A refused description costs little, whatever its numbers are.
#[test]
fn absurd_descriptions_take_little_memory() {
    const LIMIT: u64 = 8 << 20;
    let cases = [
        ("mobilenet-cifar10", "settings = [[24, 4, 1]", "settings = [[1000000000, 4, 1]"),
        ("mobilenet-cifar10", "settings = [[24, 4, 1]", "settings = [[24, 1000000000, 1]"),
        ("mobilenet-cifar10", "[24, 4, 1]", "[24, 4, 9223372036854775807]"),
        ("mobilenet-cifar10", "input = [3, 32, 32]", "input = [1000000000, 1000000000, 1000000000]"),
        ("mobilenet-cifar10", "MB3 3x3", "MB100 99x99\", \"MB1000000000 3x3"),
        ("darts-cifar10", "init_channels = 16", "init_channels = 1000000000"),
        ("darts-cifar10", "num_cells = 8", "num_cells = 1000000000"),
        ("darts-cifar10", "num_choices = 4", "num_choices = 1000000000"),
        ("zoph-cifar10", "blocks = 7", "blocks = 1000000000"),
        ("zoph-cifar10", "stem_channels = 128", "stem_channels = 1000000000"),
        ("random-wired-cifar10", "vertices = 20", "vertices = 1000000000"),
        ("random-wired-cifar10", "neighbours = 4", "neighbours = 1000000000"),
        ("random-wired-cifar10", "max_channels = 512", "max_channels = 9223372036854775807"),
        ("ofa-mbv3", "depths = [2, 3, 4]", "depths = [1000000000]"),
        ("ofa-xception", "num_classes = 1000", "num_classes = 1000000000000"),
        ("ofa-resnet50", "depths = [0, 1, 2]", "depths = [1000000000]"),
    ];
    for (name, from, to) in cases {
        let text = builtin_text(name).unwrap();
        assert!(text.contains(from), "{name}: {from}");
        let (bytes, refused) = building(&text.replacen(from, to, 1));
        assert!(refused, "{name}: {to} was accepted");
        assert!(bytes < LIMIT, "{name}: {to} took {bytes} bytes");
    }
    // Control: the measure sees what a large space takes.
    let (bytes, refused) = building(builtin_text("pnas-cifar10").unwrap());
    assert!(!refused && bytes > LIMIT / 8, "{bytes}");
}
