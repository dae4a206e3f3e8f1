//! The distinct layers of supernets, counted as NNabla-NAS' `LatencyEstimator` does: all candidates are active, and a
//! module without children is identified by its text and input shapes.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::{LayerKey, Op};
use nasprof_spaces::Space;

/// Distinct layers by operation. What is no module there is left out: choices, a crop and a flattening.
fn modules(name: &str) -> BTreeMap<String, usize> {
    let space = Space::builtin(name).unwrap();
    let mut keys: BTreeMap<String, BTreeSet<LayerKey>> = BTreeMap::new();
    for node in space.graph.nodes() {
        if !matches!(node.op, Op::Input { .. } | Op::Choice { .. } | Op::Crop { .. } | Op::Flatten) {
            keys.entry(node.op.name().to_owned()).or_default().insert(LayerKey::of(&space.graph, node));
        }
    }
    keys.into_iter().map(|(op, keys)| (op, keys.len())).collect()
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(op, count)| ((*op).to_owned(), *count)).collect()
}

/// The reference counts 79: these, and the list of its architecture parameters. More channels and cells add none.
#[test]
fn darts() {
    let expected = counts(&[
        ("conv", 38),
        ("relu", 9),
        ("batch_norm", 6),
        // Of the reference's six the last is the classifier's, which covers the whole map.
        ("avg_pool", 5),
        ("global_avg_pool", 1),
        ("max_pool", 5),
        ("zero", 5),
        ("concat", 5),
        ("identity", 3),
        ("linear", 1),
    ]);
    assert_eq!(expected.values().sum::<usize>(), 78);
    for name in ["darts-cifar10", "pnas-cifar10"] {
        let mut modules = modules(name);
        modules.remove("add");
        assert_eq!(modules, expected, "{name}");
    }
}

#[test]
fn mobilenet() {
    for (name, [conv, norm, relu6], all) in
        [("mobilenet-cifar10", [82, 21, 16], 132), ("mobilenet-imagenet", [90, 27, 20], 150)]
    {
        let modules = modules(name);
        let same = [("add", 5), ("identity", 5), ("global_avg_pool", 1), ("dropout", 1), ("linear", 1)];
        let expected = [&same[..], &[("conv", conv), ("batch_norm", norm), ("relu6", relu6)]].concat();
        assert_eq!(modules, counts(&expected), "{name}");
        assert_eq!(modules.values().sum::<usize>(), all, "{name}");
    }
}

/// The reference counts 99 in its static graph: these, its input and the module that flattens.
#[test]
fn zoph() {
    let expected = counts(&[
        ("conv", 43),
        // Two to eight inputs of a block's and nine of a cell's, in each cell.
        ("concat", 24),
        ("batch_norm", 7),
        ("relu", 7),
        ("max_pool", 6),
        ("avg_pool", 3),
        ("identity", 3),
        ("zero", 3),
        ("global_avg_pool", 1),
    ]);
    assert_eq!(expected.values().sum::<usize>(), 97);
    assert_eq!(modules("zoph-cifar10"), expected);
}
