//! Known facts about the FairNAS spaces, measured on NNabla-NAS' `fairnas`.

use nasprof_graph::Arch;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_spaces::Space;

fn params(space: &Space, genotype: [u16; 21]) -> u64 {
    eliminate_dead_code(&select(&space.graph, &Arch(genotype.to_vec())).unwrap()).cost().params
}

#[test]
fn shipped_genotypes() {
    let cifar = Space::builtin("fairnas-cifar10").unwrap();
    let genotype = [2, 0, 1, 2, 2, 2, 0, 0, 4, 2, 5, 1, 3, 0, 1, 5, 3, 4, 5, 1, 4];
    assert_eq!(params(&cifar, genotype), 2_318_018);
    let imagenet = Space::builtin("fairnas-imagenet").unwrap();
    let genotype = [2, 2, 3, 1, 0, 0, 2, 2, 1, 1, 3, 2, 2, 2, 0, 3, 2, 0, 0, 2, 2];
    assert_eq!(params(&imagenet, genotype), 4_693_736);
}

#[test]
fn architectures() {
    let count = |name: &str| Space::builtin(name).unwrap().architectures().to_string();
    assert_eq!(count("fairnas-cifar10"), "221502229807900608");
    assert_eq!(count("fairnas-imagenet"), "782757789696");
}
