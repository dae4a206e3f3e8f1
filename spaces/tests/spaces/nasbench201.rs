//! Known facts about the space of NAS-Bench-201: counts that its data publish.

use nasprof_graph::Arch;
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::Space;

const NONE: u16 = 0;
const SKIP: u16 = 1;
const CONV1: u16 = 2;
const CONV3: u16 = 3;
const POOL: u16 = 4;

/// Parameters and MACs of a cell.
fn cost(data: &str, cell: [u16; 6]) -> (u64, u64) {
    let space = Space::builtin(&format!("nasbench201-{data}")).unwrap();
    let cost = Runtime::TorchEager.subnet(&space.graph, &Arch(cell.to_vec())).unwrap().cost();
    (cost.params, cost.macs)
}

#[test]
fn architectures() {
    let space = Space::builtin("nasbench201-cifar10").unwrap();
    let names: Vec<&str> = space.choices.iter().map(|choice| choice.name.as_str()).collect();
    assert_eq!(names, ["edge_0_1", "edge_0_2", "edge_1_2", "edge_0_3", "edge_1_3", "edge_2_3"]);
    assert_eq!(space.architectures().to_string(), "15625");
}

/// Five cells as the benchmark's data have them, the smallest and the largest for each data set: parameters, and FLOPs, of
/// which the bias of the classifier is one a class there and none here.
#[test]
fn published_counts() {
    for (data, classes, least, most) in [
        ("cifar10", 10, (73_306, 7_783_050), (1_531_546, 220_119_690)),
        ("cifar100", 100, (79_156, 7_788_900), (1_537_396, 220_125_540)),
        ("imagenet16", 120, (80_456, 1_953_400), (1_538_696, 55_037_560)),
    ] {
        for (cell, (params, flops)) in [([SKIP; 6], least), ([POOL; 6], least), ([CONV3; 6], most)] {
            assert_eq!(cost(data, cell), (params, flops - classes), "{data}: {cell:?}");
        }
    }
    // Three more cells. In tests/test_nb201_search_space.py of NASLib (automl/NASLib), from the benchmark's data:
    assert_eq!(cost("cifar10", [POOL, CONV1, SKIP, CONV1, SKIP, SKIP]), (129_306, 15_647_370 - 10));
    // The cell of a ResNet, index 11472: 0.559 and 78.56 millions in exps/NAS-Bench-201/visualize.py of the benchmark's authors
    // (D-X-Y/AutoDL-Projects). Programs that read the benchmark quote all digits of its `cost_info`.
    assert_eq!(cost("cifar10", [CONV3, NONE, CONV3, SKIP, NONE, SKIP]), (559_386, 78_561_930 - 10));
    // Index 9930 as the benchmark's API prints it, rounded: parameters in thousands, FLOPs in ten thousands.
    for (data, classes, params, flops) in
        [("cifar10", 10, 1_289, 18_473), ("cifar100", 100, 1_294, 18_474), ("imagenet16", 120, 1_296, 4_619)]
    {
        let found = cost(data, [CONV3, CONV3, CONV3, SKIP, CONV3, CONV3]);
        let rounded = |count: u64, unit: u64| (count + unit / 2) / unit;
        assert_eq!((rounded(found.0, 1_000), rounded(found.1 + classes, 10_000)), (params, flops), "{data}");
    }
    // 5 cells * (256 + 1024 + 4096 weights and 32 + 64 + 128 of normalisation).
    let (params, macs) = cost("cifar10", [CONV1, SKIP, SKIP, SKIP, SKIP, SKIP]);
    assert_eq!((params, macs), (73_306 + 28_000, 7_783_040 + 3_932_160));
}

/// What nothing reads is not run: an edge behind `none` has no cost, which the published counts include.
#[test]
fn edges_that_lead_nowhere_are_pruned() {
    let full = cost("cifar10", [CONV3, SKIP, SKIP, SKIP, SKIP, SKIP]);
    let dead = cost("cifar10", [CONV3, SKIP, NONE, SKIP, NONE, SKIP]);
    assert_eq!(dead, cost("cifar10", [SKIP; 6]));
    assert!(dead < full, "a control");
}
