//! Known facts about the MobileNet spaces, measured on NNabla-NAS' `mobilenet`.

use nasprof_graph::Arch;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::{Space, SpaceSpec};

fn space(text: &str) -> Space {
    SpaceSpec::parse(text).unwrap().build("test").unwrap()
}

fn cifar10() -> Space {
    space(include_str!("../../../configs/spaces/mobilenet-cifar10.toml"))
}

fn imagenet() -> Space {
    space(include_str!("../../../configs/spaces/mobilenet-imagenet.toml"))
}

/// The reference networks: one candidate, no skip, the settings of MobileNetV2.
fn reference(input: usize, classes: usize, settings: &str) -> Space {
    space(&format!(
        "format_version = 1\nkind = \"mobilenet\"\ninput = [3, {input}, {input}]\nnum_classes = {classes}\n\
         settings = {settings}\ncandidates = [\"MB6 3x3\"]\nskip_connect = false\n"
    ))
}

#[test]
fn supernet_parameters() {
    assert_eq!(cifar10().graph.cost().params, 11_461_370);
    assert_eq!(cifar10().graph.cost().params + cifar10().graph.cost().buffers, 11_650_138);
    assert_eq!(imagenet().graph.cost().params, 16_034_168);
    assert_eq!(imagenet().graph.cost().params + imagenet().graph.cost().buffers, 16_249_816);
}

#[test]
fn reference_networks() {
    let cifar = reference(32, 10, "[[24,2,1],[32,3,1],[64,4,2],[96,3,1],[160,3,2],[320,1,1]]");
    assert_eq!(cifar.graph.cost().params, 2_236_682);
    let imagenet = reference(224, 1000, "[[24,2,2],[32,3,2],[64,4,2],[96,3,1],[160,3,2],[320,1,1]]");
    assert_eq!(imagenet.graph.cost().params, 3_504_872);
    let macs = imagenet.graph.cost().macs as f64;
    assert!((macs / 1e9 - 0.301).abs() < 0.0005, "{macs}");
}

#[test]
fn first_candidate_everywhere() {
    for (space, params) in [(cifar10(), 1_568_954), (imagenet(), 3_191_928)] {
        let arch = Arch(vec![0; space.choices.len()]);
        let subnet = eliminate_dead_code(&select(&space.graph, &arch).unwrap());
        assert_eq!(subnet.cost().params, params);
    }
}

#[test]
fn architectures() {
    assert_eq!(cifar10().architectures().to_string(), "221502229807900608");
    assert_eq!(cifar10().choices.len(), 21);
    assert_eq!(cifar10().choices.iter().map(|c| c.candidates.len()).sum::<usize>(), 141);
}

#[test]
fn skipped_blocks_leave_nothing_behind() {
    let space = cifar10();
    let mut arch = Arch(vec![0; 21]);
    let full = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    arch.0[1] = 6; // the second block of the first stage keeps its shape
    let skipped = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    // expand (3), depthwise (3), project (2), add
    assert_eq!(full.layers().count() - skipped.layers().count(), 9);
    assert!(skipped.nodes().iter().all(|n| !n.name.starts_with("blocks/1/")));
}
