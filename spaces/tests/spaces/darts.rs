//! Known facts about the DARTS space: sizes measured on NNabla-NAS' `darts` and `pnas`.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::passes::{elide_identities, eliminate_dead_code};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, Op};
use nasprof_spaces::darts::{Genotype, GenotypeEdge, Operation, TrainOptions};
use nasprof_spaces::{DartsSpec, Space, SpaceSpec, builtin_text};

fn spec(name: &str) -> DartsSpec {
    match SpaceSpec::parse(builtin_text(name).unwrap()).unwrap() {
        SpaceSpec::Darts(spec) => spec,
        other => panic!("{other:?}"),
    }
}

fn sized(init_channels: usize, num_cells: usize) -> DartsSpec {
    DartsSpec { init_channels, num_cells, ..spec("darts-cifar10") }
}

fn params(graph: &Graph) -> u64 {
    graph.cost().params
}

#[test]
fn supernet_parameters() {
    let shared = Space::builtin("darts-cifar10").unwrap();
    assert_eq!(params(&shared.graph), 1_987_194);
    assert_eq!(params(&shared.graph) + shared.graph.cost().buffers, 2_043_866);
    let unshared = DartsSpec { shared: false, ..spec("darts-cifar10") }.supernet(TrainOptions::default()).unwrap();
    assert_eq!(params(&unshared), 1_987_194);
    assert_eq!(unshared.choices().len(), 112);
    let pnas = Space::builtin("pnas-cifar10").unwrap();
    assert_eq!(params(&pnas.graph), 14_595_670);
    assert_eq!(params(&pnas.graph) + pnas.graph.cost().buffers, 14_816_062);
}

#[test]
fn parameters_of_each_cell() {
    let graph = Space::builtin("darts-cifar10").unwrap().graph;
    let of_cell = |i: usize| -> u64 {
        let prefix = format!("cells/{i}/");
        graph.nodes().iter().filter(|n| n.name.starts_with(&prefix)).map(|n| graph.node_cost(n).params).sum()
    };
    // The reference counts the 112 alphas of the cell as well.
    let cells = [48_752, 49_008, 150_128, 143_472, 145_520, 496_752, 471_152, 479_344].map(|n| n - 112);
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(of_cell), cells);
}

#[test]
fn architectures() {
    let shared = Space::builtin("darts-cifar10").unwrap();
    assert_eq!(shared.choices.len(), 28);
    assert_eq!(shared.choices[0].name, "normal/edge_0_2");
    assert_eq!(shared.choices[0].candidates, Operation::ALL.map(Operation::name));
    assert_eq!(shared.architectures(), num_bigint::BigUint::from(8_u32).pow(28));
    assert_eq!(spec("darts-cifar10").genotypes(), num_bigint::BigUint::from(1_037_664_180_u32).pow(2));
    let pnas = Space::builtin("pnas-cifar10").unwrap();
    assert_eq!(pnas.choices.len(), 210);
    assert_eq!(pnas.choices[0].name, "cells/0/edge_0_2");
    assert_eq!(pnas.architectures(), num_bigint::BigUint::from(8_u32).pow(210));
}

#[test]
fn discrete_networks() {
    let plain = TrainOptions::default();
    let trained = TrainOptions { drop_path: 0.2, auxiliary: true };
    let v2 = Genotype::darts_v2();
    assert_eq!(params(&sized(36, 20).network(&v2, plain).unwrap()), 3_349_342);
    let with_head = sized(36, 20).network(&v2, trained).unwrap();
    assert_eq!(params(&with_head), 3_349_342 + 476_426);
    assert_eq!(with_head.outputs().len(), 2);
    assert_eq!(params(&sized(16, 8).network(&v2, plain).unwrap()), 246_106);

    let edge = |source| GenotypeEdge { op: Operation::SepConv3x3, source };
    let all_sep = Genotype::new(vec![[edge(0), edge(1)]; 4], vec![[edge(0), edge(1)]; 4]);
    assert_eq!(params(&sized(36, 20).network(&all_sep, plain).unwrap()), 4_701_718);
    assert_eq!(params(&sized(16, 8).network(&all_sep, plain).unwrap()), 411_002);
}

#[test]
fn paths_are_dropped_on_all_but_skips() {
    let options = TrainOptions { drop_path: 0.2, auxiliary: false };
    let network = sized(16, 8).network(&Genotype::darts_v2(), options).unwrap();
    let dropped = network.nodes().iter().filter(|n| matches!(n.op, Op::DropPath { .. })).count();
    // Six normal cells with two identities among eight edges, two reduction cells with three (from inner nodes).
    assert_eq!(dropped, 6 * 6 + 2 * 5);
    let inference = elide_identities(&network);
    let plain = sized(16, 8).network(&Genotype::darts_v2(), TrainOptions::default()).unwrap();
    assert_eq!(inference, elide_identities(&plain));
}

#[test]
fn a_genotype_is_an_architecture_of_the_supernet() {
    for shared in [true, false] {
        let spec = DartsSpec { shared, ..spec("darts-cifar10") };
        let space = SpaceSpec::Darts(spec.clone()).build("darts").unwrap();
        let genotype = Genotype::darts_v2();
        let choices = spec.selections(&genotype);
        let file = ArchFile { format_version: 1, space: "darts".to_owned(), choices };
        let arch = file.resolve("darts", &space.choices).unwrap();
        let subnet = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
        let network = Runtime::TorchEager.lower(&spec.network(&genotype, TrainOptions::default()).unwrap());
        // The order in which a genotype lists a node's edges is that of their probabilities, so only costs and names
        // agree, not positions.
        assert_eq!(subnet.cost(), network.cost());
        let names = |graph: &Graph| {
            let mut names: Vec<String> = graph.nodes().iter().map(|n| n.name.clone()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&subnet), names(&network));
    }
}

#[test]
fn a_training_supernet_has_the_same_choices() {
    let spec = spec("pnas-cifar10");
    let trained = spec.supernet(TrainOptions { drop_path: 0.1, auxiliary: true }).unwrap();
    assert_eq!(trained.choices(), Space::builtin("pnas-cifar10").unwrap().choices);
    assert_eq!(params(&trained), 14_595_670 + 476_426);
    assert!(trained.clone().checked().is_ok());
    let inference = eliminate_dead_code(&elide_identities(&trained));
    assert!(inference.nodes().iter().all(|n| !matches!(n.op, Op::DropPath { .. })));
}

#[test]
fn a_genotype_of_other_cells_is_refused() {
    let spec = DartsSpec { num_choices: 3, multiplier: 3, ..spec("darts-cifar10") };
    let error = spec.network(&Genotype::darts_v2(), TrainOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "key `genotype`: key `normal`: 4 nodes, the space's cells have 3");
}
