//! Known facts about the Zoph space, measured on NNabla-NAS' `zoph`.

use nasprof_graph::Arch;
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::Space;

fn space() -> Space {
    Space::builtin("zoph-cifar10").unwrap()
}

#[test]
fn supernet() {
    let space = space();
    let cost = space.graph.cost();
    assert_eq!(cost.params, 34_591_006);
    assert_eq!(cost.params + cost.buffers, 34_670_386);
    let shape = |name: &str| &space.graph.nodes().iter().find(|n| n.name == name).unwrap().shape.0;
    assert_eq!(shape("cells/0/concat"), &[1, 1152, 32, 32]);
    assert_eq!(shape("cells/1/concat"), &[1, 2304, 16, 16]);
    assert_eq!(shape("cells/2/concat"), &[1, 4608, 8, 8]);
    assert_eq!(space.graph.node(space.graph.outputs()[0]).shape.0, [1, 10]);
}

#[test]
fn architectures() {
    let space = space();
    assert_eq!(space.choices.len(), 21);
    assert!(space.choices.iter().all(|c| c.candidates.len() == 8));
    assert_eq!(space.architectures().to_string(), "9223372036854775808");
}

#[test]
fn a_zero_prunes_its_blocks_concatenation_and_convolution() {
    let space = space();
    let identities = Runtime::TorchEager.subnet(&space.graph, &Arch(vec![6; 21])).unwrap();
    let mut arch = vec![6; 21];
    arch[3] = 7;
    let one_zero = Runtime::TorchEager.subnet(&space.graph, &Arch(arch)).unwrap();
    assert_eq!(identities.layers().count() - one_zero.layers().count(), 2);
    assert!(one_zero.nodes().iter().all(|n| n.name != "cells/0/blocks/3/concat" && n.name != "cells/0/blocks/3/conv"));
    // The cell's concatenation keeps its shape, so all that follows stays as it is.
    assert_eq!(one_zero.nodes().iter().find(|n| n.name == "cells/0/concat").unwrap().shape.0, [1, 1152, 32, 32]);
}
