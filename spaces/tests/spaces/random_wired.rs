//! Known facts about the randomly wired space, measured on NNabla-NAS' `random_wired`.

use nasprof_graph::Op;
use nasprof_spaces::{Space, SpaceSpec, builtin_text};

fn space(seed: u64, choose: bool) -> Space {
    let text = builtin_text("random-wired-cifar10").unwrap();
    let text = text.replace("seed = 0", &format!("seed = {seed}"));
    let text = text.replace("choose_operations = true", &format!("choose_operations = {choose}"));
    SpaceSpec::parse(&text).unwrap().build("test").unwrap()
}

#[test]
fn every_seed_gives_a_network_that_can_be_built_again() {
    for seed in 0..50 {
        for choose in [false, true] {
            let graph = space(seed, choose).graph;
            assert_eq!(graph.node(graph.outputs()[0]).shape.0, [1, 10]);
            assert_eq!(graph, space(seed, choose).graph);
            assert_eq!(graph.clone().checked().unwrap(), graph);
        }
    }
    assert_ne!(space(0, true).graph, space(1, true).graph);
}

#[test]
fn the_seed_alone_or_a_choice_per_vertex() {
    assert_eq!(space(3, false).architectures().to_string(), "1");
    let open = space(3, true);
    assert_eq!(open.choices.len(), 20);
    for choice in &open.choices {
        let names: Vec<&str> = choice.candidates.iter().map(String::as_str).collect();
        let keeping = names == ["sum", "sep_conv_3x3", "sep_conv_5x5"];
        assert!(keeping || names == ["max_pool_2x2", "avg_pool_2x2"], "{names:?}");
    }
}

#[test]
fn separable_convolutions_are_separable() {
    let graph = space(0, true).graph;
    let mut seen = 0;
    for node in graph.nodes().iter().filter(|n| n.name.ends_with("/dw")) {
        let Op::Conv { out_channels, groups, .. } = node.op else { panic!("not a convolution") };
        assert_eq!(out_channels, groups);
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn a_seed_means_the_same_in_every_version() {
    // Should this change, the space needs another kind or format version: trained networks are rebuilt from the seed.
    let params = [0, 1, 2].map(|seed| space(seed, false).graph.cost().params);
    assert_eq!(params, [4_862_902, 6_542_861, 5_345_296]);
}
